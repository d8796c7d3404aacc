"""Write a table as Parquet: null where there is no value, and metadata with units, UCDs and descriptions."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.catalog.formats.text import FLAG_BITS, STATUS_WORDS
from pipeline.columns.base import Column, Table
from pipeline.columns.shared import FLAGS, STATUS
from pipeline.nulls import with_nulls
from pipeline.tables import atomic_path, schema, stored_schema


def write_parquet_table(path: Path, table: Table, data: pa.Table) -> None:
    """Write a table of the catalogue, atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    table : Table
        Declaration.
    data : pyarrow.Table
        All its columns, as they are inside the code.
    """
    stored = with_nulls(table, data.cast(schema(table)))
    stored = pa.table(stored.columns, schema=published_schema(table, data))
    with atomic_path(path) as temporary:
        pq.write_table(stored, temporary, compression="zstd")


def published_schema(table: Table, data: pa.Table) -> pa.Schema:
    """Return the schema of a table of the catalogue.

    Parameters
    ----------
    table : Table
        Declaration.
    data : pyarrow.Table
        Its columns of text at least.

    Notes
    -----
    The metadata of a field are its unit, UCD and description; those of ``status`` and ``flags`` also hold
    ``values``, a JSON object with the meaning of every word and bit. ``table_meta_yaml`` and
    ``table::len::NAME`` of the schema are for Astropy (8.0), which reads units, descriptions and the lengths of
    text from there; text that is null it calls "None".
    """
    stored = stored_schema(table)
    fields = [
        field.with_metadata({**field.metadata, "values": json.dumps(values)}) if values else field
        for field, values in zip(stored, map(_values, table.columns), strict=True)
    ]
    return pa.schema(fields, {**stored.metadata, **_for_astropy(table, data)})


def _values(column: Column) -> dict[str, str] | dict[int, str]:
    """Return what the values of a column mean, where they are words or bits."""
    if column.name == STATUS.name:
        return STATUS_WORDS
    return FLAG_BITS if column.name == FLAGS.name else {}


def _for_astropy(table: Table, data: pa.Table) -> dict[str, str]:
    """Return the metadata by which `astropy.io.misc.parquet` restores a table; JSON is YAML too."""
    columns, lengths = [], {}
    for column in table.columns:
        about = {"name": column.name, "description": column.description}
        if column.unit and not column.array:
            about["unit"] = column.unit
        columns.append(about)
        if column.dtype == "str":
            words = data.column(column.name)
            words = pc.list_flatten(words) if column.array else words
            longest = pc.max(pc.utf8_length(words)).as_py()
            lengths[f"table::len::{column.name}"] = str(max(len("None"), longest or 0))
    return {"table_meta_yaml": json.dumps({"datatype": columns}), **lengths}
