"""The tables between the stages are what `pipeline.columns` declares, and are whole or not there."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.registry import CATALOGUE, TABLES
from pipeline.columns.spectra import SPECTRA
from pipeline.components import COMPONENTS
from pipeline.status import HAS_RESULT, Fault, Flag, Status, without
from pipeline.tables import (
    TableError,
    ahead,
    atomic_path,
    empty_row,
    read_arrow,
    read_parquet,
    rows_of,
    schema,
    to_arrow,
    write_arrow,
    write_parquet,
)

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


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=lambda component: component.name)
@pytest.mark.parametrize("norm", ["frac", "leahy", "abs"])
def test_parameters_have_units_in_every_normalisation(component, norm):
    for parameter in component.parameters:
        units.Unit(parameter.unit_in(norm), format="vounit")
        assert parameter.bounds[0] < parameter.bounds[1]
        assert parameter.scale == "linear" or parameter.bounds[0] > 0


def test_a_power_integrated_over_frequency_is_a_variance():
    for norm in ("frac", "leahy", "abs"):
        lorentzian = COMPONENTS["lorentzian"]
        variance = units.Unit(lorentzian.parameter("variance").unit_in(norm))
        density = units.Unit(COMPONENTS["constant"].parameter("level").unit_in(norm))
        assert variance == density * units.Hz


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
    with pytest.raises(TableError, match="another version"):
        read_parquet(path, REJECTED)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TableError, match="not a readable MODELS"):
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


def test_the_catalogue_has_the_tables_that_are_promised():
    names = [table.name for table in CATALOGUE]
    assert names == ["SOURCES", "EPOCHS", "MODELS", "PARAMETERS", "OBSERVATIONS", "REJECTED"]


@pytest.mark.parametrize("status", Status)
def test_a_status_says_what_happened_and_who_has_to_act(status):
    assert status.sentence.endswith(".")
    assert status.fault in Fault
    assert Status(str(status)) is status


def test_sources_with_values_are_told_from_those_without():
    assert Status.OK in HAS_RESULT
    assert not HAS_RESULT & {Status.UNREADABLE, Status.NO_DATA, Status.ERROR, Status.DUPLICATE}


def test_flags_are_single_bits_that_leave_room_for_users():
    bits = [flag.value for flag in Flag]
    assert all(bit.bit_count() == 1 for bit in bits)
    assert sum(bits) < 1 << 53


def test_flags_are_taken_away_and_all_others_stay():
    everything = Flag(sum(flag.value for flag in Flag))
    for flag in Flag:
        left = without(int(everything), flag)
        assert set(Flag) - {other for other in Flag if other & left} == {flag}


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
