"""Good time intervals, and the segments that fit into them."""

import numpy as np

TOLERANCE = 1e-5
"""Seconds by which a good time interval may be too short for a whole number of segments."""


MOST_BINS = 1 << 34
"""Most bins of a series: two years at 4 ms, which take minutes to transform. Where there are more, the good time
intervals or the width of the bins must be wrong."""

MOST_SEGMENTS = 1 << 24
"""Most segments of a series: a few numbers of each are kept in memory."""


def merge(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort good time intervals, and make one of those that touch or overlap.

    Parameters
    ----------
    start, stop : ndarray, shape (n_gti,)
        Seconds. Intervals that are empty or not finite are left out.

    Returns
    -------
    start, stop : ndarray, shape (n_merged,)
        Sorted and disjoint.
    """
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    good = np.isfinite(start) & np.isfinite(stop) & (stop > start)
    if not good.any():
        return start[good], stop[good]
    # In a gap as many intervals have ended as have begun, so starts and ends can be sorted independently.
    start, stop = np.sort(start[good]), np.sort(stop[good])
    apart = start[1:] > stop[:-1]
    return start[np.append(True, apart)], stop[np.append(apart, True)]


def whole_bins(start: np.ndarray, stop: np.ndarray, dt: float) -> np.ndarray:
    """Return how many whole bins of `dt` seconds fit into each interval, as int64."""
    tolerance = min(TOLERANCE, dt / 2)
    bins = (np.asarray(stop) - np.asarray(start) + tolerance) / dt
    return np.floor(np.minimum(bins, 2 * MOST_BINS)).astype(np.int64)


def segment_offsets(bins: np.ndarray, n_bin: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay segments end to end from the start of each interval; what is left over is not used.

    Parameters
    ----------
    bins : ndarray of int, shape (n_interval,)
        Whole bins in each interval.
    n_bin : int
        Bins in a segment.

    Returns
    -------
    interval : ndarray of int, shape (m,)
        The interval each segment lies in.
    offset : ndarray of int, shape (m,)
        Bins from the start of that interval to the start of the segment.
    """
    count = np.asarray(bins) // n_bin
    interval = np.repeat(np.arange(len(count)), count)
    position = np.arange(len(interval)) - np.repeat(np.cumsum(count) - count, count)
    return interval, position * n_bin


def exposed_fraction(
    time: np.ndarray, dt: float, start: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Return the fraction of each bin that lies inside good time intervals.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Centres of the bins, s.
    dt : float
        Their width, s.
    start, stop : ndarray, shape (n_gti,)
        Sorted, disjoint intervals, s; see `merge`.
    """
    if not len(start):
        return np.zeros(len(time))
    edges = np.column_stack([start, stop]).ravel()
    good = np.column_stack([np.zeros(len(start)), stop - start]).ravel().cumsum()
    before, after = np.interp([time - dt / 2, time + dt / 2], edges, good)
    return (after - before) / dt


def common(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the time that is good in both of two lists of intervals.

    Parameters
    ----------
    one, other : tuple of ndarray
        Starts and stops, s, sorted and disjoint; see `merge`.

    Returns
    -------
    start, stop : ndarray, shape (n_common,)
        Sorted and disjoint.
    """
    edges = np.unique(np.concatenate([*one, *other]))
    if len(edges) < 2:
        return np.zeros(0), np.zeros(0)
    middle = (edges[1:] + edges[:-1]) / 2
    good = _contain(one, middle) & _contain(other, middle)
    return merge(edges[:-1][good], edges[1:][good])


def _contain(intervals, time):
    """Return which times lie in sorted, disjoint intervals."""
    start, stop = intervals
    last = np.searchsorted(start, time, "right") - 1
    inside = last >= 0
    inside[inside] = time[inside] < stop[last[inside]]
    return inside
