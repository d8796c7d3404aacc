"""ingest and segment on a scheduler and workers that were started by hand, as docs/clusters.md says."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.commands import main
from pipeline.service import certificates, wire
from pipeline.tables import read_parquet

from .conftest import ROOT, light_curve

NAMES = ("NOISE A", "RED A", "RED B")
pytestmark = pytest.mark.slow


@contextmanager
def dask(*arguments):
    """Run a command of Dask in the background."""
    command = [sys.executable, "-m", "dask", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as running:
        try:
            yield running
        finally:
            running.terminate()


@pytest.fixture(params=["tcp", "tls"])
def by_hand(request, tmp_path):
    """Return the section `cluster` for a scheduler with two workers, and the processes of the workers."""
    tls = {}
    if request.param == "tls":
        certificates.make(tmp_path)
        own, key = str(tmp_path / wire.CERTIFICATE), str(tmp_path / wire.KEY)
        tls = {"ca": own, "cert": own, "key": key}
    files = {"ca": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
    options = [part for name, path in tls.items() for part in (files[name], path)]
    options += ["--host", "127.0.0.1", "--protocol", request.param, "--no-dashboard"]
    file = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        start = lambda *arguments: stack.enter_context(dask(*arguments, *options))  # noqa: E731
        start("scheduler", "--port", 0, "--scheduler-file", file)
        folder = ["--local-directory", tmp_path / "scratch", "--nthreads", 1]
        workers = [start("worker", "--scheduler-file", file, *folder) for _ in range(2)]
        while not (file.is_file() and file.read_text().endswith("}")):
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        yield {"address": address, **({"tls": tls} if tls else {})}, workers


def stages(place, cluster, between=lambda: None):
    """Run plan, ingest and segment with a section `cluster`; return the tables of the last two."""
    place.mkdir()
    section, archive = json.dumps(cluster), str(place.parent / "archive")
    plan, read, made = place / "plan", place / "ingest.parquet", place / "segment.parquet"
    arguments = ["--archive", archive, "--cluster", section]
    observations = ["--observations", str(place / "observations.parquet"), "--shards", "1"]
    assert main(["plan", "--plan", str(plan), *observations, *arguments]) == 0
    shard = str(plan / "shard-0000.tsv")
    assert main(["ingest", "--plan", shard, "--output", str(read), *arguments]) == 0
    between()
    options = ["--options", json.dumps({"segment_size": 128}), "--cluster", section]
    assert main(["segment", "--input", str(read), "--output", str(made), *options]) == 0
    return read_parquet(read, INGEST), read_parquet(made, SPECTRA)


def test_a_scheduler_and_workers_by_hand_give_what_a_job_alone_gives(by_hand, tmp_path):
    cluster, workers = by_hand
    (tmp_path / "archive").mkdir()
    for seed, name in enumerate(NAMES):
        light_curve(name, seed).writeto(tmp_path / "archive" / f"{seed}.lc")
    (tmp_path / "archive" / "cut.lc").write_bytes(
        (tmp_path / "archive" / "0.lc").read_bytes()[:4000]
    )
    ours = stages(tmp_path / "ours", {"workers": 1})
    # a worker that goes between two stages is missed by nobody
    theirs = stages(tmp_path / "theirs", cluster, between=workers[0].terminate)
    for one, other in zip(ours, theirs, strict=True):
        assert str(one.to_pydict()) == str(other.to_pydict())  # as text, because NaN is not NaN
        assert one.column("status").to_pylist().count("ok") == len(NAMES)
