"""The noise level that was subtracted from a power spectrum, by its powers and their errors.

The error of an average of n ordinates of a periodogram is its expectation over sqrt(n), and the
expectation includes the noise (van der Klis 1989). Errors therefore tell what was subtracted from
powers: error sqrt(n) = power + level. Some programs write the scatter of the ordinates over sqrt(n) in
the place of that; it is the same on average, and varies by 1 / sqrt(n) of itself.
"""

from dataclasses import dataclass

import numpy as np

_LEAST_BINS = 16
_STEPS = 120
_LARGEST_ERROR = 0.2
"""Relative standard error above which a level is not told by a spectrum."""

_NONE = 0.05
"""Part of the lowest power below which a level is that of no subtraction."""

_BIAS = 1.25
"""The median of the logarithm of a sample's error lies by this over n below that of its expectation."""

_WORST = 5.0
"""Such a scatter above which errors do not follow the power."""

_ROUNDS = 3
_LEAST_ORDINATES = 16
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
    if not (np.isfinite(error).all() and error.min() > 0 and width.min() > 0):
        return None
    level = _of_pairs(power, error)
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
    level_err = _standard_error(level, power, n) * (_EXACT if exact or paired else 1.0)
    if exact:
        n = own
    floor = _floor(power, width)
    if level < max(3 * level_err, _NONE * floor) and 3 * level_err < floor / 2:
        return NoiseLevel(0.0, level_err, n if level == 0 or not exact else (power / error) ** 2)
    if not level_err < _LARGEST_ERROR * level:
        return None
    return NoiseLevel(level, level_err, n)


def _of_pairs(power, error):
    """Return the level that many pairs of neighbours of equal n agree on, None without such.

    Two bins of the same n have errors in the ratio of their powers with the noise: that gives the level.
    """
    fall = error[:-1] - error[1:]
    told = np.abs(fall) > _TOLD * error[1:]
    levels = ((power[1:] * error[:-1] - power[:-1] * error[1:])[told]) / -fall[told]
    levels = np.sort(levels[levels > max(0.0, -power.min() / 2)])
    if len(levels) < _PAIRS:
        return None
    spans = levels[_PAIRS - 1 :] / levels[: 1 - _PAIRS]
    best = int(np.argmin(spans))
    if spans[best] > 1 + _AGREEING:
        return None
    return float(np.median(levels[best : best + _PAIRS]))


def _fit(power, error, width):
    """Return the level at which errors are proportional to power, and the ordinates of the bins."""
    root = np.sqrt(width)
    least = np.median(error * root) / root.max()
    grid = np.geomspace(1e-3 * least, 1e3 * max(np.abs(power).max(), least), _STEPS)
    grid = np.concatenate([[0.0], grid])
    for steps in (_STEPS, _STEPS, 0):
        best = int(np.argmin([_misfit(level, power, error, root)[0] for level in grid]))
        if steps:
            grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], steps)
    _, density = _misfit(grid[best], power, error, root)
    return float(grid[best]), density * width


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
    return spread**-0.5 if spread > 0 else np.inf


def _floor(power, width):
    """Return about the lowest level of a power spectrum: the least of its averages of many bins."""
    parts = np.array_split(np.arange(len(power)), 8)
    return min(np.average(power[p], weights=width[p]) for p in parts)
