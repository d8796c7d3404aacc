"""The kind of a file, by its HDUs, columns and keywords; never by its name."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.ingest.files import spectrum_header
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import rxte
from pipeline.ingest.missions.registry import DIALECTS, TIME_COLUMNS
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

KINDS = ("events", "lightcurve", "spectrum")
"""Kinds of file that hold an observation, in the order in which they are looked for."""

_NUMBER = re.compile("[0-9]{1,9}")

RATE_COLUMNS = ("RATE", "COUNTS", "COUNT_RATE", *(dialect.flux for dialect in DIALECTS))
"""Columns a light curve may be in, the best first; numbered ones (RATE1) come after RATE."""


@dataclass(frozen=True)
class _OtherTable:
    """A kind of table that is sound but no observation.

    Attributes
    ----------
    description : str
        What it is, in words.
    words : tuple of str
        Words in EXTNAME, HDUCLAS1 or HDUCLAS2 by which it is recognised.
    columns : tuple of set
        Sets of columns: a table that has all of one set is of this kind.
    """

    description: str
    words: tuple[str, ...] = ()
    columns: tuple[frozenset[str], ...] = ()


def _columns(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


_SET_ASIDE = (
    _OtherTable("target pixels", ("TARGETTABLES", "PIXELS"), _columns("RAW_CNTS FLUX")),
    _OtherTable("a time-lag histogram", (), _columns("TIME XELAG")),
    _OtherTable(
        "an attitude file",
        ("ATT", "ASPSOL", "ASPECT"),
        _columns("TIME QPARAM", "TIME POINTING"),
    ),
    _OtherTable(
        "a spacecraft or orbit file",
        ("SC_DATA", "ORBIT", "EPHEM", "PREFILTER"),
        _columns(
            "START STOP SC_POSITION",
            "TIME POSITION VELOCITY",
            "TIME SAT_LAT SAT_LON",
            "SCLK_UTC POS_X",
        ),
    ),
    _OtherTable("a housekeeping file", ("HK", "HOUSEKEEPING", "HKP")),
    _OtherTable("a filter file", ("FILTER", "MKF"), _columns("TIME ELV SAA", "TIME ELV BR_EARTH")),
    _OtherTable("bad pixels", ("BADPIX", "BADPIXEL"), _columns("RAWX RAWY BADFLAG")),
    _OtherTable("a region", ("REGION",), _columns("SHAPE X Y R")),
    _OtherTable(
        "a list of sources", ("SRCLIST", "SRC_LIST", "CATALOG"), _columns("RA DEC ML_ID_SRC")
    ),
    _OtherTable("good time intervals", ("GTI",), _columns("START STOP")),
    _OtherTable("a light curve of the background", ("BKG", "BACKGROUND")),
)
"""Sound tables that are no observation, the most telling first."""

_EVENT_COLUMNS = frozenset(
    {"PI", "PHA", "ENERGY", "CHANNEL", "EVENT", "RAWX", "DETX", "DET_ID", "EVENT_ID", "PULSE_PHASE"}
)
_BACKGROUND = frozenset({"BKG", "BACKGROUND"})
_NO_TELESCOPE = frozenset({"", "NONE", "N/A", "UNKNOWN"})


@dataclass(frozen=True)
class Recognised:
    """The kind of a file.

    Attributes
    ----------
    kind : str
        ``events``, ``lightcurve``, ``spectrum``, ``response`` or ``other``.
    index : int
        Its HDU with the data.
    description : str
        What a ``response`` or ``other`` file is, in words.
    """

    kind: str
    index: int
    description: str = ""


def recognise(hdus: Sequence[Hdu]) -> Recognised:
    """Return the kind of a file.

    Parameters
    ----------
    hdus : sequence of Hdu
        All HDUs of the file, the primary one first.

    Returns
    -------
    Recognised
        The first HDU of the first of `KINDS` that the file has. A table that is declared to be of a kind
        (HDUCLAS1, EXTNAME) is of that kind even if it lacks a column, so that reading it says which one; a
        table that declares nothing must have the columns.

    Raises
    ------
    Rejected
        UNRECOGNISED, naming the tables that there are.
    """
    declared = [_declared(hdu) for hdu in hdus]
    guessed = [kind or _by_columns(hdu) for kind, hdu in zip(declared, hdus, strict=True)]
    for kinds in (declared, guessed):
        for kind in KINDS:
            if kind in kinds:
                index = kinds.index(kind)
                if kind == "spectrum" and (other := _energy_spectrum(hdus[index], hdus[0])):
                    return Recognised("other", index, other)
                return Recognised(kind, index)
    if "response" in guessed:
        return Recognised("response", _response_hdu(hdus, guessed), "a response")
    for table in _SET_ASIDE:
        for index, hdu in enumerate(hdus):
            if _is_kind(hdu, table):
                return Recognised("other", index, table.description)
    images = [i for i, hdu in enumerate(hdus) if hdu.header.get("NAXIS", 0) and not hdu.columns]
    if images and not any(hdu.columns for hdu in hdus[: images[0]]):
        return Recognised("other", images[0], "an image")
    raise Rejected(Status.UNRECOGNISED, _nothing_in(hdus))


def _is_kind(hdu: Hdu, kind: _OtherTable) -> bool:
    """Return whether a table is of a kind of `_SET_ASIDE`."""
    if not hdu.columns:
        return False
    texts = [hdu.name, str(hdu.header.get("HDUCLAS1", "")), str(hdu.header.get("HDUCLAS2", ""))]
    names = {part for text in texts for part in re.split(r"[^A-Z0-9_]+", text.upper())}
    parts = names | {part for name in names for part in name.split("_")}
    return bool(parts & set(kind.words)) or any(
        columns <= set(hdu.columns) for columns in kind.columns
    )


def _declared(hdu: Hdu) -> str:
    """Return the kind that a table declares, empty if it declares none that is known."""
    if not hdu.columns:
        return ""
    name = hdu.name.strip().upper()
    hduclas1 = str(hdu.header.get("HDUCLAS1", "")).replace(" ", "").upper()
    hduclas2 = str(hdu.header.get("HDUCLAS2", "")).strip().upper()
    if hduclas1.startswith("LIGHTCURVE") and hduclas2 in _BACKGROUND:
        return "other"
    for word, kind in (
        ("EVENT", "events"),
        ("LIGHTCURVE", "lightcurve"),
        ("SPECTRUM", "spectrum"),
        ("RESPONSE", "response"),
    ):
        if hduclas1.startswith(word):
            return kind
    if name == rxte.ARRAY:
        return "lightcurve" if rxte.count_columns(hdu.columns) else "other"
    if hduclas1 and hduclas1 != "TEMPORALDATA":
        return "other"
    if "EVENT" in name or name == rxte.EVENTS:
        return "events"
    if name in {"RATE", "LIGHTCURVE", "LIGHT CURVE"}:
        return "lightcurve"
    if name == "SPECTRUM":
        return "spectrum"
    if name in {"EBOUNDS", "MATRIX", "SPECRESP", "SPECRESP MATRIX"}:
        return "response"
    return ""


def _by_columns(hdu: Hdu) -> str:
    """Return the kind of a table by its columns, empty if they fit no kind."""
    columns = set(hdu.columns)
    if any(_is_kind(hdu, kind) for kind in _SET_ASIDE):
        return ""
    if {"E_MIN", "E_MAX", "CHANNEL"} <= columns or {"ENERG_LO", "MATRIX"} <= columns:
        return "response"
    if not time_column(columns):
        return "spectrum" if {"CHANNEL", "COUNTS"} <= columns or has_frequencies(columns) else ""
    if rate_columns(hdu.columns):
        return "lightcurve"
    return "events" if columns & _EVENT_COLUMNS else ""


def time_column(columns: Collection[str]) -> str:
    """Return the column of times, empty if there is none."""
    for column in TIME_COLUMNS:
        if column.name in columns and (not column.beside or column.beside in columns):
            return column.name
    return ""


def rate_columns(columns: Collection[str]) -> list[str]:
    """Return the column of a light curve, or the numbered columns of several; empty if there is none."""
    for name in RATE_COLUMNS:
        if name in columns:
            return [name]
        numbered = [c for c in columns if c.startswith(name) and _NUMBER.fullmatch(c, len(name))]
        if name == "RATE" and numbered:
            return sorted(numbered, key=lambda c: int(c[len(name) :]))
    return []


def has_frequencies(columns: Collection[str]) -> bool:
    """Return whether a table has powers and their frequencies."""
    return bool(spectrum_header.columns_of(columns))


def _energy_spectrum(hdu: Hdu, primary: Hdu) -> str:
    """Say why a SPECTRUM is of photon energies and not a power spectrum, empty if it may be one.

    The format is the same, and no keyword tells them apart. A power spectrum has errors of its own
    (a STAT_ERR column, POISSERR not true) and no effective area (ANCRFILE). If it names a detector, its
    response must not be the detector's own (`is_power_spectrum`).
    """
    if has_frequencies(hdu.columns):
        return ""
    if str(hdu.header.get("ANCRFILE", "")).strip().upper() not in _NO_TELESCOPE:
        return "an energy spectrum (it names an effective area, ANCRFILE)"
    if hdu.header.get("POISSERR") is True or not {"STAT_ERR", "STAT_ERROR"} & set(hdu.columns):
        named = str(hdu.header.get("TELESCOP", primary.header.get("TELESCOP", "")))
        if named.strip().upper() not in _NO_TELESCOPE:
            return "an energy spectrum (counts of a detector without errors of their own)"
    return ""


def is_power_spectrum(mission: str, response_mission: str) -> bool:
    """Return whether a SPECTRUM is a power spectrum, by the missions in it and in its response.

    The response of a power spectrum maps channels to frequencies, so it names no telescope.
    """
    return not mission or not response_mission


def _response_hdu(hdus: Sequence[Hdu], kinds: Sequence[str]) -> int:
    """Return the HDU with the edges of the channels (EBOUNDS) if there is one, else the first of the response."""
    for index, hdu in enumerate(hdus):
        if kinds[index] == "response" and {"E_MIN", "E_MAX"} <= set(hdu.columns):
            return index
    return kinds.index("response")


def _nothing_in(hdus: Sequence[Hdu]) -> str:
    """Name the tables of a file in which no table is useful."""
    tables = [
        f"{hdu.name or index} ({', '.join(list(hdu.columns)[:6])}{', …' * (len(hdu.columns) > 6)})"
        for index, hdu in enumerate(hdus)
        if hdu.columns
    ]
    if not tables:
        return "the file has no table with data"
    return (
        f"no table is an event list, a light curve or a power spectrum: found {'; '.join(tables)}; "
        "if it is one, say in ingest.tables what its columns are; unasked, a light curve needs TIME "
        f"and one of {', '.join(RATE_COLUMNS)}, an event list TIME and HDUCLAS1 = 'EVENTS' or a "
        "column like PI"
    )
