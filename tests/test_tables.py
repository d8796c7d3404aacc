"""Rows and columns become the tables that are declared; what has no value is empty, and null in files."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.columns.base import Column, Table
from pipeline.tables import (
    TableError,
    columns_to_arrow,
    parquet_writer,
    read_parquet,
    rows_of,
    schema,
    to_arrow,
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
    with parquet_writer(tmp_path / "t.parquet", THINGS) as write:
        write({"name": ["a"]})
        with pytest.raises(TableError, match=r"two rows with \{'name': 'a'\}"):
            write({"name": ["b", "a"]})
