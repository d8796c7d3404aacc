"""False-discovery rates over the sources of a catalogue."""

import numpy as np


def q_values(p_values):
    """Return the false-discovery rates at which tests are significant (Benjamini & Hochberg 1995).

    J. R. Stat. Soc. B 57, 289. The smallest rate at which each is among the discoveries; NaN stays NaN.

    Parameters
    ----------
    p_values : array, shape (tests,)
        NaN where there was no test.
    """
    p = np.asarray(p_values, float)
    out, there = np.full(p.shape, np.nan), np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there])]
    rates = p[order] * order.size / np.arange(1, order.size + 1)
    out[order] = np.minimum.accumulate(rates[::-1])[::-1].clip(max=1.0)
    return out
