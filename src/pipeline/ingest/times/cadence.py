"""The width and the spacing of the bins of a light curve, by keywords and by times, which may be rounded."""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.times import DAY

_WINDOWS = (64, 16)
_RUNS, _RUN = 32, 2048
_STEADY = 0.9
_LONG = 4.0
_SAME = 1e-3
_ROUNDED = 1.25
_COARSE, _NEAR, _TWO = 0.1, 0.01, 0.05
_SHORT = 1e-2
"""A TIMEDEL below this fraction of the spacing of the times may be in a longer unit than TIMEUNIT."""


def spacing(times: np.ndarray) -> float:
    """Return the spacing of regular times, s; the median of those that are not; NaN where there is none.

    The differences of times that are rounded to a few digits are not the spacing: those of bins of 1 s whose
    times have six decimals of a day are 0.95 or 1.04 s. Over n - 1 bins the rounding is n - 1 times less.
    So the spacing is (t_n - t_1) / (n - 1) of windows without long gaps, if the windows agree.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In order, s.
    """
    differences = _differences(times)
    positive = differences[differences > 0]
    if not len(positive):
        return float("nan")
    middle = float(np.median(positive))
    for width in _WINDOWS:
        steady = _of_windows(differences, width, middle)
        if steady is not None:
            return steady
    return middle


def _differences(times: np.ndarray) -> np.ndarray:
    """Return the differences of neighbouring times; of very many times, those in runs spread over them."""
    n = len(times)
    if n <= _RUNS * _RUN:
        return np.diff(times)
    first = np.linspace(0, n - _RUN - 1, _RUNS).astype(int)
    return np.concatenate([np.diff(times[i : i + _RUN + 1]) for i in first])


def _of_windows(differences: np.ndarray, width: int, middle: float) -> float | None:
    """Return the mean spacing of windows of `width` bins that have no long gap, None if they disagree."""
    count = len(differences) // width
    if count < 2:
        return None
    windows = differences[: count * width].reshape(count, width)
    windows = windows[windows.max(axis=1) <= _LONG * middle]
    if len(windows) < max(2, count // 10):
        return None
    means = windows.mean(axis=1)
    typical = float(np.median(means))
    rounding = _rounding(windows.ravel())
    alike = np.abs(means - typical) <= max(_ROUNDED * rounding / width, _SAME * typical)
    if np.count_nonzero(alike) < _STEADY * len(means):
        return None
    return float(means[alike].mean())


def _rounding(differences: np.ndarray) -> float:
    """Return the step to which times are rounded, s, by their differences; 0 if they are not rounded.

    The differences of regular times that are rounded have two values, one step apart.
    """
    low, high = np.percentile(differences, (5, 95))
    between = differences[(differences >= low) & (differences <= high)]
    place = (between - low) / (high - low) if high > low else np.zeros(1)
    values = np.abs(place - np.rint(place)) < _TWO
    return float(high - low) if np.count_nonzero(values) >= _STEADY * len(place) else 0.0


@dataclass(frozen=True)
class Regular:
    """Times of regular bins.

    Attributes
    ----------
    times : ndarray, shape (n,)
        In order, s.
    changed : bool
        Whether they were rounded, and were put on a grid.
    """

    times: np.ndarray
    changed: bool


def unrounded(times: np.ndarray, dt: float) -> Regular:
    """Put rounded times of regular bins back on their grid.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In order, s.
    dt : float
        Width of a bin, s.

    Returns
    -------
    Regular
        In each run without gaps, times are `dt` apart and have the same mean as before. Times that are not
        rounded by a good part of a bin, or are not on such a grid, are left as they are.
    """
    step = spacing(times)
    if len(times) < 2 * _WINDOWS[-1] or not abs(step - dt) <= _NEAR * dt:
        return Regular(times, False)
    some = _differences(times)
    close = some[some <= _LONG * max(step, np.median(some[some > 0]))]
    rounding = _rounding(close)
    if rounding <= _COARSE * step:
        return Regular(times, False)
    differences = np.diff(times)
    run = np.concatenate([[0], np.cumsum(differences > step + _ROUNDED * rounding)])
    first = np.searchsorted(run, np.arange(run[-1] + 1))
    grid = (np.arange(len(times)) - first[run]) * step
    grid += (np.bincount(run, times - grid) / np.bincount(run))[run]
    off = np.zeros(run[-1] + 1)
    np.maximum.at(off, run, np.abs(grid - times))
    kept = (off <= _ROUNDED * rounding)[run]
    if np.count_nonzero(kept) < _STEADY * len(times):
        return Regular(times, False)
    return Regular(np.where(kept, grid, times), True)


@dataclass(frozen=True)
class BinWidth:
    """Width of the bins of a light curve.

    Attributes
    ----------
    dt : float
        Width, s; NaN if it cannot be told.
    measured : bool
        Whether it is the spacing of the times, because TIMEDEL is missing or contradicts them.
    """

    dt: float
    measured: bool


def bin_width(keywords: TimeKeywords, times: np.ndarray, unit: float = 1.0) -> BinWidth:
    """Return the width of the bins of a light curve: TIMEDEL, or the spacing of the times.

    Bins may be missing, so that the spacing is larger than TIMEDEL, but they cannot overlap.

    Parameters
    ----------
    keywords : TimeKeywords
        Those that hold for its table; TIMEDEL is in units of TIMEUNIT.
    times : ndarray, shape (n,)
        Finite, in order, s.
    unit : float, optional
        Seconds in the unit of the column of times. TIMEDEL is in that unit if there is no TIMEUNIT and it
        fits the times better than seconds.
    """
    differences = np.diff(times)
    differences = differences[differences > 0]
    measured = spacing(times)
    declared = (keywords.timedel or 0.0) * keywords.unit
    for other in [DAY] if keywords.has_timeunit else [unit, DAY]:
        if declared < _SHORT * measured and abs(declared * other - measured) <= _NEAR * measured:
            declared *= other  # in the unit of the column, or in days
    enough = 2 * np.count_nonzero(differences > 0.99 * declared) >= len(differences)
    if declared > 0 and (enough or measured > 0.99 * declared):
        return BinWidth(declared, False)
    return BinWidth(measured, True)


def bin_centres(times: np.ndarray, dt: float, keywords: TimeKeywords) -> np.ndarray:
    """Return the centres of bins whose times are at TIMEPIXR of them.

    Parameters
    ----------
    times : ndarray, shape (n,)
        s.
    dt : float
        Width of a bin, s.
    keywords : TimeKeywords
        Those that hold for the table.
    """
    position = keywords.position
    if position is None or position == 0.5:
        return times
    return times + (0.5 - position) * dt
