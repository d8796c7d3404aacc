"""A shard is read as the stages declare it."""

from dataclasses import replace

import pytest

from pipeline.catalog import shards
from pipeline.catalog.shards import COLUMNS, read_shard, shard_files
from pipeline.columns.base import Column, Table
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.registry import TABLES
from pipeline.config.survey import validate
from pipeline.declared import File, Folder, remote
from pipeline.stages import CATALOG, FIT
from pipeline.tables import TableError, write_parquet

SURVEY = validate({"archive": "/data"})
EXTRA = Table("EXTRA", "One more table.", (Column("source_id", "str", "Source."),), ("source_id",))


@pytest.fixture
def folders(tmp_path):
    """Folders of the stages with the tables of one shard, each of one row."""
    found = {}
    for folder in CATALOG.folders():
        found[folder.name] = tmp_path / folder.name
        for file in folder.files:
            if file.when(SURVEY):
                path = found[folder.name] / file.inside("shard-0003")
                write_parquet(path, file.table, [{"source_id": "a", "product": "p"}])
    (tmp_path / "shard-0003.tsv").write_text("source_id\tfile\na\tx\nb\ty\na\tz\n")
    return found


def test_every_table_that_the_merge_reads_is_there_with_the_columns_it_wants(folders, tmp_path):
    shard = read_shard(tmp_path / "shard-0003.tsv", shard_files(SURVEY, folders))
    assert shard.name == "shard-0003"
    assert shard.planned == {"a", "b"}
    for name, table in shard.tables.items():
        assert tuple(table.column_names) == COLUMNS.get(name, TABLES[name].names)
    assert shard.sampled.column_names == ["source_id", "product"]
    assert shard.models.column_names == list(MODELS.names)
    assert shard.parameters.column_names == list(PARAMETERS.names)
    assert "power" not in shard.spectra.column_names
    assert shard.readings.column("source_id").to_pylist() == ["a"]


def test_a_table_that_is_missing_or_of_another_version_is_refused(folders, tmp_path):
    files = shard_files(SURVEY, folders)
    (folders["fit"] / "shard-0003.models.parquet").unlink()
    with pytest.raises(TableError, match="not a readable MODELS"):
        read_shard(tmp_path / "shard-0003.tsv", files)
    write_parquet(folders["fit"] / "shard-0003.models.parquet", EXTRA, [])
    with pytest.raises(TableError, match="is a table EXTRA, not MODELS"):
        read_shard(tmp_path / "shard-0003.tsv", files)


def test_a_table_more_of_a_stage_is_read_with_the_others(folders, tmp_path, monkeypatch):
    fit = replace(FIT, writes=(*FIT.writes, File("extra", "fit/{shard}.extra.parquet", EXTRA)))
    reads = [r for r in CATALOG.reads if r.name != "fit"]
    monkeypatch.setattr(shards, "CATALOG", replace(CATALOG, reads=(*reads, Folder("fit", fit))))
    write_parquet(folders["fit"] / "shard-0003.extra.parquet", EXTRA, [{"source_id": "c"}])
    write_parquet(folders["fit"] / "shard-0003.curves.parquet", TABLES["CURVES"], [])
    shard = read_shard(tmp_path / "shard-0003.tsv", shard_files(SURVEY, folders))
    assert shard.tables["EXTRA"].to_pydict() == {"source_id": ["c"]}


def test_a_table_that_the_survey_does_not_have_is_not_read(folders, tmp_path, monkeypatch):
    more = File("extra", "fit/{shard}.extra.parquet", EXTRA, when=remote)
    fit = replace(FIT, writes=(*FIT.writes, more))
    monkeypatch.setattr(shards, "CATALOG", replace(CATALOG, reads=(Folder("fit", fit, (EXTRA,)),)))
    assert shard_files(SURVEY, folders) == ()
    there = validate({"archive": "https://archive.org/data"})
    assert [file.table.name for file in shard_files(there, folders)] == ["EXTRA"]
