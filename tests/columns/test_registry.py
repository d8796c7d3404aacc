"""Every column of every table is declared once, with type, unit, UCD and a sentence."""

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from pipeline.columns.registry import CATALOGUE, TABLES

EVERY_COLUMN = [(table, column) for table in TABLES.values() for column in table.columns]


DTYPES = {"str", "bool", "int32", "int64", "float32", "float64"}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_names_are_unique_and_keys_are_columns(table):
    assert len(set(table.names)) == len(table.names)
    assert set(table.key) <= set(table.names)
    assert table.description.endswith(".")


@pytest.mark.parametrize(
    ("table", "column"), EVERY_COLUMN, ids=[f"{t.name}.{c.name}" for t, c in EVERY_COLUMN]
)
def test_a_column_has_a_known_type_unit_ucd_and_sentence(table, column):
    assert column.dtype in DTYPES
    assert column.description.endswith(".")
    assert check_ucd(column.ucd, check_controlled_vocabulary=True), column.ucd
    units.Unit(column.unit, format="vounit")
    assert not (column.unit and column.dtype in ("str", "bool"))


DIFFERENT = {
    ("kind", "TRUTH"): "what was injected, where other tables have what a file holds",
    ("noise", "TRUTH"): "has a unit, for it is always in fractional rms squared per Hz",
    ("mean_rate", "TRUTH"): "of the source without background, for Kepler's dialect in electrons",
    ("n_files", "TRUTH"): "leaves out copies and damaged files, which OBSERVATIONS counts",
    ("value", "SAMPLES"): "is a list of draws, where PARAMETERS has one value",
}
"""Columns of which a table has another with the same name, and why: by name and table."""


def test_a_name_is_one_column_in_all_tables():
    first = {}
    for table, column in EVERY_COLUMN:
        if (column.name, table.name) not in DIFFERENT:
            assert first.setdefault(column.name, column) is column, f"{table.name}.{column.name}"
    for name, table in DIFFERENT:
        assert TABLES[table].column(name) != first[name], f"{table}.{name} is no exception"


def test_what_a_column_is_about_is_a_column_of_its_table():
    for table, column in EVERY_COLUMN:
        assert not column.of or column.of in table.names, f"{table.name}.{column.name}"


def test_the_catalogue_has_the_tables_that_are_promised():
    names = [table.name for table in CATALOGUE]
    assert names == ["SOURCES", "EPOCHS", "MODELS", "PARAMETERS", "OBSERVATIONS", "REJECTED"]
