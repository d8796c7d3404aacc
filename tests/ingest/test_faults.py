"""A fault of the machine ends a stage, and is never written down as a fault of a file."""

import errno
import io
import os
import tempfile
from contextlib import contextmanager

import numpy as np
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.faults import MachineFault, of_machine
from pipeline.ingest import driver
from pipeline.ingest.files import fits_file
from pipeline.ingest.read.reader import read_products
from pipeline.tables import read_parquet, rows_of

CLUSTER = ClusterOptions(workers=1, patience=0.0)


def _error(number):
    return OSError(number, os.strerror(number))


class _Failing(io.FileIO):
    """A file of which the reading or the writing fails."""

    def __init__(self, *given, number, **keywords):
        super().__init__(*given, **keywords)
        self.number = number

    def readinto(self, buffer):
        raise _error(self.number)

    def readall(self):
        raise _error(self.number)

    def write(self, data):
        raise _error(self.number)


@pytest.fixture
def packed(archive, make):
    """The entry of a gzipped file, and its archive."""
    events = make.table("EVENTS", {"TIME": ([1.0, 2.0], "s")}, make.nicer)
    archive.add("a.evt.gz", events, make.gti([[0.0, 5.0]]), compress=True)
    return archive.entry("a.evt.gz"), archive.root


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_folder_for_temporary_files_is_not_the_files_fault(packed, number, monkeypatch):
    def full(**_):
        return _Failing(os.memfd_create("full"), "w+", number=number)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(MachineFault, match=rf"^{tempfile.gettempdir()}: .*: make space there"):
        read_products(*packed, IngestOptions())


def test_a_missing_folder_for_temporary_files_is_not_the_files_fault(packed, monkeypatch):
    def missing(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", missing)
    with pytest.raises(MachineFault):
        read_products(*packed, IngestOptions())


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOTCONN])
@pytest.mark.parametrize("at", ["open", "read"])
def test_a_disk_that_fails_is_not_the_files_fault(filled, packed, number, at, monkeypatch):
    entries = packed[0], filled.entry("0.evt")

    @contextmanager
    def fails(path):
        if at == "open":
            raise _error(number)
        with io.BufferedReader(_Failing(path, number=number)) as handle:
            yield handle

    with monkeypatch.context() as patch:
        patch.setattr(fits_file, "open_regular", fails)
        for entry in entries:
            with pytest.raises((MachineFault, OSError)) as fault:
                read_products(entry, filled.root, IngestOptions())
            assert of_machine(fault.value)
        with pytest.raises((MachineFault, OSError)) as fault:
            filled.scan("1.evt")
        assert of_machine(fault.value)


def test_tables_of_text_fail_as_other_files_do(archive, monkeypatch):
    entry = {"kind": "lightcurve", "files": "*.txt", "columns": {"time": 1, "rate": 2}}
    (archive.root / "a.txt").write_text("".join(f"{i} 5.0\n" for i in range(100)))
    planned = archive.entry("a.txt", tables=[entry])

    @contextmanager
    def fails(path):
        with io.BufferedReader(_Failing(path, number=errno.EIO)) as handle:
            yield handle

    monkeypatch.setattr(fits_file, "open_regular", fails)
    monkeypatch.setattr(fits_file, "sha256_of", lambda handle: "")
    with pytest.raises((MachineFault, OSError)) as fault:
        read_products(planned, archive.root, IngestOptions(tables=[entry]))
    assert of_machine(fault.value)


def test_a_plan_ends_where_the_machine_fails_and_records_nothing(filled, tmp_path, monkeypatch):
    def fails(path):
        raise _error(errno.ESTALE)

    with monkeypatch.context() as patch:
        patch.setattr(fits_file, "open_regular", fails)
        with pytest.raises(MachineFault):
            filled.plan(tmp_path)
    assert not (tmp_path / "observations.parquet").exists()
    assert {row["file"] for row in filled.plan(tmp_path) if row["status"] == "ok"} >= {"0.evt"}


def test_an_archive_that_is_empty_after_it_had_files_is_not_planned(filled, tmp_path):
    filled.plan(tmp_path, cache=tmp_path / "cache.parquet")
    before = (tmp_path / "observations.parquet").read_bytes()
    filled.root.rename(tmp_path / "away")
    filled.root.mkdir()
    with pytest.raises(MachineFault, match="has no file, and had 8: see whether its disk"):
        filled.plan(tmp_path, cache=tmp_path / "cache.parquet")
    assert (tmp_path / "observations.parquet").read_bytes() == before


def test_a_mount_that_goes_away_rejects_no_file(filled, tmp_path):
    filled.plan(tmp_path, shards=1)
    plan, output = tmp_path / "plan/shard-0000.tsv", tmp_path / "out.parquet"
    filled.root.rename(tmp_path / "away")
    filled.root.mkdir()
    with pytest.raises(MachineFault, match=f"^{filled.root}: is not there or empty"):
        driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
    assert not output.exists()
    filled.root.rmdir()
    (tmp_path / "away").rename(filled.root)
    os.chmod(filled.root / "1.evt", 0)
    (filled.root / "2.evt").unlink()
    driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER)
    rows = {row["file"]: row["status"] for row in rows_of(read_parquet(output, INGEST))}
    assert rows["2.evt"] == "inaccessible"
    assert rows["1.evt"] == ("ok" if os.geteuid() == 0 else "inaccessible")
    assert rows["0.evt"] == "ok"


def test_a_full_disk_leaves_no_table_and_no_row(filled, tmp_path, tmpfs):
    times = np.random.default_rng(1).uniform(0, 10, 60_000)
    filled.events("large.evt", time=times, header={"OBS_ID": "300"})
    filled.plan(tmp_path, shards=1)
    plan, output = tmp_path / "plan/shard-0000.tsv", tmpfs(200) / "out.parquet"
    with pytest.raises((MachineFault, OSError)) as fault:
        driver.read_shard(filled.root, plan, output, IngestOptions(), CLUSTER)
    assert of_machine(fault.value)
    assert list(output.parent.iterdir()) == []


def test_a_full_folder_of_the_workers_ends_the_stage(packed, tmp_path, tmpfs, archive, monkeypatch):
    full = tmpfs(64)
    (full / "fill").write_bytes(bytes(60 * 1024))
    monkeypatch.setenv("TMPDIR", str(full))
    archive.plan(tmp_path, shards=1)
    plan, output = tmp_path / "plan/shard-0000.tsv", tmp_path / "out.parquet"
    with pytest.raises(MachineFault, match=f"^{full}: no space left on device"):
        driver.read_shard(archive.root, plan, output, IngestOptions(), CLUSTER)
    assert not output.exists()
