"""Units of time as files write them: the seconds in a unit, and the epoch and the scale that some units name.

FITS 4.0 (tables 3 to 5 and section 9), OGIP/93-001, and the time formats of Astropy and lightkurve.
"""

import functools
import math
import re
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.time import Time

from pipeline.times import DAY

MJD_ZERO_JD = 2400000.5
_J2000, _JULIAN_YEAR, _TROPICAL_YEAR = 2451545.0, 365.25 * DAY, 365.24219 * DAY
_B1900, _BESSELIAN_YEAR = 2415020.31352, 365.242198781 * DAY


class Epoch(NamedTuple):
    """A reference epoch.

    Attributes
    ----------
    day : int
        Whole days, MJD.
    fraction : float
        Fraction of a day, 0 <= fraction < 1.
    """

    day: int
    fraction: float

    @classmethod
    def of(cls, whole: float, fraction: float) -> "Epoch":
        """Return the epoch that is the sum of two numbers of days."""
        day = math.floor(whole)
        rest = (whole - day) + fraction
        return cls(day + math.floor(rest), rest - math.floor(rest))

    @property
    def julian_date(self) -> float:
        """Julian date."""
        return self.day + self.fraction + MJD_ZERO_JD


@dataclass(frozen=True)
class TimeUnit:
    """A unit of time; some units name an epoch or a time scale, too.

    Attributes
    ----------
    seconds : float
        Seconds in it.
    epoch : Epoch or None
        Reference epoch that times count from; None if it names none.
    scale : str
        Time scale that it names; empty if none.
    barycentred : bool
        Whether it says that times are at the solar-system barycentre.
    civil : bool
        Whether it counts days of UTC of 86,400 s each, as `unix` does.
    """

    seconds: float
    epoch: Epoch | None = None
    scale: str = ""
    barycentred: bool = False
    civil: bool = False


def _days(julian_date: float, scale: str = "", barycentred: bool = False) -> TimeUnit:
    return TimeUnit(DAY, _epoch(julian_date), scale, barycentred)


def _epoch(julian_date: float) -> Epoch:
    day = int(np.floor(julian_date - MJD_ZERO_JD))
    return Epoch(day, julian_date - MJD_ZERO_JD - day)


_FORMATS = {
    "jd": _days(0.0),
    "rjd": _days(2400000.0),
    "mjd": _days(MJD_ZERO_JD),
    "tjd": _days(2440000.5),
    "hjd": _days(0.0),
    "rhjd": _days(2400000.0),
    "mhjd": _days(MJD_ZERO_JD),
    "hmjd": _days(MJD_ZERO_JD),
    "bjd": _days(0.0, "", True),
    "rbjd": _days(2400000.0, "", True),
    "mbjd": _days(MJD_ZERO_JD, "", True),
    "bmjd": _days(MJD_ZERO_JD, "", True),
    "btjd": _days(2457000.0, "TDB", True),
    "bkjd": _days(2454833.0, "TDB", True),
    "kjd": _days(2454833.0),
    "unix": TimeUnit(1.0, Epoch(40587, 0.0), "UTC", civil=True),
    "galexsec": TimeUnit(1.0, Epoch(44244, 0.0), "UTC", civil=True),
    "unix_tai": TimeUnit(1.0, Epoch(40587, 0.0), "TAI"),
    "gps": TimeUnit(1.0, Epoch(44244, 19.0 / DAY), "TAI"),
    "cxcsec": TimeUnit(1.0, Epoch(50814, 0.0), "TT"),
    "jyear": TimeUnit(_JULIAN_YEAR, _epoch(_J2000 - 2000 * 365.25), "TT"),
    "byear": TimeUnit(_BESSELIAN_YEAR, _epoch(_B1900 - 1900 * _BESSELIAN_YEAR / DAY), "TT"),
    "met": TimeUnit(1.0),
}
"""Names of time formats that Astropy and lightkurve write as the unit, and abbreviations in use.
Truncated (T), reduced (R), modified (M), heliocentric (H) and barycentric (B) Julian dates; lightkurve's
btjd and bkjd count from JD 2457000 and 2454833. Astropy's plot_date is left out: its epoch depends on the
version of Matplotlib; decimalyear too: its years are not alike."""

_LONG = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "ephemeris second"), 1.0),
    **dict.fromkeys(("millisec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("usec", "usecs", "microsec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("nsec", "nsecs", "nanosec", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("ksec", "ksecs", "kilosec", "kilosecond", "kiloseconds", "ks"), 1e3),
    **dict.fromkeys(("megasec", "megasecond", "megaseconds"), 1e6),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days", "julian day", "julian days"), DAY),
    **dict.fromkeys(("wk", "week", "weeks"), 7 * DAY),
    **dict.fromkeys(("yr", "yrs", "year", "years", "julian year", "julian years"), _JULIAN_YEAR),
    **dict.fromkeys(("cy", "century", "centuries"), 100 * _JULIAN_YEAR),
}
"""Names that mean one thing however they are capitalised; `ms` and `Ms`, `a` and `A` do not."""

_EXACT = {
    "msec": 1e-3,
    "Msec": 1e6,
    "a": _JULIAN_YEAR,
    "ta": _TROPICAL_YEAR,
    "Ba": _BESSELIAN_YEAR,
    "us": 1e-6,
    "sday": 86164.09053083288,
}
_SCALES = {
    **{name: name for name in ("TT", "TAI", "UTC", "TDB", "TCB", "TCG", "UT1", "GPS")},
    **{"TDT": "TT", "ET": "TT", "IAT": "TAI", "UT": "UTC", "GMT": "UTC", "LOCAL": "LOCAL"},
}
SCALES = frozenset(_SCALES.values())
"""Time scales by the name that `scale` gives them."""

_PHRASES = tuple(
    (re.compile(rf"{words}\b", re.IGNORECASE), short)
    for words, short in (
        (r"modified\s+julian\s+(date|day)s?", "MJD"),
        (r"barycent(ric|er)\s+julian\s+(date|day)s?", "BJD"),
        (r"heliocentric\s+julian\s+(date|day)s?", "HJD"),
        (r"julian\s+dates?", "JD"),
    )
)
_ABOUT = {"elapsed", "time", "of", "in", "the", "mission", "from", "start", "units", "unit"}
_LESS = re.compile(
    r"^([a-z]*jd)[\W_]*(utc|tdb|tt|tai|tcb)?\W*-\s*(\d[\d ,']*(?:\.\d*)?)", re.IGNORECASE
)
_SINCE = re.compile(
    r"^(\w+)\s+(?:since|after|from)\s+(?:the\s+)?([-\d]+(?:[T ][\d:.]+)?|[a-z]*jd\W*[\d.]+)\W*(\w+)?\W*$",
    re.IGNORECASE,
)
_ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\xad", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f", " "),
        **dict.fromkeys("\u00b5\u03bc", "u"),
        "\ufffd": "-",
    }
)
"""Characters of Unicode that are written for a minus, a blank or a mu."""


def scale(text: str) -> str:
    """Return the time scale of a TIMESYS in the words of FITS 4.0; in upper case, and cut, if it is none of them.

    The realisation in parentheses is left out: TT(TAI), UTC(NIST).
    """
    name = str(text).strip().upper().partition("(")[0].strip()
    return _SCALES.get(name, name[:32])


def plain_text(card: bytes) -> str:
    """Return the text of a card of a FITS header, minus signs and micros of UTF-8 and Latin-1 in ASCII."""
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError:
        text = card.decode("cp1252", "replace")
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


@functools.lru_cache(maxsize=256)
def parse(text: str) -> TimeUnit | None:
    """Read a unit of time.

    Parameters
    ----------
    text : str
        TUNITn, TCUNIn or TIMEUNIT, or a unit of the configuration: ``s``, ``Ms``, ``10**-3 s``,
        ``BJD - 2457000, days``, ``btjd``, ``MJD (TDB)``, ``seconds since 2001-01-01``.

    Returns
    -------
    TimeUnit or None
        None where it is no unit of time, or may be one of several.
    """
    clean = " ".join(text.translate(_ASCII).split()).strip("[](){}'\" ")
    for phrase, short in _PHRASES:
        clean = phrase.sub(short, clean)
    if not clean:
        return None
    if clean.lower() in _FORMATS:
        return _FORMATS[clean.lower()]
    for read in (_less, _since, _plain, _words):
        if (found := read(clean)) is not None:
            return found
    return None


def is_scale(text: str) -> bool:
    """Return whether a text is the name of a time scale and of no unit: some files have it as the unit."""
    return str(text).strip().upper() in _SCALES and parse(str(text)) is None


def _less(text: str) -> TimeUnit | None:
    """Read a Julian date less a number: BJD - 2457000, days."""
    found = _LESS.match(text)
    form = _FORMATS.get(found[1].lower()) if found else None
    if found is None or form is None or form.epoch is None:
        return None
    if _scale_behind(text[found.end() :]) is None:
        return None
    number = float(re.sub("[ ,']", "", found[3]) or "nan")
    named = scale(found[2] or "") or form.scale
    return _days(form.epoch.julian_date + number, named, form.barycentred)


def _scale_behind(text: str) -> str | None:
    """Return the scale that is named behind a date, None where other words than days follow."""
    named = ""
    for word in re.findall(r"[A-Za-z]+|\d+", text):
        if word.upper() in _SCALES:
            named = scale(word)
        elif _LONG.get(word.lower()) != DAY:
            return None
    return named


def _since(text: str) -> TimeUnit | None:
    """Read a unit with its epoch: seconds since 2001-01-01 00:00:00 UTC."""
    found = _SINCE.match(text)
    if found is None:
        return None
    base, suffix = _plain(found[1]), found[3] or ""
    if base is None or (suffix and suffix.upper() not in {*_SCALES, "Z"}):
        return None
    named = scale(suffix.replace("Z", "UTC"))
    date = re.match(r"([a-z]*jd)\W*([\d.]+)", found[2], re.IGNORECASE)
    if date:
        form = _FORMATS.get(date[1].lower())
        if form is None or form.epoch is None:
            return None
        epoch = _epoch(form.epoch.julian_date + float(date[2]))
        return TimeUnit(base.seconds, epoch, named, form.barycentred)
    try:
        time = Time(found[2].replace(" ", "T"), format="fits")
    except ValueError:
        return None
    return TimeUnit(base.seconds, _epoch_of(time), named)


def _epoch_of(time: Time) -> Epoch:
    if not time.jd2:
        return _epoch(time.jd1)
    whole, rest = divmod(time.jd1 - MJD_ZERO_JD, 1.0)
    day, fraction = divmod(rest + time.jd2, 1.0)
    return Epoch(int(whole + day), float(fraction))


def _plain(text: str) -> TimeUnit | None:
    """Read a unit and nothing else; capitals count where they change the meaning."""
    seconds = _EXACT.get(text) or _LONG.get(text.lower()) or _of_astropy(text)
    return None if seconds is None else TimeUnit(seconds)


def _of_astropy(text: str) -> float | None:
    """Return the seconds in a unit as Astropy reads it: prefixes, powers of ten, products."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecated unit still has one meaning
        for form in ("fits", "ogip", "generic"):
            try:
                seconds = float(units.Unit(text, format=form).to(units.s))
            except (ValueError, TypeError, units.UnitsError, OverflowError, ZeroDivisionError):
                continue
            return seconds if 0 < seconds < np.inf else None
    return None


def _words(text: str) -> TimeUnit | None:
    """Read a unit or a format among words, some of which name a scale: d (TDB), MJD_TT, MJD days."""
    found, named = [], ""
    for word in re.findall(r"[A-Za-z]+", text):
        if word.upper() in _SCALES:
            named = scale(word)
        elif word.lower() in _FORMATS:
            found.append(_FORMATS[word.lower()])
        elif (unit := _plain(word)) is not None:
            found.append(unit)
        elif word.lower() not in _ABOUT:
            return None
    if re.search(r"[\d*/^+]", text) or not found or len({one.seconds for one in found}) > 1:
        return None
    dated = [one for one in found if one.epoch is not None]
    if len(dated) > 1:
        return None
    one = dated[0] if dated else found[0]
    return TimeUnit(one.seconds, one.epoch, named or one.scale, one.barycentred, one.civil)
