"""Spectra of very many bins on fewer, so that one of them does not hold up its shard."""

import numpy as np


def shortened(row, most):
    """Return a spectrum with at most `most` bins, neighbours averaged where it has more.

    The lowest bins stay as they are; above them groups grow with frequency, as in a logarithmic
    rebinning, to about most / 6 bins in a factor e of the frequency.

    Parameters
    ----------
    row : mapping
        ``frequency_lo``, ``frequency_hi``, ``power``, ``n`` and ``power_err``, each of shape (bins,) or empty; bins
        in the order of frequency.
    most : int
        Bins, at least 16.

    Returns
    -------
    mapping
        `row` itself where it is short enough. Powers are averaged by n, or by the widths of the bins where n is
        not known; those that are no numbers, or have no weight, are left out. ``rebinned`` is true.
    """
    bins = len(row["power"])
    if bins <= most:
        return row
    starts = _starts(bins, most)
    low, high, power = (
        np.asarray(row[name], float) for name in ("frequency_lo", "frequency_hi", "power")
    )
    n, error = (np.asarray(row[name], float) for name in ("n", "power_err"))
    weight = n if len(n) else high - low
    good = np.isfinite(power) & np.isfinite(weight) & (weight > 0)
    if len(error):
        good &= np.isfinite(error) & (error > 0)
    weight = np.where(good, weight, 0.0)
    total = np.add.reduceat(weight, starts)

    summed = np.add.reduceat(np.where(good, power, 0.0) * weight, starts)
    low, high = low[starts], high[np.append(starts[1:], bins) - 1]
    if len(error):  # of a weighted mean, sqrt(sum w^2 e^2) / sum w
        squares = np.add.reduceat(np.where(good, error * weight, 0.0) ** 2, starts)
        error = np.where(total > 0, np.sqrt(squares) / np.where(total > 0, total, 1.0), np.inf)
    return {
        **row,
        "frequency": (low + high) / 2,
        "frequency_lo": low,
        "frequency_hi": high,
        "power": summed / np.where(total > 0, total, 1.0),
        "n": total if len(n) else n,
        "power_err": error,
        "widths_known": True,
        "rebinned": True,
    }


def _starts(bins, most):
    """First bin of each group: single bins up to one place, then groups in proportion to their place."""
    first, last = 1.0, float(most)
    for _ in range(60):  # how many bins stay single, by bisection
        single = (first + last) / 2
        fits = single * (1 + np.log(bins / single)) < most
        first, last = (single, last) if fits else (first, single)
    single = max(int(first) - 1, 1)
    upper = np.geomspace(single, bins, max(most - single, 1), endpoint=False)
    return np.unique(np.concatenate([np.arange(single), np.ceil(upper).astype(int)]))
