"""The good time intervals of a file: the tables and detectors that apply, on the clock of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.ingest import keyword
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions.registry import DETECTOR_COLUMNS
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import gti
from pipeline.ingest.times.clock import Clock
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.ingest.times.reference import Days, clock_of, of_pairs
from pipeline.status import Flag, Status
from pipeline.times import DAY

EDGES = (
    *(("START", "STOP"), ("TSTART", "TSTOP"), ("START", "END"), ("START_TIME", "STOP_TIME")),
    *(("START_TIME", "END_TIME"), ("TIME_START", "TIME_STOP"), ("GTI_START", "GTI_STOP")),
)
"""Columns of a table of good time intervals: OGIP's, and others in use."""

MOST_DETECTORS = 64

LIGHT_TIME = 510.0
"""Seconds that the barycentric correction can be: 1 AU, and a little for the Sun's own way."""

NO_FLAG = Flag(0)
_LOOKED_AT = 1 << 14
_LEAST = 30
_OUTSIDE = 0.01
_SPACINGS, _BINS = 30.0, 3.0


@dataclass(frozen=True)
class GoodTime:
    """Good time intervals.

    Attributes
    ----------
    intervals : ndarray, shape (m, 2)
        Merged, s from the reference epoch of the data; none if the file has none.
    clock : Clock
        That of the data; it has the reference epoch of the intervals if it had none of its own.
    flags : Flag
        CLOCKS_DIFFER.
    """

    intervals: np.ndarray
    clock: Clock
    flags: Flag = NO_FLAG


@dataclass(frozen=True)
class Timed:
    """The table of data for which good time is wanted.

    Attributes
    ----------
    hdu : Hdu
        The table.
    clock : Clock
        Its clock.
    seconds : ndarray, shape (n,)
        Its times, s; those that are not finite do not count.
    dt : float
        Width of the bins of a light curve, s; 0 for events.
    other : ndarray, shape (n,), or None
        The same times on the clock of column TIME, where another column was chosen.
    """

    hdu: Hdu
    clock: Clock
    seconds: np.ndarray
    dt: float = 0.0
    other: np.ndarray | None = None


def read(hdus: Sequence[Hdu], data: Timed) -> GoodTime:
    """Read the good time intervals of a file.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file.
    data : Timed
        The table of the data.

    Returns
    -------
    GoodTime
        On the clock that the headers say, if the times lie in the intervals so. Else on a clock that the
        numbers agree with, and flagged: with the epoch or the offset of the data in the place of their
        own, with column TIME, or by the light time to the barycentre.

    Raises
    ------
    Rejected
        BAD_TIME, saying where times and intervals lie, if they agree on no such clock. NO_DATA if the tables
        have no interval with a length: by OGIP no time is good then.
    """
    tables = [hdu for hdu in hdus if is_table(hdu)]
    standard = [tables[i] for i in gti.standard([table.name for table in tables])]
    chosen = _of_detectors(standard, data.hdu)
    times = _in_order(data.seconds)
    if not chosen.tables or not len(times):
        return GoodTime(np.empty((0, 2)), data.clock)
    keywords = TimeKeywords.of(data.hdu.header, hdus[0].header)
    found = [_read_table(hdu, data.clock, keywords) for hdu in chosen.tables]
    first = found[0]
    ways = [
        gti.combine(lists, chosen.per_detector)
        for lists in zip(*(table.ways for table in found), strict=False)
    ]
    if not any(len(intervals) for intervals in ways):
        if any(table.endless for table in found):
            return GoodTime(np.empty((0, 2)), data.clock)
        return _without_good_time(chosen.tables, data.clock)
    stated = ways[0]
    if (mapped := _by_other_column(stated, times, data)) is not None:
        return GoodTime(mapped, data.clock, Flag.CLOCKS_DIFFER)
    for number, intervals in enumerate(ways):
        if _fits(times, intervals, data):
            other_clock = number >= first.stated or first.impossible
            return _good_time(intervals, first.clock, data.clock, keywords, other_clock)
    moved = shift(times, stated, data.dt)
    if moved is None and _overlap(stated, times):
        return GoodTime(stated, data.clock)  # the intervals hold no data
    by_light = data.clock.barycentred and not first.clock.barycentred
    if moved is not None and abs(moved) <= LIGHT_TIME and by_light:
        return GoodTime(stated + moved, data.clock, Flag.CLOCKS_DIFFER)
    raise Rejected(Status.BAD_TIME, _disagreement(times, stated, moved, chosen.tables[0].name))


def _without_good_time(tables: Sequence[Hdu], clock: Clock) -> GoodTime:
    """Refuse data whose tables have no interval with a length; those of a background say nothing of the data."""
    if gti.is_background(tables[0].name):
        return GoodTime(np.empty((0, 2)), clock)
    names = ", ".join(dict.fromkeys(table.name or "GTI" for table in tables))
    rows = sum(keyword.whole(table.header.get("NAXIS2")) or 0 for table in tables)
    start, stop = edge_columns(tables[0]) or EDGES[0]
    found = f"none of {rows} has a {stop} after its {start}" if rows else "there is none"
    reason = f"its good time intervals ({names}) leave no time ({found}): mend them, or remove them"
    raise Rejected(Status.NO_DATA, reason)


def _by_other_column(stated: np.ndarray, times: np.ndarray, data: Timed) -> np.ndarray | None:
    """Return intervals brought from the clock of column TIME; None if they are not on it."""
    if data.other is None:
        return None
    if not _part_inside(data.other, stated) > _part_inside(data.seconds, stated):
        return None
    mapped = on_other_clock(stated, data.other, data.seconds)
    return mapped if agree(times, mapped, data.dt) else None


def _fits(times: np.ndarray, intervals: np.ndarray, data: Timed) -> bool:
    """Return whether some times lie in intervals, and all may be on one clock with them."""
    some = bool(gti.inside_in_order(times, intervals).any())
    some = some or _part_inside(data.seconds, intervals) > 0  # a few of very many may
    return some and agree(times, intervals, data.dt)


def _good_time(
    intervals: np.ndarray, own: Clock, clock: Clock, keywords: TimeKeywords, other_clock: bool
) -> GoodTime:
    """Return intervals that agree with the data; data without an epoch get that of the intervals.

    They are flagged if they agree on another clock than their header says, or if the header of the data
    names an epoch that cannot be right.
    """
    adopted = clock.day < 0 <= own.day
    differ = other_clock or (adopted and keywords.names_epoch)
    clock = _with_epoch_of(own, clock) if adopted else clock
    return GoodTime(intervals, clock, Flag.CLOCKS_DIFFER if differ else NO_FLAG)


def is_table(hdu: Hdu) -> bool:
    """Return whether an HDU is a table of good time intervals."""
    named = "GTI" in hdu.name.upper() or str(hdu.header.get("HDUCLAS1", "")).strip() == "GTI"
    return named and edge_columns(hdu) is not None


def edge_columns(hdu: Hdu) -> tuple[str, str] | None:
    """Return the columns with starts and stops, None if there are none."""
    return next((pair for pair in EDGES if set(pair) <= set(hdu.columns)), None)


def _part_inside(seconds: np.ndarray, intervals: np.ndarray) -> float:
    """Return the fraction of times, in any order, that lie in intervals."""
    return float(np.mean(gti.inside(seconds, intervals))) if len(seconds) else 0.0


def _in_order(seconds: np.ndarray) -> np.ndarray:
    """Return the finite times in order; of very many, a part and both ends."""
    some = seconds[:: 1 + len(seconds) // _LOOKED_AT]
    ends = np.array(
        [np.fmin.reduce(seconds, initial=np.inf), np.fmax.reduce(seconds, initial=-np.inf)]
    )
    some = np.concatenate([some, ends])
    return np.sort(some[np.isfinite(some)])


def agree(times: np.ndarray, intervals: np.ndarray, dt: float = 0.0) -> bool:
    """Return whether times and merged intervals may be on one clock.

    They are not if some times lie outside the intervals, and all would lie inside if they were moved by
    some seconds. Times outside are no fault by themselves: lists that were not filtered have them.

    Parameters
    ----------
    times : ndarray, shape (n,)
        In order, s.
    intervals : ndarray, shape (m, 2)
        s.
    dt : float, optional
        Width of the bins of a light curve, s; 0 for events.
    """
    inside = np.count_nonzero(gti.inside_in_order(times, intervals))
    return bool(inside >= (1 - _OUTSIDE) * len(times)) or shift(times, intervals, dt) is None


def shift(times: np.ndarray, intervals: np.ndarray, dt: float = 0.0) -> float | None:
    """Return by how many seconds times are later than the merged intervals that they all belong to.

    None where they are not moved as a whole, or by less than can be told, which is some spacings of the
    events, or bins. For the parameters see `agree`.
    """
    if len(times) < _LEAST or not len(intervals):
        return None
    first, last = times[0] - intervals[0, 0], times[-1] - intervals[-1, 1]
    near = _BINS * dt if dt else _SPACINGS * gti.total(intervals) / len(times)
    moved = (first + last) / 2
    if abs(first - last) > near or abs(moved) <= near:
        return None
    wide = gti.close_gaps(intervals + moved + np.array([-near, near]), 0.0)
    inside = np.count_nonzero(gti.inside_in_order(times, wide))
    before = np.count_nonzero(gti.inside_in_order(times, intervals))
    return moved if inside >= (1 - _OUTSIDE / 10) * len(times) and inside > before else None


def on_other_clock(intervals: np.ndarray, other: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Bring intervals from the clock of one column of times to that of another.

    Parameters
    ----------
    intervals : ndarray, shape (m, 2)
        s, on the clock of `other`.
    other, seconds : ndarray, shape (n,)
        The same times on either clock, s.
    """
    finite = np.flatnonzero(np.isfinite(other) & np.isfinite(seconds))
    order = finite[np.argsort(other[finite], kind="stable")]
    if not len(order):
        return intervals
    return intervals + np.interp(intervals, other[order], (seconds - other)[order])


@dataclass(frozen=True)
class _Table:
    """A table of good time intervals.

    Attributes
    ----------
    ways : list of ndarray, shape (m, 2)
        Its intervals by each way to read its clock, merged, s from the epoch of the data.
    stated : int
        How many of these ways, the first ones, are as its header says.
    clock : Clock
        Its own.
    impossible : bool
        Whether its header names an epoch that cannot be right.
    endless : bool
        Whether an interval begins or ends at infinity, which bounds nothing.
    """

    ways: list[np.ndarray]
    stated: int
    clock: Clock
    impossible: bool
    endless: bool


@dataclass(frozen=True)
class _Edges:
    """Starts and stops of a table as numbers, shape (n, 2), with their unit, keywords and clock."""

    raw: np.ndarray
    unit: str
    keywords: TimeKeywords
    clock: Clock


def _read_table(hdu: Hdu, clock: Clock, keywords: TimeKeywords) -> _Table:
    """Read one table of good time intervals, for data with a clock and time keywords.

    A table without TIMEZERO of its own shares that of the data, as RXTE's do, unless that moves it away
    from them: NuSTAR's light curves count from TIMEZERO, their intervals do not.
    """
    try:
        edges = _read_edges(hdu, keywords.scale)
    except Rejected as rejected:
        reason = f"its good time intervals ({hdu.name}): {rejected.reason}"
        raise Rejected(rejected.status, reason) from rejected
    own = edges.clock
    has_unit, declared = bool(edges.unit) or "TIMEUNIT" in hdu.header, edges.keywords.offset
    data_zero = (keywords.offset or 0.0) if clock.zero else 0.0
    if own.day < 0:
        zero = clock.zero - data_zero + (declared or 0.0)
        base = replace(clock, unit=own.unit if has_unit else clock.unit, zero=zero)
    else:
        base = own if has_unit else replace(own, unit=clock.unit)
    zeros = (data_zero, 0.0) if declared is None else (0.0,)
    clocks = [replace(base, zero=base.zero + zero) for zero in zeros]
    stated = len(clocks)
    # from the epoch in the keywords of the data, if their times do not count from it (XRONOS); and on
    # the clock of the data, as if the table had no epoch and no offset of its own
    plain = clock_of(keywords.of_epoch_alone())
    clocks += [replace(plain, unit=base.unit)] if own.day < 0 <= plain.day else []
    clocks += [
        replace(clock, unit=base.unit, zero=zero) for zero in (clock.zero, clock.zero - data_zero)
    ]
    ways = [_seconds(edges.raw, one, clock) for one in clocks]
    impossible = own.day < 0 and clock.day >= 0 and edges.keywords.names_epoch
    start, stop = edges.raw.T
    endless = bool(((np.isinf(start) | np.isinf(stop)) & (stop > start)).any())
    return _Table(ways, stated, own, impossible, endless)


def _read_edges(hdu: Hdu, scale: str) -> _Edges:
    """Read starts and stops; they are in the time scale of the data if their table names none."""
    names = edge_columns(hdu)
    assert names is not None
    first = names[0]
    keywords = TimeKeywords.of(hdu.header, {"TIMESYS": scale}, hdu.number(first))
    unit = hdu.unit(first)
    start, stop = (hdu.read(name) for name in names)
    clock = clock_of(keywords, unit, first, start)
    pairs, stop_pairs = of_pairs(start, clock), of_pairs(stop, clock)
    if pairs is not None and stop_pairs is not None:
        start, stop, clock = pairs.times, _on_clock_of(pairs, stop_pairs), pairs.clock
    start, stop = (edge.ravel().astype(float) for edge in (start, stop))
    if len(start) != len(stop):
        lengths = f"{len(start)} values of {first}, {len(stop)} of {names[1]}"
        raise Rejected(Status.BAD_TIME, f"{lengths}: fetch the file again")
    return _Edges(np.column_stack([start, stop]), unit, keywords, clock)


def _on_clock_of(pairs: Days, other: Days) -> np.ndarray:
    """Return days of another column from the epoch of the first."""
    return other.times + other.clock.since(pairs.clock) / DAY


def _seconds(raw: np.ndarray, own: Clock, clock: Clock) -> np.ndarray:
    """Return merged intervals, s from the epoch of the data."""
    return gti.merge(own.seconds(raw.ravel()).reshape(-1, 2) + own.since(clock))


def _overlap(intervals: np.ndarray, times: np.ndarray) -> bool:
    if not len(intervals):
        return False
    return bool(intervals[0, 0] <= times[-1] and intervals[-1, 1] >= times[0])


def _with_epoch_of(own: Clock, clock: Clock) -> Clock:
    """Return the clock of the data with the reference epoch of the intervals."""
    system = clock.system or own.system
    return replace(clock, day=own.day, fraction=own.fraction, system=system)


def _disagreement(times: np.ndarray, intervals: np.ndarray, moved: float | None, name: str) -> str:
    """Say that times and good time intervals are on two clocks."""
    inside = np.count_nonzero(gti.inside_in_order(times, intervals)) / len(times)
    by = "" if moved is None else f"; they would if it were {moved:+.1f} s later"
    return (
        f"times lie from {times[0]:.10g} to {times[-1]:.10g} s, the good time of {name or 'GTI'} from "
        f"{intervals[0, 0]:.10g} to {intervals[-1, 1]:.10g} s, and {100 * inside:.0f} % of the times lie in "
        f"it{by}: mend MJDREF, TIMEZERO or TIMESYS of either, or the column of times"
    )


@dataclass(frozen=True)
class _Chosen:
    """Tables of good time intervals, and whether each is for one detector."""

    tables: list[Hdu]
    per_detector: bool


def _of_detectors(tables: list[Hdu], data: Hdu) -> _Chosen:
    """Return the tables of the detectors that have events, if tables and events name detectors; else all."""
    if not tables:
        return _Chosen(tables, False)
    data = data.in_file
    by_name = [gti.detector(hdu.name) for hdu in tables]
    by_key = [_first_number(hdu.header) for hdu in tables]
    for name in _integer_columns(data):
        known = name in DETECTOR_COLUMNS
        numbers = [keyword.whole(hdu.header.get(name)) for hdu in tables]
        if None in numbers:
            numbers = by_name
        if None in numbers and known:
            numbers = by_key
        if None in numbers or (len(tables) < 2 and not known):
            continue
        used = _values(data, name)
        if used and (known or used <= set(numbers)):
            kept = [t for t, number in zip(tables, numbers, strict=True) if number in used]
            return _Chosen(kept or tables, True)
    return _Chosen(tables, any(number is not None for number in (*by_name, *by_key)))


def _first_number(header: Mapping[str, Any]) -> int | None:
    """Return the number of a detector in a header, by one of the names of `DETECTOR_COLUMNS`."""
    found = (keyword.whole(header.get(key)) for key in DETECTOR_COLUMNS)
    return next((number for number in found if number is not None), None)


def detector_column(data: Hdu) -> str:
    """Return the column with the number of a detector, by its name; empty if there is none."""
    return next((name for name in DETECTOR_COLUMNS if name in data.columns), "")


def _integer_columns(data: Hdu) -> list[str]:
    """Return the columns that may hold the number of a detector, those of `DETECTOR_COLUMNS` first."""
    known = [name for name in DETECTOR_COLUMNS if name in data.columns]
    forms = {name: str(data.header.get(f"TFORM{i}", "")) for i, name in enumerate(data.columns, 1)}
    others = [
        n for n, f in forms.items() if n not in known and f.strip().lstrip("1") in {"B", "I", "J"}
    ]
    return [*known, *others]


def _values(data: Hdu, name: str) -> set[int]:
    """Return the distinct numbers in a column, none if they are more than detectors can be."""
    values = data.read_any(name)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return set()
    found = set(np.unique(values[:: 1 + len(values) // _LOOKED_AT]).tolist())
    if len(found) > MOST_DETECTORS:
        return set()
    return set(np.unique(values).tolist())
