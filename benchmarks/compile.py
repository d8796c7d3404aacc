"""Programs of the fit of a shard, compiled and loaded: CPU seconds of a first job, of a second one, and of two at once.

The spectra of SPECTRA tables (`--spectra`, by default 31 simulated ones of 200 and 300 bins, as in the default survey) are
fitted with the options of a configuration in a fresh process with an empty store of programs, in another with a full one, and
in two processes that start together with an empty store. `ours` is the CPU time, and the line says how many programs were
traced, compiled and loaded, and the seconds of each by name. The floor is the CPU time of the same job when it has
all programs in memory.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from _common import ROOT, report

from pipeline import tables
from pipeline.columns.spectra import SPECTRA

LANES, BINS, HIGHEST, SEGMENTS = 31, (200, 300), 32.0, 24


def write_spectra(path: Path) -> None:
    """Write spectra of two lengths: noise, red noise, and red noise with a QPO."""
    rng, rows = np.random.default_rng(1), []
    for lane in range(LANES):
        bins = BINS[lane % len(BINS)]
        edges = np.linspace(0.1, HIGHEST, bins + 1)
        low, high = edges[:-1], edges[1:]
        f, n = (low + high) / 2, np.full(bins, float(SEGMENTS))
        truth = np.full(bins, 2.0)
        if lane % 3:
            truth += 2 * f**-1.2
        if lane % 3 == 2:
            truth += 5 * 0.3 / np.pi / (0.3**2 + (f - 5) ** 2)
        found = {"frequency": f, "frequency_lo": low, "frequency_hi": high, "n": n}
        known = {
            "product": "all",
            "status": "ok",
            "norm": "leahy",
            "mean_rate": 100.0,
            "noise": 2.0,
        }
        power = {"power": rng.gamma(n, truth / n), "power_err": np.empty(0)}
        rows.append(
            tables.empty_row(SPECTRA) | found | known | power | {"source_id": f"s{lane:03d}"}
        )
    tables.write_parquet(path, SPECTRA, rows)


class Counting(logging.Handler):
    """Counts the programs, and the seconds that they took, by what was done and by name."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.counts: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line of the log."""
        if isinstance(record.args, tuple) and len(record.args) == 3:
            what, name, seconds = record.args
            self.counts[str(what)] += 1
            self.seconds[f"{what} {name}"] += float(str(seconds))


def cpu() -> float:
    """User and system seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def job(spectra: Path, config: Path, store: Path, again: bool) -> None:
    """Fit a table in this process, and print what it took; if asked, once more with all programs in memory."""
    import yaml

    from pipeline.config.fit import FitOptions
    from pipeline.fit import driver

    counting = Counting()
    for module in ("compilation", "store"):
        log = logging.getLogger(f"pipeline.fit.engine.{module}")
        log.setLevel(logging.DEBUG)
        log.addHandler(counting)
    asked = yaml.safe_load(config.read_text(encoding="utf-8"))["fit"]
    options = FitOptions(**asked, compilation_cache=str(store))
    seconds = []
    for _ in range(1 + again):
        with tempfile.TemporaryDirectory() as folder:
            outputs = {name: Path(folder) / f"{name}.parquet" for name in driver.TABLES}
            began = cpu()
            driver.run(input=spectra, options=options, **outputs)
            seconds.append(cpu() - began)
    by_name = {name: round(value, 2) for name, value in counting.seconds.most_common()}
    print(json.dumps({"cpu": seconds, "programs": counting.counts, "seconds": by_name}))


def jobs(count: int, *arguments: str) -> tuple[list[dict], float]:
    """Run jobs side by side, each on a core; return what they printed, and the wall time."""
    command = [sys.executable, __file__, "--job", *arguments]
    began = time.perf_counter()
    told = os.environ | {"NPROC": "1"}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=told) for _ in range(count)]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("a job failed")
    return [json.loads(one.splitlines()[-1]) for one in said], time.perf_counter() - began


def main() -> None:
    """Print a line for an empty store, a full one, and two jobs with an empty store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=Path)
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--job", action="store_true")
    asked = parser.parse_args()
    if asked.job:
        return job(asked.spectra, asked.config, asked.store, asked.again)
    with tempfile.TemporaryDirectory() as folder:
        spectra = asked.spectra or Path(folder) / "spectra.parquet"
        if asked.spectra is None:
            write_spectra(spectra)
        told = ["--config", str(asked.config), "--spectra", str(spectra), "--store"]
        one, two = f"{folder}/one", f"{folder}/two"
        (cold,), _ = jobs(1, *told, one)
        (warm,), _ = jobs(1, *told, one, "--again")
        both, wall = jobs(2, *told, two)
        floor = {"floor": warm["cpu"][-1], "floor_name": "the same job, all programs in memory"}
        for what, found in (("empty store", [cold]), ("full store", [warm]), ("two jobs", both)):
            programs: Counter[str] = sum((Counter(one["programs"]) for one in found), Counter())
            more = {"programs": programs, "seconds": found[0]["seconds"], "wall": wall}
            spent = sum(one["cpu"][0] for one in found)
            report("compile", f"fit of a shard, {what}", "CPU s", spent, **floor, **more)


if __name__ == "__main__":
    main()
