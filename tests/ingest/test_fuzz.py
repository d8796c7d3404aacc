"""Damaged files by the hundred: each is an observation or a reason, in little time and memory.

`pipeline.simulate.mutate` damages small files of every dialect that the simulator writes, and what
small real files there are. What is still read as an observation goes through the segment stage too.
"""

import gzip
import io
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.ingest import IngestOptions
from pipeline.config.segment import SegmentOptions
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.segment.intervals import gti as segment_gti
from pipeline.segment.observation import Observations, observation
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.simulate import dialects
from pipeline.simulate.mutate import mutate
from pipeline.status import Fault, Status
from pipeline.tables import rows_of, to_arrow

SECONDS = 20
"""A file may take, on a busy machine; all but a few take a hundredth."""

MEMORY = 3 << 30
"""Bytes of address space that reading and averaging one may need beside what there is; Arrow's
allocator takes a GiB of it at once, most of which is never touched."""

TABLES = [
    {"files": "curve.txt", "columns": {"time": 1, "rate": 2, "error": 3}},
    {"files": "power.csv", "kind": "spectrum", "columns": {"frequency": "f", "power": "p"}},
    {"files": "xmm.lc", "columns": {"time": "TIME", "rate": "RATE", "error": "ERROR"}},
]
"""Files that are read as the configuration says."""

SMALL = 120_000
"""Bytes of the largest real file that is damaged."""


@pytest.fixture(scope="session")
def dialect_files():
    """Name to content of a small file of each dialect; `response.rmf` is what the spectrum needs."""
    rng = np.random.default_rng(5)
    target = dialects.Target("GRS 1915+105", 288.8, 10.9, "1050010101")
    gti = np.array([[1e8, 1e8 + 40], [1e8 + 60, 1e8 + 100]])
    arrival = np.sort(1e8 + rng.uniform(0, 100, 600))
    time, one = 2e8 + 10.0 * (np.arange(300) + 0.5), np.ones(300)
    span = np.array([[time[0] - 5, time[-1] + 5]])
    rate = rng.poisson(500, 300) / 10
    curve = (time, rate, np.sqrt(rate / 10), one, span, 10.0)
    edges = np.linspace(0.1, 10, 31)
    n = np.full(30, 32.0)
    power = 2 * rng.gamma(n) / n
    hdus = {
        "events.evt": dialects.event_list(target, arrival, rng.integers(30, 1200, 600), gti),
        "zero.evt": dialects.event_list(target, arrival, arrival * 0 + 99, gti, time_zero=9e7),
        "xmm.lc": dialects.rate_curve_xmm(target, *curve),
        "xte.lc": dialects.rate_curve_xte(target, *curve),
        "kepler.fits": dialects.kepler_curve(
            target, 123, time, 1e4 * rate, one, np.zeros(300, int), 10.0
        ),
        "spectrum.pha": dialects.power_spectrum(target, power, n, edges, "response.rmf"),
        "response.rmf": dialects.response(edges),
    }
    files = {}
    for name, content in hdus.items():
        written = io.BytesIO()
        content.writeto(written)
        files[name] = written.getvalue()
    rows = zip(time, rate, np.sqrt(rate / 10), strict=True)
    files["curve.txt"] = "".join("{:.6f} {:g} {:g}\n".format(*row) for row in rows).encode()
    cells = zip(edges[1:], power, strict=True)
    files["power.csv"] = b"f,p\n" + "".join("{:g},{:g}\n".format(*row) for row in cells).encode()
    return files


@contextmanager
def limits():
    """Limit the time and the memory of what is done in the block."""

    def late(number, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)


def survey(folder, options):
    """Take every file of a folder through the stages ingest and segment; return their rows."""
    looked_at = [scan_file(listed, folder, options) for listed in list_folder(folder)]
    found = complete(looked_at, "observation")
    read = [
        product.row()
        for one in found
        if one.status == Status.OK
        for product in read_products(Entry.of_found(one), folder, options)
    ]
    readings = rows_of(to_arrow(INGEST, read))
    sound = [row for row in readings if row["status"] == Status.OK]
    averaged = [
        row
        for one in sound
        for row in product_rows(Observations.held([observation(one)]), SegmentOptions())
    ]
    return [one.row() for one in found], readings, averaged


def check(observations, readings, averaged):
    """Hold rows to what the later stages and their readers rely on."""
    to_arrow(OBSERVATIONS, observations)
    to_arrow(SPECTRA, averaged)
    for row in [*observations, *readings, *averaged]:
        status = Status(row["status"])
        assert status not in (Status.ERROR, Status.WORKER_DIED)
        if status.fault is Fault.INPUT:
            assert len(row["reason"].split()) > 3, row["reason"]
            assert row["reason"].isprintable()
    for row in readings:
        if row["status"] != Status.OK:
            continue
        if row["kind"] == "spectrum":
            assert len(row["power"])
            assert np.all(row["power_err"] > 0)
            continue
        assert len(row["time"])
        assert np.isfinite(row["time"]).all()
        assert np.all(np.diff(row["time"]) >= 0)
        assert np.all(row["gti_stop"] >= row["gti_start"])
        assert np.isfinite([row["t_start"], row["exposure"], row["dt"]]).all()
        assert row["kind"] == "events" or len(row["rate"]) == len(row["time"])
    for row in averaged:
        if row["status"] == Status.OK:
            assert len(row["power"])
            assert np.all(row["power"] > 0)
            assert np.isfinite(row["power"]).all()
            assert np.all(np.diff(row["frequency"]) > 0)


def fuzz(files, folder, count, seed):
    """Damage files `count` times and check each; return how many ended with which status."""
    outcome = {}
    options = IngestOptions(
        max_decompressed=10_000_000, tables=TABLES, bands={"soft": (0.5, 2.0), "hard": (2.0, 8.0)}
    )
    names = sorted(files)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = names[rng.integers(len(names))]
        damaged, how = mutate(files[name], rng)
        if rng.random() < 0.05:
            damaged, _ = mutate(gzip.compress(damaged, mtime=0), rng)
        (folder / name).write_bytes(damaged)
        for other in {"spectrum.pha": ["response.rmf"], "response.rmf": ["spectrum.pha"]}.get(
            name, ()
        ):
            (folder / other).write_bytes(files[other])
        try:
            with limits():
                rows = survey(folder, options)
            check(*rows)
        except Exception as error:
            raise AssertionError(f"number {number} of seed {seed}: {name}, {how}") from error
        for path in folder.iterdir():
            path.unlink()
        last = [row for stage in rows for row in stage][-1]
        outcome[str(last["status"])] = outcome.get(str(last["status"]), 0) + 1
    return outcome


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Give up spans that would take minutes sooner."""
    monkeypatch.setattr(segment_gti, "MOST_BINS", 1 << 21)


def test_damaged_files_are_observations_or_reasons(dialect_files, tmp_path):
    outcome = fuzz(dialect_files, tmp_path, 400, seed=1)
    assert outcome["ok"] > 30, outcome
    assert len(outcome) > 6, outcome


@pytest.mark.slow
def test_thousands_of_damaged_files_are(dialect_files, tmp_path):
    """Two minutes."""
    outcome = fuzz(dialect_files, tmp_path, 5000, seed=2)
    assert outcome["ok"] > 500, outcome


@pytest.mark.slow
def test_damaged_real_files_are(shared, tmp_path):
    """Half a minute."""
    folders = shared / "archive", shared / "malformed"
    files = {
        path.name: path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size < SMALL
    }
    outcome = fuzz(files, tmp_path, 500, seed=3)
    assert outcome["ok"] > 50, outcome
