"""The time keywords of a FITS table: reference epoch, offset, unit, scale, and the width of a bin.

OGIP/93-003; FITS 4.0, section 9, which is Rots et al. 2015, A&A 574, A36.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from astropy.time import Time

from pipeline.ingest.keyword import is_true, number
from pipeline.ingest.times import time_units
from pipeline.ingest.times.time_units import MJD_ZERO_JD, Epoch

_PREFIXES = {"MJD": 0.0, "BJD": MJD_ZERO_JD, "JD": MJD_ZERO_JD}
_EPOCH = (*(f"{prefix}REF{part}" for prefix in _PREFIXES for part in ("", "I", "F")), "DATEREF")
_NO_UNIT = frozenset({"", "NONE", "NULL", "N/A", "UNKNOWN"})
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
"""Keywords that a table without them takes from the primary header; an offset belongs to its table alone."""


@dataclass(frozen=True)
class Parts:
    """A keyword that is a single number or two parts, in TIMEUNIT: TIMEZERO, or TIMEZERI and TIMEZERF.

    Attributes
    ----------
    single, whole, fraction : float or None
        The keyword without a letter behind it, with I and with F; None where it is absent.
    """

    single: float | None = None
    whole: float | None = None
    fraction: float | None = None

    @classmethod
    def of(cls, header: Mapping[str, Any], single: str, stem: str) -> "Parts":
        """Look up a keyword by its name, and its parts by their common beginning."""
        return cls(number(header, single), number(header, f"{stem}I"), number(header, f"{stem}F"))

    @property
    def value(self) -> float | None:
        """The number in either form, None if there is none."""
        if self.single is None and self.whole is not None:
            return self.whole + (self.fraction or 0.0)
        return self.single


@dataclass(frozen=True)
class TimeKeywords:
    """The time keywords that hold for a table, each looked up once.

    Attributes
    ----------
    epoch : Epoch or None
        Reference epoch; None if the keywords do not give one.
    names_epoch : bool
        Whether there are keywords of a reference epoch, right or not.
    scale : str
        TIMESYS in the words of FITS 4.0; empty if unknown.
    unit_text : str
        TIMEUNIT; empty if it is not given, or says that there is no unit.
    unit : float
        Seconds in TIMEUNIT: 1 if it is not given, NaN if it is not understood.
    has_timeunit : bool
        Whether the header has a TIMEUNIT that is not blank, be it one that says there is no unit.
    zero : Parts
        TIMEZERO.
    has_timezero : bool
        Whether there is a keyword TIMEZERO.
    correction : float or None
        TIMEOFFS of FITS 4.0, in TIMEUNIT.
    tstart, tstop : Parts
        TSTART and TSTOP.
    timedel : float or None
        Width of a bin, or resolution, in TIMEUNIT.
    position : float or None
        TIMEPIXR, where in a bin its time is: 0 start, 0.5 centre, 1 end; None if it says nothing valid.
    barycentred : bool
        Whether times are at the solar-system barycentre.
    xronos_content, xronos_creator : bool
        Whether CONTENT, or CREATOR, says that XRONOS made the table.
    live_fraction : float
        DEADC; NaN if unknown.
    dead_time_applied : bool
        DEADAPP.
    """

    epoch: Epoch | None = None
    names_epoch: bool = False
    scale: str = ""
    unit_text: str = ""
    unit: float = 1.0
    has_timeunit: bool = False
    zero: Parts = Parts()
    has_timezero: bool = False
    correction: float | None = None
    tstart: Parts = Parts()
    tstop: Parts = Parts()
    timedel: float | None = None
    position: float | None = None
    barycentred: bool = False
    xronos_content: bool = False
    xronos_creator: bool = False
    live_fraction: float = math.nan
    dead_time_applied: bool = False

    @classmethod
    def of(
        cls, header: Mapping[str, Any], primary: Mapping[str, Any], column: int = 0
    ) -> "TimeKeywords":
        """Read the time keywords that hold for a table.

        Parameters
        ----------
        header, primary : mapping
            Keywords of the table and of the primary HDU. What the table does not say is taken from the
            primary HDU, but not the offset, which belongs to one table. The keywords of the reference
            epoch are taken all from one of them.
        column : int, optional
            Number of a column, from 1, whose own keywords (TCTYPn its time scale, TRPOSn where its times
            are measured) win over those of the table; 0 for none.
        """
        own_epoch = _epoch(header)
        epoch = own_epoch if own_epoch is not None else _epoch(primary)
        dated = header if own_epoch is not None or epoch is None else primary
        merged = {k: primary[k] for k in _INHERITED if k in primary}
        merged |= {k: header[k] for k in _INHERITED if k in header}
        if time_units.scale(header.get(f"TCTYP{column}", "")) in time_units.SCALES:
            merged["TIMESYS"] = header[f"TCTYP{column}"]
        if f"TRPOS{column}" in header:
            merged["TREFPOS"] = header[f"TRPOS{column}"]
            merged.pop("TIMEREF", None)
        unit_text = str(merged.get("TIMEUNIT", "")).strip()
        position, live = number(merged, "TIMEPIXR"), number(merged, "DEADC")
        return cls(
            epoch=epoch,
            names_epoch=any(key in dated for key in _EPOCH),
            scale=time_units.scale(merged.get("TIMESYS", "")),
            unit_text="" if unit_text.upper() in _NO_UNIT else unit_text,
            unit=_seconds_in(unit_text),
            has_timeunit=bool(unit_text),
            zero=Parts.of(header, "TIMEZERO", "TIMEZER"),
            has_timezero="TIMEZERO" in header,
            correction=number(header, "TIMEOFFS"),
            tstart=Parts.of(merged, "TSTART", "TSTART"),
            tstop=Parts.of(merged, "TSTOP", "TSTOP"),
            timedel=number(merged, "TIMEDEL"),
            position=position if position is not None and 0 <= position <= 1 else None,
            barycentred="BJDREFI" in dated or _is_at_barycentre(merged),
            xronos_content="XRONOS" in str(header.get("CONTENT", "")).upper(),
            xronos_creator="XRONOS" in str(header.get("CREATOR", "")).upper(),
            live_fraction=live if live is not None and 0 < live <= 1 else math.nan,
            dead_time_applied=is_true(merged.get("DEADAPP")),
        )

    @property
    def offset(self) -> float | None:
        """Seconds that are added to times: TIMEZERO, or TIMEZERI + TIMEZERF, and TIMEOFFS of FITS 4.0.

        None if the header has none of them; NaN if TIMEUNIT is not understood and they are not 0. A
        TIMEOFFS that repeats TIMEZERO is the same offset by its new name.
        """
        zero = _in_seconds(self.zero.value, self.unit)
        correction = _in_seconds(self.correction, self.unit)
        if zero is None or correction is None or correction == zero:
            return correction if zero is None else zero
        return zero + correction

    @property
    def start(self) -> float:
        """TSTART, s; NaN if unknown."""
        seconds = _in_seconds(self.tstart.value, self.unit)
        return math.nan if seconds is None else seconds

    @property
    def stop(self) -> float:
        """TSTOP, s; NaN if unknown."""
        seconds = _in_seconds(self.tstop.value, self.unit)
        return math.nan if seconds is None else seconds

    @property
    def resolution(self) -> float:
        """TIMEDEL, s; 0 if it is not given or its unit is not understood."""
        value = (self.timedel or 0.0) * self.unit
        return value if 0 < value < math.inf else 0.0

    def of_epoch_alone(self) -> "TimeKeywords":
        """Return the reference epoch and the scale that it is in, without the rest."""
        return TimeKeywords(self.epoch, self.names_epoch, self.scale, barycentred=self.barycentred)

    def with_timedel(self, timedel: float) -> "TimeKeywords":
        """Return them with another TIMEDEL."""
        return replace(self, timedel=timedel)


def _seconds_in(unit_text: str) -> float:
    """Return the seconds in a TIMEUNIT: 1 if it is not given, NaN if it is not understood."""
    if unit_text.upper() in _NO_UNIT or time_units.is_scale(unit_text):
        return 1.0
    found = time_units.parse(unit_text)
    return math.nan if found is None else found.seconds


def is_no_unit(text: str) -> bool:
    """Return whether a text in the place of a unit says that there is none."""
    return text.upper() in _NO_UNIT


def _in_seconds(value: float | None, unit: float) -> float | None:
    """Return a number in a unit in seconds; zero is zero in a unit that is not understood, too."""
    return None if value is None else value * unit if value else 0.0


def _is_at_barycentre(header: Mapping[str, Any]) -> bool:
    """Return whether TIMEREF, or TREFPOS of FITS 4.0, says that times are at the barycentre."""
    texts = (str(header.get(key, "")).upper().replace(" ", "") for key in ("TIMEREF", "TREFPOS"))
    return any(text.startswith(("SOLARSYSTEM", "BARYCENT", "SSB")) for text in texts)


def _epoch(header: Mapping[str, Any]) -> Epoch | None:
    """Return the reference epoch of a header, None if it has none.

    The keywords in two parts win over the single one, which cannot hold the fraction as exactly.
    """
    for prefix, origin in _PREFIXES.items():
        whole, single = number(header, f"{prefix}REFI"), number(header, f"{prefix}REF")
        fraction = number(header, f"{prefix}REFF")
        if whole is None:
            whole = single
            if single is not None and single % 1:
                fraction = None  # it is in the single one
        elif fraction is not None and fraction == whole % 1:
            fraction = None  # it is in both
        if whole is not None:
            return Epoch.of(whole - origin, fraction or 0.0)
    if "DATEREF" not in header:
        return None
    try:
        date = Time(str(header["DATEREF"]).strip().removesuffix("Z"), format="fits")
    except ValueError:
        return None
    return Epoch.of(date.jd1 - MJD_ZERO_JD, date.jd2)
