"""Tables of text: columns between commas or blanks. Some cells may hold no number."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import numpy as np

from pipeline.config.tables import TableOptions
from pipeline.ingest.files import fits_file, undefined
from pipeline.ingest.files.fits_file import LocalOrOpen
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_MOST_HEADING, _LONGEST_LINE = 1000, 1 << 16


class TextTable:
    """The columns of a text file, read when they are first asked for.

    Parameters
    ----------
    file : path-like or binary file
        Path of a file, gzipped or not; or a file that is open and can seek.
    table : TableOptions
        How to read its lines.
    limit : int
        Most bytes that a gzipped file may have when it is decompressed.

    Raises
    ------
    Rejected
        UNREADABLE where it is not text or has not the columns that are named.
    """

    def __init__(self, file: LocalOrOpen, table: TableOptions, limit: int):
        self._file, self._table, self._limit = file, table, limit
        self._data: np.ndarray | None = None
        self._words: dict[str, np.ndarray] = {}
        self.rows_of: dict[str, dict[str, np.ndarray]] = {}
        self._width, self._delimiter = 0, table.delimiter
        self._missing = {str(word).strip().lower() for word in table.missing}
        self.found: dict[str, dict[str, int]] = {}
        with self._lines() as lines:
            self._skip, self._names = self._heading(lines)
        self._columns = {
            str(column): self._number(column, self._names)
            for role, column in table.columns.items()
            if role not in ("object", "band")
        }
        words = str(table.columns.get("quality", ""))
        self._numeric = [name for name in self._columns if name != words] or [words]

    def unit(self, name: str) -> str:
        """Return nothing: text has no units of its own."""
        return ""

    def read(self, name: str) -> np.ndarray:
        """Return a column by its name or number in the configuration, shape (n,)."""
        return self._rows()[:, self._numeric.index(name)]

    def read_any(self, name: str) -> np.ndarray:
        """Return any column of the file as words, by its name or number, shape (n,)."""
        if name not in self._words:
            place = self._number(int(name) if name.isdigit() else name, self._names)
            with self._lines() as lines:
                rows = [cells[place] for cells in self._cells(lines)]
            self._words[name] = np.array(rows, dtype=str)
        return self._words[name]

    @contextmanager
    def _lines(self) -> Iterator[IO[str]]:
        with unpacked(self._file) as stream:
            try:
                limited = io.BufferedReader(Limited(stream, self._limit))
                yield io.TextIOWrapper(limited, "utf-8", "replace")
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                reason = f"the text cannot be read to its end ({error}): fetch it again"
                raise Rejected(Status.TRUNCATED, reason) from error

    def _split(self, line: str) -> list[str]:
        """Return the cells of a line: between commas if it has any, else between blanks."""
        return self._cut(line, self._table.delimiter or ("," if "," in line else None))

    @staticmethod
    def _cut(line: str, delimiter: str | None) -> list[str]:
        """Return the cells of a line; text between two quotation marks is one cell."""
        if '"' in line:
            text = " ".join(line.split()) if delimiter is None else line.strip()
            cells = next(csv.reader([text], delimiter=delimiter or " "))
            return [cell.strip() for cell in cells]
        return [cell.strip() for cell in line.strip().split(delimiter)]

    def _heading(self, lines: IO[str]) -> tuple[int, list[str]]:
        """Return the number of lines before the first with a number, and the names above it."""
        names: list[str] = []
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
            "no line of numbers: it is empty, or not the text that ingest.tables says, or ingest.tables.skip "
            "is too large",
        )

    def _number(self, column: str | int, names: list[str]) -> int:
        """Return the number of a column, from 0."""
        if isinstance(column, int):
            if column <= self._width:
                return column - 1
            raise Rejected(
                Status.UNREADABLE,
                f"column {column} (ingest.tables) of {self._width} columns: correct the number, or leave "
                "out the lines above the table (ingest.tables.skip)",
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
                self._data = self._load_by_hand()
        return self._data

    def _load(self) -> np.ndarray:
        with self._lines() as lines:
            return np.loadtxt(
                lines,
                comments=self._table.comment,
                delimiter=self._delimiter,
                skiprows=self._skip,
                usecols=[self._columns[name] for name in self._numeric],
                quotechar='"',
                ndmin=2,
            )

    def _cells(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Yield the cells of each line of the table.

        In a line between blanks that lacks a cell, the missing cell is unknown: all its cells are empty.
        """
        width = max(self._width, 1 + max(self._columns.values()))
        for number, line in enumerate(lines):
            text = line.split(self._table.comment)[0]
            if number < self._skip or not text.strip():
                continue
            cells = self._cut(text, self._delimiter)
            lacks = width - len(cells)
            if lacks > 0:
                cells = [""] * width if self._delimiter is None else cells + [""] * lacks
            yield cells

    def _load_by_hand(self) -> np.ndarray:
        """Read a table in which some cells are no numbers: they are NaN. In a spectrum they are refused."""
        rows: list[list[float]] = []
        places = [(name, self._columns[name]) for name in self._numeric]
        unread: dict[str, list[str]] = {name: [] for name in self._numeric}
        with self._lines() as lines:
            for cells in self._cells(lines):
                rows.append([self._number_in(cells[i], name, unread[name]) for name, i in places])
                if self._table.kind == "spectrum" and any(unread.values()):
                    cell = next(words[0] for words in unread.values() if words)
                    reason = f"row {len(rows) - 1}: {cell[:40]!r} is no number"
                    raise Rejected(Status.UNREADABLE, f"{reason}: mend the line, or ingest.tables")
        for name, words in unread.items():
            if len(words) > len(rows) / 2:
                raise Rejected(
                    Status.UNREADABLE,
                    f"column {name} (ingest.tables) holds no numbers but {words[0][:40]!r}: name another, "
                    "or say what lies between columns (ingest.tables.delimiter, or format)",
                )
        return np.array(rows, dtype=float).reshape(-1, len(places))

    def _number_in(self, cell: str, column: str, unread: list[str]) -> float:
        """Return the number in a cell, NaN if it has none. An unknown word is added to `unread`."""
        is_missing = cell.strip().lower() in self._missing
        number = np.nan if is_missing else undefined.number_of(cell)
        if number is None or (self._table.kind == "spectrum" and not cell and not self._delimiter):
            unread.append(cell)
            number = np.nan
        if number != number:
            found = self.found.setdefault(column, {})
            description = undefined.described(cell)
            found[description] = found.get(description, 0) + 1
        return number


class Limited(io.RawIOBase):
    """A binary stream that may not be longer than a limit.

    Parameters
    ----------
    stream : binary file
        The stream.
    limit : int
        Most bytes.
    """

    def __init__(self, stream: IO[bytes], limit: int):
        self._stream, self._left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
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
    return cell.lower() not in undefined.WORDS


@contextmanager
def unpacked(file: LocalOrOpen) -> Iterator[IO[bytes]]:
    """Yield the content of a file, decompressed if it is gzipped; the file is left at its beginning."""
    with fits_file.opened(file) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
        finally:
            raw.seek(0)
