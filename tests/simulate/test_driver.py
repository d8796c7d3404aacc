"""Claims about the archive as a whole."""

import gzip
import hashlib
import subprocess
import sys
import time
import warnings
from collections import Counter

import numpy as np
import pytest
from astropy.io import fits

from pipeline.config.base import ConfigError
from pipeline.config.simulate import SimulateOptions
from pipeline.faults import of_machine
from pipeline.simulate.driver import run


def checksums(folder):
    """Return the SHA-256 of every file by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def headers(archive):
    """Yield path and table header of every file that has one, cut short or not."""
    for path in sorted(archive.rglob("*.*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with fits.open(path) as hdus:
                    yield path, hdus[1].header.copy()
            except OSError:
                continue


def test_the_same_seed_makes_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(output=tmp_path / name, options=SimulateOptions(seed=seed, n_sources=4, n_damaged=5))
    a, b, c = (checksums(tmp_path / name) for name in "abc")
    assert a == b
    response = {"pds/powers.rmf"}
    common = {path for path, digest in c.items() if a.get(path) == digest}
    assert {path for path in common if path in response} == response
    assert all("html" in (tmp_path / "a" / p).read_text("latin1")[:40] for p in common - response)
    truth = [(tmp_path / f"{name}-truth.parquet").read_bytes() for name in "abc"]
    assert truth[0] == truth[1] != truth[2]


def test_a_source_does_not_depend_on_how_many_others_there_are(archive, tmp_path):
    run(output=tmp_path / "few", options=SimulateOptions(seed=7, n_sources=3, n_damaged=0))
    few, many = checksums(tmp_path / "few"), checksums(archive)
    assert len(few) == 1 + 2 + 1 + 1 + 1  # three sources, the copy, the response
    assert few.items() <= many.items()


def test_there_are_as_many_sources_and_files_as_said(archive, truth):
    assert len(truth) == 14
    objects = Counter(h["OBJECT"].replace("_", " ") for _, h in headers(archive) if "OBJECT" in h)
    assert set(objects) == set(truth)
    # One copy, four damaged files with a header; one more without, and the response.
    assert objects.total() == sum(row["n_files"] for row in truth.values()) + 1 + 4
    assert len(checksums(archive)) == objects.total() + 2
    assert sum(row["damaged"] for row in truth.values()) in (3, 4)


def test_one_file_is_there_twice(archive):
    digests = Counter(checksums(archive).values())
    assert sorted(digests.values())[-2:] == [1, 2]


def test_five_files_are_damaged_each_in_its_way(archive, truth):
    found = Counter()
    for path in archive.rglob("*.*"):
        data = path.read_bytes()
        if data.startswith(b"<!DOCTYPE html>"):
            found["page"] += 1
        elif path.suffix == ".evt" and len(data) % 2880:
            found["cut short"] += 1
    for path, header in headers(archive):
        if "RESPFILE" in header and not (path.parent / header["RESPFILE"]).exists():
            found["no response"] += 1
        if "RATE" in header.values() and "TIME" not in header.values():
            found["no time column"] += 1
    for path in archive.rglob("*.evt"):
        if len(path.read_bytes()) % 2880 == 0:
            found["no time"] += np.isnan(fits.getdata(path, "EVENTS")["TIME"]).all()
    assert found == {
        "page": 1,
        "cut short": 1,
        "no response": 1,
        "no time column": 1,
        "no time": 1,
    }


def test_compressed_files_hold_no_time_and_no_name(archive):
    compressed = list(archive.rglob("*.gz"))
    assert compressed
    for path in compressed:
        data = path.read_bytes()
        assert data[3] == 0  # no optional field
        assert data[4:8] == b"\0\0\0\0"
        assert gzip.decompress(data).startswith(b"SIMPLE  =")


def test_a_folder_with_something_in_it_is_refused(archive):
    before = checksums(archive)
    with pytest.raises(ConfigError, match="new or empty"):
        run(output=archive, options=SimulateOptions(n_sources=1))
    assert checksums(archive) == before


def test_a_killed_simulation_is_not_taken_for_an_archive(tmp_path):
    output = tmp_path / "archive"
    command = [sys.executable, "-m", "pipeline", "simulate", "--output", str(output)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60.0
    while not list(tmp_path.glob(".archive.*/nicer")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert list(tmp_path.glob(".archive.*/nicer"))
    assert not output.exists()
    assert not output.with_name("archive-truth.parquet").exists()


def test_a_full_disk_leaves_no_archive_and_is_the_machines(tmpfs):
    disk = tmpfs(64)
    options = SimulateOptions(enabled=True, n_sources=3, n_damaged=0)
    with pytest.raises(OSError, match="No space left") as fault:
        run(output=disk / "archive", options=options)
    assert of_machine(fault.value)
    assert list(disk.iterdir()) == []
