"""Rows of a table of the catalogue, in order and a block at a time, and how large their cells are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.formats.text import LONGEST_CELL, plain_text, words_of
from pipeline.columns.base import Column, Table
from pipeline.tables import opened, unpacked

CELLS_IN_A_GROUP = 1 << 20
"""Cells in a row group of a published file: some megabytes, of which a reader of one source reads one group."""


@dataclass
class Lengths:
    """Lengths of the lists of numbers in a column.

    Attributes
    ----------
    shortest, longest : int
        Of the lists that have elements; 0 where none has.
    elements : int
        Of all lists together.
    """

    shortest: int = 0
    longest: int = 0
    elements: int = 0

    def add(self, values: pa.ChunkedArray) -> None:
        """Take the lists of more rows into account."""
        lengths = pc.list_value_length(values).to_numpy()
        lengths = lengths[lengths > 0]
        if lengths.size:
            shortest = int(lengths.min())
            self.shortest = min(self.shortest, shortest) if self.shortest else shortest
            self.longest = max(self.longest, int(lengths.max()))
            self.elements += int(lengths.sum())

    def vector(self, column: Column) -> int | None:
        """Return the length of the lists of a column, if they are vectors; None: they have several lengths.

        Where all lists are empty, the length is one, whatever is declared: Astropy (8.0) cannot open some FITS
        tables whose variable-length arrays are all empty.
        """
        if column.dtype[:5] != "float":
            return None
        if not self.longest:
            return 1
        return self.longest if column.vector and self.shortest == self.longest else None


@dataclass
class Extent:
    """How many rows a table has, and how large the cells of its columns are.

    Formats say so before the first row.

    Attributes
    ----------
    table : Table
        Declaration.
    rows : int
        Number of rows.
    characters, widths : dict of str to int
        By column of text: characters of the longest word, and bytes of the longest cell as plain text
        (`pipeline.catalog.formats.text.plain_text`), but `LONGEST_CELL` at most where it is one text.
    lists : dict of str to Lengths
        By column of lists of numbers.
    """

    table: Table
    rows: int = 0
    characters: dict[str, int] = field(init=False)
    widths: dict[str, int] = field(init=False)
    lists: dict[str, Lengths] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no rows."""
        text = [c.name for c in self.table.columns if c.dtype == "str"]
        self.characters, self.widths = dict.fromkeys(text, 0), dict.fromkeys(text, 0)
        self.lists = {
            c.name: Lengths() for c in self.table.columns if c.array and c.name not in text
        }

    def add(self, data: pa.Table) -> None:
        """Take more rows into account, or some of their columns."""
        self.rows += data.num_rows
        for name in self.widths.keys() & set(data.column_names):
            values = data.column(name)
            longest = pc.max(pc.utf8_length(words_of(values))).as_py()
            self.characters[name] = max(self.characters[name], longest or 0)
            width = pc.max(pc.binary_length(plain_text(values))).as_py() or 0
            width = width if pa.types.is_list(values.type) else min(width, LONGEST_CELL)
            self.widths[name] = max(self.widths[name], width)
        for name in self.lists.keys() & set(data.column_names):
            self.lists[name].add(data.column(name))

    def vector(self, column: Column) -> int | None:
        """Return the length of the vectors in a column of lists of numbers, None where they are none."""
        return self.lists[column.name].vector(column)

    @property
    def rows_in_a_group(self) -> int:
        """Rows of a row group of a published file: as many as have `CELLS_IN_A_GROUP`, as a power of two."""
        elements = sum(lengths.elements for lengths in self.lists.values())
        cells = len(self.table.columns) + elements // max(1, self.rows)
        return 1 << int(np.log2(max(1, CELLS_IN_A_GROUP // cells)))

    @property
    def nbytes(self) -> int:
        """Bytes of the table where each cell is as wide as the widest of its column, as in FITS."""
        width, heap = 0, 0
        for column in self.table.columns:
            if column.dtype == "str":
                width += max(1, self.widths[column.name])
                continue
            size = np.dtype(column.dtype).itemsize
            length = self.vector(column) if column.array else 1
            width += 8 if length is None else length * size
            heap += self.lists[column.name].elements * size if length is None else 0
        return self.rows * width + heap


@dataclass(frozen=True)
class Rows:
    """The rows of a table of the catalogue, which may not fit into memory.

    Attributes
    ----------
    table : Table
        Declaration.
    extent : Extent
        How many there are, and how large their cells.
    read : callable
        Returns an iterator over the rows in order, as tables with the named columns (None: all), as they are
        inside the code.
    """

    table: Table
    extent: Extent
    read: Callable[[Sequence[str] | None], Iterator[pa.Table]]

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.extent.rows

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows in order, or some of their columns, a row group at a time."""
        return regrouped(self.read(columns), repeat(self.extent.rows_in_a_group))

    @classmethod
    def of(cls, table: Table, data: pa.Table) -> "Rows":
        """Return rows that are in memory."""
        extent = Extent(table)
        extent.add(data)
        return cls(table, extent, lambda names: iter([data.select(names) if names else data]))

    @classmethod
    def in_file(cls, path: Path, table: Table, extent: Extent) -> "Rows":
        """Return the rows of a published Parquet file."""

        def read(names: Sequence[str] | None) -> Iterator[pa.Table]:
            with opened(path, table, names) as file:
                for group in range(file.num_row_groups):
                    yield unpacked(table, file.read_row_group(group, names, use_threads=False))

        return cls(table, extent, read)


def regrouped(blocks: Iterable[pa.Table], sizes: Iterable[int]) -> Iterator[pa.Table]:
    """Yield the rows of blocks in blocks of other sizes; the last one may have fewer rows than its size."""
    waiting: list[pa.Table] = []
    count, left = 0, iter(sizes)
    size = next(left)
    for block in blocks:
        waiting.append(block)
        count += block.num_rows
        if count < size:
            continue
        whole, done = pa.concat_tables(waiting), 0
        while 0 < size <= count - done:
            yield whole.slice(done, size)
            done, size = done + size, next(left, 0)
        waiting, count = [whole.slice(done)], count - done
    if count:
        yield pa.concat_tables(waiting)
