"""Plans are the same for the same archive, and change in one place with one file."""

import io
import os

import pytest

from pipeline.config.base import ConfigError
from pipeline.ingest import plan_driver
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan import apart, shard
from pipeline.shards import shard_of


def _lists(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "plan").iterdir())}


def test_every_source_is_in_the_shard_of_its_name_and_every_shard_has_a_list(filled, tmp_path):
    rows = filled.plan(tmp_path, shards=16)
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
    filled.plan(tmp_path / "one", cache=cache)
    filled.plan(tmp_path / "two", cache=cache)
    filled.plan(tmp_path / "three")
    assert _lists(tmp_path / "one") == _lists(tmp_path / "two") == _lists(tmp_path / "three")


def test_a_changed_file_changes_one_list_even_where_its_size_and_its_headers_do_not(
    filled, tmp_path
):
    filled.plan(tmp_path, shards=8)
    before = _lists(tmp_path)
    changed = filled.root / "3.evt"
    content = bytearray(changed.read_bytes())
    content[-2880] ^= 1
    changed.write_bytes(content)
    filled.plan(tmp_path, shards=8)
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
    rows = {row["file"]: row for row in filled.plan(tmp_path)}
    assert sorted(read) == ["5.evt", "one.evt", "two.evt"]
    assert rows["one.evt"]["status"] == rows["two.evt"]["status"] == "duplicate"
    assert rows["big.evt"]["version"] == listed.version
    assert rows["big.evt"]["sha256"] == ""


def test_fewer_shards_leave_no_list_behind(filled, tmp_path):
    filled.plan(tmp_path, shards=5)
    filled.plan(tmp_path, shards=2)
    assert list(_lists(tmp_path)) == ["shard-0000.tsv", "shard-0001.tsv"]


def test_one_new_file_changes_one_list(filled, tmp_path):
    filled.plan(tmp_path, shards=8)
    before = _lists(tmp_path)
    filled.events("new.evt", time=[7.0], header={"OBS_ID": "300"})
    filled.plan(tmp_path, shards=8)
    after = _lists(tmp_path)
    assert len([name for name in after if after[name] != before[name]]) == 1


def test_the_cache_spares_files_that_did_not_change(filled, tmp_path, monkeypatch):
    opened = []
    each = apart.each

    def counting(look, listed, cluster):
        opened.extend(one.file for one in listed)
        return each(look, listed, cluster)

    monkeypatch.setattr(apart, "each", counting)
    cache = tmp_path / "cache.parquet"
    first = filled.plan(tmp_path, cache=cache)
    assert len(opened) == 8
    opened.clear()
    assert repr(filled.plan(tmp_path, cache=cache)) == repr(first)
    assert opened == []
    filled.events("new.evt", header={"OBS_ID": "300"})
    filled.plan(tmp_path, cache=cache)
    assert opened == ["new.evt"]
    opened.clear()
    filled.plan(tmp_path, cache=cache, max_decompressed=10**6)
    assert len(opened) == 9
    opened.clear()
    cache.write_bytes(b"PAR1")
    filled.plan(tmp_path, cache=cache)
    assert len(opened) == 9


def test_links_are_followed_inside_the_archive_only(filled, tmp_path):
    (tmp_path / "outside.evt").write_bytes((filled.root / "1.evt").read_bytes())
    (filled.root / "out.evt").symlink_to(tmp_path / "outside.evt")
    (filled.root / "nowhere.evt").symlink_to("missing")
    (filled.root / "inside.evt").symlink_to("0.evt")
    (filled.root / "loop").symlink_to(filled.root)
    rows = {row["file"]: row for row in filled.plan(tmp_path)}
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
    rows = {row["file"]: row for row in filled.plan(tmp_path, shards=1)}
    assert "not UTF-8" in rows[r"\xff\xfe.evt"]["reason"]
    assert rows["tab\tand\nline.evt"]["status"] == "duplicate"
    (filled.root / "3.evt").unlink()
    filled.plan(tmp_path, shards=1)
    listed = shard.read(tmp_path / "plan/shard-0000.tsv")
    assert "tab\tand\nline.evt" in {entry.file for entry in listed}


def test_an_archive_that_is_no_folder_is_a_mistake_of_the_configuration(archive, tmp_path):
    archive.root = tmp_path / "missing"
    with pytest.raises(ConfigError, match="missing"):
        archive.plan(tmp_path)


def test_many_files_are_looked_at_by_workers(filled, tmp_path, monkeypatch):
    here = filled.plan(tmp_path)
    monkeypatch.setattr(plan_driver, "WORTH_A_CLUSTER", 1)
    assert repr(filled.plan(tmp_path)) == repr(here)
