"""Good time intervals, and the segments that fit into them."""

import numpy as np

TOLERANCE = 1e-5
"""Seconds that a good time interval may lack of a whole number of segments."""


MOST_BINS = 1 << 34
"""Bins of a product beyond which its good time intervals, or its bins, are taken to be wrong: two
years at 4 ms. It takes some minutes to transform them."""

MOST_SEGMENTS = 1 << 24
"""Segments of a product beyond which they are too short: there are some numbers of each in memory."""


def merge(start, stop):
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
    # As many have ended as have begun where a gap is: which of them they were does not matter.
    start, stop = np.sort(start[good]), np.sort(stop[good])
    apart = start[1:] > stop[:-1]
    return start[np.append(True, apart)], stop[np.append(apart, True)]


def whole_bins(start, stop, dt):
    """Return how many whole bins of `dt` seconds fit into each interval, as int64."""
    tolerance = min(TOLERANCE, dt / 2)
    bins = (np.asarray(stop) - np.asarray(start) + tolerance) / dt
    return np.floor(np.minimum(bins, 2 * MOST_BINS)).astype(np.int64)


def segment_offsets(bins, n_bin):
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


def exposed_fraction(time, dt, start, stop):
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
