"""From events to averaged power spectra: a periodogram, a product, and the whole stage.

`alone` is one event list of 10^5 events in 16 segments of 8,192 bins, and one of 2,000 events, from arrival times to the averaged
periodogram; `compared` is the same with mean rate, variance, and the comparisons of segments and of windows that every source gets.
The peer is
Stingray's `AveragedPowerspectrum` (its name says whether numba was there, which is faster); the floor is one histogram and one
real transform by pocketfft, in double precision, in single precision in `floor_single`.
`product` is the same from arrival times to the columns of SPECTRA, with rebinning, rms, leakage, and the search for
pulsations. `worker` is what a worker does for it: it reads the row groups of INGEST and writes a part.
`stage` is `pipeline.segment.driver.run` in a process of its own, with one worker and with two: CPU seconds of all its
processes for each observation beyond the first ones, and the peak memory of the largest of its processes for few and for many.

All times are CPU times (user + system), medians of several runs in turns.
"""

import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from _common import report
from scipy import fft

from pipeline.cluster import Outcome
from pipeline.columns.ingest import INGEST
from pipeline.config.segment import SegmentOptions
from pipeline.segment.driver import make_rows, write_parts
from pipeline.segment.intervals import gti
from pipeline.segment.intervals.series import Events
from pipeline.segment.observation import Observations, observation, read_index
from pipeline.segment.products import named
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.segment.spectrum import periodogram
from pipeline.tables import empty_row, parquet_writer

sys.path.remove(
    str(Path(__file__).parent)
)  # numba takes coverage.py there for the package of this name
import stingray

SEGMENTS, BINS, DT = 16, 8192, 1 / 128
LENGTH = SEGMENTS * BINS * DT
OPTIONS = SegmentOptions(segment_size=BINS * DT, dt=DT)
MANY, FEW = 100_000, 2_000
REPEATS = 40
GROUP_BYTES = 1 << 22
STAGES = {MANY: (40, 400), FEW: (1_000, 10_000)}
"""Event lists of few and of many observations."""


def simulated(events, number=0):
    """Return a row of INGEST: red noise and a QPO at 6 Hz."""
    rng = np.random.default_rng([events, number])
    grid = np.arange(0, LENGTH, DT)
    frequency = np.fft.rfftfreq(len(grid), DT)
    density = 1 / (1 + ((frequency - 6) / 0.5) ** 2) + 0.3 / (1 + (frequency / 0.5) ** 2)
    noise = rng.normal(size=(2, len(frequency))) * np.sqrt(density)
    curve = np.fft.irfft(noise[0] + 1j * noise[1], len(grid))
    rate = np.maximum(1 + 0.3 * curve / curve.std(), 0)
    chance = np.cumsum(rate) / rate.sum()
    time = np.sort(np.interp(rng.random(events), chance, grid + DT))
    return empty_row(INGEST) | {
        "source_id": f"s{number:06d}",
        "observation_id": str(number),
        "file": f"{number}.evt",
        "product": "p",
        "kind": "events",
        "status": "ok",
        "time": time,
        "gti_start": np.zeros(1),
        "gti_stop": np.full(1, LENGTH),
        "exposure": LENGTH,
        "counting": True,
        "dt": 0.0,
    }


def cpu(function):
    """Return the CPU seconds of a call, of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    function()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(functions, repeats=REPEATS):
    """Return the median CPU seconds of each function; they run in turns, once before without being counted."""
    for function in functions:
        function()
    each = [[cpu(function) for function in functions] for _ in range(repeats)]
    return [median(times) for times in zip(*each, strict=True)]


def ours(one):
    """From arrival times to the averaged periodogram, and nothing else."""
    series = Events.cut(one.time, one.gti_start, one.gti_stop, DT)
    interval, offset = gti.segment_offsets(series.bins, BINS)
    start = series.start[interval] + offset * DT
    total = 0.0
    for block in periodogram.event_blocks(one.time, start, BINS, DT):
        total = total + periodogram.summed_squares(fft.rfft(block.rate, axis=1))
    return total[1:] * 2 * DT / (SEGMENTS * BINS)


def compared(one):
    """The same as a part of the stage, which finds out more."""
    return Events.cut(one.time, one.gti_start, one.gti_stop, DT).average(BINS).power


def theirs(one):
    """The same by Stingray."""
    events = stingray.EventList(one.time, gti=np.array([[0.0, LENGTH]]))
    return stingray.AveragedPowerspectrum.from_events(
        events, DT, BINS * DT, norm="abs", silent=True
    ).power


def floor(one, kind=float):
    """One histogram and one transform."""
    index = (one.time / DT).astype(np.int64)
    counts = np.bincount(index, minlength=SEGMENTS * BINS).reshape(SEGMENTS, BINS).astype(kind)
    transform = fft.rfft(counts, axis=1, workers=1)
    return (transform.real**2 + transform.imag**2).mean(axis=0)


def peer_name():
    """Return the name of the peer."""
    try:
        import numba
    except ImportError:
        return "Stingray without numba, which is not installed"
    return f"Stingray with numba {numba.__version__}"


def alone(events):
    """Print the line of a periodogram and of a product."""
    one = observation(simulated(events))
    for function in (ours, compared):
        np.testing.assert_allclose(function(one)[:-1], theirs(one), rtol=1e-8)
    held = Observations.held([one])
    mine, more, peer, least, single, product = in_turns(
        [
            partial(ours, one),
            partial(compared, one),
            partial(theirs, one),
            partial(floor, one),
            partial(floor, one, np.float32),
            partial(product_rows, held, OPTIONS),
        ]
    )
    what = f"{events} events, {SEGMENTS} segments of {BINS} bins"
    names = {"peer_name": peer_name(), "floor_name": "bincount and rfft in double precision"}
    names |= {"floor": least, "floor_single": single}
    for name, value in (("alone", mine), ("compared", more), ("product", product)):
        over = {"over_floor": value / least}
        report("segment", f"{name}: {what}", "CPU s", value, peer=peer, **names, **over)


def write_shard(path, events, number):
    """Write a table INGEST, in row groups as those of ingest."""
    rows, size = [], 0
    with parquet_writer(path, INGEST) as write:
        for i in range(number):
            rows.append(simulated(events, i))
            size += 8 * events
            if size >= GROUP_BYTES:
                write(rows)
                rows, size = [], 0
        if rows:
            write(rows)


def worker(folder, events, number):
    """Print the line of what a worker does."""
    shard = folder / f"{events}-{number}.parquet"
    index = read_index(shard)[: min(number, 40)]
    items = named("power_spectra").items(index, shard, OPTIONS)

    def task():
        made = [make_rows(item, input=shard, options=OPTIONS) for item in items]
        write_parts([Outcome(i, one) for i, one in enumerate(made)], folder)

    (seconds,) = in_turns([task], 5)
    (least,) = in_turns([partial(floor, observation(simulated(events)))])
    report(
        "segment",
        f"worker: {events} events, {SEGMENTS} segments of {BINS} bins, from row groups to a part",
        "CPU s for each observation",
        seconds / len(items),
        floor=least,
        floor_name="bincount and rfft in double precision",
    )


STAGE = """
import json, os, resource, sys, threading, time
from pathlib import Path
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.segment.driver import run


def peak(process):
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return 1024 * int(next(x for x in lines if x.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return 0


def watch():
    while True:
        threads = Path(f"/proc/{os.getpid()}/task").glob("*/children")
        for child in " ".join(one.read_text() for one in threads).split():
            peaks["worker"] = max(peaks["worker"], peak(child))
        time.sleep(0.5)


if __name__ == "__main__":
    shard, output, options, workers = sys.argv[1:]
    peaks = {"worker": 0}
    threading.Thread(target=watch, daemon=True).start()
    start = time.perf_counter()
    run(
        input=Path(shard),
        output=Path(output),
        options=SegmentOptions.model_validate_json(options),
        cluster=ClusterOptions(workers=int(workers)),
    )
    seconds = time.perf_counter() - start
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in each)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "driver": peak(os.getpid()), **peaks}))
"""


def stage(folder, events, number, workers):
    """Run the stage and return what it took."""
    script = folder / "stage.py"
    script.write_text(STAGE)
    shard, output = folder / f"{events}-{number}.parquet", folder / "out.parquet"
    told = [shard, output, OPTIONS.model_dump_json(), str(workers)]
    done = subprocess.run(
        [sys.executable, script, *told],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(done.stdout)


def stages(folder, events):
    """Print the lines of the whole stage with one worker and with two."""
    few, many = STAGES[events]
    found = {
        (number, workers): stage(folder, events, number, workers)
        for number in (few, many)
        for workers in (1, 2)
    }
    for workers in (1, 2):
        small, large = found[few, workers], found[many, workers]
        report(
            "segment",
            f"stage: {many} observations of {events} events, {workers} workers",
            "CPU s for each observation beyond the first",
            (large["cpu"] - small["cpu"]) / (many - few),
            start_up=small["cpu"] - few * (large["cpu"] - small["cpu"]) / (many - few),
            peak_few={name: small[name] for name in ("driver", "worker")},
            peak_many={name: large[name] for name in ("driver", "worker")},
            wall=large["seconds"],
        )


def main():
    """Print all lines."""
    for events in (MANY, FEW):
        alone(events)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for events in (MANY, FEW):
            for number in STAGES[events]:
                write_shard(folder / f"{events}-{number}.parquet", events, number)
            worker(folder, events, STAGES[events][0])
            stages(folder, events)


if __name__ == "__main__":
    main()
