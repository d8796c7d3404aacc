"""Plans are the same for the same archive, and one bad file costs one row."""

import io
import os

import pyarrow.parquet as pq
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.archive import SourceOptions
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver, plan_driver
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan import shard
from pipeline.ingest.read.reader import read_products
from pipeline.shards import shard_of
from pipeline.tables import read_parquet, rows_of

CLUSTER = ClusterOptions(workers=2)


def _plan(archive, folder, shards=3, cache=None, group_by="observation", **options):
    plan_driver.run(
        archive=archive.root,
        observations=folder / "observations.parquet",
        plan=folder / "plan",
        cache=cache,
        options=IngestOptions(**options),
        source=SourceOptions(group_by=group_by),
        cluster=CLUSTER,
        shards=shards,
    )
    return rows_of(read_parquet(folder / "observations.parquet", OBSERVATIONS))


def _lists(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "plan").iterdir())}


@pytest.fixture
def filled(archive):
    for number in range(6):
        archive.events(f"{number}.evt", time=[1.0 + number], header={"OBS_ID": f"10{number}"})
    (archive.root / "page.fits").write_bytes(b"<html></html>")
    cut = archive.events("cut.evt", time=range(1000), header={"OBS_ID": "200"})
    cut.write_bytes(cut.read_bytes()[:9000])
    return archive


def test_every_source_is_in_the_shard_of_its_name_and_every_shard_has_a_list(filled, tmp_path):
    rows = _plan(filled, tmp_path, shards=16)
    assert len(_lists(tmp_path)) == 16
    listed = {}
    for index in range(16):
        for entry in shard.read(tmp_path / f"plan/shard-{index:04d}.tsv"):
            assert shard_of(entry.source_id, 16) == index
            listed[entry.file] = entry
    assert set(listed) == {row["file"] for row in rows if row["source_id"]}
    assert set(listed) == {*(f"{n}.evt" for n in range(6)), "cut.evt"}
    assert listed["cut.evt"].status == "truncated"
    assert listed["cut.evt"].reason


def test_a_plan_depends_on_the_archive_and_on_nothing_else(filled, tmp_path):
    cache = tmp_path / "cache.parquet"
    _plan(filled, tmp_path / "one", cache=cache)
    _plan(filled, tmp_path / "two", cache=cache)
    _plan(filled, tmp_path / "three")
    assert _lists(tmp_path / "one") == _lists(tmp_path / "two") == _lists(tmp_path / "three")


def test_a_changed_file_changes_one_list_even_where_its_size_and_its_headers_do_not(
    filled, tmp_path
):
    _plan(filled, tmp_path, shards=8)
    before = _lists(tmp_path)
    changed = filled.root / "3.evt"
    content = bytearray(changed.read_bytes())
    content[-2880] ^= 1
    changed.write_bytes(content)
    _plan(filled, tmp_path, shards=8)
    after = _lists(tmp_path)
    assert len([name for name in after if after[name] != before[name]]) == 1


def test_looking_reads_headers_and_the_content_of_those_alone_that_may_be_copies(
    filled, tmp_path, monkeypatch
):
    big = filled.events("big.evt", time=range(100_000), header={"OBS_ID": "400"})
    for name in ("one.evt", "two.evt"):
        (filled.root / name).write_bytes((filled.root / "5.evt").read_bytes())
    read = []
    whole = fits_file.sha256
    monkeypatch.setattr(fits_file, "sha256", lambda path: read.append(path.name) or whole(path))
    size, touched = big.stat().st_size, []

    class Watched(io.FileIO):
        def readinto(self, buffer):
            count = super().readinto(buffer)
            touched.append(count)
            return count

    listed = filled.listed("big.evt")
    with io.BufferedReader(Watched(big, "rb")) as handle, fits_file.open_fits(handle, 1) as hdus:
        assert len(hdus) == 3
    assert sum(touched) < 0.1 * size
    rows = {row["file"]: row for row in _plan(filled, tmp_path)}
    assert sorted(read) == ["5.evt", "one.evt", "two.evt"]
    assert rows["one.evt"]["status"] == rows["two.evt"]["status"] == "duplicate"
    assert rows["big.evt"]["version"] == listed.version
    assert rows["big.evt"]["sha256"] == ""


def test_fewer_shards_leave_no_list_behind(filled, tmp_path):
    _plan(filled, tmp_path, shards=5)
    _plan(filled, tmp_path, shards=2)
    assert list(_lists(tmp_path)) == ["shard-0000.tsv", "shard-0001.tsv"]


def test_one_new_file_changes_one_list(filled, tmp_path):
    _plan(filled, tmp_path, shards=8)
    before = _lists(tmp_path)
    filled.events("new.evt", time=[7.0], header={"OBS_ID": "300"})
    _plan(filled, tmp_path, shards=8)
    after = _lists(tmp_path)
    assert len([name for name in after if after[name] != before[name]]) == 1


def test_the_cache_spares_files_that_did_not_change(filled, tmp_path, monkeypatch):
    opened = []
    look = plan_driver.scan_file

    def counting(listed, **options):
        opened.append(listed.file)
        return look(listed, **options)

    monkeypatch.setattr(plan_driver, "scan_file", counting)
    cache = tmp_path / "cache.parquet"
    first = _plan(filled, tmp_path, cache=cache)
    assert len(opened) == 8
    opened.clear()
    assert repr(_plan(filled, tmp_path, cache=cache)) == repr(first)
    assert opened == []
    filled.events("new.evt", header={"OBS_ID": "300"})
    _plan(filled, tmp_path, cache=cache)
    assert opened == ["new.evt"]
    opened.clear()
    _plan(filled, tmp_path, cache=cache, max_decompressed=10**6)
    assert len(opened) == 9
    opened.clear()
    cache.write_bytes(b"PAR1")
    _plan(filled, tmp_path, cache=cache)
    assert len(opened) == 9


def test_links_are_followed_inside_the_archive_only(filled, tmp_path):
    (tmp_path / "outside.evt").write_bytes((filled.root / "1.evt").read_bytes())
    (filled.root / "out.evt").symlink_to(tmp_path / "outside.evt")
    (filled.root / "nowhere.evt").symlink_to("missing")
    (filled.root / "inside.evt").symlink_to("0.evt")
    (filled.root / "loop").symlink_to(filled.root)
    rows = {row["file"]: row for row in _plan(filled, tmp_path)}
    assert rows["out.evt"]["status"] == "unreadable"
    assert "out of the archive" in rows["out.evt"]["reason"]
    assert "leads nowhere" in rows["nowhere.evt"]["reason"]
    assert rows["inside.evt"]["status"] == "duplicate"
    assert not any(file.startswith("loop") for file in rows)


def test_names_that_no_table_can_hold_are_said(filled, tmp_path):
    name = os.fsencode(filled.root) + b"/\xff\xfe.evt"
    with open(name, "wb") as handle:
        handle.write(b"SIMPLE")
    (filled.root / "tab\tand\nline.evt").write_bytes((filled.root / "3.evt").read_bytes())
    rows = {row["file"]: row for row in _plan(filled, tmp_path, shards=1)}
    assert "not UTF-8" in rows[r"\xff\xfe.evt"]["reason"]
    assert rows["tab\tand\nline.evt"]["status"] == "duplicate"
    (filled.root / "3.evt").unlink()
    _plan(filled, tmp_path, shards=1)
    listed = shard.read(tmp_path / "plan/shard-0000.tsv")
    assert "tab\tand\nline.evt" in {entry.file for entry in listed}


def test_an_archive_that_is_no_folder_is_a_mistake_of_the_configuration(archive, tmp_path):
    archive.root = tmp_path / "missing"
    with pytest.raises(ConfigError, match="missing"):
        _plan(archive, tmp_path)


def test_many_files_are_looked_at_by_workers(filled, tmp_path, monkeypatch):
    here = _plan(filled, tmp_path)
    monkeypatch.setattr(plan_driver, "WORTH_A_CLUSTER", 1)
    assert repr(_plan(filled, tmp_path)) == repr(here)


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
    _plan(filled, tmp_path, shards=1)
    plan, output = tmp_path / "plan/shard-0000.tsv", tmp_path / "ingest/shard-0000.parquet"
    driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER, _dangerous())
    entries = shard.read(plan)
    table = rows_of(read_parquet(output, INGEST))
    assert [row["file"] for row in table] == [entry.file for entry in entries]
    assert pq.ParquetFile(output).num_row_groups == len(entries)
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
    _plan(archive, tmp_path, shards=1)
    driver.run(
        archive=archive.root,
        plan=tmp_path / "plan/shard-0000.tsv",
        output=tmp_path / "out.parquet",
        options=IngestOptions(),
        cluster=ClusterOptions(address="tcp://127.0.0.1:1"),  # nothing may try to reach it
    )
    assert read_parquet(tmp_path / "out.parquet", INGEST).num_rows == 0


def test_a_file_with_several_bands_is_several_rows(archive, make, tmp_path):
    bands = {"soft": (0.3, 1.0), "hard": (1.0, 10.0)}
    for name in ("a", "b"):  # two views of an observation
        columns = {"TIME": ([1.0, 2.0, 3.0], "s"), "PI": [50, 150, 160]}
        events = make.table("EVENTS", columns, make.nicer | {"HDUCLAS1": "EVENTS", "VIEW": name})
        archive.add(f"{name}.evt", events, make.gti([[0.0, 5.0]]))
    _plan(archive, tmp_path, shards=1)
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
