"""The noise level that was subtracted from a power spectrum, by its powers and their errors.

The error of an average of n ordinates of a periodogram is its expectation over sqrt(n), and the
expectation includes the noise (van der Klis 1989). Errors therefore tell what was subtracted from
powers: error sqrt(n) = power + level. Some programs write the scatter of the ordinates over sqrt(n) in
the place of that; it is the same on average, and varies by 1 / sqrt(n) of itself.
"""

from dataclasses import dataclass

import numpy as np

_LEAST_BINS = 16
_MOST_BINS = 1000
"""Bins that a level is fitted to: of more, every so-manieth."""

_STEPS, _FINE_STEPS = 60, 30
_LARGEST_ERROR = 0.2
"""Relative standard error above which a level is not told by a spectrum."""

_NONE = 0.05
"""Part of the lowest power below which a level is that of no subtraction."""

_BIAS = 1.25
"""The median of the logarithm of a sample's error lies by this over n below that of its expectation."""

_HUGE, _TELLING = 1e9, 0.97
"""A level has to make errors and powers agree by this factor better than errors that know no power."""

_WORST = 5.0
"""Such a scatter above which errors do not follow the power."""

_ALIKE, _PART, _LEAST_N = 4, 0.02, 0.5
"""So many neighbours, and such a part of all, have the same power over error if it includes the noise."""

_ROUNDS = 2
_INEFFICIENCY = 1.5
"""Standard error of a fit by absolute deviations over the least possible one, measured: 0.9 to 2.0."""

_LEAST_ORDINATES = 16
_NEIGHBOURS = 10
_PAIRS, _TOLD, _AGREEING = 8, 1e-3, 2e-4
_EXACT = 0.3
"""Scatter of the errors, in units of that of a sample's, below which they are computed from powers."""


@dataclass(frozen=True)
class NoiseLevel:
    """What was subtracted from a power spectrum.

    Attributes
    ----------
    level, level_err : float
        The level and its standard error, in the unit of the powers; 0 where the powers include it.
    n : ndarray, shape (n_bins,)
        Ordinates that were averaged in each bin.
    """

    level: float
    level_err: float
    n: np.ndarray


def estimate(power: np.ndarray, error: np.ndarray, width: np.ndarray) -> NoiseLevel | None:
    """Estimate the noise level that powers are without, and the number of ordinates of each bin.

    Parameters
    ----------
    power, error : ndarray, shape (n_bins,)
        Powers and their standard errors, finite, errors positive.
    width : ndarray, shape (n_bins,)
        Widths of the bins, Hz: the number of ordinates in a bin is proportional to it.

    Returns
    -------
    NoiseLevel or None
        None where the errors do not tell it: too few bins, or errors that do not follow the power.
    """
    if len(power) < _LEAST_BINS:
        return None
    with np.errstate(all="ignore"):  # numbers near the ends of their range tell nothing
        found = _estimate(*(np.asarray(a, float) for a in (power, error, width)))
    if found is None or not np.isfinite([found.level, found.level_err, *found.n]).all():
        return None
    return found


def lowest(power: np.ndarray, width: np.ndarray) -> float:
    """Return about the lowest level of a power spectrum: the least of its averages of many bins.

    Parameters
    ----------
    power, width : ndarray, shape (n_bins,)
        Powers and widths of the bins.
    """
    parts = np.array_split(np.arange(len(power)), min(8, len(power)))
    with np.errstate(all="ignore"):
        return float(min(np.average(power[p], weights=width[p]) for p in parts))


def _estimate(power, error, width):
    """Do the work of `estimate`."""
    if not (np.isfinite(error).all() and error.min() > 0 and width.min() > 0):
        return None
    level, pairs = _of_pairs(power, error)
    own = np.where(power > 0, power / error, np.nan) ** 2
    alike = np.abs(own[1:] / own[:-1] - 1) < _AGREEING
    if level is None and own.min() > _LEAST_N and alike.sum() >= max(_ALIKE, _PART * len(own)):
        return NoiseLevel(0.0, 0.0, own)
    paired = level is not None
    if paired:
        n = _misfit(level, power, error, np.sqrt(width))[1] * width
    else:
        level, n = _fit(power, error, width)
    total = power + level
    own = np.where(total > 0, total / error, 0.0) ** 2
    scatter = _scatter(own, n)
    exact = scatter < _EXACT
    if not (paired or scatter < _WORST):
        return None
    for _ in range(0 if exact or paired else _ROUNDS):
        wide = n > _LEAST_ORDINATES
        if wide.sum() < _LEAST_BINS:
            break
        unbiased = error[wide] * np.exp(_BIAS / n[wide])
        level, of_wide = _fit(power[wide], unbiased, width[wide])
        n = of_wide[0] / width[wide][0] * width
    if not (paired or exact):
        root, huge = np.sqrt(width), _HUGE * (np.abs(power).max() + level)
        without = _misfit(huge, power, error, root)[0]  # as if errors were the same at all powers
        if not _misfit(level, power, error, root)[0] < _TELLING * without:
            return None
    level_err = _standard_error(level, power, n) * (_EXACT if exact or paired else 1.0)
    if exact:
        n = own
    elif paired:
        n = width * np.minimum(np.median((own / width)[pairs]), _smooth(own / width))
    floor = lowest(power, width)
    if level < max(3 * level_err, _NONE * floor) and 3 * level_err < floor / 2:
        return NoiseLevel(0.0, level_err, n if level == 0 or not exact else (power / error) ** 2)
    if not level_err < _LARGEST_ERROR * level:
        return None
    return NoiseLevel(level, level_err, n)


def _of_pairs(power, error):
    """Return the level that many pairs of neighbours of equal n agree on, None without such, and these.

    Two bins of the same n have errors in the ratio of their powers with the noise: that gives the level.
    """
    fall = error[:-1] - error[1:]
    told = np.abs(fall) > _TOLD * error[1:]
    levels = ((power[1:] * error[:-1] - power[:-1] * error[1:])[told]) / -fall[told]
    positive = levels > max(0.0, -power.min() / 2)
    order = np.argsort(levels[positive])
    levels = levels[positive][order]
    count = max(_PAIRS, round(_PART * len(power)))
    if len(levels) < count:
        return None, None
    spans = levels[count - 1 :] / levels[: 1 - count]
    best = int(np.argmin(spans))
    if not spans[best] <= 1 + _AGREEING:
        return None, None
    level = float(np.median(levels[best : best + count]))
    agreeing = np.abs(levels / level - 1) < _AGREEING
    return level, np.flatnonzero(told)[positive][order][agreeing]


def _smooth(values):
    """Return the median of each value and its neighbours."""
    padded = np.pad(values, _NEIGHBOURS, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1), axis=1)


def _fit(power, error, width):
    """Return the level at which errors are proportional to power, and the ordinates of the bins."""
    every, step = width, -(-len(power) // _MOST_BINS)
    power, error, width = power[::step], error[::step], width[::step]
    root = np.sqrt(width)
    least = np.median(error * root) / root.max()
    grid = np.geomspace(1e-3 * least, 1e3 * max(np.abs(power).max(), least), _STEPS)
    grid = np.concatenate([[0.0], grid])
    for steps in (_FINE_STEPS, _FINE_STEPS, 0):
        best = int(np.argmin([_misfit(level, power, error, root)[0] for level in grid]))
        if steps:
            grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], steps)
    _, density = _misfit(grid[best], power, error, root)
    return float(grid[best]), density * every


def _misfit(level, power, error, root):
    """Return the weighted absolute deviation of log errors at a level, and ordinates a Hz there."""
    total = power + level
    good = total > 0.05 * level
    weight = root / root.max()
    if not good.any():
        return np.inf, np.nan
    residual = np.log(error[good] * root[good] / total[good])
    order = np.argsort(residual)
    share = np.cumsum(weight[good][order])
    middle = residual[order][np.searchsorted(share, share[-1] / 2)]
    deviation = weight[good] @ np.abs(residual - middle)
    return deviation + weight[~good].sum(), np.exp(-2 * middle)


def _scatter(own, n):
    """Return the scatter of errors about those of n ordinates, 1 for those from samples."""
    wide = (n >= np.median(n)) & (own > 0)
    if not wide.any():
        return np.inf
    return np.median(np.abs(np.log(own[wide] / n[wide])) * np.sqrt(n[wide])) / 2 / 0.6745


def _standard_error(level, power, n):
    """Return the standard error of a level where log errors scatter by 1 / sqrt(n)."""
    total = np.maximum(power + level, 0.05 * level + 1e-300)
    slope = 1 / total  # of log(power + level) by the level; that by the logarithm of n is 1 / 2
    ss, s1, s0 = n @ slope**2, n @ slope, n.sum()
    spread = ss - s1**2 / s0
    return _INEFFICIENCY * spread**-0.5 if spread > 0 else np.inf
