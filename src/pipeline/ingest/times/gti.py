"""Good time intervals as arrays of shape (n, 2), s: the tables that apply, and arithmetic."""

import re
from collections.abc import Sequence

import numpy as np

_NEIGHBOURS, _SPACINGS = 32, 1.5
_STANDARD = ("GTI", "STDGTI", "SRC_GTIS", "ALLGTI")
_PER_DETECTOR = re.compile(r"(\D*GTI\D*?)[_-]?([0-9]{1,9})")
_BACKGROUND = re.compile(r"BKG|BACK")


def standard(names: Sequence[str]) -> list[int]:
    """Choose the tables of good time intervals that apply to the data of a file.

    Parameters
    ----------
    names : sequence of str
        EXTNAME of each table of good time intervals, in the order of the file.

    Returns
    -------
    list of int
        Those of one name: the standard one (GTI, STDGTI, SRC_GTIS, ALLGTI: OGIP and the missions'
        entries in xselect.mdb), or else one a detector (STDGTI01, GTI003), or else any that is not
        a background's.
    """
    upper = [name.strip().upper() for name in names]
    for wanted in _STANDARD:
        if wanted in upper:
            return [i for i, name in enumerate(upper) if name == wanted]
    source = [i for i, name in enumerate(upper) if not is_background(name)]
    for i in source:
        if stem := _stem(upper[i]):
            return [j for j in source if _stem(upper[j]) == stem]
    return source[:1] or list(range(min(1, len(upper))))


def is_background(name: str) -> bool:
    """Return whether a table is for a background by its EXTNAME."""
    return bool(_BACKGROUND.search(name.upper()))


def _stem(name: str) -> str:
    """Return the name of a table for one detector without the detector's number; empty if it has none."""
    found = _PER_DETECTOR.fullmatch(name)
    return found[1] if found else ""


def combine(tables: Sequence[np.ndarray], per_detector: bool) -> np.ndarray:
    """Make one list of the chosen tables.

    Parameters
    ----------
    tables : sequence of ndarray, shape (n, 2)
        Merged intervals.
    per_detector : bool
        Time is good where any detector is on: the union. Otherwise each table is another
        criterion that time must meet: the intersection, unless that is empty.
    """
    if per_detector:
        return merge(np.concatenate(tables))
    result = tables[0]
    for table in tables[1:]:
        result = intersect(result, table)
    return result if len(result) else merge(np.concatenate(tables))


def detector(name: str) -> int | None:
    """Return the number of the one detector that a table is for by its EXTNAME, None if for all."""
    found = _PER_DETECTOR.fullmatch(name.strip().upper())
    return int(found[2]) if found else None


def of_times(times: np.ndarray) -> np.ndarray:
    """Return good time intervals from the times of events alone: their span without gaps beyond chance.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Arrival times, s, in order.

    Returns
    -------
    ndarray, shape (m, 2)
        A gap is one that the rate of the `_NEIGHBOURS` spacings on either side, whichever is lower, has
        less than once in 10,000 lists by chance. An interval reaches half a mean spacing over its first and
        its last event.
    """
    distinct = times[np.append(True, np.diff(times) > 0)] if len(times) else times
    spacing = np.diff(distinct)
    if len(spacing) < _NEIGHBOURS:
        return np.array([[times[0], times[-1]]])
    # An exponential's median is ln 2 of its mean; _SPACINGS covers the error of a median of 32.
    limit = (np.log(len(spacing)) + np.log(1e4)) * _SPACINGS / np.log(2)
    asked = np.flatnonzero(spacing > limit * np.median(spacing))
    if not len(asked):
        return np.array([[times[0], times[-1]]])
    local = np.fmax(_median_beside(spacing, asked, -1), _median_beside(spacing, asked, 1))
    gaps = asked[spacing[asked] > limit * local]
    first = np.concatenate([[0], gaps + 1])
    last = np.concatenate([gaps, [len(distinct) - 1]])
    return _widened(distinct, first, last)


def _median_beside(spacing: np.ndarray, index: np.ndarray, side: int) -> np.ndarray:
    """Return the median of the spacings before (-1) or after (1) those of an index, NaN where there are few."""
    result = np.full(len(index), np.nan)
    steps = side * np.arange(1, _NEIGHBOURS + 1)
    for part in range(0, len(index), 4096):
        place = index[part : part + 4096, np.newaxis] + steps
        near = np.where(
            (place >= 0) & (place < len(spacing)),
            spacing[np.clip(place, 0, len(spacing) - 1)],
            np.nan,
        )
        enough = np.count_nonzero(np.isfinite(near), axis=1) >= _NEIGHBOURS // 4
        result[part : part + 4096][enough] = np.nanmedian(near[enough], axis=1)
    return result


def _widened(times: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return intervals from one time to another, half a mean spacing longer at either end."""
    start, stop = times[first], times[last]
    half = np.where(last > first, (stop - start) / np.maximum(last - first, 1) / 2, 0.0)
    start, stop = start - half, stop + half
    start[0], stop[-1] = times[0], times[-1]
    return np.column_stack([start, stop])


def merge(intervals: np.ndarray) -> np.ndarray:
    """Sort intervals, drop those that are empty or not finite, join those that touch or overlap.

    Starts and stops are sorted each for themselves: time is good while more intervals have begun
    than ended, whichever of them they were.
    """
    start, stop = np.asarray(intervals, dtype=float).reshape(-1, 2).T
    good = (stop > start) & np.isfinite(stop) & np.isfinite(start)
    return _join(np.sort(start[good]), np.sort(stop[good]), 0.0)


def close_gaps(intervals: np.ndarray, gap: float) -> np.ndarray:
    """Join merged intervals that are at most `gap` seconds apart."""
    return _join(intervals[:, 0], intervals[:, 1], gap)


def _join(start: np.ndarray, stop: np.ndarray, gap: float) -> np.ndarray:
    """Return intervals from starts to stops, both sorted, that are more than `gap` seconds apart."""
    if not len(start):
        return np.empty((0, 2))
    apart = start[1:] > stop[:-1] + gap
    return np.column_stack([start[np.append(True, apart)], stop[np.append(apart, True)]])


def intersect(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the time in both of two lists of merged intervals."""
    edges = np.concatenate([a[:, 0], b[:, 0], a[:, 1], b[:, 1]])
    order = np.argsort(edges, kind="stable")
    edges = edges[order]
    depth = np.cumsum(np.where(order < len(a) + len(b), 1, -1))  # lists that are open after an edge
    good = (depth[:-1] == 2) & (edges[1:] > edges[:-1])
    return np.column_stack([edges[:-1][good], edges[1:][good]])


def inside(times: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Return which times lie in merged intervals, both ends included, as booleans."""
    if not len(intervals):
        return np.zeros(len(times), dtype=bool)
    before = np.searchsorted(intervals[:, 0], times, side="right") - 1
    return (before >= 0) & (times <= intervals[np.maximum(before, 0), 1])


def in_order(times: np.ndarray) -> bool:
    """Return whether no time is earlier than the one before it; NaN is not in order."""
    return bool(np.all(times[1:] >= times[:-1])) and not np.isnan(times[:1]).any()


def inside_in_order(times: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Return the same as `inside` for times in order, faster: by a search an interval, not one a time."""
    places = np.column_stack(
        [
            np.searchsorted(times, intervals[:, 0], side="left"),
            np.searchsorted(times, intervals[:, 1], side="right"),
        ]
    )
    lengths = np.diff(places.ravel(), prepend=0, append=len(times))
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def overlap(start: np.ndarray, stop: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Return how much of each bin from `start` to `stop` lies in merged intervals, s."""
    ends = intervals.ravel()
    lengths = np.diff(ends)
    lengths[1::2] = 0.0
    good = np.concatenate([[0.0], np.cumsum(lengths)])
    return np.interp(stop, ends, good) - np.interp(start, ends, good)


def total(intervals: np.ndarray) -> float:
    """Return the sum of the lengths of merged intervals, s."""
    return float(np.sum(intervals[:, 1] - intervals[:, 0]))
