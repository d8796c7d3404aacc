"""Write a table as Parquet: null where there is no value, and metadata with units, UCDs and descriptions."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog.formats.rows import Extent, Rows
from pipeline.catalog.formats.text import FLAG_BITS, LONGEST_CELL, STATUS_WORDS
from pipeline.columns.base import Column, Table
from pipeline.columns.shared import FLAGS, STATUS
from pipeline.nulls import with_nulls
from pipeline.sealed import sealed_writer
from pipeline.seals import Origin
from pipeline.tables import atomic_path, schema, stored_schema

_ORIGIN = Origin("catalog")


def write_parquet_table(path: Path, rows: Rows) -> None:
    """Write a table of the catalogue, atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    rows : Rows
        Its rows, as they are inside the code.
    """
    table, published = rows.table, published_schema(rows.extent)
    with (
        atomic_path(path) as temporary,
        sealed_writer(temporary, table.name, published, _ORIGIN, **encoding(table)) as write,
    ):
        for block in rows.blocks():
            write(stored(table, block, published))
        if not rows.count:
            write(stored(table, schema(table).empty_table(), published))


def stored(table: Table, data: pa.Table, published: pa.Schema) -> pa.Table:
    """Return rows as they are in the files: null where there is no value."""
    return pa.table(with_nulls(table, data.cast(schema(table))).columns, schema=published)


def encoding(table: Table) -> dict[str, Any]:
    """Return how columns are encoded: numbers without a dictionary, which hardly ever has fewer words than rows."""
    repeated = [c.name for c in table.columns if c.dtype[:5] != "float"]
    return {"compression": "zstd", "use_dictionary": repeated}


def published_schema(extent: Extent) -> pa.Schema:
    """Return the schema of a table of the catalogue.

    Notes
    -----
    The metadata of a field are its unit, UCD and description; those of ``status`` and ``flags`` also hold
    ``values``, a JSON object with the meaning of every word and bit. ``table_meta_yaml`` and
    ``table::len::NAME`` of the schema are for Astropy (8.0), which reads units, descriptions and the lengths of
    text from there; text that is null it calls "None".
    """
    table = extent.table
    declared = stored_schema(table)
    fields = [
        field.with_metadata({**field.metadata, "values": json.dumps(values)}) if values else field
        for field, values in zip(declared, map(_values, table.columns), strict=True)
    ]
    return pa.schema(fields, {**(declared.metadata or {}), **_for_astropy(extent)})


def _values(column: Column) -> dict[str, str] | dict[int, str]:
    """Return what the values of a column mean, where they are words or bits."""
    if column.name == STATUS.name:
        return STATUS_WORDS
    return FLAG_BITS if column.name == FLAGS.name else {}


def _for_astropy(extent: Extent) -> dict[str, str]:
    """Return the metadata by which `astropy.io.misc.parquet` restores a table; JSON is YAML too.

    Astropy makes each cell of text as long as is said here, and cuts what is longer.
    """
    columns = []
    for column in extent.table.columns:
        about = {"name": column.name, "description": column.description}
        if column.unit and not column.array:
            about["unit"] = column.unit
        columns.append(about)
    lengths = {
        f"table::len::{name}": str(max(len("None"), min(longest, LONGEST_CELL)))
        for name, longest in extent.characters.items()
    }
    return {"table_meta_yaml": json.dumps({"datatype": columns}), **lengths}
