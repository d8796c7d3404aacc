"""A file that could not be read is looked at again once it can be, and nothing else is."""

import os

import pytest

from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver
from pipeline.ingest.again import outputs_to_remake

CLUSTER = ClusterOptions(workers=1, patience=0.0)


@pytest.fixture
def away(filled, tmp_path):
    """An archive of which a file was away when its shard was read, the functions that bring it back and look."""
    (filled.root / "more").mkdir()
    (filled.root / "6.evt").write_bytes((filled.root / "0.evt").read_bytes()[::-1])
    filled.plan(tmp_path, shards=2)
    file, kept = filled.root / "2.evt", tmp_path / "kept.evt"
    file.rename(kept)
    for shard in ("shard-0000", "shard-0001"):
        plan, output = tmp_path / f"plan/{shard}.tsv", tmp_path / f"ingest/{shard}.parquet"
        driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER)

    def look():
        found = outputs_to_remake(
            archive=filled.root,
            observations=tmp_path / "observations.parquet",
            plan=tmp_path / "plan",
            ingested=tmp_path / "ingest",
        )
        return [path.relative_to(tmp_path).as_posix() for path in found]

    return kept, file, look


def test_a_shard_is_read_again_when_its_file_is_back_and_only_then(away, tmp_path):
    kept, file, look = away
    assert look() == []
    kept.rename(file)
    (shard,) = look()
    assert "2.evt" in (tmp_path / "plan" / os.path.basename(shard)).with_suffix(".tsv").read_text()
    os.utime(file, ns=(0, 0))  # another version: the plan will change
    assert look() == []


def test_a_plan_is_made_again_when_a_folder_can_be_listed(filled, tmp_path, monkeypatch):
    (filled.root / "more").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).rstrip("/").endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        rows = {row["file"]: row for row in filled.plan(tmp_path)}
    assert rows["more"]["status"] == "inaccessible"
    again = outputs_to_remake(
        archive=filled.root,
        observations=tmp_path / "observations.parquet",
        plan=tmp_path / "plan",
        ingested=tmp_path / "ingest",
    )
    assert again == [tmp_path / "observations.parquet"]


def test_a_survey_that_has_not_begun_has_nothing_to_look_at(tmp_path):
    paths = {name: tmp_path / name for name in ("archive", "observations", "plan", "ingested")}
    assert outputs_to_remake(**paths) == []
