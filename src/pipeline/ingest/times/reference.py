"""The clock of a column of times: from its unit, the time keywords of its table, and its numbers."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.missions.registry import TIME_COLUMNS
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import time_units
from pipeline.ingest.times.clock import Clock, ahead_of
from pipeline.ingest.times.keywords import TimeKeywords, is_no_unit
from pipeline.ingest.times.time_units import MJD_ZERO_JD, Epoch, TimeUnit
from pipeline.status import Status
from pipeline.times import DAY

LATEST = 1_000_000
"""Latest MJD of a reference epoch, AD 4596: a later one is damaged."""

EARLIEST = 15_000
"""Earliest MJD of times in seconds, AD 1900. A reference epoch that gives earlier times (MJDREF = 0, because it was
not filled in) is ignored."""

_JULIAN = (-2400001, -1)
"""Days of epochs of Julian dates, and of Julian dates less 2,400,000."""

_TJD_ZERO_MJD = 40000
_DATES = {column.name: column.zero for column in TIME_COLUMNS}
_SCALES = {"UTC": "utc", "MJD": "utc", "TAI": "tai", "GPS": "tai"}
_GPS_BEHIND_TAI = 19.0
_FIRST_LEAP_SECOND = 41317


def clock_of(
    keywords: TimeKeywords,
    column_unit: str = "",
    column: str = "TIME",
    times: np.ndarray | None = None,
) -> Clock:
    """Return the clock of a column of times.

    Parameters
    ----------
    keywords : TimeKeywords
        Those that hold for the table.
    column_unit : str, optional
        TUNIT of the column, which wins over TIMEUNIT: XRONOS writes times in seconds under
        TIMEUNIT = 'd'. It may name the epoch: BJD - 2454833, btjd. See `time_units.parse`.
    column : str, optional
        Name of the column.
    times : ndarray, optional
        Numbers of the column. They show whether an epoch gives plausible dates, and which of two epochs
        does, if unit and keywords name different ones.

    Returns
    -------
    Clock
        In TT where the file is in UTC, TAI or GPS, by the leap seconds at the reference epoch.

    Raises
    ------
    Rejected
        BAD_TIME, naming the unit, where it is not understood.
    """
    unit = _unit(keywords, column_unit, column)
    epoch = keywords.epoch
    if (day := _DATES.get(column)) is not None and epoch is None and unit.epoch is None:
        unit = TimeUnit(DAY, Epoch.of(day - MJD_ZERO_JD, 0.0), unit.scale, True)
    epoch = _choose(unit, epoch, times)
    zero = keywords.offset or 0.0
    if math.isnan(zero):
        raise _unknown_unit("TIMEUNIT, the unit of TIMEZERO,", keywords.unit_text)
    system = unit.scale or keywords.scale
    if system == "MJD" and keywords.has_timezero:
        # GOES/XRS: TIMEZERO is no offset but the day, in MJD, from which times count.
        epoch, zero = Epoch.of(0.0, keywords.zero.single or 0.0), 0.0
    elif (date := _date_of_xronos(keywords, zero)) is not None:
        epoch, zero = date, 0.0
    epoch, zero = _plausible(epoch, zero, unit)
    at = Clock(
        zero=zero,
        unit=unit.seconds,
        system=system,
        barycentred=keywords.barycentred or unit.barycentred,
    )
    return at if epoch is None else _in_terrestrial_time(at, epoch, unit)


def _plausible(epoch: Epoch | None, zero: float, unit: TimeUnit) -> tuple[Epoch | None, float]:
    """Return an epoch, None if it cannot be right, and the offset of the times.

    The epoch of Julian dates is added to the offset, so that it is MJD 0.
    """
    if epoch is None:
        return None, zero
    if epoch.day in _JULIAN or (unit.epoch is not None and epoch.day < 0):
        zero += (epoch.day + epoch.fraction) * DAY
        epoch = Epoch(0, 0.0)
    return (epoch if 0 <= epoch.day <= LATEST else None), zero


def _in_terrestrial_time(at: Clock, epoch: Epoch, unit: TimeUnit) -> Clock:
    """Return a clock with its epoch, in TT if its scale is UTC, TAI or GPS.

    Days are of UTC. Seconds from an epoch in UTC go on through the leap seconds.
    """
    scale = _SCALES.get(at.system)
    if scale is None:
        return replace(at, day=epoch.day, fraction=epoch.fraction)
    leaping = scale == "utc" and (
        unit.seconds >= DAY or epoch.day < _FIRST_LEAP_SECOND or unit.civil
    )
    if not leaping:
        behind = _GPS_BEHIND_TAI * (at.system == "GPS")
        ahead = float(ahead_of(np.array([epoch.day]), scale)[0]) + behind
        epoch = Epoch.of(epoch.day, epoch.fraction + ahead / DAY)
    return replace(at, day=epoch.day, fraction=epoch.fraction, system="TT", leaping=leaping)


def _unit(keywords: TimeKeywords, column_unit: str, column: str) -> TimeUnit:
    """Return the unit of a time column: its own, else that of the table, else seconds."""
    own = str(column_unit).strip()
    is_scale = time_units.is_scale(own)  # it says the scale in the place of the unit
    if not is_no_unit(own) and not is_scale:
        found = time_units.parse(own)
        if found is None:
            raise _unknown_unit(f"the unit of column {column}", own)
        return found
    if keywords.unit_text:
        found = time_units.parse(keywords.unit_text)
        if found is None:
            raise _unknown_unit("TIMEUNIT", keywords.unit_text)
        return replace(found, scale=time_units.scale(own)) if is_scale else found
    if is_scale:
        raise _unknown_unit(f"the unit of column {column}", own)
    return TimeUnit(1.0)


def _unknown_unit(place: str, text: str) -> Rejected:
    """Return the exception for a unit that is not understood, and the place where it stands."""
    return Rejected(
        Status.BAD_TIME,
        f"{place} is {text!r}, which is no unit of time that is known: mend it in the file, or say the "
        "unit in ingest.tables.units ({time: d})",
    )


def _choose(unit: TimeUnit, stated: Epoch | None, times: np.ndarray | None) -> Epoch | None:
    """Return the reference epoch of the unit or of the keywords: the one that gives plausible dates."""
    if unit.epoch is None:
        return stated if _gives_a_date(stated, unit, times) or unit.seconds >= DAY else None
    if stated is None or _gives_a_date(unit.epoch, unit, times):
        return unit.epoch
    return stated if _gives_a_date(stated, unit, times) else unit.epoch


def _gives_a_date(epoch: Epoch | None, unit: TimeUnit, times: np.ndarray | None) -> bool:
    """Return whether times from an epoch lie between `EARLIEST` and `LATEST`; true without any times."""
    if epoch is None or times is None:
        return True
    some = np.asarray(times).ravel()[:1000].astype(float)
    some = some[np.isfinite(some)]
    if not len(some):
        return True
    days = epoch.day + epoch.fraction + float(np.median(some)) * unit.seconds / DAY
    return EARLIEST <= days <= LATEST


def _date_of_xronos(keywords: TimeKeywords, zero: float) -> Epoch | None:
    """Return the epoch of a light curve by XRONOS whose offset is a date, JD - 2440000.5; else None."""
    if not (keywords.xronos_content or keywords.xronos_creator):
        return None
    if keywords.unit != DAY or zero < DAY:
        return None
    whole, fraction = keywords.zero.whole, keywords.zero.fraction
    if whole is not None:
        return Epoch.of(_TJD_ZERO_MJD + whole, fraction or 0.0)
    return Epoch.of(_TJD_ZERO_MJD + 0.0, zero / DAY)


@dataclass(frozen=True)
class Days:
    """A column of days, and its clock.

    Attributes
    ----------
    times : ndarray, shape (n,)
        Days from the first whole one.
    clock : Clock
        Its epoch is that day.
    """

    times: np.ndarray
    clock: Clock


def of_pairs(values: np.ndarray, at: Clock) -> Days | None:
    """Read a column of two doubles, days and the rest to be added, as Astropy writes times into FITS.

    Parameters
    ----------
    values : ndarray, shape (n, 2)
        The column.
    at : Clock
        Its clock.

    Returns
    -------
    Days or None
        None where the column is not of days with a second number of at most 1.
    """
    if values.ndim != 2 or values.shape[1] != 2 or at.unit != DAY or values.dtype.kind != "f":
        return None
    days, rest = values.T
    finite = np.isfinite(days) & np.isfinite(rest)
    if not finite.any() or np.abs(rest[finite]).max() > 1 or np.abs(days[finite]).max() < 2:
        return None
    first = math.floor(days[finite].min())
    epoch = Epoch.of(at.day + first + at.zero / DAY, at.fraction)
    clock = replace(at, day=epoch.day, fraction=epoch.fraction, zero=0.0)
    return Days((days - first) + rest, clock)


@dataclass(frozen=True)
class Span:
    """Start and stop of an observation, MJD; NaN if unknown."""

    start: float
    stop: float


def mjd_span(keywords: TimeKeywords) -> Span:
    """Return the MJD of TSTART and TSTOP; NaN where they or the reference epoch are unknown.

    TIMEZERO is not added, for some missions count TSTART from the reference epoch and others from
    TIMEZERO: good to the size of a clock correction.
    """
    if keywords.unit == DAY and keywords.xronos_content:
        origin = Clock(_TJD_ZERO_MJD)
    else:
        first = keywords.tstart.single
        try:
            origin = clock_of(keywords, times=np.array([first or math.nan]))
        except Rejected:  # reading the file will say why
            return Span(math.nan, math.nan)
    return Span(origin.mjd(keywords.start), origin.mjd(keywords.stop))
