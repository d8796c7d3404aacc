"""A table that a product of light curves brings is published as it is, and every source is in it."""

from dataclasses import replace

import pytest

from pipeline.catalog import shards, spool
from pipeline.catalog.conservation import RowsLost
from pipeline.catalog.driver import publish, run
from pipeline.catalog.formats import FORMATS
from pipeline.catalog.join import join
from pipeline.catalog.shards import ShardFile, shard_files
from pipeline.columns.base import Column, Table
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.shared import PRODUCT, SOURCE_ID
from pipeline.config.catalog import CatalogOptions
from pipeline.shards import shard_lists
from pipeline.stages import SEGMENT, File
from pipeline.tables import read_parquet, write_parquet

COLORS = Table(
    "COLORS",
    "A colour of each product.",
    (SOURCE_ID, PRODUCT, Column("color", "float64", "Its colour.", ucd="stat.value")),
    key=("source_id", "product"),
)


@pytest.fixture
def arguments(survey_files, tmp_path):
    """Arguments of `join` for a survey whose shards have a table more."""
    survey = survey_files["survey"]
    folders = {name: survey_files[name] for name in ("ingest", "segment", "fit")}
    files = shard_files(survey, folders)
    spectra = next(one for one in files if one.table.name == "SPECTRA")
    more = File("colors", "segment/{shard}.colors.parquet", COLORS)
    assert more.per_shard
    assert SEGMENT.written(spectra.table) is spectra.file
    colors = replace(spectra, table=COLORS, file=more)
    for shard_list in shard_lists(survey_files["plan"]):
        rows = read_parquet(spectra.path(shard_list.stem), spectra.table, ["source_id", "product"])
        write_parquet(
            colors.path(shard_list.stem), COLORS, [r | {"color": 1.5} for r in rows.to_pylist()]
        )
    return {
        "observations": survey_files["observations"],
        "lists": shard_lists(survey_files["plan"]),
        "shard_tables": [*files, colors],
        "options": survey_files["options"],
        "is_sampled": lambda source_id: False,
        "published": [*CATALOGUE, COLORS],
        "folder": tmp_path,
    }


def test_it_is_in_every_format(arguments, tmp_path):
    joined = join(**arguments)
    rows = {t: joined.rows(t) for t in arguments["published"]}
    assert rows[COLORS].count == 6
    (block,) = rows[COLORS].blocks(["source_id"])
    assert block.column("source_id").to_pylist()[0] == "DAMAGED"
    publish(tmp_path, rows, "A survey", CatalogOptions(formats=list(FORMATS)))
    assert read_parquet(tmp_path / "colors.parquet", COLORS).num_rows == 6
    for name in ("catalog.fits", "catalog.vot"):
        assert b"COLORS" in (tmp_path / name).read_bytes()


def test_a_source_that_is_not_in_it_is_lost(arguments):
    colors: ShardFile = arguments["shard_tables"][-1]
    shard = next(
        one.stem
        for one in arguments["lists"]
        if read_parquet(colors.path(one.stem), COLORS).num_rows
    )
    write_parquet(colors.path(shard), COLORS, [])
    with pytest.raises(RowsLost, match=rf"^segment \(COLORS\), {shard}: \d source.* missing"):
        join(**arguments)


def test_tables_that_do_not_fit_into_memory_are_the_same(survey_files, monkeypatch):
    """Shards in parts of one source, every table in files, blocks of a few rows: the same bytes of Parquet."""
    assert run(**survey_files | {"output": survey_files["output"] / "1"}) == 0
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (0,))
    monkeypatch.setattr(spool, "BATCH", 1)
    monkeypatch.setattr(spool, "BLOCK", 2)
    monkeypatch.setattr("pipeline.catalog.observations._LIMIT", 0)
    monkeypatch.setattr(shards.divided, "__defaults__", (1,))
    assert run(**survey_files | {"output": survey_files["output"] / "2"}) == 0
    names = {path.name for path in (survey_files["output"] / "1").iterdir()}
    assert names == {path.name for path in (survey_files["output"] / "2").iterdir()}
    for name in names - {"provenance.json"}:
        first, second = ((survey_files["output"] / k / name).read_bytes() for k in "12")
        assert first == second, name
