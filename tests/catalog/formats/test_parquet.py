"""Each table is a Parquet file with nulls, and metadata that say what columns, words and bits mean."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog.formats import FORMATS
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS
from pipeline.status import Flag
from pipeline.tables import read_parquet


def test_values_read_back_and_missing_ones_are_null(tmp_path, tables):
    FORMATS["parquet"].write(tmp_path, tables, "A survey")
    for table, rows in tables.items():
        data = pa.concat_tables(rows.read(None))
        found = read_parquet(tmp_path / f"{table.name.lower()}.parquet", table)
        assert str(found.to_pylist()) == str(data.to_pylist())  # NaN too
    stored = pq.read_table(tmp_path / "sources.parquet")
    assert stored["ra"].to_pylist() == [288.8, None]
    assert stored["m"].to_pylist() == [2**40, None]


def test_the_metadata_are_those_of_the_declaration(tmp_path, tables):
    FORMATS["parquet"].write(tmp_path, tables, "A survey")
    schema = pq.read_schema(tmp_path / "sources.parquet")
    for column in SOURCES.columns:
        metadata = schema.field(column.name).metadata
        found = {name: metadata[name.encode()].decode() for name in ("unit", "ucd", "description")}
        assert found == {
            "unit": column.unit,
            "ucd": column.ucd,
            "description": column.description,
        }
    bits = json.loads(schema.field("flags").metadata[b"values"])
    assert bits[str(int(Flag.NO_GTI))].startswith("NO_GTI: ")
    assert schema.metadata[b"table"] == b"SOURCES"
    assert b"values" not in pq.read_schema(tmp_path / "models.parquet").field("bic").metadata
    assert MODELS.column("bic").unit == ""
