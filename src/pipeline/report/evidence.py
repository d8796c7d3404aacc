"""How many sources have a QPO, and on what evidence."""

import numpy as np
from numpy.typing import ArrayLike

SIGNIFICANT_Q = 0.01
"""Largest false-discovery rate at which a peak counts as a QPO."""


def qpo_sentence(frequencies: ArrayLike, q_values: ArrayLike, min_q: float = 2.0) -> str:
    """Return how many sources have a QPO, in words that say why.

    A peak is in the catalogue because the information criterion took it; how often noise does the same only a
    simulated p-value tells.

    Parameters
    ----------
    frequencies, q_values : array-like, shape (sources,)
        Of each source ``qpo_frequency`` and ``qpo_q_value``; NaN or None where there is none.
    min_q : float
        Quality factor above which a Lorentzian is called a QPO.
    """
    peak = np.isfinite(np.asarray(frequencies, float))
    q = np.asarray(q_values, float)
    peaks, tested = int(peak.sum()), int((peak & np.isfinite(q)).sum())
    narrow = f"with a Lorentzian of Q > {min_q:g}"
    if not np.isfinite(q).any():
        return f"{peaks} {narrow} (no p-values)"
    significant = int((peak & (q <= SIGNIFICANT_Q)).sum())
    text = f"{significant} with a QPO (false-discovery rate at most {100 * SIGNIFICANT_Q:g} %)"
    rest = [
        f"{number} {why}"
        for number, why in (
            (tested - significant, "not significant"),
            (peaks - tested, "without a p-value"),
        )
        if number
    ]
    return f"{text}, {peaks - significant} more {narrow} ({', '.join(rest)})" if rest else text
