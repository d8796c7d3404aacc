"""The good time intervals of a file, on the clock of its data; which tables, which detectors, which clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import fits_time, gti
from pipeline.ingest.times.clock import Clock
from pipeline.status import Flag, Status

DETECTORS = (
    *("CCDNR", "CCD_ID", "CCDID", "CCD_NO", "TM_NR", "TMNR", "DET_ID", "DETID", "DETNUM", "DETNO"),
    *("PCUID", "PCU", "QUADID", "QUADRANT", "MODULEID", "MPU", "CHIPID", "CHIP_ID", "TIMEDETID"),
    *("DU_ID", "DUID", "TELID", "TEL_ID", "XISID", "LAXPC_NO"),
)
"""Columns, and keywords of good time intervals, with the number of a detector; others are found by their
values."""

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
        That of the data, with the reference epoch of the intervals if it had none of its own.
    flags : Flag
        CLOCKS_DIFFER.
    """

    intervals: np.ndarray
    clock: Clock
    flags: Flag = NO_FLAG


def read(
    hdus: Sequence,
    data,
    clock: Clock,
    seconds: np.ndarray,
    dt: float = 0.0,
    other: np.ndarray | None = None,
) -> GoodTime:
    """Read the good time intervals of a file.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file.
    data : Hdu
        The table of the data.
    clock : Clock
        Its clock.
    seconds : ndarray, shape (n,)
        Its times, s; those that are not finite do not count.
    dt : float, optional
        Width of the bins of a light curve, s; 0 for events.
    other : ndarray, shape (n,), optional
        The same times on the clock of column TIME, where another column was chosen.

    Returns
    -------
    GoodTime
        On the clock that the headers say, if the times lie in them so; else on one that the numbers
        agree with, which is flagged: with the epoch or the offset of the data in the place of their own,
        with column TIME, or by the light time to the barycentre.

    Raises
    ------
    Rejected
        BAD_TIME, saying where times and intervals lie, if on no such clock they agree.
    """
    tables = [hdu for hdu in hdus if is_table(hdu)]
    chosen, apart = _of_detectors([tables[i] for i in gti.standard([t.name for t in tables])], data)
    times = _in_order(seconds)
    if not chosen or not len(times):
        return GoodTime(np.empty((0, 2)), clock)
    header = fits_time.keywords(data.header, hdus[0].header)
    found = [_table(hdu, clock, header) for hdu in chosen]
    told, ways = found[0], zip(*(table.lists for table in found), strict=False)
    ways = [gti.combine(lists, apart) for lists in ways]
    stated = ways[0]
    if other is not None and _part_inside(other, stated) > _part_inside(seconds, stated):
        mapped = on_other_clock(stated, other, seconds)
        if agree(times, mapped, dt):
            return GoodTime(mapped, clock, Flag.CLOCKS_DIFFER)
    for number, intervals in enumerate(ways):
        some = len(intervals) and gti.inside_in_order(times, intervals).any()
        some = some or _part_inside(seconds, intervals) > 0  # of many, a few may
        if not len(intervals) or (some and agree(times, intervals, dt)):
            adopted = clock.day < 0 <= told.clock.day
            differ = number >= told.stated or told.impossible
            differ |= adopted and fits_time.has_epoch(header)
            its = _epoch_of(told.clock, clock) if adopted else clock
            return GoodTime(intervals, its, Flag.CLOCKS_DIFFER if differ else NO_FLAG)
    moved = shift(times, stated, dt)
    if moved is None and _overlap(stated, times):
        return GoodTime(stated, clock)  # in which there is nothing
    by_light = clock.barycentred and not told.clock.barycentred
    if moved is not None and abs(moved) <= LIGHT_TIME and by_light:
        return GoodTime(stated + moved, clock, Flag.CLOCKS_DIFFER)
    raise Rejected(Status.BAD_TIME, _disagreement(times, stated, moved, chosen[0].name))


def is_table(hdu) -> bool:
    """Return whether an HDU is a table of good time intervals."""
    named = "GTI" in hdu.name.upper() or str(hdu.header.get("HDUCLAS1", "")).strip() == "GTI"
    return named and edge_columns(hdu) is not None


def edge_columns(hdu) -> tuple[str, str] | None:
    """Return the columns with starts and stops, None if there are none."""
    return next((pair for pair in EDGES if set(pair) <= set(hdu.columns)), None)


def _part_inside(seconds, intervals) -> float:
    """Return the part of times in any order that lie in intervals."""
    return float(np.mean(gti.inside(seconds, intervals))) if len(seconds) else 0.0


def _in_order(seconds) -> np.ndarray:
    """Return times that are finite, in order; few of many."""
    some = seconds[:: 1 + len(seconds) // _LOOKED_AT]
    ends = np.array(
        [np.fmin.reduce(seconds, initial=np.inf), np.fmax.reduce(seconds, initial=-np.inf)]
    )
    some = np.concatenate([some, ends])
    return np.sort(some[np.isfinite(some)])


def agree(times: np.ndarray, intervals: np.ndarray, dt: float = 0.0) -> bool:
    """Return whether times and merged intervals may be on one clock.

    They are not if all times would lie in the intervals, and now some do not, once they are moved by some
    seconds. Times outside alone are no fault: lists that were not filtered have them.

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
    return inside >= (1 - _OUTSIDE) * len(times) or shift(times, intervals, dt) is None


def shift(times: np.ndarray, intervals: np.ndarray, dt: float = 0.0) -> float | None:
    """Return by how many seconds times are later than merged intervals that they are all of.

    None where they are not moved as a whole, or by no more than can be told: as far as events are apart,
    or by bins. Parameters as of `agree`.
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
    """One table: its intervals by each way to read its clock, the first `stated` as its header says, and
    whether that names an epoch that cannot be."""

    lists: list
    stated: int
    clock: Clock
    impossible: bool


def _table(hdu, clock, header) -> _Table:
    """Read one table of good time intervals.

    A table without TIMEZERO of its own shares that of the data, as RXTE's do, unless that moves it away
    from them: NuSTAR's light curves count from TIMEZERO, their intervals do not.
    """
    names = edge_columns(hdu)
    try:
        own_header = fits_time.keywords(
            hdu.header, {"TIMESYS": header.get("TIMESYS", "")}, hdu.number(names[0])
        )
        unit = hdu.unit(names[0])
        edges = [hdu.read(name) for name in names]
        own = fits_time.clock(own_header, unit, names[0], edges[0])
        if (pairs := fits_time.of_pairs(edges[0], own)) is not None:
            first, own_stop = pairs, fits_time.of_pairs(edges[1], own)
            edges = [first[0], own_stop[0] + own_stop[1].since(first[1]) / fits_time.DAY]
            own = first[1]
        edges = [edge.ravel().astype(float) for edge in edges]
        if len(edges[0]) != len(edges[1]):
            lengths = f"{len(edges[0])} values of {names[0]}, {len(edges[1])} of {names[1]}"
            raise Rejected(Status.BAD_TIME, f"{lengths}: fetch the file again")
    except Rejected as rejected:
        reason = f"its good time intervals ({hdu.name}): {rejected.reason}"
        raise Rejected(rejected.status, reason) from rejected
    raw = np.column_stack(edges)
    said, declared = bool(unit) or "TIMEUNIT" in hdu.header, fits_time.offset(own_header)
    data_zero = (fits_time.offset(header) or 0.0) if clock.zero else 0.0
    base = own if own.day >= 0 else replace(clock, unit=own.unit if said else clock.unit)
    if own.day < 0:
        base = replace(base, zero=clock.zero - data_zero + (declared or 0.0))
    elif not said:
        base = replace(base, unit=clock.unit)
    zeros = (data_zero, 0.0) if declared is None else (0.0,)
    ways = [_seconds(raw, replace(base, zero=base.zero + zero), clock) for zero in zeros]
    stated = len(ways)
    # from the epoch of the data's keywords, where their times do not count from it (XRONOS); and the
    # numbers themselves, whatever the table says of its epoch and offset
    plain = fits_time.clock({k: v for k, v in header.items() if k in fits_time.EPOCH_KEYS})
    others = [replace(plain, unit=base.unit)] if own.day < 0 <= plain.day else []
    others += [replace(clock, unit=base.unit, zero=z) for z in (clock.zero, clock.zero - data_zero)]
    ways += [_seconds(raw, one, clock) for one in others]
    impossible = own.day < 0 and clock.day >= 0 and fits_time.has_epoch(own_header)
    return _Table(ways, stated, own, impossible)


def _seconds(raw, own, clock) -> np.ndarray:
    """Return merged intervals, s from the epoch of the data."""
    return gti.merge(own.seconds(raw.ravel()).reshape(-1, 2) + own.since(clock))


def _overlap(intervals, times) -> bool:
    return bool(len(intervals)) and intervals[0, 0] <= times[-1] and intervals[-1, 1] >= times[0]


def _epoch_of(own, clock) -> Clock:
    """Return the clock of the data with the reference epoch of the intervals."""
    system = clock.system or own.system
    return replace(clock, day=own.day, fraction=own.fraction, system=system)


def _disagreement(times, intervals, moved, name) -> str:
    """Say that times and good time intervals are on two clocks."""
    inside = np.count_nonzero(gti.inside_in_order(times, intervals)) / len(times)
    by = "" if moved is None else f"; they would if it were {moved:+.1f} s later"
    return (
        f"times lie from {times[0]:.10g} to {times[-1]:.10g} s, the good time of {name or 'GTI'} from "
        f"{intervals[0, 0]:.10g} to {intervals[-1, 1]:.10g} s, and {100 * inside:.0f} % of the times lie in "
        f"it{by}: mend MJDREF, TIMEZERO or TIMESYS of either, or the column of times"
    )


def _of_detectors(tables, data) -> tuple[list, bool]:
    """Return the tables of the detectors that events fell on, where both say which; else all.

    And whether each is for a detector.
    """
    if not tables:
        return tables, False
    data = data.inside if hasattr(getattr(data, "inside", None), "columns") else data
    by_name = [gti.detector(hdu.name) for hdu in tables]
    by_key = [_first_number(hdu.header) for hdu in tables]
    for name in _integer_columns(data):
        numbers = [_whole(hdu.header.get(name)) for hdu in tables]
        known = name in DETECTORS
        if None in numbers:
            numbers = by_name
        if None in numbers and known:
            numbers = by_key
        if None in numbers or (len(tables) < 2 and not known):
            continue
        used = _values(data, name)
        if used and (known or used <= set(numbers)):
            kept = [t for t, number in zip(tables, numbers, strict=True) if number in used]
            return kept or tables, True
    return tables, any(number is not None for number in (*by_name, *by_key))


def _first_number(header) -> int | None:
    """Return the number of a detector in a header by a name in use."""
    found = (_whole(header.get(key)) for key in DETECTORS)
    return next((number for number in found if number is not None), None)


def detector_column(data) -> str:
    """Return the column of a table with the number of a detector by a name in use, empty if none."""
    return next((name for name in DETECTORS if name in data.columns), "")


def _integer_columns(data) -> list[str]:
    """Return the columns that may hold the number of a detector, those by a name in use first."""
    known = [name for name in DETECTORS if name in data.columns]
    if not isinstance(data.columns, tuple):
        return known
    forms = {name: str(data.header.get(f"TFORM{i}", "")) for i, name in enumerate(data.columns, 1)}
    others = [
        n for n, f in forms.items() if n not in known and f.strip().lstrip("1") in {"B", "I", "J"}
    ]
    return [*known, *others]


def _values(data, name) -> set:
    """Return the numbers in a column, none if they are many."""
    values = data.read_any(name)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return set()
    found = set(np.unique(values[:: 1 + len(values) // _LOOKED_AT]).tolist())
    if len(found) > MOST_DETECTORS:
        return set()
    return set(np.unique(values).tolist())


def _whole(value) -> int | None:
    """Return a keyword as a whole number, None if it is not one."""
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
