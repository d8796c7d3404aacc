"""A limit to the frequency bins of a power spectrum, because the time of a fit is proportional to their number."""

from bisect import bisect_right

import numpy as np
from scipy.special import fdtrc, ndtr

from pipeline.segment.spectrum.rebin import Spectrum

GROUPS, OUTLIERS = 3 / 4, 1 / 16
"""Parts of the allowed bins: most groups of neighbours, and most outliers, each of which takes up to four more bins."""
ALPHA = 1e-3
"""Expected number of outliers in a spectrum by chance."""
LEAST = 4
"""Fewest neighbours in a group in which an outlier is looked for."""
HOLE = 0.1
"""Largest distance between two bins, in widths of a bin, that is not a hole between them."""


def coarsen(spectrum: Spectrum, most: int) -> Spectrum:
    """Average neighbours, more of them at higher frequencies, until at most `most` bins are left.

    A bin that stands out of its group, as a coherent oscillation does, is kept apart with the bins on
    its two sides: averaged with hundreds of others it would be lost.

    Parameters
    ----------
    spectrum : Spectrum
        Bins in order of frequency, each with n > 0 or a finite error.
    most : int
        Bins to leave at most, at least 64.

    Returns
    -------
    Spectrum
        The spectrum itself where it has no more bins than that. Powers are averaged by their numbers
        of ordinates or, with Gaussian errors, by the widths of the bins: never by errors, which follow the
        power.
    """
    if len(spectrum.power) <= most:
        return spectrum
    first = _groups(spectrum, int(GROUPS * most))
    outliers = _outliers(spectrum, first)[: int(OUTLIERS * most)]
    own = np.add.outer(outliers, [-1, 0, 1, 2]).ravel()
    first = np.union1d(first, own[(own > 0) & (own < len(spectrum.power))])
    return averaged(spectrum, first)


def averaged(spectrum: Spectrum, first: np.ndarray) -> Spectrum:
    """Average the bins of a spectrum in groups.

    Parameters
    ----------
    spectrum : Spectrum
        Bins in order of frequency.
    first : ndarray of int, shape (n_groups,)
        The first bin of each group, increasing from 0.
    """
    gaussian = not len(spectrum.n)
    weight = spectrum.frequency_hi - spectrum.frequency_lo if gaussian else spectrum.n
    total = np.add.reduceat(weight, first)
    nothing = np.zeros(0)
    errors = nothing
    if gaussian:
        errors = np.sqrt(np.add.reduceat((weight * spectrum.power_err) ** 2, first)) / total
    return Spectrum(
        frequency=np.add.reduceat(weight * spectrum.frequency, first) / total,
        frequency_lo=spectrum.frequency_lo[first],
        frequency_hi=spectrum.frequency_hi[np.append(first[1:], len(weight)) - 1],
        power=np.add.reduceat(weight * spectrum.power, first) / total,
        n=nothing if gaussian else total,
        power_err=errors,
    )


def _groups(spectrum: Spectrum, most: int) -> np.ndarray:
    """Return the first bin of each group, with the narrowest groups that give at most `most` of them."""
    hole = spectrum.frequency_lo[1:] - spectrum.frequency_hi[:-1]
    width = spectrum.frequency_hi - spectrum.frequency_lo
    breaks = 1 + np.flatnonzero(hole > HOLE * width[1:])
    if len(breaks) > most // 8:  # a comb: its holes mean nothing
        breaks = np.zeros(0, np.int64)
    lo, hi = spectrum.frequency_lo.tolist(), spectrum.frequency_hi.tolist()
    centre = spectrum.frequency.tolist()

    def cut(fraction: float) -> np.ndarray:
        first: list[int] = []
        position = 0
        while position < len(lo) and len(first) <= most:
            first.append(position)
            end = bisect_right(hi, lo[position] + fraction * centre[position], position)
            position = max(position + 1, end)
        return np.union1d(first, breaks)

    narrow, wide = 0.0, 1e-4
    while len(cut(wide)) > most and wide < 1e3:
        narrow, wide = wide, 2 * wide
    for _ in range(12):
        middle = (narrow + wide) / 2
        narrow, wide = (narrow, middle) if len(cut(middle)) <= most else (middle, wide)
    return cut(wide)


def _outliers(spectrum: Spectrum, first: np.ndarray) -> np.ndarray:
    """Return the bins that stand out of their group, the least probable first."""
    power, count = spectrum.power, np.diff(np.append(first, len(spectrum.power)))
    group = np.repeat(np.arange(len(first)), count)
    order = np.lexsort((power, group))
    highest = order[np.cumsum(count) - 1]
    if len(spectrum.n):
        n = spectrum.n[highest]
        others = np.add.reduceat(spectrum.n, first) - n
        rest = np.add.reduceat(spectrum.n * power, first) - n * power[highest]
    else:
        others = np.maximum(count - 1, 1).astype(float)
        rest = np.add.reduceat(power, first) - power[highest]
    searched = (count >= LEAST) & (others > 0)
    mean = rest[searched] / others[searched]
    highest = highest[searched]
    if len(spectrum.n):
        ratio = np.divide(power[highest], mean, out=np.zeros(len(mean)), where=mean > 0)
        p = fdtrc(2 * n[searched], 2 * others[searched], ratio)
    else:
        p = ndtr((mean - power[highest]) / spectrum.power_err[highest])
    found = p * len(power) < ALPHA
    return highest[found][np.argsort(p[found], kind="stable")]
