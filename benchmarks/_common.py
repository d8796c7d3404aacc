"""What the benchmarks share: the line they print, how they time, and spectra around a model."""

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

from pipeline.fit import Grid, Spectra

PACKAGES = ("jax", "jaxlib", "numpy", "stingray", "scipy", "astropy", "dask", "snakemake")


ROOT = Path(__file__).parents[1]


def survey(config, archive, directory) -> float:
    """Run the survey of a configuration file on an archive, and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", "run", "--config", config),
            *("--archive", archive, "--directory", directory),
        ],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def hardware() -> str:
    """Return processor and number of usable cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def simulate(model, truth, grid, n, lanes, rng):
    """Return spectra of gamma-distributed power around a model, and the true u, shape (P, 1)."""
    truth = np.array(truth)[:, None]
    u = np.where(model.is_log[:, None], np.log(truth), truth)
    power = np.asarray(model.power(u, Grid.of(grid[:, None]), np.ones((len(model.slots), 1), bool)))
    frequency = np.repeat(grid[:, None], lanes, axis=1)
    drawn = rng.gamma(n, power / n, frequency.shape)
    return Spectra(frequency, drawn, np.full_like(frequency, n)), u


def spread(found, enough):
    """Spread p-values of `pipeline.fit.significance.montecarlo` over the steps between those that are possible."""
    sequential = np.array([method == "sequential" for method in found.method])
    lower = np.where(sequential, enough / (found.draws + 1), found.reached / (found.draws + 1))
    return np.random.default_rng(0).uniform(np.minimum(lower, found.p_value), found.p_value)


def timed(function, repeats=5):
    """Return the median seconds of `repeats` calls, after one that is not counted, and the result."""
    result = function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return median(seconds), result


def report(benchmark, workload, unit, ours, *, peer=None, peer_name=None, floor=None, **more):
    """Print one line of JSON; `ratio` is ours over the peer's, or over the floor's without one."""
    reference = peer if peer is not None else floor
    line = {
        "benchmark": benchmark,
        "workload": workload,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "floor": floor,
        "floor_name": more.pop("floor_name", None),
        "ratio": None if not reference else ours / reference,
        "hardware": hardware(),
        "versions": {package: version(package) for package in PACKAGES},
        **more,
    }
    print(json.dumps(line), flush=True)
