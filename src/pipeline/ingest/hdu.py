"""An HDU of a file: its header, and its table where that was opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pipeline.config.tables import TableOptions


class Columns(Protocol):
    """The columns of a table, by name."""

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers."""

    def read_any(self, name: str) -> np.ndarray:
        """Return a column that need not hold numbers."""

    def unit(self, name: str) -> str:
        """Return the unit of a column, empty if it has none."""


@dataclass(frozen=True)
class Hdu:
    """An HDU of which only the header was read; subclasses have columns, too.

    Attributes
    ----------
    name : str
        EXTNAME.
    header : mapping
        Its keywords.
    columns : tuple of str
        Names of its columns in upper case; empty for an image.
    """

    name: str
    header: Mapping[str, Any]
    columns: tuple[str, ...] = ()

    def number(self, name: str) -> int:
        """Return the number of a column, from 1, by its upper-case name; 0 if it has none."""
        return self.columns.index(name) + 1

    def unit(self, name: str) -> str:
        """Return the unit of a column by its upper-case name; empty if it has none."""
        raise TypeError(f"only the header of {self.name} was read")

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers by its upper-case name, in the machine's byte order.

        Raises
        ------
        Rejected
            UNREADABLE if the column cannot be decoded or does not hold numbers.
        """
        raise TypeError(f"only the header of {self.name} was read")

    def read_any(self, name: str) -> np.ndarray:
        """Return a column that need not hold numbers, as it is in the file.

        Raises
        ------
        Rejected
            UNREADABLE if the column cannot be decoded.
        """
        raise TypeError(f"only the header of {self.name} was read")

    @property
    def entry(self) -> TableOptions | None:
        """The entry of `ingest.tables` that describes the columns; None if there is none."""
        return None

    @property
    def roles(self) -> Mapping[str, str]:
        """Role of a column in `ingest.tables`, and its name in the file."""
        return {}

    @property
    def in_file(self) -> "Hdu":
        """The table in the file, with its own names of columns."""
        return self

    def name_in_file(self, name: str) -> str:
        """Return the name, or the number, of a column in the file."""
        return name

    def stand_ins(self, name: str) -> Mapping[str, int]:
        """Return the numbers and words that stood for no value in a column that was read, and their counts."""
        return {}
