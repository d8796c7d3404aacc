"""Time keywords of FITS headers: reference epoch, offset, unit, and where in a bin its time is.

OGIP/93-003 and Rots et al. 2015, A&A 574, A36.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DAY = 86400.0

FURTHEST = 1e12
"""Seconds from its reference epoch that a time may be, 32,000 years: damage is mostly further. Julian
dates without an epoch are within."""

LATEST = 1_000_000
"""MJD after which there is no reference epoch, AD 4596: the number is damaged."""

_MJD_ZERO_JD = 2400000.5
_TJD_ZERO_MJD = 40000
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("us", "microsec"), 1e-6),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("a", "yr", "year", "years"), 365.25 * DAY),
}
_EPOCH = tuple(f"{p}REF{part}" for p in ("MJD", "BJD", "JD") for part in ("", "I", "F"))
_OWN = ("TIMEZERO", "TIMEZERI", "TIMEZERF", "CONTENT", "CREATOR")
_INHERITED = (
    "TIMESYS",
    "TIMEREF",
    "TIMEUNIT",
    "TIMEDEL",
    "TIMEPIXR",
    *(f"{end}{part}" for end in ("TSTART", "TSTOP") for part in ("", "I", "F")),
)


@dataclass(frozen=True)
class Clock:
    """How the numbers of a time column become seconds from a reference epoch.

    Attributes
    ----------
    day : int
        Whole days of the reference epoch, MJD; -1 if unknown.
    fraction : float
        Fraction of a day of the reference epoch, 0 <= fraction < 1.
    zero : float
        Seconds to add to every time (TIMEZERO).
    unit : float
        Seconds in a unit of the column.
    system : str
        Time scale: TT, TDB, UTC, …; empty if unknown.
    barycentred : bool
        Whether times are those at the solar-system barycentre.
    """

    day: int = -1
    fraction: float = 0.0
    zero: float = 0.0
    unit: float = 1.0
    system: str = ""
    barycentred: bool = False

    def seconds(self, times: np.ndarray) -> np.ndarray:
        """Turn the numbers of a column into seconds from the reference epoch.

        Those further than `FURTHEST` from it are no times: NaN.
        """
        seconds = np.asarray(times, dtype=float)
        if self.unit != 1 or self.zero:
            seconds = seconds * self.unit + self.zero
        if seconds.size and not (seconds.min() >= -FURTHEST and seconds.max() <= FURTHEST):
            seconds = np.where(np.abs(seconds) <= FURTHEST, seconds, np.nan)
        return seconds

    def since(self, other: "Clock") -> float:
        """Return the seconds by which this reference epoch is later than another; 0 if unknown."""
        if self.day < 0 or other.day < 0:
            return 0.0
        return (self.day - other.day) * DAY + (self.fraction - other.fraction) * DAY

    def mjd(self, seconds: float) -> float:
        """Return the MJD of a time in seconds from the reference epoch, NaN if that is unknown."""
        if self.day < 0:
            return math.nan
        return self.day + self.fraction + seconds / DAY


def keywords(header: Mapping, primary: Mapping) -> dict:
    """Return the time keywords that hold for a table.

    Parameters
    ----------
    header, primary : mapping
        Keywords of the table and of the primary HDU.

    Returns
    -------
    dict
        Those of the table; what it does not say is taken from the primary HDU, but for the offset,
        which belongs to one table. The keywords of the reference epoch are not mixed.
    """
    epoch = header if any(key in header for key in _EPOCH) else primary
    result = {key: header[key] for key in (*_OWN, *_INHERITED) if key in header}
    result |= {k: primary[k] for k in _INHERITED if k in primary and k not in header}
    return result | {key: epoch[key] for key in _EPOCH if key in epoch}


def clock(header: Mapping, column_unit: str = "") -> Clock:
    """Read the clock of a table from its header.

    Parameters
    ----------
    header : mapping
        Its keywords, from `keywords`.
    column_unit : str, optional
        TUNIT of the time column, which wins over TIMEUNIT: XRONOS writes times in seconds under
        TIMEUNIT = 'd'.

    Returns
    -------
    Clock
    """
    day, fraction = _epoch(header)
    zero = offset(header) or 0.0
    system = str(header.get("TIMESYS", "")).strip()
    if system.upper() == "MJD" and "TIMEZERO" in header:
        # GOES/XRS: TIMEZERO is no offset but the day, in MJD, from which times count.
        (day, fraction), zero = _split(0.0, number(header, "TIMEZERO") or 0.0), 0.0
    elif "XRONOS" in f"{header.get('CONTENT', '')} {header.get('CREATOR', '')}".upper():
        day, fraction, zero = _xronos(header, day, fraction, zero)
    if not 0 <= day <= LATEST:
        day, fraction = -1, 0.0
    reference = str(header.get("TIMEREF", "")).strip().upper()
    return Clock(
        day=day,
        fraction=fraction,
        zero=zero,
        unit=unit_seconds(column_unit) or header_unit(header),
        system=system.upper(),
        barycentred=reference.startswith(("SOLARSYSTEM", "BARYCENT")) or "BJDREFI" in header,
    )


def _xronos(header, day, fraction, zero):
    """Return epoch and offset of a light curve by XRONOS, whose offset is a date: JD - 2440000.5."""
    if header_unit(header) != DAY or zero < DAY:
        return day, fraction, zero
    whole = number(header, "TIMEZERI")
    parts = (whole, number(header, "TIMEZERF") or 0.0) if whole is not None else (0.0, zero / DAY)
    return *_split(_TJD_ZERO_MJD + parts[0], parts[1]), 0.0


def _epoch(header) -> tuple[int, float]:
    """Return the reference epoch as whole MJD and fraction, (-1, 0) if there is none.

    The keywords in two parts win over the single one, which cannot hold the fraction as exactly.
    """
    for prefix, origin in (("MJD", 0.0), ("BJD", _MJD_ZERO_JD), ("JD", _MJD_ZERO_JD)):
        whole = number(header, f"{prefix}REFI")
        if whole is not None:
            return _split(whole - origin, number(header, f"{prefix}REFF") or 0.0)
        single = number(header, f"{prefix}REF")
        if single is not None:
            return _split(0.0, single - origin)
    return -1, 0.0


def _split(whole, fraction) -> tuple[int, float]:
    """Return whole days and the fraction of a day of their sum."""
    day = math.floor(whole)
    rest = (whole - day) + fraction
    return day + math.floor(rest), rest - math.floor(rest)


def offset(header: Mapping) -> float | None:
    """Return TIMEZERO, or TIMEZERI + TIMEZERF, in seconds; None if the header has neither."""
    return _in_seconds(header, "TIMEZERO", "TIMEZERI", "TIMEZERF")


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
        origin = clock(header)
    return origin.mjd(start), origin.mjd(stop)


def _in_seconds(header, single, whole, fraction) -> float | None:
    value = number(header, single)
    if value is None and (value := number(header, whole)) is not None:
        value += number(header, fraction) or 0.0
    return None if value is None else value * header_unit(header)


def header_unit(header: Mapping) -> float:
    """Return the seconds in a TIMEUNIT, 1 if it is not given or not known."""
    return unit_seconds(header.get("TIMEUNIT", "")) or 1.0


def unit_seconds(text) -> float | None:
    """Return the seconds in a unit of time, None if it is not one."""
    return _UNITS.get(str(text).strip().lower())


def number(header: Mapping, key: str) -> float | None:
    """Return a keyword as a finite number, None if it is absent or is not one."""
    value = header.get(key)
    try:
        value = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def bin_width(header: Mapping, times: np.ndarray) -> tuple[float, bool]:
    """Return the width of the bins of a light curve.

    Parameters
    ----------
    header : mapping
        Keywords; TIMEDEL is in units of TIMEUNIT.
    times : ndarray, shape (n,)
        Finite, in order, s.

    Returns
    -------
    dt : float
        Width, s; NaN if it cannot be told.
    measured : bool
        Whether it is the median spacing of the times, as TIMEDEL is missing or contradicts them.
        Bins may be missing, so that the spacing is larger than TIMEDEL, but they cannot overlap.
    """
    spacing = np.diff(times)
    spacing = spacing[spacing > 0]
    declared = (number(header, "TIMEDEL") or 0.0) * header_unit(header)
    if declared > 0 and 2 * np.count_nonzero(spacing > 0.99 * declared) >= len(spacing):
        return declared, False
    return (float(np.median(spacing)) if len(spacing) else math.nan), True


def bin_centres(times: np.ndarray, dt: float, header: Mapping) -> np.ndarray:
    """Return the centres of bins whose times are at TIMEPIXR (0 start, 0.5 centre, 1 end) of them."""
    position = number(header, "TIMEPIXR")
    if position is None or position == 0.5 or not 0 <= position <= 1:
        return times
    return times + (0.5 - position) * dt
