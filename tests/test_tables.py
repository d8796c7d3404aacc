"""Rows and columns become the tables that are declared; what has no value is empty, and null in files."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.columns.base import Column, Table
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.registry import TABLES
from pipeline.columns.spectra import SPECTRA
from pipeline.status import Flag
from pipeline.tables import (
    Lists,
    TableError,
    ahead,
    atomic_path,
    columns_to_arrow,
    empty_row,
    parquet_writer,
    read_arrow,
    read_parquet,
    rows_of,
    schema,
    to_arrow,
    write_arrow,
    write_parquet,
)

THINGS = Table(
    "THINGS",
    "Things.",
    (
        Column("name", "str", "Name."),
        Column("count", "int32", "Count."),
        Column("good", "bool", "Whether it is good."),
        Column("value", "float64", "Value."),
        Column("powers", "float32", "Powers.", array=True),
        Column("words", "str", "Words.", array=True),
    ),
    key=("name",),
)
ROWS = [
    {"name": "a", "count": 1, "good": True, "value": 0.5, "powers": [1.0, 2.0], "words": ["x"]},
    {"name": "b"},
    {"name": "c", "count": None, "value": None, "powers": None, "words": None},
    {"name": "d", "count": 4, "good": False, "value": math.inf, "powers": np.arange(3.0)},
]
NAMES = ["a", "b", "c", "d"]
FORMS = {
    "lists": {
        "name": NAMES,
        "count": [1, None, None, 4],
        "good": [True, False, None, False],
        "value": [0.5, None, float("nan"), math.inf],
        "powers": [[1.0, 2.0], [], None, np.arange(3.0)],
        "words": [["x"], [], None, []],
    },
    "arrays": {
        "name": np.array(NAMES),
        "count": np.array([1, 0, 0, 4]),
        "good": np.array([True, False, False, False]),
        "value": np.array([0.5, np.nan, np.nan, np.inf]),
        "powers": [np.array([1.0, 2.0]), np.empty(0), np.empty(0), np.arange(3)],
        "words": np.array([["x"], None, None, None], dtype=object),
    },
    "arrow": {
        "name": pa.chunked_array([NAMES[:1], NAMES[1:]]),
        "count": pa.array([1, None, None, 4], pa.int64()),
        "good": pa.array([True, None, None, False]),
        "value": pa.array([0.5, None, None, math.inf]),
        "powers": [[1, 2], (), (), [0, 1, 2]],
        "words": [["x"], [], [], []],
    },
}


@pytest.mark.parametrize("columns", FORMS.values(), ids=FORMS)
def test_columns_make_the_same_table_as_rows(columns):
    table = columns_to_arrow(THINGS, columns)
    assert table.schema.equals(schema(THINGS), check_metadata=True)
    expected = to_arrow(THINGS, ROWS)
    assert all(column.null_count == 0 for column in table.columns)
    for name in THINGS.names:
        np.testing.assert_equal(
            table.column(name).to_pylist(), expected.column(name).to_pylist(), err_msg=name
        )


def test_a_column_of_lists_may_be_an_array_of_two_dimensions():
    powers = np.arange(6.0).reshape(2, 3)
    table = columns_to_arrow(THINGS, {"name": ["a", "b"], "powers": powers})
    assert table.column("powers").to_pylist() == powers.tolist()


def test_columns_that_are_left_out_are_empty_and_no_column_is_no_row():
    assert columns_to_arrow(THINGS, {}).num_rows == 0
    row = columns_to_arrow(THINGS, {"name": ["a"]}).to_pylist()[0]
    assert math.isnan(row.pop("value"))
    assert row == {"name": "a", "count": 0, "good": False, "powers": [], "words": []}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"colour": ["red"]}, "THINGS has no column 'colour'"),
        ({"name": ["a", "b"], "count": [1]}, "different lengths"),
        ({"name": [1.5]}, r"THINGS\.name"),
        ({"count": np.array([1.5])}, r"THINGS\.count"),
        ({"value": ["large"]}, r"THINGS\.value"),
        ({"powers": [["large"]]}, r"THINGS\.powers"),
        ({"powers": np.ones((1, 2, 2))}, r"THINGS\.powers"),
        ({"powers": [1.0]}, r"THINGS\.powers"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(TableError, match=message):
        columns_to_arrow(THINGS, columns)


@pytest.mark.parametrize(
    "form", [ROWS, FORMS["arrays"], to_arrow(THINGS, ROWS)], ids=["rows", "columns", "arrow"]
)
def test_every_form_is_written_with_nulls_and_read_back_without(form, tmp_path):
    path = tmp_path / "t.parquet"
    with parquet_writer(path, THINGS) as write:
        write(form)
        write({"name": ["e"], "value": np.array([2.0])})
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 2
    assert file.read().column("value").to_pylist() == [0.5, None, None, math.inf, 2.0]
    back = read_parquet(path, THINGS)
    expected = to_arrow(THINGS, [*ROWS, {"name": "e", "value": 2.0}])
    for name in THINGS.names:
        np.testing.assert_equal(
            back.column(name).to_pylist(), expected.column(name).to_pylist(), err_msg=name
        )
    assert [row["name"] for row in rows_of(back)] == [*NAMES, "e"]


def test_a_key_that_comes_twice_in_columns_is_refused(tmp_path):
    def written(*calls):
        with parquet_writer(tmp_path / "t.parquet", THINGS) as write:
            for names in calls:
                write({"name": names})

    for calls in ((["a"], ["b", "a"]), (["a", "b", "a"],)):
        with pytest.raises(TableError, match=r"two rows with \{'name': 'a'\}"):
            written(*calls)
    assert not list(tmp_path.iterdir())
    written(["a"], ["b", "c"])
    assert len(read_parquet(tmp_path / "t.parquet", THINGS)) == 3


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_row_of_which_nothing_is_known_can_be_written_and_read(table, tmp_path):
    write_parquet(tmp_path / "t.parquet", table, [{}])
    (row,) = rows_of(read_parquet(tmp_path / "t.parquet", table))
    for column in table.columns:
        expected = empty_row(table)[column.name]
        if column.array:
            assert len(row[column.name]) == 0
        else:
            assert row[column.name] == expected or math.isnan(row[column.name])


def test_values_come_back_as_they_were_written(tmp_path):
    power = np.geomspace(1e-9, 1e9, 7)
    row = {"source_id": "a", "m": 2**40, "power": power, "observation_ids": ["x", "y"], "rms": 0.1}
    write_parquet(tmp_path / "t.parquet", SPECTRA, [row])
    (back,) = rows_of(read_parquet(tmp_path / "t.parquet", SPECTRA))
    assert back["m"] == 2**40
    assert back["rms"] == 0.1
    assert list(back["observation_ids"]) == ["x", "y"]
    np.testing.assert_array_equal(back["power"], power)


def test_units_and_descriptions_travel_with_the_file(tmp_path):
    write_parquet(tmp_path / "t.parquet", SOURCES, [])
    field = pq.read_schema(tmp_path / "t.parquet").field("qpo_frequency")
    assert field.metadata[b"unit"] == b"Hz"
    assert field.metadata[b"ucd"] == SOURCES.column("qpo_frequency").ucd.encode()


def test_rows_in_groups_can_be_read_one_by_one(tmp_path):
    rows = ({"source_id": str(i)} for i in range(5))
    assert write_parquet(tmp_path / "t.parquet", SPECTRA, rows, rows_per_group=2) == 5
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == 3
    assert rows_of(file.read_row_group(1))[0]["source_id"] == "2"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"colour": "red"}], "no column 'colour'"),
        ([{"file": 3.5}], r"REJECTED\.file"),
        ([{"file": "a"}, {"file": "a"}], "two rows"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_leaves_no_file(rows, message, tmp_path):
    with pytest.raises(TableError, match=message):
        write_parquet(tmp_path / "t.parquet", REJECTED, rows)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "deep" / "file"
    with atomic_path(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path) as temporary:
        temporary.with_name("nowhere").rename(temporary)
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_file_that_is_cut_short_or_another_table_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(path, MODELS, [{"source_id": "a", "covariance": [1.0] * 1000}])
    with pytest.raises(TableError, match="is a table MODELS, not REJECTED"):
        read_parquet(path, REJECTED)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TableError, match="is cut"):
        read_parquet(path, MODELS)


def test_a_selection_of_columns_is_checked_too(tmp_path):
    write_parquet(tmp_path / "t.parquet", SPECTRA, [{"source_id": "a"}])
    columns = ["source_id", "m"]
    assert read_parquet(tmp_path / "t.parquet", SPECTRA, columns).column_names == columns


def test_the_schema_has_no_nulls():
    table = to_arrow(SOURCES, [{"object": None, "rms": None}])
    assert table.schema.equals(schema(SOURCES), check_metadata=True)
    assert table.column("object").to_pylist() == [""]
    assert all(not field.nullable for field in table.schema)


def test_the_next_item_is_made_ahead_and_an_error_comes_where_it_belongs():
    def items():
        yield from (1, 2)
        raise ValueError("third")

    coming = ahead(items())
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(coming)
    assert list(ahead([])) == []


def test_rows_that_a_stage_keeps_for_itself_come_back_as_they_were(tmp_path):
    rows = [{**empty_row(SPECTRA), "source_id": "a", "power": np.arange(3.0), "flags": Flag.NO_GTI}]
    write_arrow(tmp_path / "part", SPECTRA, rows)
    (row,) = rows_of(read_arrow(tmp_path / "part"))
    np.testing.assert_array_equal(row["power"], [0.0, 1.0, 2.0])
    assert (row["source_id"], row["flags"]) == ("a", int(Flag.NO_GTI))


def test_lists_one_after_the_other_are_the_same_cells_as_lists_of_arrays():
    numbers, names = Column("v", "float32", "", array=True), Column("t", "str", "", array=True)
    each = [np.arange(3.0), np.empty(0), np.array([2.5])]
    flat = Lists(np.concatenate(each), np.array([3, 0, 1]))
    texts = Lists(np.array(["x", "y", "z", "x"], object), np.array([0, 3, 1]))
    table = Table("T", "", (numbers, names), ())
    found = columns_to_arrow(table, {"v": flat, "t": texts})
    assert found.equals(columns_to_arrow(table, {"v": each, "t": [[], ["x", "y", "z"], ["x"]]}))
    with pytest.raises(TableError, match="lists, where there is a value in a row"):
        columns_to_arrow(Table("T", "", (replace(numbers, array=False),), ()), {"v": flat})
