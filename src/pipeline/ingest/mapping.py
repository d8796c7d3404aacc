"""Text files, and FITS tables that do not say what they hold, read as the configuration says.

An entry of `ingest.tables` makes such a file look like a FITS table of the usual columns and
keywords, so that everything behind it knows one form only.
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from pipeline.config import IngestOptions, TableOptions
from pipeline.ingest import fits_file
from pipeline.ingest.recognise import Hdu
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

NAMES = {
    "time": "TIME",
    "rate": "RATE",
    "counts": "COUNTS",
    "error": "ERROR",
    "background": "BACKV",
    "fracexp": "FRACEXP",
    "quality": "QUALITY",
    "energy": "ENERGY",
    "channel": "PI",
    "frequency": "FREQUENCY",
    "frequency_lo": "FREQUENCY_LO",
    "frequency_hi": "FREQUENCY_HI",
    "power": "POWER",
}
"""What a column is in the configuration, and what it is then called."""

_KINDS = {"lightcurve": "LIGHTCURVE", "events": "EVENTS", "spectrum": "SPECTRUM"}
_MISSING = frozenset({"", "-", "--", "na", "n/a", "nan", "none", "null"})
_VALUES = ("RATE", "ERROR")
_MOST_HEADING, _LONGEST_LINE = 1000, 1 << 16


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
        Table with ``read(name)`` and ``unit(name)``.
    """

    table: TableOptions | None = None
    own: dict = field(default_factory=dict)
    inside: object = None

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

    def read_any(self, name: str) -> np.ndarray:
        """Return a column: all of them hold numbers."""
        return self.read(name)

    def read(self, name: str) -> np.ndarray:
        """Return a column; values that are magnitudes or logarithms as fluxes, 1 at their median."""
        if name not in self.own:  # TIME: there is a value every TIMEDEL
            n = len(self.inside.read(next(iter(self.own.values()))))
            return np.arange(n) * float(self.header["TIMEDEL"])
        values = self.inside.read(self.own[name])
        if name in _VALUES and self.table.scale != "linear" and "RATE" in self.own:
            exponent = np.log(10) * (1.0 if self.table.scale == "log10" else -0.4)
            rate = self.inside.read(self.own["RATE"]).astype(float)
            flux = np.exp(exponent * (rate - np.nanmedian(rate)))
            return flux if name == "RATE" else flux * abs(exponent) * values
        return values * self.table.factor if name == "POWER" else values


class TextTable:
    """The columns of a text file, read when they are first asked for.

    Parameters
    ----------
    file : path-like or binary file
        File, gzipped or not; or one that is open and can seek.
    table : TableOptions
        How its lines are to be read.
    limit : int
        Bytes a gzipped file may grow to.

    Raises
    ------
    Rejected
        UNREADABLE where it is not text or has not the columns that are named.
    """

    def __init__(self, file, table: TableOptions, limit: int):
        self._file, self._table, self._limit = file, table, limit
        self._data = None
        with self._lines() as lines:
            self._skip, first = self._heading(lines)
        self._columns = {
            str(column): self._number(column, first) for column in table.columns.values()
        }

    def unit(self, name: str) -> str:
        """Return nothing: text has no units of its own."""
        return ""

    def read(self, name: str) -> np.ndarray:
        """Return a column by its name or number in the configuration, shape (n,)."""
        return self._rows()[:, list(self._columns).index(name)]

    @contextmanager
    def _lines(self) -> Iterator[io.TextIOBase]:
        with _unpacked(self._file) as stream:
            try:
                limited = io.BufferedReader(_Limited(stream, self._limit))
                yield io.TextIOWrapper(limited, "utf-8", "replace")
            except (EOFError, OSError, zlib.error) as error:
                reason = f"the text cannot be read to its end ({error}): fetch it again"
                raise Rejected(Status.TRUNCATED, reason) from error

    def _split(self, line: str) -> list[str]:
        """Return the cells of a line: between commas if it has any, else between blanks."""
        delimiter = self._table.delimiter or ("," if "," in line else None)
        return [cell.strip().strip('"') for cell in line.strip().split(delimiter)]

    def _heading(self, lines) -> tuple[int, list[str]]:
        """Return the number of lines before the first with a number, and the names above it."""
        names = []
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), "")):
            text = line.strip()
            if number < self._table.skip or not text:
                continue
            commented = text.startswith(self._table.comment)
            cells = self._split(text.lstrip(self._table.comment) if commented else text)
            if not commented and any(_is_number(cell) for cell in cells):
                self._delimiter = self._table.delimiter or ("," if "," in text else None)
                self._width = len(cells)
                return number, names
            names = cells
            if number > _MOST_HEADING:
                break
        raise Rejected(
            Status.UNREADABLE,
            "no line of numbers: it is not the text that ingest.tables says, or ingest.tables.skip "
            "is too large",
        )

    def _number(self, column, names) -> int:
        """Return the place of a column, from 0."""
        if isinstance(column, int):
            if column <= self._width:
                return column - 1
            raise Rejected(
                Status.UNREADABLE,
                f"column {column} (ingest.tables) of {self._width} columns: correct the number",
            )
        folded = [name.lower() for name in names]
        if column.lower() in folded:
            return folded.index(column.lower())
        found = ", ".join(names[:8]) or "no line of names"
        raise Rejected(
            Status.UNREADABLE,
            f"no column {column!r} (ingest.tables): found {found}; name one of them, or its number",
        )

    def _rows(self) -> np.ndarray:
        if self._data is None:
            try:
                self._data = self._load()
            except ValueError:
                try:
                    self._data = self._load(_number_or_nan)
                except ValueError as error:
                    reason = f"{error}: mend the line, or ingest.tables"
                    raise Rejected(Status.UNREADABLE, reason) from error
        return self._data

    def _load(self, converter=None) -> np.ndarray:
        with self._lines() as lines:
            return np.loadtxt(
                lines,
                comments=self._table.comment,
                delimiter=self._delimiter,
                skiprows=self._skip,
                usecols=list(self._columns.values()),
                converters=converter,
                ndmin=2,
            )


class _Limited(io.RawIOBase):
    """A binary stream that may not be longer than a limit."""

    def __init__(self, stream, limit):
        self._stream, self._left = stream, limit

    def readable(self):
        return True

    def readinto(self, buffer):
        block = self._stream.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise Rejected(
                Status.UNREADABLE,
                "the text is longer than ingest.max_decompressed bytes: raise it",
            )
        buffer[: len(block)] = block
        return len(block)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.lower() not in _MISSING


def _number_or_nan(cell) -> float:
    text = cell.decode() if isinstance(cell, bytes) else cell
    text = text.strip().strip('"')
    return np.nan if text.lower() in _MISSING else float(text)


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
    file, name: str, options: IngestOptions, open_fits=fits_file.open_fits
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

    Yields
    ------
    list of Hdu
        The primary one first. Text has one table.

    Raises
    ------
    Rejected
        See `fits_file.open_fits` and `TextTable`.
    """
    table = find(name, options.tables)
    if table is not None and not _is_fits(file):
        text = TextTable(file, table, options.max_decompressed)
        yield [
            Hdu("", {}),
            _mapped(table, text, {NAMES[k]: str(c) for k, c in table.columns.items()}),
        ]
        return
    with open_fits(file, options.max_decompressed) as hdus:
        yield hdus if table is None else [hdus[0], _of_fits(hdus, table), *_good_times(hdus)]


def _is_fits(file) -> bool:
    """Return whether a file, gzipped or not, begins as FITS does; it is left at its beginning."""
    with _unpacked(file) as stream:
        try:
            return stream.read(9) == b"SIMPLE  ="
        except (EOFError, OSError, zlib.error):
            return True  # and what is wrong with it is said when it is read


@contextmanager
def _unpacked(file) -> Iterator[io.BufferedIOBase]:
    """Yield what is in a file, from its beginning, gunzipped if it is gzipped."""
    local = isinstance(file, (str, os.PathLike))
    with fits_file.open_regular(file) if local else nullcontext(file) as raw:
        raw.seek(0)
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            yield gzip.GzipFile(fileobj=raw) if packed else raw
        finally:
            raw.seek(0)


def _of_fits(hdus, table) -> MappedHdu:
    """Return the first table of a FITS file that has the columns of an entry."""
    wanted = {NAMES[key]: str(column).upper() for key, column in table.columns.items()}
    for hdu in hdus:
        named = {
            name: hdu.columns[int(c) - 1] if c.isdigit() and int(c) <= len(hdu.columns) else c
            for name, c in wanted.items()
        }
        if hdu.columns and set(named.values()) <= set(hdu.columns):
            return _mapped(table, hdu, named, {**hdus[0].header, **hdu.header}, hdu.name)
    raise Rejected(
        Status.UNRECOGNISED,
        f"no table has the columns {', '.join(wanted.values())} of ingest.tables: name others",
    )


def _good_times(hdus) -> list[Hdu]:
    return [hdu for hdu in hdus if {"START", "STOP"} <= set(hdu.columns)]


def _mapped(table, inside, own, header=None, name="") -> MappedHdu:
    header = {**(header or {}), **table.keywords, "HDUCLAS1": _KINDS[table.kind]}
    columns = tuple(own)
    if table.kind == "lightcurve" and "TIME" not in own and "TIMEDEL" in table.keywords:
        columns = ("TIME", *columns)
    return MappedHdu(name or "TEXT", header, columns, table, own, inside)
