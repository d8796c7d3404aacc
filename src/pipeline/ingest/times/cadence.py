"""How far apart the bins of a light curve are, by their times, which may be rounded."""

import numpy as np

_WINDOWS = (64, 16)
_RUNS, _RUN = 32, 2048
_STEADY = 0.9
_LONG = 4.0
_SAME = 1e-3
_ROUNDED = 1.25
_COARSE, _NEAR, _TWO = 0.1, 0.01, 0.05


def spacing(times: np.ndarray) -> float:
    """Return the spacing of regular times, s; the median of those that are not; NaN where there is none.

    Of times rounded to a few digits, the differences are not the spacing: of bins of 1 s whose times have
    six decimals of a day, they are 0.95 or 1.04 s. Over n - 1 of them the rounding is n - 1 times less:
    taken is (t_n - t_1) / (n - 1) of windows without long gaps, where those agree.

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


def _differences(times) -> np.ndarray:
    """Return the differences of neighbouring times; of very many, in runs spread over them."""
    n = len(times)
    if n <= _RUNS * _RUN:
        return np.diff(times)
    first = np.linspace(0, n - _RUN - 1, _RUNS).astype(int)
    return np.concatenate([np.diff(times[i : i + _RUN + 1]) for i in first])


def _of_windows(differences, width, middle) -> float | None:
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


def _rounding(differences) -> float:
    """Return the step to which times are rounded, s, by their differences; 0 if they are not.

    Differences of regular times that are rounded have two values, a step apart.
    """
    low, high = np.percentile(differences, (5, 95))
    between = differences[(differences >= low) & (differences <= high)]
    place = (between - low) / (high - low) if high > low else np.zeros(1)
    values = np.abs(place - np.rint(place)) < _TWO
    return float(high - low) if np.count_nonzero(values) >= _STEADY * len(place) else 0.0


def unrounded(times: np.ndarray, dt: float) -> tuple[np.ndarray, bool]:
    """Put rounded times of regular bins back on the grid that they are of.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In order, s.
    dt : float
        Width of a bin, s.

    Returns
    -------
    times : ndarray, shape (n,)
        In each run without gaps, `dt` apart, with the same mean as before. As they were where they are not
        rounded by a good part of a bin, or are not of such a grid.
    changed : bool
        Whether any is another.
    """
    step = spacing(times)
    if len(times) < 2 * _WINDOWS[-1] or not abs(step - dt) <= _NEAR * dt:
        return times, False
    some = _differences(times)
    close = some[some <= _LONG * max(step, np.median(some[some > 0]))]
    rounding = _rounding(close)
    if rounding <= _COARSE * step:
        return times, False
    differences = np.diff(times)
    run = np.concatenate([[0], np.cumsum(differences > step + _ROUNDED * rounding)])
    first = np.searchsorted(run, np.arange(run[-1] + 1))
    grid = (np.arange(len(times)) - first[run]) * step
    grid += (np.bincount(run, times - grid) / np.bincount(run))[run]
    off = np.zeros(run[-1] + 1)
    np.maximum.at(off, run, np.abs(grid - times))
    kept = (off <= _ROUNDED * rounding)[run]
    if np.count_nonzero(kept) < _STEADY * len(times):
        return times, False
    return np.where(kept, grid, times), True
