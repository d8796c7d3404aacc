"""One bad file costs one row of its shard."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver
from pipeline.ingest.plan import shard
from pipeline.ingest.read.reader import read_products
from pipeline.status import Flag
from pipeline.tables import read_parquet, rows_of

CLUSTER = ClusterOptions(workers=2)


def _dangerous():
    """A reader that dies of one file and fails at another; pickled by value."""

    def read(entry, archive, options):
        if entry.file == "2.evt":
            os._exit(9)
        if entry.file == "4.evt":
            raise RuntimeError("no\nidea")
        return read_products(entry, archive, options)

    return read


def test_a_file_that_kills_its_worker_costs_one_row(filled, tmp_path):
    for name, second in (("ni100_cl.evt", 2.0), ("ni100_uf.evt", 3.0)):  # views of 0.evt
        filled.events(name, time=[1.0, second], header={"OBS_ID": "100"})
    filled.plan(tmp_path, shards=1)
    plan, output = tmp_path / "plan/shard-0000.tsv", tmp_path / "ingest/shard-0000.parquet"
    driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER, _dangerous())
    entries = shard.read(plan)
    table = rows_of(read_parquet(output, INGEST))
    assert [row["file"] for row in table] == [entry.file for entry in entries]
    assert pq.ParquetFile(output).num_row_groups == 1
    assert list(output.parent.iterdir()) == [output]
    rows = {row["file"]: row for row in table}
    statuses = {file: row["status"] for file, row in rows.items()}
    assert statuses.pop("2.evt") == "worker_died"
    assert statuses.pop("4.evt") == "error"
    assert statuses.pop("cut.evt") == "truncated"
    assert set(statuses.values()) == {"ok"}
    assert rows["4.evt"]["reason"] == "RuntimeError: no idea"
    assert rows["2.evt"]["source_id"] == "nicer:102"
    assert rows["3.evt"]["time"].tolist() == [4.0]
    products = {row["product"] for row in table if row["source_id"] == "nicer:100"}
    assert products == {f"events/nicer/xti/{name}" for name in ("0", "ni_cl", "ni_uf")}


def test_an_empty_shard_is_an_empty_table(archive, tmp_path):
    archive.plan(tmp_path, shards=1)
    driver.run(
        archive=archive.root,
        plan=tmp_path / "plan/shard-0000.tsv",
        output=tmp_path / "out.parquet",
        options=IngestOptions(),
        cluster=ClusterOptions(address="tcp://127.0.0.1:1"),  # nothing may try to reach it
    )
    assert read_parquet(tmp_path / "out.parquet", INGEST).num_rows == 0


@pytest.mark.parametrize(("asked", "kept"), [(None, []), (1, [0.5, 1.5])])
@pytest.mark.parametrize("band", [None, (0.1, 2.0)])
def test_energies_are_kept_where_they_are_asked_for(archive, make, tmp_path, asked, kept, band):
    columns = {"TIME": ([1.0, 2.0], "s"), "PI": [50, 150]}
    events = make.table("EVENTS", columns, make.nicer | {"HDUCLAS1": "EVENTS"})
    archive.add("a.evt", events, make.gti([[0.0, 5.0]]))
    archive.plan(tmp_path, shards=1)
    driver.run(
        archive=archive.root,
        plan=tmp_path / "plan/shard-0000.tsv",
        output=tmp_path / "out.parquet",
        options=IngestOptions(band=band),
        cluster=ClusterOptions(workers=1),
        energies=asked,
    )
    (row,) = rows_of(read_parquet(tmp_path / "out.parquet", INGEST))
    assert (row["time"].tolist(), row["energy"].tolist()) == ([1.0, 2.0], kept)
    assert not row["flags"] & Flag.NO_ENERGY


def test_row_groups_hold_several_small_observations_or_a_large_one(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "GROUP_BYTES", 1000)
    for number, events in enumerate([10, 10, 500, 10, 10]):
        header = {"OBS_ID": f"10{number}"}
        archive.events(f"{number}.evt", np.linspace(0.0, 9.0, events), header)
    archive.plan(tmp_path, shards=1)
    for workers in (1, 2):
        output = tmp_path / str(workers) / "shard.parquet"
        plan, cluster = tmp_path / "plan/shard-0000.tsv", ClusterOptions(workers=workers)
        driver.read_shard(archive.root, plan, output, IngestOptions(), cluster)
        about = pq.read_metadata(output)
        assert [about.row_group(i).num_rows for i in range(about.num_row_groups)] == [2, 1, 2]
    lengths = [len(row["time"]) for row in rows_of(read_parquet(output, INGEST))]
    assert lengths == [10, 10, 500, 10, 10]
    assert (tmp_path / "1/shard.parquet").read_bytes() == output.read_bytes()


def test_a_file_with_several_bands_is_several_rows(archive, make, tmp_path):
    bands = {"soft": (0.3, 1.0), "hard": (1.0, 10.0)}
    for name in ("a", "b"):  # two views of an observation
        columns = {"TIME": ([1.0, 2.0, 3.0], "s"), "PI": [50, 150, 160]}
        events = make.table("EVENTS", columns, make.nicer | {"HDUCLAS1": "EVENTS", "VIEW": name})
        archive.add(f"{name}.evt", events, make.gti([[0.0, 5.0]]))
    archive.plan(tmp_path, shards=1)
    driver.run(
        archive=archive.root,
        plan=tmp_path / "plan/shard-0000.tsv",
        output=tmp_path / "out.parquet",
        options=IngestOptions(bands=bands),
        cluster=CLUSTER,
    )
    rows = rows_of(read_parquet(tmp_path / "out.parquet", INGEST))
    assert [(row["file"], row["product"], len(row["time"])) for row in rows] == [
        ("a.evt", "events/nicer/xti/soft/a", 1),
        ("a.evt", "events/nicer/xti/hard/a", 2),
        ("b.evt", "events/nicer/xti/soft/b", 1),
        ("b.evt", "events/nicer/xti/hard/b", 2),
    ]
