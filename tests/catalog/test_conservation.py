"""The merge refuses tables of a shard that do not belong together, whatever their checksums say."""

import shutil

import pytest

from pipeline.catalog import driver
from pipeline.catalog.conservation import RowsLost
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.seals import DamagedTable, Origin, identifier, together
from pipeline.shards import shard_name, shard_of
from pipeline.tables import read_parquet, rows_of, write_parquet

QPO = shard_name(shard_of("QPO", 2))
OTHER = shard_name(1 - shard_of("QPO", 2))


def altered(path, table, alter):
    """Write a table anew, after a function has had its rows."""
    unkeyed = type(table)(table.name, table.description, table.columns, ())  # models twice
    write_parquet(path, unkeyed, alter(rows_of(read_parquet(path, table))))


def place(files, table, shard=QPO):
    if table is OBSERVATIONS:
        return files["observations"]
    folder, suffix = {
        INGEST: ("ingest", ""),
        SPECTRA: ("segment", ""),
        MODELS: ("fit", ".models"),
        PARAMETERS: ("fit", ".parameters"),
    }[table]
    return files[folder] / f"{shard}{suffix}.parquet"


def without(*, source="QPO", **words):
    """Return a function that leaves out the first row of a source that has some words."""

    def alter(rows):
        wanted = {"source_id": source, **words}
        number = next(k for k, row in enumerate(rows) if wanted.items() <= row.items())
        return rows[:number] + rows[number + 1 :]

    return alter


@pytest.mark.parametrize(
    ("table", "alter", "message"),
    [
        (PARAMETERS, lambda rows: [], "another number of free parameters"),
        (PARAMETERS, without(component="lorentzian.2"), "QPO events/nicer power_law_qpo among"),
        (PARAMETERS, lambda rows: [*rows, rows[0] | {"model": "x"}], "model of parameters"),
        (PARAMETERS, lambda rows: rows + rows[:1], "another number of free parameters"),
        (MODELS, without(model="power_law_qpo"), "model of parameters"),
        (MODELS, lambda rows: rows + rows, r"model\(s\) twice"),
        (MODELS, lambda rows: [*rows, rows[0] | {"product": "x"}], "power spectrum"),
        (MODELS, lambda rows: [r | {"n_free": 2} for r in rows], "another number of free"),
        (INGEST, without(file="f.evt"), r"1 file\(s\) missing: f.evt"),
        (OBSERVATIONS, without(file="f.evt"), r"1 file\(s\) .*: f.evt"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(table, alter, message, survey_files):
    driver.run(**survey_files)
    altered(place(survey_files, table), table, alter)
    with pytest.raises(RowsLost, match=message):
        driver.run(**survey_files)


@pytest.fixture
def with_origins(survey_files):
    """The files of the survey, each with what it was made from."""
    files = survey_files
    lists = {shard: files["plan"] / f"{shard}.tsv" for shard in (QPO, OTHER)}
    for shard, listed in lists.items():
        above = {"plan": listed}
        for stage, tables in (("ingest", [INGEST]), ("segment", [SPECTRA]), ("fit", _FIT)):
            for table in tables:
                path = place(files, table, shard)
                rows = rows_of(read_parquet(path, table))
                write_parquet(path, table, rows, origin=Origin.of_shard(stage, path, "r", **above))
            above = {"input": place(files, tables[0], shard)}
    rows = rows_of(read_parquet(files["observations"], OBSERVATIONS))
    made = together([identifier(one) for _, one in sorted(lists.items())])
    origin = Origin("plan", "", "r", {"plan": made})
    write_parquet(files["observations"], OBSERVATIONS, rows, origin=origin)
    return files


_FIT = (MODELS, PARAMETERS)


def test_tables_that_were_made_from_one_another_are_merged(with_origins):
    assert driver.run(**with_origins) == 0


@pytest.mark.parametrize("table", [INGEST, SPECTRA, MODELS, PARAMETERS], ids=lambda t: t.name)
def test_the_table_of_another_shard_is_damaged(table, with_origins):
    shutil.copy(place(with_origins, table, OTHER), place(with_origins, table))
    with pytest.raises(DamagedTable, match=rf"is of \w+ {OTHER}") as error:
        driver.run(**with_origins)
    assert error.value.path == place(with_origins, table)


@pytest.mark.parametrize(("table", "next_one"), [(INGEST, SPECTRA), (SPECTRA, MODELS)])
def test_a_table_that_was_made_from_another_one_is_damaged(table, next_one, with_origins):
    path = place(with_origins, table)
    rows = rows_of(read_parquet(path, table))
    rows[0] |= {"flags": rows[0]["flags"] ^ 1}
    stage = {INGEST: "ingest", SPECTRA: "segment"}[table]
    above = {
        INGEST: with_origins["plan"] / f"{QPO}.tsv",
        SPECTRA: place(with_origins, INGEST),
    }[table]
    write_parquet(path, table, rows, origin=Origin.of_shard(stage, path, "r", input=above))
    with pytest.raises(DamagedTable, match="was not made from the tables of its shard") as error:
        driver.run(**with_origins)
    assert error.value.path == place(with_origins, next_one)


def test_lists_that_were_changed_are_not_those_of_the_plan(with_origins):
    listed = with_origins["plan"] / f"{QPO}.tsv"
    listed.write_text(listed.read_text() + "\n")
    with pytest.raises(DamagedTable, match="was not made with the lists"):
        driver.run(**with_origins)
