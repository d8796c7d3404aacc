"""The noise level that was subtracted from a power spectrum, from its powers and their errors.

The error of an average of n ordinates of a periodogram is its expectation over sqrt(n), and the
expectation includes the noise (van der Klis 1989). So the errors give the level that was subtracted from the
powers: error sqrt(n) = power + level. Some programs write the scatter of the ordinates over sqrt(n) instead. It
is the same on average, with a relative scatter of 1 / sqrt(n).
"""

from dataclasses import dataclass

import numpy as np

_LEAST_BINS = 16
_MOST_BINS = 1000
"""Most bins that a level is fitted to: of more, every second, third, … one."""

_STEPS, _FINE_STEPS = 60, 30
_LARGEST_ERROR = 0.2
"""A level with a larger relative standard error is not known."""

_NONE = 0.05
"""A level below this fraction of the lowest power means that nothing was subtracted."""

_BIAS = 1.25
"""The median of the logarithm of a sample's error is lower than that of its expectation by this over n."""

_HUGE, _TELLING = 1e9, 0.97
"""The misfit at a level, relative to that of errors that do not depend on power, must be below this."""

_WORST = 5.0
"""Errors with a larger scatter do not follow the power."""

_ALIKE, _PART, _LEAST_N = 4, 0.02, 0.5
"""If powers include the noise, at least this number, and this fraction, of neighbouring bins have the same ratio of
power and error; and n is at least the third number."""

_ROUNDS = 2
_INEFFICIENCY = 1.5
"""Standard error of a fit by absolute deviations, relative to the least possible one; measured: 0.9 to 2.0."""

_LEAST_ORDINATES = 16
_NEIGHBOURS = 10
_PAIRS, _TOLD, _AGREEING = 8, 1e-3, 2e-4
_EXACT = 0.3
"""Errors with a smaller scatter, relative to that of a sample's errors, were computed from the powers."""


@dataclass(frozen=True)
class NoiseLevel:
    """The noise level that was subtracted from a power spectrum.

    Attributes
    ----------
    level, level_err : float
        The level and its standard error, in the unit of the powers; 0 where the powers include it.
    n : ndarray, shape (n_bins,)
        Number of ordinates that were averaged in each bin.
    """

    level: float
    level_err: float
    n: np.ndarray


def estimate(power: np.ndarray, error: np.ndarray, width: np.ndarray) -> NoiseLevel | None:
    """Estimate the noise level that was subtracted, and the number of ordinates of each bin.

    Parameters
    ----------
    power, error : ndarray, shape (n_bins,)
        Powers and their standard errors, finite, errors positive.
    width : ndarray, shape (n_bins,)
        Widths of the bins, Hz: the number of ordinates in a bin is proportional to it.

    Returns
    -------
    NoiseLevel or None
        None if the errors do not tell the level: too few bins, or errors that do not follow the power.
    """
    if len(power) < _LEAST_BINS:
        return None
    with np.errstate(all="ignore"):  # overflows give numbers that are refused below
        found = _estimate(*(np.asarray(a, float) for a in (power, error, width)))
    if found is None or not np.isfinite([found.level, found.level_err, *found.n]).all():
        return None
    return found


def lowest(power: np.ndarray, width: np.ndarray) -> float:
    """Return roughly the lowest level of a power spectrum: the least of its averages over many bins.

    Parameters
    ----------
    power, width : ndarray, shape (n_bins,)
        Powers and widths of the bins.
    """
    parts = np.array_split(np.arange(len(power)), min(8, len(power)))
    with np.errstate(all="ignore"):
        return float(min(np.average(power[p], weights=width[p]) for p in parts))


def _estimate(power: np.ndarray, error: np.ndarray, width: np.ndarray) -> NoiseLevel | None:
    """Estimate the noise level; see `estimate`."""
    if not (np.isfinite(error).all() and error.min() > 0 and width.min() > 0):
        return None
    pairs = _of_pairs(power, error)
    own = np.where(power > 0, power / error, np.nan) ** 2
    alike = np.abs(own[1:] / own[:-1] - 1) < _AGREEING
    if pairs is None and own.min() > _LEAST_N and alike.sum() >= max(_ALIKE, _PART * len(own)):
        return NoiseLevel(0.0, 0.0, own)
    if pairs is not None:
        level = pairs.level
        n = _misfit(level, power, error, np.sqrt(width)).density * width
    else:
        first = _fit(power, error, width)
        level, n = first.level, first.n
    total = power + level
    own = np.where(total > 0, total / error, 0.0) ** 2
    scatter = _scatter(own, n)
    exact = scatter < _EXACT
    if pairs is None:
        if not scatter < _WORST:
            return None
        if not exact:
            refined = _refined(_Fit(level, n), power, error, width)
            level, n = refined.level, refined.n
            if not _errors_follow(level, power, error, width):
                return None
    precise = exact or pairs is not None
    level_err = _standard_error(level, power, n) * (_EXACT if precise else 1.0)
    if exact:
        n = own
    elif pairs is not None:
        density = own / width
        n = width * np.minimum(np.median(density[pairs.index]), _smooth(density))
    floor = lowest(power, width)
    if level < max(3 * level_err, _NONE * floor) and 3 * level_err < floor / 2:
        return NoiseLevel(0.0, level_err, n if level == 0 or not exact else (power / error) ** 2)
    return NoiseLevel(level, level_err, n) if level_err < _LARGEST_ERROR * level else None


def _refined(fit: "_Fit", power: np.ndarray, error: np.ndarray, width: np.ndarray) -> "_Fit":
    """Fit the level again to bins of many ordinates, without the bias of a sample's errors."""
    for _ in range(_ROUNDS):
        wide = fit.n > _LEAST_ORDINATES
        if wide.sum() < _LEAST_BINS:
            break
        unbiased = error[wide] * np.exp(_BIAS / fit.n[wide])
        of_wide = _fit(power[wide], unbiased, width[wide])
        fit = _Fit(of_wide.level, of_wide.n[0] / width[wide][0] * width)
    return fit


def _errors_follow(level: float, power: np.ndarray, error: np.ndarray, width: np.ndarray) -> bool:
    """Return whether errors follow the powers with this level better than errors that are alike."""
    root, huge = np.sqrt(width), _HUGE * (np.abs(power).max() + level)
    without = _misfit(
        huge, power, error, root
    ).deviation  # as if errors were the same at all powers
    return bool(_misfit(level, power, error, root).deviation < _TELLING * without)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of neighbouring bins of equal n that agree on a level.

    Attributes
    ----------
    level : float
        The level.
    index : ndarray of int
        Number of the first bin of each pair.
    """

    level: float
    index: np.ndarray


def _of_pairs(power: np.ndarray, error: np.ndarray) -> _Pairs | None:
    """Return the level on which many pairs of neighbouring bins agree, None if there are too few.

    Two bins of the same n have errors in the ratio of their powers with the noise, and this gives the level.
    """
    fall = error[:-1] - error[1:]
    differ = np.abs(fall) > _TOLD * error[1:]
    levels = ((power[1:] * error[:-1] - power[:-1] * error[1:])[differ]) / -fall[differ]
    positive = levels > max(0.0, -power.min() / 2)
    order = np.argsort(levels[positive])
    levels = levels[positive][order]
    count = max(_PAIRS, round(_PART * len(power)))
    if len(levels) < count:
        return None
    spans = levels[count - 1 :] / levels[: 1 - count]
    best = int(np.argmin(spans))
    if not spans[best] <= 1 + _AGREEING:
        return None
    level = float(np.median(levels[best : best + count]))
    agreeing = np.abs(levels / level - 1) < _AGREEING
    return _Pairs(level, np.flatnonzero(differ)[positive][order][agreeing])


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return the median of each value and its neighbours."""
    padded = np.pad(values, _NEIGHBOURS, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1), axis=1)


@dataclass(frozen=True)
class _Fit:
    """A level, and the ordinates of the bins at it, shape (n_bins,)."""

    level: float
    n: np.ndarray


def _fit(power: np.ndarray, error: np.ndarray, width: np.ndarray) -> _Fit:
    """Return the level at which errors are proportional to power, and the ordinates of the bins."""
    every, step = width, -(-len(power) // _MOST_BINS)
    power, error, width = power[::step], error[::step], width[::step]
    root = np.sqrt(width)
    least = np.median(error * root) / root.max()
    grid = np.geomspace(1e-3 * least, 1e3 * max(np.abs(power).max(), least), _STEPS)
    grid = np.concatenate([[0.0], grid])
    for steps in (_FINE_STEPS, _FINE_STEPS, 0):
        best = int(np.argmin([_misfit(level, power, error, root).deviation for level in grid]))
        if steps:
            grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], steps)
    density = _misfit(grid[best], power, error, root).density
    return _Fit(float(grid[best]), density * every)


@dataclass(frozen=True)
class _Misfit:
    """How errors disagree with a level.

    Attributes
    ----------
    deviation : float
        Weighted sum of the absolute deviations of log errors.
    density : float
        Ordinates a Hz.
    """

    deviation: float
    density: float


def _misfit(level: float, power: np.ndarray, error: np.ndarray, root: np.ndarray) -> _Misfit:
    """Compare errors with a level; `root` is the square root of the widths of the bins."""
    total = power + level
    good = total > 0.05 * level
    weight = root / root.max()
    if not good.any():
        return _Misfit(np.inf, np.nan)
    residual = np.log(error[good] * root[good] / total[good])
    order = np.argsort(residual)
    share = np.cumsum(weight[good][order])
    middle = residual[order][np.searchsorted(share, share[-1] / 2)]
    deviation = weight[good] @ np.abs(residual - middle)
    return _Misfit(deviation + weight[~good].sum(), np.exp(-2 * middle))


def _scatter(own: np.ndarray, n: np.ndarray) -> float:
    """Return the scatter of errors about those of n ordinates; 1 for errors from samples."""
    wide = (n >= np.median(n)) & (own > 0)
    if not wide.any():
        return np.inf
    return np.median(np.abs(np.log(own[wide] / n[wide])) * np.sqrt(n[wide])) / 2 / 0.6745


def _standard_error(level: float, power: np.ndarray, n: np.ndarray) -> float:
    """Return the standard error of a level where log errors scatter by 1 / sqrt(n)."""
    total = np.maximum(power + level, 0.05 * level + 1e-300)
    slope = 1 / total  # of log(power + level) by the level; that by the logarithm of n is 1 / 2
    ss, s1, s0 = n @ slope**2, n @ slope, n.sum()
    spread = ss - s1**2 / s0
    return _INEFFICIENCY * spread**-0.5 if spread > 0 else np.inf
