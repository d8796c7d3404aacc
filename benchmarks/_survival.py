"""Small surveys that are disturbed: their archive, their processes, what they leave, and their catalogue beside an undisturbed one.

All processes of a survey carry a variable in their environment, by which they are found whoever their parent is (Linux, /proc).
"""

import gzip
import io
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from _common import ROOT
from astropy.io import fits

from pipeline.columns.registry import TABLES

MARK = "PIPELINE_SURVIVAL"
CATALOGUE = ("sources", "epochs", "models", "parameters", "observations", "rejected")
NOT_COMPARED = frozenset({"version", "response_version", "mtime_ns"})
"""Columns that hold the time at which a file was written."""
STAGES = ("plan", "ingest", "segment", "fit", "catalog", "report")
PATIENCE = 900.0
"""Seconds after which a run is ended and counts as one that hangs."""
SOURCES = 12


def light_curve(name, seed, bins=4096, slope=1.5):
    """Return the bytes of an OGIP light curve of bins of 1 s at 200 ct/s: white noise, or red noise where `seed` is odd."""
    rng = np.random.default_rng([16, seed])
    rate = np.full(bins, 200.0)
    if seed % 2:
        frequency = np.fft.rfftfreq(8 * bins)[1:]
        drawn = rng.normal(size=(2, 4 * bins))
        noise = np.fft.irfft([0, *(frequency ** (-slope / 2) * (drawn[0] + 1j * drawn[1]))])[:bins]
        rate *= 1 + 0.15 * (noise - noise.mean()) / noise.std()
    counts = rng.poisson(np.clip(rate, 0, None))
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", "s", array=np.arange(bins) + 0.5),
            fits.Column("RATE", "E", "count/s", array=counts),
            fits.Column("ERROR", "E", "count/s", array=np.sqrt(counts)),
        ],
        name="RATE",
    )
    table.header.update(
        TELESCOP="XMM", INSTRUME="EPN", OBJECT=name, OBS_ID=f"{seed:010d}", HDUCLASS="OGIP",
        HDUCLAS1="LIGHTCURVE", TIMEDEL=1.0, TIMEPIXR=0.5, MJDREF=50814.0, TIMESYS="TT", TIMEZERO=0.0,
    )  # fmt: skip
    return as_bytes(fits.HDUList([fits.PrimaryHDU(), table]))


def event_list(name, seed, events=20000, exposure=512.0):
    """Return the bytes of a list of events without variability, with its good time."""
    rng = np.random.default_rng([17, seed])
    about = fits.Header()
    about.update(
        TELESCOP="NICER", INSTRUME="XTI", OBJECT=name, OBS_ID=f"{seed:010d}", TIMESYS="TDB", TIMEREF="SOLARSYSTEM",
        TIMEUNIT="s", MJDREFI=56658, MJDREFF=7.775925925925926e-4, TIMEZERO=0.0, TSTART=1e8, TSTOP=1e8 + exposure,
        EXPOSURE=exposure, TIMEDEL=4e-8,
    )  # fmt: skip
    times = np.sort(rng.uniform(1e8, 1e8 + exposure, events))
    columns = [
        fits.Column("TIME", "1D", unit="s", array=times),
        fits.Column("PI", "1I", array=rng.integers(30, 1000, events)),
    ]
    good = [
        fits.Column(key, "1D", unit="s", array=np.array([about[f"T{key}"]]))
        for key in ("START", "STOP")
    ]
    tables = [
        fits.BinTableHDU.from_columns(columns, header=about, name="EVENTS"),
        fits.BinTableHDU.from_columns(good, header=about, name="GTI"),
    ]
    return as_bytes(fits.HDUList([fits.PrimaryHDU(), *tables]))


def as_bytes(hdus):
    """Return the bytes of a FITS file."""
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def write_archive(folder, sources=SOURCES):
    """Write the files of some sources, and three that cannot be used."""
    for path, data in archive_files(sources).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def archive_files(sources=SOURCES):
    """Return the bytes of the files of an archive, by path: a quarter are event lists, a third are compressed."""
    files = {}
    for k in range(sources):
        make = event_list if k % 4 == 2 else light_curve
        data = make(f"SOURCE {k}", k)
        path = f"{k % 3:02d}/source{k:03d}.fits"
        if k % 3 == 0:
            path, data = f"{path}.gz", gzip.compress(data, mtime=0)
        files[path] = data
    files["bad/cut.fits"] = light_curve("CUT", 101)[:40000]
    files["bad/page.fits"] = b"<!DOCTYPE html><html>404 Not Found</html>\n"
    files["bad/empty.fits"] = b""
    return files


@dataclass
class Ended:
    """How a command ended: its exit code (below zero: a signal), its output, how long it took in s."""

    code: int
    output: str
    seconds: float = 0.0


@dataclass
class Place:
    """A folder with an archive, a survey of it, and folders for temporary files and compiled programs of its own."""

    folder: Path
    cache: Path
    changes: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    cores: int = 2

    def __post_init__(self):
        for folder in (self.archive, self.temporary, self.survey):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def archive(self):
        return self.folder / "archive"

    @property
    def survey(self):
        return self.folder / "survey"

    @property
    def results(self):
        return self.survey / "results"

    @property
    def temporary(self):
        return self.folder / "tmp"

    @property
    def mark(self):
        return f"{MARK}={self.folder}"

    def configure(self):
        """Write the configuration and return its path."""
        survey = {
            "archive": str(self.archive),
            "shards": 2,
            "source": {"group_by": "object"},
            "segment": {"segment_size": 128, "dt": 0.0625, "rebin": 0.05},
            "fit": {
                "models": {"noise": ["constant"], "red": ["constant", "power_law"]},
                "threads": 2,
            },
            "cluster": {"patience": 3.0},
            **self.changes,
        }
        file = self.folder / "survey.yaml"
        file.write_text(yaml.safe_dump(survey))
        return file

    def command(self, name):
        """Return the command `run` or `resume`."""
        options = ["--directory", str(self.survey), "--cores", str(self.cores)]
        if name == "run":
            options += ["--config", str(self.configure())]
        return [sys.executable, "-m", "pipeline", name, *options]

    def start(self, name="run", before=None):
        """Start the command in a session of its own; its output goes into a file."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "TMPDIR": str(self.temporary),
            "PIPELINE_COMPILATION_CACHE": str(self.cache),
            MARK: str(self.folder),
            **self.environment,
        }
        self.begun = time.monotonic()

        def begin():
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)  # ignored where this runs in the background
            if before:
                before()

        with open(self.folder / "output", "wb") as output:
            return subprocess.Popen(
                self.command(name),
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=begin,
            )

    def end(self, process, patience=PATIENCE):
        """Wait for a command to end; kill all of the survey if it does not."""
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill(self.processes())
            code = process.wait()
            with open(self.folder / "output", "a") as output:
                output.write(f"\nHANGS: killed after {patience:.0f} s\n")
        text = (self.folder / "output").read_text("utf-8", "replace")
        return Ended(code, text, time.monotonic() - self.begun)

    def run(self, name="run", before=None):
        """Run a command to its end."""
        return self.end(self.start(name, before))

    def processes(self):
        """Return the processes of the survey, by id, with their command lines."""
        found, mark = {}, os.fsencode(self.mark)
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    if mark not in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                        continue
                    line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if line:  # not a process that has ended and waits for its parent
                    found[int(name)] = line
        return found

    def jobs(self, processes=None):
        """Return the stage of each process that works on a job, by its id: those that write its log."""
        found = {}
        for pid, line in (processes or self.processes()).items():
            try:
                log = os.readlink(f"/proc/{pid}/fd/1")
            except OSError:
                continue
            stage = re.search(r"/results/logs/([a-z]+)", log)
            if stage and " -c export PATH" not in line:
                found[pid] = stage[1]
        return found

    def left(self, patience=20.0):
        """Wait until no process of the survey is left, and return those that do not end, which are killed."""
        until = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        self.kill(left)
        return left

    def kill(self, pids, number=signal.SIGKILL):
        """Send a signal to processes."""
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def wait_for(self, pattern, process, poll=0.01):
        """Wait until a file of the results is there; return False if the command ends before."""
        while not any(self.results.glob(pattern)):
            if process.poll() is not None:
                return False
            time.sleep(poll)
        return True

    def files(self):
        """Return the files of the survey, without those that Snakemake and the logs keep, and all temporary files."""
        found = set()
        for top in (self.survey, self.temporary):
            for folder, _, names in os.walk(top):
                found |= {
                    os.path.relpath(os.path.join(folder, name), self.folder) for name in names
                }
        kept = re.compile(r"survey/\.snakemake/|survey/results/logs/")
        return {path for path in found if not kept.match(path)}

    def remove(self):
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def catalogue(place):
    """Return the rows of the catalogue, by table and key."""
    found = {}
    for name in CATALOGUE:
        rows = pq.read_table(place.results / "catalog" / f"{name}.parquet").to_pylist()
        keys = TABLES[name.upper()].key
        if name == "parameters":
            keys = ("source_id", "product", "model", "component", "parameter")
        elif name == "models":
            keys = ("source_id", "product", "model")
        found[name] = {tuple(row[key] for key in keys): row for row in rows}
        if len(found[name]) != len(rows):
            found[name]["doubled"] = {"rows": len(rows)}
    return found


def differences(old, new):
    """Return the rows that are lost, those that are new and those that differ, as words, of two catalogues."""
    lost, more, wrong = [], [], []
    for name, before in old.items():
        after = new[name]
        lost += [f"{name} {key}" for key in before if key not in after]
        more += [f"{name} {key}" for key in after if key not in before]
        for key in before.keys() & after.keys():
            columns = [
                column
                for column, value in before[key].items()
                if column not in NOT_COMPARED and not _same(value, after[key].get(column))
            ]
            if columns:
                column = columns[0]
                values = f"{before[key][column]!r} -> {after[key].get(column)!r}"
                wrong.append(f"{name} {key} {', '.join(columns[:4])}: {values[:200]}")
    return lost, more, wrong


def _same(one, other, tolerance=1e-9):
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(
            one, other, rel_tol=tolerance, abs_tol=1e-300
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
