"""What reading costs beside `astropy.io.fits`, what it takes of memory, and GTIs by the ten thousand.

The event list is as of NICER: 1.7 million events, 14 columns, 39 bytes a row, 66 MB, with DATASUM and
CHECKSUM; the light curve as of XMM: a million bins, 20 MB; the seed is fixed. They are written into a
temporary folder, and in the page cache when they are read.

- `read`: from the path to the columns that are needed, as arrays of the machine's byte order, against
  Astropy that opens the file and hands out the same. The floor is NumPy, told where they are.
- `observation`: all of `read_products`: `read`, and SHA-256, checksums, times in order, on their
  clock and in the good time intervals, energies in keV; against Astropy that reads the same columns
  and verifies checksums, and SHA-256.
- `stored`: what a worker does with a file: `observation` without energies, written as a part; the same peer.
- `memory`: peak resident memory of a process of its own that does `stored`, against the same columns
  by Astropy; the floor is a process that does all but read the table (the first look of `plan`).
- `gti`: intervals in disorder merged; intersected with as many; looked up for the times of the event
  list; against a sort of their edges, or of the times.
"""

import hashlib
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from _common import report, timed
from astropy.io import fits

from pipeline.cluster import Outcome
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read import reader
from pipeline.ingest.times import gti
from pipeline.simulate.dialects import Target, event_list, rate_curve_xmm

EVENTS, BINS, SEED = 1_700_000, 1_000_000, 20
TARGET, TARGET_MEMORY = 1.5, 300e6
INTERVALS = 10_000, 100_000
COLUMNS = {
    "events.evt": {1: ("TIME", "PI"), 2: ("START", "STOP")},
    "curve.lc": {1: ("TIME", "RATE", "ERROR", "FRACEXP"), 2: ("START", "STOP")},
}
OPTIONS = IngestOptions()


def write_archive(folder):
    """Write the event list and the light curve."""
    rng = np.random.default_rng(SEED)
    target = Target("GRS 1915+105", 288.798, 10.946, "1050010101")
    start = 1.4e8 + 1200.0 * np.arange(30)
    intervals = np.column_stack([start, start + 900.0])
    time = np.sort(rng.choice(start, EVENTS) + rng.uniform(0, 900.0, EVENTS))
    hdus = event_list(target, time, rng.integers(20, 1200, EVENTS), intervals)
    table = hdus[1]
    widths = {"B": 256, "I": 30000, "J": 1 << 30, "K": 1 << 60}
    layout = (
        "TIME RAWX:B RAWY:B PHA:I PHA_FAST:I DET_ID:B DEADTIME:B EVENT_FLAGS:8X TICK:K MPU_A_TEMP:I"
    )
    layout += " MPU_UNDER_COUNT:J PI_FAST:I PI PI_RATIO:E"
    columns = []
    for name, _, form in (word.partition(":") for word in layout.split()):
        if not form:
            columns.append(table.columns[name])
        elif form == "8X":
            columns.append(fits.Column(name, form, array=rng.random((EVENTS, 8)) < 0.5))
        elif form == "E":
            columns.append(fits.Column(name, form, array=rng.random(EVENTS)))
        else:
            columns.append(fits.Column(name, form, array=rng.integers(0, widths[form], EVENTS)))
    hdus[1] = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    for key in ("TIMEDEL", "TIMEPIXR", "TIMEZERO", "MJDREFI", "MJDREFF", "TIMESYS", "TIMEREF"):
        hdus[1].header[key] = table.header[key]
    for key in (
        "TELESCOP",
        "INSTRUME",
        "OBS_ID",
        "OBJECT",
        "HDUCLASS",
        "HDUCLAS1",
        "TSTART",
        "TSTOP",
    ):
        hdus[1].header[key] = table.header[key]
    hdus.writeto(folder / "events.evt", checksum=True)
    dt = 10.0
    time = 5e8 + dt * (np.arange(BINS) + 0.5)
    rate = rng.poisson(50.0 * dt, BINS) / dt
    rate[rng.random(BINS) < 0.01] = np.nan
    interval = np.array([[time[0] - dt / 2, time[-1] + dt / 2]])
    curve = rate_curve_xmm(target, time, rate, np.sqrt(rate / dt), np.ones(BINS), interval, dt)
    curve.writeto(folder / "curve.lc", checksum=True)


def entry(folder, file):
    """Return the entry of a plan for a file."""
    listed = next(listed for listed in list_folder(folder) if listed.file == file)
    (found,) = complete([scan_file(listed, folder, OPTIONS)], "observation")
    return Entry.of_found(found)


def peer(path, **options):
    """Return the columns of a file as Astropy reads them, in the machine's byte order."""
    with warnings.catch_warnings(), fits.open(path, **options) as hdus:
        warnings.simplefilter("ignore")
        return [
            np.array(hdus[i].data[n], dtype=hdus[i].data[n].dtype.newbyteorder("="))
            for i, names in COLUMNS[path.name].items()
            for n in names
        ]


def peer_verified(path):
    """Do what `peer` does, with the checksums and the SHA-256 of the file."""
    with open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256")
    return digest, peer(path, checksum=True)


def columns(path):
    """Return the same columns as we read them."""
    with fits_file.open_fits(path, OPTIONS.max_decompressed) as hdus:
        return [hdus[i].read(n) for i, names in COLUMNS[path.name].items() for n in names]


def floor(path):
    """Return the columns of the first table where its layout is known and nothing is checked."""
    with fits.open(path) as hdus:
        table, start = hdus[1].columns.dtype, hdus[1].fileinfo()["datLoc"]
        rows = len(hdus[1].data)

    def read():
        mapped = np.memmap(path, table, "r", start, rows)
        names = COLUMNS[path.name][1]
        return [np.array(mapped[n], mapped[n].dtype.newbyteorder("=")) for n in names]

    return read


PEAK = """
import sys
from pathlib import Path
from pipeline.cluster import Outcome
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry

task, folder, file = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
options = IngestOptions()
listed = next(listed for listed in list_folder(folder) if listed.file == file)
(found,) = complete([scan_file(listed, folder, options)], "observation")
if task == "ours":
    read = driver.read_products(Entry.of_found(found), folder, options, energies=False)
    driver.write_part([Outcome(0, read)], folder / "parts")
if task == "astropy":
    import numpy as np
    from astropy.io import fits

    with fits.open(folder / file) as hdus:
        for name in sys.argv[4:]:
            values = hdus[1].data[name]
            globals()[name] = np.array(values, dtype=values.dtype.newbyteorder("="))
line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
print(1024 * int(line.split()[1]))
"""


def peak(task, folder, file):
    """Return the peak resident memory of a process of its own that does a task, bytes."""
    command = [sys.executable, "-c", PEAK, task, folder, file, *COLUMNS[file][1]]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()[-1])


def report_reading(folder, file, what):
    """Print the lines of one file."""
    path, planned = folder / file, entry(folder, file)

    def observation():
        read = reader.read_products(planned, folder, OPTIONS)[0]
        assert read.status == "ok", read.reason

    def stored():
        read = reader.read_products(planned, folder, OPTIONS, energies=False)
        driver.write_part([Outcome(0, read)], folder / "parts")

    lines = (
        ("read", columns, peer, "astropy.io.fits, same columns"),
        ("observation", lambda _: observation(), peer_verified, "astropy.io.fits with SHA-256"),
        ("stored", lambda _: stored(), peer_verified, "astropy.io.fits with SHA-256"),
    )
    for name, ours, theirs, called in lines:
        seconds, other = alternately(lambda f=ours: f(path), lambda f=theirs: f(path))
        report(
            "ingest",
            f"{name}, {what}",
            "s",
            seconds,
            peer=other,
            peer_name=called,
            floor=timed(floor(path))[0] if name == "read" else None,
            floor_name="NumPy told the layout" if name == "read" else None,
            bytes=path.stat().st_size,
            target=TARGET if name != "stored" else None,
        )
    report(
        "ingest",
        f"memory, {what}",
        "bytes",
        peak("ours", folder, file),
        peer=peak("astropy", folder, file),
        peer_name="astropy.io.fits, same columns",
        floor=peak("look", folder, file),
        floor_name="the same process without the table",
        target=TARGET_MEMORY,
    )


def alternately(ours, peer, repeats=9):
    """Return the median seconds of two functions called in turn, so that both meet the same noise."""
    both = [(timed(ours, 1)[0], timed(peer, 1)[0]) for _ in range(repeats)]
    return tuple(float(np.median(seconds)) for seconds in zip(*both, strict=True))


def report_intervals():
    """Print the lines of the good time intervals."""
    rng = np.random.default_rng(SEED)
    times = np.sort(rng.uniform(0, 1e6, EVENTS))
    for count in INTERVALS:
        start = np.linspace(0, 1e6, count, endpoint=False)
        ordered = np.column_stack([start, start + rng.uniform(0.1, 0.9, count) * 1e6 / count])
        mixed = rng.permutation(ordered)
        shifted = ordered + 0.3e6 / count
        edges = mixed.ravel()
        for name, work, sorted_by in (
            ("merge", partial(gti.merge, mixed), edges),
            ("intersect", partial(gti.intersect, ordered, shifted), edges),
            ("look up 1.7 million times", partial(gti.inside_in_order, times, ordered), times),
        ):
            seconds, other = alternately(work, partial(np.argsort, sorted_by, kind="stable"))
            report(
                "ingest",
                f"gti, {name}, {count} intervals",
                "s",
                seconds,
                peer=other,
                peer_name="stable numpy.argsort of the times"
                if sorted_by is times
                else "stable numpy.argsort of the edges",
                target=None if sorted_by is times else TARGET,
            )


def main():
    """Write the files and print the lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "parts").mkdir()
        write_archive(folder)
        report_reading(folder, "events.evt", "1.7 million events")
        report_reading(folder, "curve.lc", "light curve of a million bins")
    report_intervals()


if __name__ == "__main__":
    main()
