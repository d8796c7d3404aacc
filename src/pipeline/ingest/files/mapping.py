"""Text files, and FITS tables that do not describe themselves, read by entries of the configuration.

An entry of `ingest.tables` makes such a file look like a FITS table with the usual columns and keywords, so
that the code that reads observations knows one form only.
"""

import functools
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from pipeline.config.ingest import IngestOptions
from pipeline.config.tables import TableOptions
from pipeline.ingest.files import ecsv, fits_file, formats, selection, text, undefined
from pipeline.ingest.files.fits_file import LocalOrOpen
from pipeline.ingest.hdu import Columns, Hdu
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import good_time
from pipeline.status import Status

NAMES = {
    "time": "TIME",
    "rate": "RATE",
    "counts": "COUNTS",
    "error": "ERROR",
    "error_lo": "ERROR_LO",
    "error_hi": "ERROR_HI",
    "background": "BACKV",
    "fracexp": "FRACEXP",
    "exposure": "EXPOSURE",
    "bin_width": "TIMEDEL",
    "quality": "QUALITY",
    "energy": "ENERGY",
    "channel": "PI",
    "frequency": "FREQUENCY",
    "frequency_lo": "FREQUENCY_LO",
    "frequency_hi": "FREQUENCY_HI",
    "power": "POWER",
    "n": "N",
    "noise": "NOISE",
}
"""Role of a column in the configuration, and the name that it then gets."""

_KINDS = {"lightcurve": "LIGHTCURVE", "events": "EVENTS", "spectrum": "SPECTRUM"}
_CLOCK = ("MJDREFI", "MJDREFF", "MJDREF", "TIMEZERO", "TIMEZERI", "TIMEZERF", "TIMEUNIT", "TIMESYS")
_VALUES = ("RATE", "ERROR", "ERROR_LO", "ERROR_HI")
_MEASURED = (*_VALUES, "COUNTS", "BACKV", "POWER", "NOISE")


def _no_entry() -> TableOptions:
    return TableOptions.model_construct(files="", columns={})


@dataclass(frozen=True)
class MappedHdu(Hdu):
    """A table with the columns of `NAMES`.

    Attributes
    ----------
    table : TableOptions
        The entry of the configuration.
    own : mapping of str to str
        Name of a column, and its name in `inside`.
    inside : Columns
        The table in the file.
    roles : mapping of str to str
        Role of a column in the configuration, and its name in `inside`.
    found : mapping of str to mapping of str to int
        By column that was read: numbers and words that stood for no value, and their counts.
    """

    table: TableOptions = field(default_factory=_no_entry)
    own: Mapping[str, str] = field(default_factory=dict)
    inside: Columns = field(default_factory=lambda: Hdu("", {}))
    role_columns: Mapping[str, str] = field(default_factory=dict)
    found: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def entry(self) -> TableOptions:
        """The entry of the configuration."""
        return self.table

    @property
    def roles(self) -> Mapping[str, str]:
        """Role of a column in the configuration, and its name in `inside`."""
        return self.role_columns

    @property
    def in_file(self) -> Hdu:
        """The table in a FITS file, with its own names of columns; the table itself, if the file is a text."""
        return cast(Hdu, self.inside) if hasattr(self.inside, "columns") else self

    def number(self, name: str) -> int:
        """Return the number in the file of a column of a FITS table, 0 if there is none."""
        if name not in self.own or self.in_file is self:
            return 0
        return self.in_file.number(self.own[name])

    def unit(self, name: str) -> str:
        """Return the unit of a column: that of the configuration, else its own."""
        units = {NAMES[key]: unit for key, unit in self.table.units.items()}
        if name in units or name not in self.own:
            return units.get(name, "")
        return self.inside.unit(self.own[name])

    def name_in_file(self, name: str) -> str:
        """Return the name, or the number, of a column in the file."""
        return str(self.own.get(name, name)).upper()

    def stand_ins(self, name: str) -> Mapping[str, int]:
        """Return the numbers and words that stood for no value in a column that was read, and their counts."""
        return self.found.get(name, {})

    def read_any(self, name: str) -> np.ndarray:
        """Return a column, which holds numbers unless it is the quality."""
        return self.inside.read_any(self.own[name]) if name == "QUALITY" else self.read(name)

    def read(self, name: str) -> np.ndarray:
        """Return a column; magnitudes and logarithms are turned into fluxes, 1 at their median."""
        if name not in self.own:  # TIME: there is a value every TIMEDEL
            n = len(self.inside.read(next(iter(self.own.values()))))
            return np.arange(n) * float(self.header["TIMEDEL"])
        values = self._measured(name)
        if name in _VALUES and self.table.scale != "linear" and "RATE" in self.own:
            return self._flux(name, values)
        if self.table.kind == "spectrum" and name in ("POWER", "ERROR", "NOISE"):
            return values * self.table.factor
        return values

    def _flux(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return a magnitude or a logarithm as a flux, or its error as that of the flux."""
        exponent = np.log(10) * (1.0 if self.table.scale == "log10" else -0.4)
        rate = self._measured("RATE").astype(float)
        known = rate[np.isfinite(rate)]
        flux = np.exp(exponent * (rate - (np.median(known) if len(known) else 0.0)))
        return flux if name == "RATE" else flux * abs(exponent) * values

    def of_rows(self, keep: np.ndarray) -> "MappedHdu":
        """Return some rows of the table, by their numbers."""
        return replace(self, inside=selection.Rows(self.inside, keep))

    def _measured(self, name: str) -> np.ndarray:
        """Return a column with NaN in the place of numbers that stand for no value."""
        column = self.own[name]
        values = self.inside.read(column)
        if name not in _MEASURED:
            return values
        found = dict(getattr(self.inside, "found", {}).get(column, {}))
        missing = [float(value) for value in self.table.missing if not isinstance(value, str)]
        named = (
            np.isin(values, np.asarray(missing, dtype=values.dtype))
            if missing
            else np.zeros(1, bool)
        )
        if named.any():
            values = np.where(named, np.nan, values)
            found["a number of ingest.tables.missing"] = int(named.sum())
        cleaned = undefined.clean(values)
        self.found[name] = found | cleaned.found
        return cleaned.values


def entry_for(file: str, tables: Sequence[TableOptions]) -> TableOptions | None:
    """Return the first entry of the configuration whose pattern a file matches, with wildcards filled in.

    Parameters
    ----------
    file : str
        Path inside the archive.
    tables : sequence of TableOptions
        The entries. In a pattern `*` is any text without a slash, `**` any text. In the values of
        keywords, ``{1}`` is the text of the first of them, ``{stem}`` the name of the file without folders
        and extension.
    """
    for table in tables:
        match = re.fullmatch(_pattern(table.files), file)
        if match:
            filled = {"stem": file.rpartition("/")[2].partition(".")[0]}
            filled |= {str(i): text for i, text in enumerate(match.groups(), 1)}
            keywords = {
                key: _fill(value, filled) if isinstance(value, str) else value
                for key, value in table.keywords.items()
            }
            return table.model_copy(update={"keywords": keywords})
    return None


def _pattern(glob: str) -> str:
    parts = re.split(r"(\*+)", glob)
    wild = {"*": "([^/]*)"}
    return "".join(wild.get(p, "(.*)") if p.startswith("*") else re.escape(p) for p in parts)


def _fill(text: str, filled: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: filled.get(m[1], m[0]), text)


OpenFits = Callable[[Any, int], AbstractContextManager[Any]]
"""A function that opens a FITS file, as `fits_file.open_fits` does."""


@contextmanager
def open_file(
    file: LocalOrOpen,
    name: str,
    options: IngestOptions,
    open_fits: OpenFits = fits_file.open_fits,
    part: str = "",
) -> Iterator[list[Hdu]]:
    """Open a file of an archive: FITS, ECSV, or a table that the configuration describes.

    Parameters
    ----------
    file : path-like or binary file
        Path; or a file that is open and can seek.
    name : str
        Path inside the archive, by which its entry in `ingest.tables` is found.
    options : IngestOptions
        How to read.
    open_fits : callable, optional
        Opens a FITS file.
    part : str, optional
        Object whose rows are wanted of a file of several; empty: all objects.

    Yields
    ------
    list of Hdu
        The primary one first. Text has one table.

    Raises
    ------
    Rejected
        See `fits_file.open_fits` and `text.TextTable`.
    """
    table = entry_for(name, options.tables)
    if table is not None and not _is_fits(file):
        yield [Hdu("", {}), *_selected(_of_text(file, table, options), part, [])]
        return
    if table is None and (written := _ecsv(file, options.max_decompressed)):
        yield ecsv.read(written)
        return
    with open_fits(file, options.max_decompressed) as hdus:
        if table is None:
            yield hdus
            return
        mapped = _of_fits(hdus, table)
        if open_fits is fits_file.open_fits:
            yield [hdus[0], *_selected(mapped, part, _good_times(hdus))]
        else:
            yield [hdus[0], mapped, *_good_times(hdus)]  # headers alone, without rows to select


def _of_text(file: LocalOrOpen, table: TableOptions, options: IngestOptions) -> MappedHdu:
    """Return the table of a text file. A file of several objects is kept in memory for the next object."""
    limit, several = options.max_decompressed, "object" in table.columns
    if several and isinstance(file, (str, os.PathLike)):
        about = os.stat(file)
        entry = table.model_dump_json()
        inside = _kept(os.fspath(file), about.st_mtime_ns, about.st_size, entry, limit)
    else:
        inside = _text(file, table, limit)
    roles = {role: str(column) for role, column in table.columns.items()}
    own = {NAMES[role]: column for role, column in roles.items() if role in NAMES}
    return _mapped(table, inside, own, roles)


@functools.lru_cache(maxsize=2)
def _kept(path: str, mtime_ns: int, size: int, table: str, limit: int) -> Columns:
    return _text(path, TableOptions.model_validate_json(table), limit)


def _selected(hdu: MappedHdu, part: str, good_times: list[Hdu]) -> list[Hdu]:
    """Return a table with the rows that its entry keeps, those of one object, and its good time."""
    table = hdu.table
    keep = selection.kept_rows(hdu.inside, table, part, hdu.roles)
    if keep is not None:
        hdu = hdu.of_rows(keep)
    if part:
        keywords = {
            key: value.replace("{object}", part) if isinstance(value, str) else value
            for key, value in {"OBJECT": part, **table.keywords}.items()
        }
        place = selection.position_keywords(hdu.inside, hdu.roles)
        hdu = replace(hdu, header={**hdu.header, **keywords, **place})
    if table.times and table.kind == "events":
        return [hdu, _cut_good_time(hdu, good_times)]
    return [hdu, *good_times]


def _cut_good_time(hdu: MappedHdu, good_times: Sequence[Hdu]) -> Hdu:
    """Return the part of the good time of events that lies in the ranges of time of their entry."""
    own = [
        np.column_stack([table.read(name).ravel() for name in names])
        for table in good_times
        if (names := good_time.edge_columns(table))
    ]
    cut = selection.intersection(np.concatenate(own) if own else np.empty((0, 2)), hdu.table.times)
    edges = {"START": cut[:, 0], "STOP": cut[:, 1]}
    time = {key: hdu.header[key] for key in _CLOCK if key in hdu.header}
    unit = hdu.unit("TIME")
    units = {"START": unit, "STOP": unit} if unit else {}
    return ecsv.EcsvHdu("GTI", time, tuple(edges), edges, units)


def _ecsv(file: LocalOrOpen, limit: int) -> bytes:
    """Return the text of a file that begins as ECSV does; empty for any other file."""
    with text.unpacked(file) as stream:
        try:
            if stream.read(len(ecsv.MAGIC)) != ecsv.MAGIC:
                return b""
            return ecsv.MAGIC + io.BufferedReader(text.Limited(stream, limit)).read()
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return b""  # reading it will say what is wrong with it


def _text(file: LocalOrOpen, table: TableOptions, limit: int) -> Columns:
    """Return the columns of a text file, in a format that has a name or not."""
    if table.format is None:
        return text.TextTable(file, table, limit)
    with text.unpacked(file) as stream:
        try:
            content = io.BufferedReader(text.Limited(stream, limit)).read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            reason = f"the text cannot be read to its end ({error}): fetch it again"
            raise Rejected(Status.TRUNCATED, reason) from error
    return formats.NamedFormat(content, table.format, table.columns.values(), table.missing)


def _is_fits(file: LocalOrOpen) -> bool:
    """Return whether a file, gzipped or not, begins as FITS does."""
    with text.unpacked(file) as stream:
        try:
            return stream.read(9) == b"SIMPLE  ="
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return True  # reading it will say what is wrong with it


def _of_fits(hdus: Sequence[Hdu], table: TableOptions) -> MappedHdu:
    """Return the first table of a FITS file that has the columns of an entry."""
    wanted = {role: str(column).upper() for role, column in table.columns.items()}
    for hdu in hdus:
        roles = {
            role: hdu.columns[int(c) - 1] if c.isdigit() and int(c) <= len(hdu.columns) else c
            for role, c in wanted.items()
        }
        if hdu.columns and set(roles.values()) <= set(hdu.columns):
            own = {NAMES[role]: name for role, name in roles.items() if role in NAMES}
            return _mapped(table, hdu, own, roles, {**hdus[0].header, **hdu.header}, hdu.name)
    raise Rejected(
        Status.UNRECOGNISED,
        f"no table has the columns {', '.join(wanted.values())} of ingest.tables: name others",
    )


def _good_times(hdus: Sequence[Hdu]) -> list[Hdu]:
    return [hdu for hdu in hdus if {"START", "STOP"} <= set(hdu.columns) or good_time.is_table(hdu)]


def _mapped(
    table: TableOptions,
    inside: Columns,
    own: Mapping[str, str],
    roles: Mapping[Any, str],
    header: Mapping[str, Any] | None = None,
    name: str = "",
) -> MappedHdu:
    header = {**(header or {}), **table.keywords, "HDUCLAS1": _KINDS[table.kind]}
    columns = tuple(own)
    if table.kind == "lightcurve" and "TIME" not in own and "TIMEDEL" in table.keywords:
        columns = ("TIME", *columns)
    return MappedHdu(name or "TEXT", header, columns, table, own, inside, dict(roles))
