"""Cells without a value: null in files, and how they look inside the code.

Inside the code a missing number is NaN, a missing text is empty, a missing count is zero: arrays without a mask.
In a file each of them is null, because readers of Parquet take NaN for a number larger than all others.
"""

from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns.base import Column, Table

EMPTY: dict[str, Any] = {
    "str": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float32": np.nan,
    "float64": np.nan,
}
"""How a missing cell looks inside the code."""


def may_be_null(table: Table, column: Column) -> bool:
    """Return whether a cell of a column can have no value in a file; keys always have one."""
    if column.name in table.key or column.array:
        return False
    if null_value(column) is not None:
        return True
    return bool(column.of) and may_be_null(table, table.column(column.of))


def null_value(column: Column) -> str | float | None:
    """Return the value of a column that stands for no value; None: there is no such value."""
    if not isinstance(column.null, EllipsisType):
        return column.null
    return EMPTY[column.dtype] if column.dtype[:3] in ("str", "flo") else None


def missing(table: Table, data: pa.Table) -> dict[str, np.ndarray]:
    """Return which cells of a table have no value.

    Parameters
    ----------
    table : Table
        Declaration.
    data : pyarrow.Table
        Its rows, or some columns of them, as they are inside the code.

    Returns
    -------
    dict of str to bool array, shape (rows,)
        By the names of the columns in which at least one cell has no value. A list without elements has none.
    """
    found: dict[str, np.ndarray] = {}
    for column in table.columns:
        if column.name not in data.column_names:
            continue
        cells = np.zeros(data.num_rows, bool)
        if column.array:
            cells = pc.equal(pc.list_value_length(data.column(column.name)), 0).to_numpy()
        elif may_be_null(table, column):
            values, null = data.column(column.name), null_value(column)
            if null is not None:
                is_null = pc.is_nan(values) if null != null else pc.equal(values, null)
                cells = pc.fill_null(is_null, True).to_numpy()
            if column.of:
                cells = cells | _missing_of(table, data, column.of)
        if cells.any():
            found[column.name] = cells
    return found


def _missing_of(table: Table, data: pa.Table, name: str) -> np.ndarray:
    """Return where the column that another one is about has no value: nowhere if it was not read."""
    if name not in data.column_names:
        return np.zeros(data.num_rows, bool)
    return missing(table, data.select([name])).get(name, np.zeros(data.num_rows, bool))


def with_nulls(table: Table, data: pa.Table) -> pa.Table:
    """Return rows as they are written: null where there is no value, in lists too.

    Parameters
    ----------
    table : Table
        Declaration.
    data : pyarrow.Table
        All its columns, as `pipeline.tables.to_arrow` returns them.
    """
    cells, columns = missing(table, data), []
    for column in table.columns:
        values = data.column(column.name)
        if column.array:
            values = _elements(values, _nan_to_null)
        elif column.name in cells:
            mask = pa.array(cells[column.name])
            values = pc.if_else(mask, pa.scalar(None, values.type), values)
        columns.append(values)
    fields = [
        field.with_nullable(may_be_null(table, column))
        for field, column in zip(data.schema, table.columns, strict=True)
    ]
    return pa.table(columns, schema=pa.schema(fields, metadata=data.schema.metadata))


def without_nulls(data: pa.Table, columns: Mapping[str, Column] | None = None) -> pa.Table:
    """Return rows as they are inside the code: NaN, empty text, zero or false instead of null.

    Parameters
    ----------
    data : pyarrow.Table
        As read from a file.
    columns : mapping of str to Column, optional
        Declarations by name, for columns whose missing number is not that of their type.
    """
    for number, field in enumerate(data.schema):
        values = data.column(number)
        if pa.types.is_list(field.type):
            filled = _elements(values, _filled)
        elif values.null_count:
            null = null_value(columns[field.name]) if columns and field.name in columns else None
            filled = _filled(values, null)
        else:
            filled = values
        if filled is not values or field.nullable:
            data = data.set_column(number, field.with_nullable(False), filled)
    return data


def _filled(values: pa.ChunkedArray, null: str | float | None = None) -> pa.ChunkedArray:
    """Fill the nulls of an array; it has none afterwards."""
    kind = values.type
    if pa.types.is_null(kind) or not values.null_count:
        return values
    if null is None:
        null = "" if pa.types.is_string(kind) else np.nan if pa.types.is_floating(kind) else 0
    if pa.types.is_boolean(kind):
        null = bool(null)
    return pc.fill_null(values, pa.scalar(null, kind))


def _nan_to_null(values: pa.Array) -> pa.Array:
    """Make NaN null in the elements of lists."""
    if not pa.types.is_floating(values.type):
        return values
    nan = pc.is_nan(values)
    if not pc.any(nan).as_py():
        return values
    return pc.if_else(nan, pa.scalar(None, values.type), values)


def _elements(values: pa.ChunkedArray, change: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
    """Change the elements of a column of lists; the same column where nothing changes."""
    chunks, same = [], True
    for chunk in values.chunks:
        before = chunk.values
        elements = change(before)
        same &= elements is before
        chunks.append(pa.ListArray.from_arrays(chunk.offsets, elements))
    return values if same else pa.chunked_array(chunks, values.type)
