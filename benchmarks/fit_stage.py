"""CPU time of the fit stage, from the Parquet file of the spectra to the Parquet files of the fits.

Averaged power spectra of 276 bins, rebinned in the logarithm of the frequency, as those of an event list of 1,024 s:
a power law, a constant, and in most sources a Lorentzian. Two models are fitted, power law + constant without and
with a Lorentzian, with the errors and limits of a survey. One process a core, as for the shards of a survey, each
with a shard of its own and a thread for XLA. `ours` is the rate of all cores at the CPU time that a spectrum takes; it is
compared with the resident rate, that of the same fits with the spectra in memory and no rows made. The lines that
follow are CPU times of the parts: reading, fits, the rows and all else that the host does, writing.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from _common import report

from pipeline import tables
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions

MODELS = {
    "power_law": ["constant", "power_law"],
    "power_law_qpo": ["constant", "power_law", "lorentzian"],
}
BINS, SEGMENTS, DF, HIGHEST = 276, 16, 1 / 64, 64.0
REPEATS = 3


def edges() -> np.ndarray:
    """Edges of 276 bins, Hz, between multiples of the width of an ordinate: the widths grow with frequency."""
    ordinates = round(HIGHEST / DF)
    growth = 0.0
    found = np.arange(ordinates + 1)
    while found.size > BINS + 1:
        growth += 1e-4
        found = _rebinned(ordinates, growth)
    return (found + 0.5) * DF


def _rebinned(ordinates, growth):
    """First ordinates of the bins, each wider than the last by a factor."""
    firsts, width = [0.0], 1.0
    while firsts[-1] < ordinates:
        firsts.append(firsts[-1] + np.floor(max(width, 1.0)))
        width *= 1 + growth
    return np.array(firsts)


def write_spectra(path: Path, lanes: int, seed: int) -> None:
    """Write a SPECTRA table; the powers are drawn around the truth of each source."""
    rng, edge = np.random.default_rng(seed), edges()
    low, high = edge[:-1], edge[1:]
    n = SEGMENTS * np.round((high - low) / DF)
    f = (low + high) / 2
    slope, size = rng.uniform(0.8, 1.6, (lanes, 1)), rng.uniform(0.3, 3.0, (lanes, 1))
    centre, quality = rng.uniform(1, 20, (lanes, 1)), rng.uniform(3, 12, (lanes, 1))
    # a QPO of about ten to a hundred times its error; one source in twenty has none
    variance = rng.uniform(3.0, 30.0, (lanes, 1)) * (rng.random((lanes, 1)) < 0.95)
    half = centre / quality / 2
    truth = 2.0 + size * f**-slope + variance * half / np.pi / (half**2 + (f - centre) ** 2)
    power = rng.gamma(n, truth / n)
    same = {"frequency": f, "frequency_lo": low, "frequency_hi": high, "n": n}
    known = {"product": "all", "status": "ok", "norm": "leahy", "mean_rate": 100.0, "dt": 1 / 128}
    columns = {name: np.broadcast_to(cells, (lanes, f.size)) for name, cells in same.items()}
    columns |= {name: np.full(lanes, cell) for name, cell in known.items()}
    columns |= {"source_id": [f"s{seed}-{lane:06d}" for lane in range(lanes)], "power": power}
    tables.write_parquet(path, SPECTRA, ())  # a file of the right schema where nothing follows
    with tables.parquet_writer(path, SPECTRA) as write:
        write(columns)


def cpu() -> float:
    """User and system seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def stage(path: Path, options: dict) -> dict:
    """Run the stage of one shard in this process several times, warm, and return what it took."""
    from pipeline.fit import driver

    asked = FitOptions(models=MODELS, **options)
    rows = len(tables.read_parquet(path, SPECTRA, ["source_id"]))
    outputs = {name: path.with_name(f"{path.stem}.{name}.parquet") for name in driver.TABLES}
    driver.run(input=path, options=asked, **outputs)
    taken, walls = [], []
    for _ in range(REPEATS):
        before, start = cpu(), time.perf_counter()
        driver.run(input=path, options=asked, **outputs)
        taken.append(cpu() - before)
        walls.append(time.perf_counter() - start)
    parts = parts_of(path, asked, outputs)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "cpu": median(taken) / rows,
        "wall": median(walls) / rows,
        "peak": peak,
        "parts": {name: seconds / rows for name, seconds in parts.items()},
    }


def parts_of(path: Path, asked: FitOptions, outputs: dict[str, Path]) -> dict[str, float]:
    """CPU seconds of the parts of the stage, one after the other."""
    from pipeline.fit import driver

    times, fit = [cpu()], driver.fit_bucket
    of_fits = []

    def timed(*arguments):
        before = cpu()
        found = fit(*arguments)
        of_fits.append(cpu() - before)
        return found

    batches = list(tables.read_batches(path, SPECTRA, asked.batch_size))
    times.append(cpu())
    driver.fit_bucket = timed
    found = [driver.fit_tables(rows, asked) for rows in batches]
    driver.fit_bucket = fit
    times.append(cpu())
    for name, output in outputs.items():
        with tables.parquet_writer(output, driver.TABLES[name]) as write:
            for each in found:
                write(each[name])
    times.append(cpu())
    reading, fitting, writing = np.diff(times).tolist()
    fits = sum(of_fits)
    return {"read": reading, "fits": fits, "rows": fitting - fits, "write": writing}


def main():
    """Print a line for the stage, and lines for its parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=1500, help="spectra of a shard")
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--shard", type=Path, help="run this shard only, and print what it took")
    asked = parser.parse_args()
    if asked.shard:
        print(json.dumps(stage(asked.shard, asked.options)))
        return
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"shard-{k}.parquet" for k in range(asked.processes)]
        for seed, path in enumerate(paths):
            write_spectra(path, asked.spectra, seed)
        told = ["--options", json.dumps(asked.options)]
        running = [
            subprocess.Popen(
                [sys.executable, __file__, "--shard", path, *told],
                stdout=subprocess.PIPE,
                env=os.environ | {"NPROC": "1"},
            )
            for path in paths
        ]
        found = [json.loads(process.communicate()[0]) for process in running]
    each = [one["cpu"] for one in found]
    report(
        "fit_stage",
        f"{asked.spectra} spectra of {BINS} bins a shard, two models, errors and limits, warm",
        "spectra/s",
        sum(1 / one for one in each),
        floor=sum(1 / one["parts"]["fits"] for one in found),
        floor_name="resident: the same fits, spectra in memory",
        cpu_ms=1e3 * float(np.mean(each)),
        wall_ms=1e3 * float(np.mean([one["wall"] for one in found])),
        peak_bytes=max(one["peak"] for one in found),
    )
    for part in found[0]["parts"]:
        of_part = [one["parts"][part] for one in found]
        report("fit_stage", f"part: {part}", "CPU ms a spectrum", 1e3 * float(np.mean(of_part)))


if __name__ == "__main__":
    main()
