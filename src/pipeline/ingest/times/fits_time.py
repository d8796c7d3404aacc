"""Time keywords of FITS headers: reference epoch, offset, unit, and where in a bin its time is.

OGIP/93-003; FITS 4.0, section 9, which is Rots et al. 2015, A&A 574, A36.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from astropy.time import Time

from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import cadence, time_units
from pipeline.ingest.times.clock import Clock, ahead_of
from pipeline.ingest.times.time_units import MJD_ZERO_JD, TimeUnit
from pipeline.status import Status
from pipeline.times import DAY

LATEST = 1_000_000
"""MJD after which there is no reference epoch, AD 4596: the number is damaged."""

EARLIEST = 15_000
"""MJD before which no detector counted seconds, AD 1900: a reference epoch that says so (MJDREF = 0, where
it was not filled in) is none."""

_JULIAN = (-2400001, -1)
"""Day of epochs that say that times are Julian dates, or those less 2,400,000."""

_TJD_ZERO_MJD = 40000
_EPOCH = (
    *(f"{p}REF{part}" for p in ("MJD", "BJD", "JD") for part in ("", "I", "F")),
    "DATEREF",
)
EPOCH_KEYS = (*_EPOCH, "TIMESYS")
"""Keywords of the reference epoch, and the scale that it is in."""

_DATES = {"TMID_BJD": 0.0, "T": 2454833.0}
"""Columns that hold barycentric Julian dates less a number: CDIPS's and K2SFF's."""
_SCALES = {"UTC": "utc", "MJD": "utc", "TAI": "tai", "GPS": "tai"}
_GPS_BEHIND_TAI = 19.0
_FAR, _NEAR = 1e-2, 1e-2
_UNSAID = frozenset({"", "NONE", "NULL", "N/A", "UNKNOWN"})
_FIRST_LEAP_SECOND = 41317
_OWN = ("TIMEZERO", "TIMEZERI", "TIMEZERF", "TIMEOFFS", "CONTENT", "CREATOR")
_INHERITED = (
    "TIMESYS",
    "TIMEREF",
    "TREFPOS",
    "TIMEUNIT",
    "TIMEDEL",
    "TIMEPIXR",
    "DEADC",
    "DEADAPP",
    *(f"{end}{part}" for end in ("TSTART", "TSTOP") for part in ("", "I", "F")),
)


def keywords(header: Mapping, primary: Mapping, number: int = 0) -> dict:
    """Return the time keywords that hold for a table.

    Parameters
    ----------
    header, primary : mapping
        Keywords of the table and of the primary HDU.
    number : int, optional
        That of a column, from 1, whose own keywords (TCTYPn its time scale, TRPOSn where its times are
        measured) win over those of the table; 0 for none.

    Returns
    -------
    dict
        Those of the table; what it does not say is taken from the primary HDU, but for the offset,
        which belongs to one table. The keywords of the reference epoch are not mixed.
    """
    epoch = header if _epoch(header) is not None or not _epoch(primary) else primary
    result = {key: header[key] for key in (*_OWN, *_INHERITED) if key in header}
    result |= {k: primary[k] for k in _INHERITED if k in primary and k not in header}
    result |= {key: epoch[key] for key in _EPOCH if key in epoch}
    if time_units.scale(header.get(f"TCTYP{number}", "")) in time_units.SCALES:
        result["TIMESYS"] = header[f"TCTYP{number}"]
    if f"TRPOS{number}" in header:
        result["TREFPOS"] = header[f"TRPOS{number}"]
        result.pop("TIMEREF", None)
    return result


def clock(
    header: Mapping, column_unit: str = "", column: str = "TIME", times: np.ndarray | None = None
) -> Clock:
    """Read the clock of a table from its header.

    Parameters
    ----------
    header : mapping
        Its keywords, from `keywords`.
    column_unit : str, optional
        TUNIT of the time column, which wins over TIMEUNIT: XRONOS writes times in seconds under
        TIMEUNIT = 'd'. It may hold the epoch: BJD - 2454833, btjd. See `time_units.parse`.
    column : str, optional
        Name of the time column.
    times : ndarray, optional
        Numbers of the column, which tell which epoch is right where unit and keywords name two, and
        whether one can be right at all.

    Returns
    -------
    Clock
        In TT where the file is in UTC, TAI or GPS, by the leap seconds at the reference epoch.

    Raises
    ------
    Rejected
        BAD_TIME, naming the unit, where it is not understood.
    """
    unit = _unit(header, column_unit, column)
    epoch = _epoch(header)
    if (day := _DATES.get(column)) is not None and epoch is None and unit.epoch is None:
        unit = TimeUnit(DAY, _split(day - MJD_ZERO_JD, 0.0), unit.scale, True)
    epoch = _choose(unit, epoch, times)
    zero = offset(header) or 0.0
    if math.isnan(zero):
        raise _unknown_unit("TIMEUNIT, the unit of TIMEZERO,", header["TIMEUNIT"])
    system = unit.scale or time_units.scale(header.get("TIMESYS", ""))
    if system == "MJD" and "TIMEZERO" in header:
        # GOES/XRS: TIMEZERO is no offset but the day, in MJD, from which times count.
        epoch, zero = _split(0.0, number(header, "TIMEZERO") or 0.0), 0.0
    elif "XRONOS" in f"{header.get('CONTENT', '')} {header.get('CREATOR', '')}".upper():
        epoch, zero = _xronos(header, epoch, zero)
    day, fraction = epoch or (-1, 0.0)
    if epoch is not None and (day in _JULIAN or (unit.epoch is not None and day < 0)):
        zero += (day + fraction) * DAY
        day, fraction = 0, 0.0
    if not 0 <= day <= LATEST:
        day, fraction = -1, 0.0
    scale, leaping = _SCALES.get(system), False
    if day >= 0 and scale:
        # Days are of UTC; seconds since an epoch in UTC pass through the leap seconds.
        leaping = scale == "utc" and (unit.seconds >= DAY or day < _FIRST_LEAP_SECOND or unit.civil)
        if not leaping:
            behind = _GPS_BEHIND_TAI * (system == "GPS")
            ahead = float(ahead_of(np.array([day]), scale)[0]) + behind
            day, fraction = _split(day, fraction + ahead / DAY)
        system = "TT"
    return Clock(
        day=day,
        fraction=fraction,
        zero=zero,
        unit=unit.seconds,
        system=system,
        barycentred=_at_barycentre(header) or unit.barycentred,
        leaping=leaping,
    )


def _unit(header, column_unit, column) -> TimeUnit:
    """Return the unit of a time column: its own, else that of the table, else seconds."""
    own, table = str(column_unit).strip(), str(header.get("TIMEUNIT", "")).strip()
    named = time_units.is_scale(own)  # it says the scale in the place of the unit
    if own.upper() not in _UNSAID and not named:
        found = time_units.parse(own)
        if found is None:
            raise _unknown_unit(f"the unit of column {column}", own)
        return found
    if table.upper() not in _UNSAID:
        found = time_units.parse(table)
        if found is None:
            raise _unknown_unit("TIMEUNIT", table)
        return replace(found, scale=time_units.scale(own)) if named else found
    if named:
        raise _unknown_unit(f"the unit of column {column}", own)
    return TimeUnit(1.0)


def _unknown_unit(what, text) -> Rejected:
    return Rejected(
        Status.BAD_TIME,
        f"{what} is {text!r}, which is no unit of time that is known: mend it in the file, or say the "
        "unit in ingest.tables.units ({time: d})",
    )


def _choose(unit, stated, times) -> tuple[int, float] | None:
    """Return the reference epoch: that of the unit or of the keywords, the one that gives a date."""
    if unit.epoch is None:
        return stated if _gives_a_date(stated, unit, times) or unit.seconds >= DAY else None
    if stated is None or _gives_a_date(unit.epoch, unit, times):
        return unit.epoch
    return stated if _gives_a_date(stated, unit, times) else unit.epoch


def _gives_a_date(epoch, unit, times) -> bool:
    """Return whether times from an epoch are later than `EARLIEST`; so they are where there are none."""
    if epoch is None or times is None:
        return True
    some = np.asarray(times).ravel()[:1000].astype(float)
    some = some[np.isfinite(some)]
    if not len(some):
        return True
    return EARLIEST <= epoch[0] + epoch[1] + float(np.median(some)) * unit.seconds / DAY <= LATEST


def _at_barycentre(header) -> bool:
    """Return whether TIMEREF, or TREFPOS of FITS 4.0, says that times are at the barycentre."""
    said = (str(header.get(key, "")).upper().replace(" ", "") for key in ("TIMEREF", "TREFPOS"))
    return "BJDREFI" in header or any(
        text.startswith(("SOLARSYSTEM", "BARYCENT", "SSB")) for text in said
    )


def of_pairs(values: np.ndarray, at: Clock) -> tuple[np.ndarray, Clock] | None:
    """Read a column of two doubles, days and what they lack, as Astropy writes times into FITS.

    Parameters
    ----------
    values : ndarray, shape (n, 2)
        The column.
    at : Clock
        Its clock.

    Returns
    -------
    times : ndarray, shape (n,)
        Days from the first whole one.
    clock : Clock
        Theirs: its epoch is that day.
        None where the column is not of days with a second number of at most 1.
    """
    if values.ndim != 2 or values.shape[1] != 2 or at.unit != DAY or values.dtype.kind != "f":
        return None
    days, rest = values.T
    finite = np.isfinite(days) & np.isfinite(rest)
    if not finite.any() or np.abs(rest[finite]).max() > 1 or np.abs(days[finite]).max() < 2:
        return None
    first = math.floor(days[finite].min())
    day, fraction = _split(at.day + first + at.zero / DAY, at.fraction)
    return (days - first) + rest, replace(at, day=day, fraction=fraction, zero=0.0)


def _xronos(header, epoch, zero):
    """Return epoch and offset of a light curve by XRONOS, whose offset is a date: JD - 2440000.5."""
    if header_unit(header) != DAY or zero < DAY:
        return epoch, zero
    whole = number(header, "TIMEZERI")
    parts = (whole, number(header, "TIMEZERF") or 0.0) if whole is not None else (0.0, zero / DAY)
    return _split(_TJD_ZERO_MJD + parts[0], parts[1]), 0.0


def _epoch(header) -> tuple[int, float] | None:
    """Return the reference epoch as whole MJD and fraction, None if there is none.

    The keywords in two parts win over the single one, which cannot hold the fraction as exactly.
    """
    for prefix, origin in (("MJD", 0.0), ("BJD", MJD_ZERO_JD), ("JD", MJD_ZERO_JD)):
        whole, single = number(header, f"{prefix}REFI"), number(header, f"{prefix}REF")
        fraction = number(header, f"{prefix}REFF")
        if whole is None:
            whole = single
            if single is not None and single % 1:
                fraction = None  # it is in the single one
        elif fraction is not None and fraction == whole % 1:
            fraction = None  # it is in both
        if whole is not None:
            return _split(whole - origin, fraction or 0.0)
    try:
        date = Time(str(header["DATEREF"]).strip().removesuffix("Z"), format="fits")
    except (KeyError, ValueError):
        return None
    return _split(date.jd1 - MJD_ZERO_JD, date.jd2)


def has_epoch(header: Mapping) -> bool:
    """Return whether a header has keywords of a reference epoch, right or not."""
    return any(key in header for key in _EPOCH)


def _split(whole, fraction) -> tuple[int, float]:
    """Return whole days and the fraction of a day of their sum."""
    day = math.floor(whole)
    rest = (whole - day) + fraction
    return day + math.floor(rest), rest - math.floor(rest)


def offset(header: Mapping) -> float | None:
    """Return what is added to times, s: TIMEZERO, or TIMEZERI + TIMEZERF, and TIMEOFFS of FITS 4.0.

    None if the header has none of them; NaN if TIMEUNIT is not understood and they are not 0. TIMEOFFS
    that repeats TIMEZERO is the same offset by its new name.
    """
    zero = _in_seconds(header, "TIMEZERO", "TIMEZERI", "TIMEZERF")
    correction = _in_seconds(header, "TIMEOFFS", "", "")
    if zero is None or correction is None or correction == zero:
        return correction if zero is None else zero
    return zero + correction


def span(header: Mapping) -> tuple[float, float]:
    """Return TSTART and TSTOP, or their two parts each, in seconds; NaN where there is none."""
    ends = (
        _in_seconds(header, "TSTART", "TSTARTI", "TSTARTF"),
        _in_seconds(header, "TSTOP", "TSTOPI", "TSTOPF"),
    )
    return tuple(math.nan if end is None else end for end in ends)


def mjd_span(header: Mapping) -> tuple[float, float]:
    """Return the MJD of TSTART and TSTOP; NaN where they or the reference epoch are unknown.

    TIMEZERO is not added, for some missions count TSTART from the reference epoch and others from
    TIMEZERO: good to the size of a clock correction.
    """
    start, stop = span(header)
    if header_unit(header) == DAY and "XRONOS" in str(header.get("CONTENT", "")).upper():
        origin = Clock(_TJD_ZERO_MJD)
    else:
        try:
            origin = clock(header, times=np.array([number(header, "TSTART") or math.nan]))
        except Rejected:  # which reading the file says
            return math.nan, math.nan
    return origin.mjd(start), origin.mjd(stop)


def _in_seconds(header, single, whole, fraction) -> float | None:
    value = number(header, single)
    if value is None and (value := number(header, whole)) is not None:
        value += number(header, fraction) or 0.0
    return None if value is None else value * header_unit(header) if value else 0.0


def header_unit(header: Mapping) -> float:
    """Return the seconds in a TIMEUNIT: 1 if it is not given, NaN if it is not understood."""
    text = str(header.get("TIMEUNIT", "")).strip()
    if text.upper() in _UNSAID or time_units.is_scale(text):
        return 1.0
    found = time_units.parse(text)
    return math.nan if found is None else found.seconds


def number(header: Mapping, key: str) -> float | None:
    """Return a keyword as a finite number, None if it is absent or is not one."""
    value = header.get(key)
    try:
        value = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def resolution(header: Mapping) -> float:
    """Return TIMEDEL, s; 0 if it is not given or its unit is not understood."""
    value = (number(header, "TIMEDEL") or 0.0) * header_unit(header)
    return value if 0 < value < math.inf else 0.0


def bin_width(header: Mapping, times: np.ndarray, unit: float = 1.0) -> tuple[float, bool]:
    """Return the width of the bins of a light curve.

    Parameters
    ----------
    header : mapping
        Keywords; TIMEDEL is in units of TIMEUNIT.
    times : ndarray, shape (n,)
        Finite, in order, s.
    unit : float, optional
        Seconds in the unit of the column of times, which TIMEDEL is in if there is no TIMEUNIT and it
        fits them better than seconds.

    Returns
    -------
    dt : float
        Width, s; NaN if it cannot be told.
    measured : bool
        Whether it is the spacing of the times, as TIMEDEL is missing or contradicts them. Bins may be
        missing, so that the spacing is larger than TIMEDEL, but they cannot overlap.
    """
    differences = np.diff(times)
    differences = differences[differences > 0]
    measured = cadence.spacing(times)
    declared = (number(header, "TIMEDEL") or 0.0) * header_unit(header)
    others = [unit, DAY] if not str(header.get("TIMEUNIT", "")).strip() else [DAY]
    for other in others:
        if declared < _FAR * measured and abs(declared * other - measured) <= _NEAR * measured:
            declared *= other  # in the unit of the column, or in days
    enough = 2 * np.count_nonzero(differences > 0.99 * declared) >= len(differences)
    if declared > 0 and (enough or measured > 0.99 * declared):
        return declared, False
    return measured, True


def bin_centres(times: np.ndarray, dt: float, header: Mapping) -> np.ndarray:
    """Return the centres of bins whose times are at TIMEPIXR (0 start, 0.5 centre, 1 end) of them."""
    position = number(header, "TIMEPIXR")
    if position is None or position == 0.5 or not 0 <= position <= 1:
        return times
    return times + (0.5 - position) * dt
