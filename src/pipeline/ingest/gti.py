"""Good time intervals as arrays of shape (n, 2), s: which table to believe, and arithmetic."""

import re
from collections.abc import Sequence

import numpy as np

_STANDARD = ("GTI", "STDGTI", "SRC_GTIS", "ALLGTI")
_PER_DETECTOR = re.compile(r"(STDGTI|GTI|GTI_CCD)_?(\d+)")
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
    for pattern, match in ((_PER_DETECTOR, True), (_BACKGROUND, False)):
        chosen = [i for i, name in enumerate(upper) if bool(pattern.match(name)) is match]
        if chosen:
            return chosen if match else chosen[:1]
    return list(range(min(1, len(upper))))


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
    return _join(*intervals.T, gap)


def _join(start, stop, gap) -> np.ndarray:
    """Return intervals between the starts and stops where more than `gap` seconds lie between both."""
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
    """Return what `inside` does, of times that are in order: a search an interval, not one a time."""
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
