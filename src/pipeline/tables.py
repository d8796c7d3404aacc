"""Parquet files whose schema is the declaration in `pipeline.columns`, written whole or not at all."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.columns.base import Column, Table
from pipeline.faults import MachineFault, of_machine, sentence
from pipeline.nulls import EMPTY, with_nulls, without_nulls
from pipeline.sealed import open_sealed, sealed_writer
from pipeline.seals import (
    NO_ORIGIN,
    Checksums,
    Origin,
    PathLike,
    TableError,
    without_seal,
)
from pipeline.seals import (
    DamagedTable as DamagedTable,
)
from pipeline.temporary import unfinished

_ARROW = {
    "str": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
}
_LISTS = {name: pa.list_(kind) for name, kind in _ARROW.items()}
Item = TypeVar("Item")


@dataclass(frozen=True)
class Lists:
    """The cells of a column of lists, their elements one after the other.

    Attributes
    ----------
    values : array, or sequence of str, length elements
        The elements of all lists.
    lengths : int array, shape (rows,)
        Number of elements of each list.
    """

    values: np.ndarray | Sequence
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def offsets(self) -> np.ndarray:
        """Where each list begins, and where the last one ends, shape (rows + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)])


Row: TypeAlias = Mapping[str, Any]
"""Value by name of the column."""
Cells: TypeAlias = np.ndarray | pa.Array | pa.ChunkedArray | Sequence | Lists
"""The cells of one column."""
Columns: TypeAlias = Mapping[str, Cells]
"""Cells by name of the column: what a batch of rows is when it is computed as arrays."""
Rows: TypeAlias = Sequence[Row] | Columns | pa.Table
"""Rows in any form that a table is written from."""


def empty_row(table: Table) -> dict[str, Any]:
    """Return a row of `table` in which nothing is known: empty text, NaN, zero, empty arrays."""
    return {c.name: ([] if c.array else EMPTY[c.dtype]) for c in table.columns}


@lru_cache(maxsize=256)
def schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of `table`, with unit, UCD and description in each field's metadata."""
    return pa.schema([_field(c) for c in table.columns], metadata={"table": table.name})


@lru_cache(maxsize=256)
def stored_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of `table` in files, where what has no value is null."""
    return with_nulls(table, schema(table).empty_table()).schema


def _kind(column: Column) -> pa.DataType:
    """Return the Arrow type of a column."""
    return _LISTS[column.dtype] if column.array else _ARROW[column.dtype]


def _field(column: Column) -> pa.Field:
    metadata = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
    return pa.field(column.name, _kind(column), False, metadata)


def to_arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Turn rows into an Arrow table; a cell that a row does not have is empty.

    Parameters
    ----------
    table : Table
        Declaration.
    rows : sequence of mapping
        Column name to value; arrays as lists or 1-d NumPy arrays.

    Raises
    ------
    TableError
        For a column that is not declared, or a value of another type.
    """
    names = set(table.names)
    for row in rows:
        if unknown := set(row) - names:
            raise TableError(f"{table.name} has no column {sorted(unknown)[0]!r}")
    columns = {name: [row.get(name) for row in rows] for name in table.names}
    return columns_to_arrow(table, columns)


def columns_to_arrow(table: Table, columns: Columns) -> pa.Table:
    """Turn columns into an Arrow table; a column that is left out, or a cell that is None, is empty.

    Parameters
    ----------
    table : Table
        Declaration.
    columns : mapping of str to sequence
        Cells by name of the column, all of the same length: a NumPy or an Arrow array or a list. Of a column
        of lists, a list of 1-d arrays or lists, an array of shape (rows, elements), or `Lists`.

    Raises
    ------
    TableError
        For a column that is not declared, values of another type, or columns of different lengths.
    """
    if unknown := set(columns) - set(table.names):
        raise TableError(f"{table.name} has no column {sorted(unknown)[0]!r}")
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"{table.name}: columns of different lengths: {lengths}")
    rows = max(lengths.values(), default=0)
    arrays = []
    for column in table.columns:
        try:
            arrays.append(_cells(column, columns.get(column.name), rows))
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
            raise TableError(f"{table.name}.{column.name}: {error}") from error
    return pa.Table.from_arrays(arrays, schema=schema(table))


def _cells(column: Column, cells: Cells | None, rows: int) -> pa.Array:
    """Return a column as an Arrow array without nulls; None has no value in any of the rows."""
    kind = _kind(column)
    if column.array:
        return _lists(column, cells, rows)
    empty = EMPTY[column.dtype]
    if cells is None:
        return pa.array([empty] * rows, type=kind)
    if isinstance(cells, pa.Array | pa.ChunkedArray):
        filled = pc.fill_null(cells.cast(kind), pa.scalar(empty, kind))
        return filled.combine_chunks() if isinstance(filled, pa.ChunkedArray) else filled
    if isinstance(cells, Lists):
        raise ValueError("lists, where there is a value in a row")
    if not isinstance(cells, np.ndarray) or cells.dtype == object:
        cells = [empty if c is None else c for c in cells]
    return pa.array(cells, type=kind)


def _lists(column: Column, cells: Cells | None, rows: int) -> pa.Array:
    """Return a column of lists; None has no elements in any of the rows."""
    kind = _kind(column)
    if cells is None:
        cells = Lists([], np.zeros(rows, int))
    if isinstance(cells, np.ndarray) and cells.ndim == 2 and cells.dtype != object:
        cells = Lists(cells.ravel(), np.full(len(cells), cells.shape[1]))
    if isinstance(cells, Lists):
        values = cells.values
        if column.dtype != "str":
            values = np.asarray(values, dtype=column.dtype)
        elements = pa.array(values, type=kind.value_type)
        return pa.ListArray.from_arrays(pa.array(cells.offsets, pa.int32()), elements)
    lists: list = [() if c is None else c for c in cells]
    if column.dtype == "str":
        return pa.array(lists, type=kind)
    arrays = [np.asarray(c, dtype=column.dtype) for c in lists if len(c)]
    if any(one.ndim != 1 for one in arrays):
        raise ValueError("a cell is not a list")
    values = np.concatenate(arrays) if arrays else np.empty(0, column.dtype)
    offsets = Lists(values, np.array([len(c) for c in lists], int)).offsets
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error, flush it and rename it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = unfinished(path)
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None and of_machine(error):
            raise MachineFault(sentence(error, path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(
    path: PathLike,
    table: Table,
    rows: Iterable[Row],
    *,
    rows_per_group: int = 0,
    origin: Origin = NO_ORIGIN,
) -> int:
    """Write rows as Parquet, atomically, and return their number.

    Parameters
    ----------
    path : path-like
        Where to.
    table : Table
        Declaration.
    rows : iterable of mapping
        See `to_arrow`. Read lazily, a row group at a time.
    rows_per_group : int, optional
        Rows in a row group, which can be read without its neighbours; 0: all rows in one.
    origin : Origin, optional
        See `parquet_writer`.

    Raises
    ------
    TableError
        For a row that does not fit the declaration, or twice the same key.
    """
    count, batch = 0, []
    with parquet_writer(path, table, origin) as write:
        for row in rows:
            batch.append(row)
            count += 1
            if rows_per_group and len(batch) == rows_per_group:
                write(batch)
                batch = []
        if batch:
            write(batch)
    return count


@contextmanager
def parquet_writer(
    path: PathLike, table: Table, origin: Origin = NO_ORIGIN
) -> Iterator[Callable[[Rows], None]]:
    """Yield a function that appends rows to a Parquet file, each call a row group.

    The function takes a list of rows, columns (see `columns_to_arrow`), or an Arrow table. The file is there
    when the block ends without an error.

    Parameters
    ----------
    path, table
        See `write_parquet`, also for what is raised.
    origin : Origin, optional
        What the table is made from, which the next stages compare.
    """
    seen: list[np.ndarray] = []  # eight bytes a row: keys of a large shard would fill the memory
    with atomic_path(path) as temporary:
        stored = stored_schema(table)
        with sealed_writer(
            temporary, table.name, stored, origin, **_encoding(table)
        ) as write_group:

            def write(rows: Rows) -> None:
                data = as_arrow(table, rows)
                seen.append(np.fromiter(map(hash, _keys(table, data)), np.int64, data.num_rows))
                write_group(with_nulls(table, data))

            yield write
            if not seen:
                write_group(with_nulls(table, to_arrow(table, [])))
        hashes = np.concatenate(seen or [np.empty(0, np.int64)])
        if table.key and np.unique(hashes).size < hashes.size:
            _check_keys(temporary, table)


def _keys(table: Table, data: pa.Table) -> Iterator[tuple]:
    """Return the key of each row; of a table without keys, their numbers."""
    if not table.key:
        return zip(range(data.num_rows), strict=True)
    return zip(*(data.column(k).to_pylist() for k in table.key), strict=True)


def _check_keys(path: Path, table: Table) -> None:
    """Raise TableError where two rows of a file have the same key."""
    with pq.ParquetFile(path) as file:
        counts = Counter(_keys(table, file.read(list(table.key))))
    for key, count in counts.items():
        if count > 1:
            named = dict(zip(table.key, key, strict=True))
            raise TableError(f"{table.name}: two rows with {named}")


def as_arrow(table: Table, rows: Rows) -> pa.Table:
    """Return rows, columns or an Arrow table as an Arrow table of a declaration, without nulls.

    Raises
    ------
    TableError
        See `to_arrow`.
    """
    if isinstance(rows, pa.Table):
        if rows.schema.equals(schema(table), check_metadata=True):
            return rows  # nothing is null in a column of this schema
        rows = {name: rows.column(name) for name in rows.column_names}
    return columns_to_arrow(table, rows) if isinstance(rows, Mapping) else to_arrow(table, rows)


def _encoding(table: Table) -> dict[str, Any]:
    """Return how columns are encoded.

    Times and powers are all different: they get no dictionary, and their bytes are split by significance, so
    that the bytes that hardly change are together. Nobody looks for a list by its least element: lists have no
    statistics.
    """
    numbers = {c.name for c in table.columns if c.array and c.dtype.startswith("float")}
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in table.names if name not in numbers],
        "use_byte_stream_split": [f"{name}.list.element" for name in sorted(numbers)],
        "write_statistics": [c.name for c in table.columns if not c.array],
    }


def read_parquet(path: PathLike, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file and check it against its declaration; nulls become NaN, empty text or zero.

    Raises
    ------
    TableError
        When the file is not a Parquet file, is cut short, or has other columns.
    """
    with opened(path, table, columns) as file:
        data = file.read(None if columns is None else list(columns))
    return unpacked(table, data)


@contextmanager
def opened(
    path: PathLike, table: Table, columns: Sequence[str] | None = None, *, whole: bool = True
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file and compare it with its declaration; see `pipeline.sealed.open_sealed`.

    Raises
    ------
    DamagedTable
        When the file is not a Parquet file, is cut, or was altered.
    TableError
        When it is not there, or has other columns.
    OSError
        When the machine cannot read it.
    """
    with open_sealed(path, table.name, pages=not whole) as file:
        _check(path, table, file.schema_arrow, columns)
        if whole:
            Checksums(path, file.metadata).check(columns)
        yield file


def unpacked(table: Table, data: pa.Table) -> pa.Table:
    """Return rows read from a file as they are inside the code: NaN, empty or zero, and no null."""
    data = data.replace_schema_metadata(without_seal(data.schema.metadata))
    return without_nulls(data, {c.name: c for c in table.columns})


def write_arrow(path: PathLike, table: Table, rows: Rows) -> None:
    """Write rows that only the same stage reads, in a tenth of the time that Parquet takes.

    They have no checksums: such a file lives for the minutes of one job, which reads it from the same memory in
    which the system still holds what was written. One that was cut cannot be opened.
    """
    data = as_arrow(table, rows)
    with pa.OSFile(os.fsencode(path), "wb") as file, pa.ipc.new_file(file, data.schema) as writer:
        writer.write_table(data)


def read_arrow(path: PathLike) -> pa.Table:
    """Return what `write_arrow` wrote, mapped into memory: the file is there as long as the table is used."""
    with pa.memory_map(os.fsencode(path)) as file:
        return pa.ipc.open_file(file).read_all()


def read_batches(path: PathLike, table: Table, rows: int) -> Iterator[list[dict[str, Any]]]:
    """Read a Parquet file a number of rows at a time, each batch as `rows_of` returns it.

    Raises
    ------
    TableError
        See `read_parquet`.
    """
    yield from map(rows_of, batches_of(path, table, rows=rows))


def batches_of(
    path: PathLike, table: Table, columns: Sequence[str] | None = None, rows: int = 1024
) -> Iterator[pa.Table]:
    """Read a Parquet file a number of rows at a time, or some of its columns, without nulls.

    Raises
    ------
    TableError
        See `read_parquet`.
    """
    names = None if columns is None else list(columns)
    with opened(path, table, names) as file:
        for batch in file.iter_batches(rows, columns=names, use_threads=False):
            yield unpacked(table, pa.Table.from_batches([batch]))


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, as those of `read_batches`, while a thread makes the next one."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        left = iter(items)
        coming = pool.submit(next, left, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, left, end)
            yield cast(Item, item)


def _check(
    path: PathLike, table: Table, found: pa.Schema, columns: Sequence[str] | None = None
) -> None:
    """Raise TableError where the schema of a file is not that of a declaration."""
    expected = schema(table)
    if columns is None:
        names, fields = table.names, list(found)
    else:
        names, fields = tuple(columns), [found.field(n) for n in columns if n in found.names]
    in_file = [(field.name, field.type) for field in fields]
    if in_file != [(name, expected.field(name).type) for name in names]:
        raise TableError(
            f"{path} does not have the columns of {table.name}: written by another version?"
        )


def rows_of(data: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of an Arrow table as dictionaries, with array cells as NumPy arrays and no null."""
    data, columns = without_nulls(data), {}
    for name in data.column_names:
        column = data.column(name)
        if pa.types.is_list(column.type) and not pa.types.is_string(column.type.value_type):
            columns[name] = [c.values.to_numpy(zero_copy_only=False) for c in column]
        else:
            columns[name] = column.to_pylist()
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
