"""Text tables in a format that has a name (IPAC, machine-readable tables, VOTable …), read by Astropy."""

import io
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from astropy.table import Table

from pipeline.ingest.files import undefined
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_WHOLE = frozenset({"votable"})
"""Formats that Astropy reads from bytes; the others are those of `astropy.io.ascii`."""


class NamedFormat:
    """The columns of a table in a format that Astropy reads.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Name of the format: one of `astropy.io.ascii`, or votable.
    columns : iterable of str or int
        Wanted columns, by name, or by number from 1.
    missing : sequence of float or str, optional
        Words that stand for no value.

    Attributes
    ----------
    found : mapping of str to mapping of str to int
        By column: words that stood in the place of numbers, and their counts.

    Raises
    ------
    Rejected
        UNREADABLE where the file is not of the format, or lacks a column.
    """

    def __init__(
        self,
        content: bytes,
        name: str,
        columns: Iterable[str | int],
        missing: Sequence[float | str] = (),
    ):
        self.found: dict[str, dict[str, int]] = {}
        self._missing = [str(word).strip().lower() for word in missing]
        self._table = _read(content, name)
        self._columns = {str(column): self._place(column) for column in columns}

    def _place(self, column: str | int) -> str:
        """Return the name of a column."""
        names = self._table.colnames
        if isinstance(column, int):
            if column <= len(names):
                return names[column - 1]
            raise Rejected(
                Status.UNREADABLE,
                f"column {column} (ingest.tables) of {len(names)} columns: correct the number",
            )
        match = next((name for name in names if name.lower() == column.lower()), None)
        if match is None:
            found = ", ".join(names[:8])
            raise Rejected(
                Status.UNREADABLE,
                f"no column {column!r} (ingest.tables): found {found}; name one of them, or its number",
            )
        return match

    def _called(self, name: str) -> str:
        if name not in self._columns:
            self._columns[name] = self._place(int(name) if name.isdigit() else name)
        return self._columns[name]

    def unit(self, name: str) -> str:
        """Return the unit of a column; empty if it has none."""
        return str(self._table[self._called(name)].unit or "")

    def read(self, name: str) -> np.ndarray:
        """Return a column as numbers, NaN where there is none, shape (n,)."""
        column = np.ma.asarray(self._table[self._called(name)])
        if column.dtype.kind in "biuf":
            return np.ma.filled(column.astype(float), np.nan)
        words = self.read_any(name)
        words[np.isin(np.char.lower(words), self._missing)] = ""
        read = undefined.of_words(words)
        self.found[name] = read.found
        unread = sum(n for text, n in read.found.items() if text.startswith("'"))
        if unread > len(words) / 2:
            text = next(iter(read.found))
            raise Rejected(
                Status.UNREADABLE,
                f"column {name} (ingest.tables) holds no numbers but {text}: name another",
            )
        return read.values

    def read_any(self, name: str) -> np.ndarray:
        """Return a column as words, empty where it is masked, shape (n,)."""
        column = np.ma.asarray(self._table[self._called(name)])
        words = np.array([str(cell).strip() for cell in np.ma.getdata(column)], dtype=str)
        words[np.ma.getmaskarray(column)] = ""
        return words


def _read(content: bytes, name: str) -> Table:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name in _WHOLE:
                return Table.read(io.BytesIO(content), format=name)
            lines = content.decode("utf-8", "replace").splitlines()
            return Table.read(lines, format=f"ascii.{name}")
    except Exception as error:  # a damaged table can make Astropy raise anything
        first = str(error).strip().splitlines()[:1]
        reason = f"not a table of format {name} ({first[0] if first else type(error).__name__})"
        raise Rejected(
            Status.UNREADABLE, f"{reason}: mend it, or say another in ingest.tables.format"
        ) from error
