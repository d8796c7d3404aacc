"""Text files, and FITS tables that do not say what they hold, read as the configuration says.

An entry of `ingest.tables` makes such a file look like a FITS table of the usual columns and
keywords, so that everything behind it knows one form only.
"""

import functools
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.config.ingest import IngestOptions
from pipeline.config.tables import TableOptions
from pipeline.ingest.files import ecsv, fits_file, formats, selection, text, undefined
from pipeline.ingest.files.recognise import Hdu
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
"""What a column is in the configuration, and what it is then called."""

_KINDS = {"lightcurve": "LIGHTCURVE", "events": "EVENTS", "spectrum": "SPECTRUM"}
_CLOCK = ("MJDREFI", "MJDREFF", "MJDREF", "TIMEZERO", "TIMEZERI", "TIMEZERF", "TIMEUNIT", "TIMESYS")
_VALUES = ("RATE", "ERROR", "ERROR_LO", "ERROR_HI")
_MEASURED = (*_VALUES, "COUNTS", "BACKV", "POWER", "NOISE")


@dataclass(frozen=True)
class MappedHdu(Hdu):
    """A table whose columns are those of `NAMES`.

    Attributes
    ----------
    table : TableOptions
        The entry of the configuration.
    own : mapping of str to str
        Name of a column to what it is called in `inside`.
    inside : object
        Table with ``read(name)``, ``read_any(name)`` and ``unit(name)``.
    roles : mapping of str to str
        What a column is in the configuration to what it is called in `inside`.
    found : mapping of str to mapping of str to int
        What stood in the place of values in the columns that were read, and how often.
    """

    table: TableOptions | None = None
    own: dict = field(default_factory=dict)
    inside: object = None
    roles: dict = field(default_factory=dict)
    found: dict = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Return the number in the file of a column of a FITS table, 0 if there is none."""
        inside = self.inside
        return (
            inside.number(self.own[name]) if name in self.own and hasattr(inside, "number") else 0
        )

    def unit(self, name: str) -> str:
        """Return the unit of a column: that of the configuration, else its own."""
        said = {NAMES[key]: unit for key, unit in self.table.units.items()}
        if name in said or name not in self.own:
            return said.get(name, "")
        return self.inside.unit(self.own[name])

    def called(self, name: str) -> str:
        """Return what a column is called, or numbered, in the file."""
        return str(self.own.get(name, name)).upper()

    def read_any(self, name: str) -> np.ndarray:
        """Return a column, which holds numbers unless it is the quality."""
        return self.inside.read_any(self.own[name]) if name == "QUALITY" else self.read(name)

    def read(self, name: str) -> np.ndarray:
        """Return a column; values that are magnitudes or logarithms as fluxes, 1 at their median."""
        if name not in self.own:  # TIME: there is a value every TIMEDEL
            n = len(self.inside.read(next(iter(self.own.values()))))
            return np.arange(n) * float(self.header["TIMEDEL"])
        values = self._measured(name)
        if name in _VALUES and self.table.scale != "linear" and "RATE" in self.own:
            exponent = np.log(10) * (1.0 if self.table.scale == "log10" else -0.4)
            rate = self._measured("RATE").astype(float)
            known = rate[np.isfinite(rate)]
            flux = np.exp(exponent * (rate - (np.median(known) if len(known) else 0.0)))
            return flux if name == "RATE" else flux * abs(exponent) * values
        if self.table.kind == "spectrum" and name in ("POWER", "ERROR", "NOISE"):
            return values * self.table.factor
        return values

    def _measured(self, name) -> np.ndarray:
        """Return a column with NaN for what stands for no value."""
        column = self.own[name]
        values = self.inside.read(column)
        if name not in _MEASURED:
            return values
        found = dict(getattr(self.inside, "found", {}).get(column, {}))
        said = [float(value) for value in self.table.missing if not isinstance(value, str)]
        named = np.isin(values, np.asarray(said, dtype=values.dtype)) if said else np.zeros(1, bool)
        if named.any():
            values = np.where(named, np.nan, values)
            found["a number of ingest.tables.missing"] = int(named.sum())
        cleaned = undefined.clean(values)
        self.found[name] = found | cleaned.found
        return cleaned.values


def find(file: str, tables: Sequence[TableOptions]) -> TableOptions | None:
    """Return the first entry of the configuration that a file is of, wildcards filled in.

    Parameters
    ----------
    file : str
        Path inside the archive.
    tables : sequence of TableOptions
        The entries. In a pattern `*` is any text without a slash, `**` any text. In the values of
        keywords, ``{1}`` is what the first of them stands for, ``{stem}`` the name of the file
        without folders and extension.
    """
    for table in tables:
        match = re.fullmatch(_pattern(table.files), file)
        if match:
            filled = {"stem": file.rpartition("/")[2].partition(".")[0]}
            filled |= {str(i): text for i, text in enumerate(match.groups(), 1)}
            said = {
                key: _fill(value, filled) if isinstance(value, str) else value
                for key, value in table.keywords.items()
            }
            return table.model_copy(update={"keywords": said})
    return None


def _pattern(glob: str) -> str:
    parts = re.split(r"(\*+)", glob)
    wild = {"*": "([^/]*)"}
    return "".join(wild.get(p, "(.*)") if p.startswith("*") else re.escape(p) for p in parts)


def _fill(text: str, filled: dict) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: filled.get(m[1], m[0]), text)


@contextmanager
def open_file(
    file, name: str, options: IngestOptions, open_fits=fits_file.open_fits, part: str = ""
) -> Iterator[list[Hdu]]:
    """Open a file of an archive: FITS, or what the configuration says how to read.

    Parameters
    ----------
    file : path-like or binary file
        File; or one that is open and can seek.
    name : str
        Path inside the archive, by which its entry in `ingest.tables` is found.
    options : IngestOptions
        How to read.
    open_fits : callable, optional
        What opens a FITS file, as `fits_file.open_fits` does.
    part : str, optional
        Object whose rows are wanted of a file of several; empty: those of all.

    Yields
    ------
    list of Hdu
        The primary one first. Text has one table.

    Raises
    ------
    Rejected
        See `fits_file.open_fits` and `text.TextTable`.
    """
    table = find(name, options.tables)
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
            yield [hdus[0], mapped, *_good_times(hdus)]  # whose data cannot be read


def _of_text(file, table, options) -> MappedHdu:
    """Return the table of a text file; one of several objects is kept for the next of them."""
    limit, several = options.max_decompressed, "object" in table.columns
    if several and isinstance(file, (str, os.PathLike)):
        about = os.stat(file)
        own = table.model_dump_json()
        inside = _kept(os.fspath(file), about.st_mtime_ns, about.st_size, own, limit)
    else:
        inside = _text(file, table, limit)
    roles = {role: str(column) for role, column in table.columns.items()}
    own = {NAMES[role]: column for role, column in roles.items() if role in NAMES}
    return _mapped(table, inside, own, roles)


@functools.lru_cache(maxsize=2)
def _kept(path, mtime_ns, size, table, limit):
    return _text(path, TableOptions.model_validate_json(table), limit)


def _selected(hdu: MappedHdu, part: str, good_times: list[Hdu]) -> list[Hdu]:
    """Return a table with the rows that its entry keeps, those of one object, and its good time."""
    table = hdu.table
    keep = selection.chosen(hdu.inside, table, part, hdu.roles)
    if keep is not None:
        hdu = replace(hdu, inside=selection.Rows(hdu.inside, keep))
    if part:
        said = {
            key: value.replace("{object}", part) if isinstance(value, str) else value
            for key, value in {"OBJECT": part, **table.keywords}.items()
        }
        hdu = replace(hdu, header={**hdu.header, **said, **selection.position(hdu)})
    if table.times and table.kind == "events":
        own = [
            np.column_stack([g.read(name).ravel() for name in good_time.edge_columns(g)])
            for g in good_times
        ]
        cut = selection.intersection(np.concatenate(own) if own else np.empty((0, 2)), table.times)
        edges = {"START": cut[:, 0], "STOP": cut[:, 1]}
        time = {key: hdu.header[key] for key in _CLOCK if key in hdu.header}
        unit = hdu.unit("TIME")
        units = {"START": unit, "STOP": unit} if unit else {}
        good_times = [ecsv.EcsvHdu("GTI", time, tuple(edges), edges, units)]
    return [hdu, *good_times]


def _ecsv(file, limit) -> bytes:
    """Return the text of a file that says it is ECSV, empty if it is none; it is left at its beginning."""
    with text.unpacked(file) as stream:
        try:
            if stream.read(len(ecsv.MAGIC)) != ecsv.MAGIC:
                return b""
            return ecsv.MAGIC + io.BufferedReader(text.Limited(stream, limit)).read()
        except (EOFError, OSError, zlib.error):
            return b""  # and what is wrong with it is said when it is read


def _text(file, table, limit):
    """Return the columns of a text file, in a format that has a name or not."""
    if table.format is None:
        return text.TextTable(file, table, limit)
    with text.unpacked(file) as stream:
        try:
            content = io.BufferedReader(text.Limited(stream, limit)).read()
        except (EOFError, OSError, zlib.error) as error:
            reason = f"the text cannot be read to its end ({error}): fetch it again"
            raise Rejected(Status.TRUNCATED, reason) from error
    return formats.NamedFormat(content, table.format, table.columns.values(), table.missing)


def _is_fits(file) -> bool:
    """Return whether a file, gzipped or not, begins as FITS does; it is left at its beginning."""
    with text.unpacked(file) as stream:
        try:
            return stream.read(9) == b"SIMPLE  ="
        except (EOFError, OSError, zlib.error):
            return True  # and what is wrong with it is said when it is read


def _of_fits(hdus, table) -> MappedHdu:
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


def _good_times(hdus) -> list[Hdu]:
    return [hdu for hdu in hdus if {"START", "STOP"} <= set(hdu.columns) or good_time.is_table(hdu)]


def _mapped(table, inside, own, roles, header=None, name="") -> MappedHdu:
    header = {**(header or {}), **table.keywords, "HDUCLAS1": _KINDS[table.kind]}
    columns = tuple(own)
    if table.kind == "lightcurve" and "TIME" not in own and "TIMEDEL" in table.keywords:
        columns = ("TIME", *columns)
    return MappedHdu(name or "TEXT", header, columns, table, own, inside, roles)
