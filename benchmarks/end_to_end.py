"""A survey of event lists, archive to report, beside Stingray and HENDRICS: CPU time of all processes.

Event lists as of NICER (10^5 events, 1 MB, 1,024 s, red noise and a QPO) become averaged spectra, two fits with
errors, a catalogue and a report. `pipeline run` does it with an empty and with a filled cache of compiled programs, and
once with a p-value of 1,000 simulations for each source. The peers read, average and rebin the same files and fit
the same two models, in two processes. Their fits start at the true values; they give no errors of profiles, no
catalogue and no report. Their imports are not counted. They run before and after the warm run.

    python benchmarks/end_to_end.py [--observations 1000] [--peer-python BIN] [--modes cold warm p_value]

`--peer-python` is the interpreter of an environment with HENDRICS and Stingray with numba. Without it, Stingray runs in this
one, and HENDRICS only if it is installed here.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import yaml
from _common import ROOT, report
from _cpu import measure
from _nicer import FREQUENCY, FWHM, RATE, RED, SLOPE, VARIANCE, write_archive
from astropy.io import fits

SEGMENT, DT, REBIN = 64.0, 1 / 256, 0.02
DRAWS, PEER_DRAWS, PEER_FILES = 1000, 10, 100
_NULL = [RED * RATE, SLOPE, 2.0]
STARTS = [_NULL, [2 * VARIANCE * RATE / np.pi / FWHM, FREQUENCY, FWHM, *_NULL]]
"""True values in Leahy's normalisation: amplitude, slope, noise; height, frequency, width before them."""


THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which a peer has one thread."""


def configuration(archive, cache):
    """Return the survey."""
    return {
        "archive": str(archive),
        "shards": 2,
        "segment": {"segment_size": SEGMENT, "dt": DT, "rebin": REBIN, "norm": "leahy"},
        "fit": {
            "models": {
                "power_law": ["constant", "power_law"],
                "power_law_qpo": ["constant", "power_law", "lorentzian"],
            },
            "compilation_cache": str(cache),
        },
    }


def survey(folder, name, config, cache):
    """Run a survey in a folder of its own and return its `Usage`."""
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(config))
    return measure(
        [
            *(sys.executable, "-m", "pipeline", "run"),
            *("--config", file, "--directory", folder / name),
        ],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"{name}.log").open("w"),
    )


def peer(python, script, files, simulations=0, as_it_comes=False):
    """Run a peer on files in two processes, and return ms an observation by step, and s a simulation.

    Each has one thread of BLAS, or `as_it_comes` one a core: then they fight over the cores, and small matrices cost
    several times as much.
    """
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if not as_it_comes:
        environment |= dict.fromkeys(THREADS, "1")
    told = {"segment_size": SEGMENT, "dt": DT, "rebin": REBIN, "starts": STARTS}
    children = [
        subprocess.Popen(
            [python, Path(__file__).with_name(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    for child, part in zip(children, (files[::2], files[1::2]), strict=True):
        json.dump(told | {"files": [str(f) for f in part], "simulations": simulations}, child.stdin)
        child.stdin.close()
    steps, each = Counter(), []
    for child in children:
        found = json.loads(child.stdout.read())
        child.wait()
        steps.update(found["steps"])
        each.append(found.get("simulation"))
    steps.pop("calibrate_lrt", None)
    return {step: 1e3 * s / len(files) for step, s in steps.items()}, each


def floor(files):
    """Return ms an observation of raw bytes, SHA-256, columns, histogram, transforms and bins in NumPy, by step."""
    with fits.open(files[0]) as hdus:
        first, rows = hdus[1].fileinfo()["datLoc"], hdus[1].columns.dtype.newbyteorder(">")
    steps = {"read": [], "spectrum": []}
    n_segments, n_bins = round(1024 / SEGMENT), round(SEGMENT / DT)
    edges = np.unique(np.geomspace(1, n_bins // 2, 258).astype(int))
    for path in files:
        start = time.process_time()
        raw = Path(path).read_bytes()
        hashlib.sha256(raw).digest()
        card = raw.index(b"NAXIS2  =", 2880)
        events = np.frombuffer(raw, rows, count=int(raw[card + 10 : card + 30]), offset=first)
        times = events["TIME"].astype("<f8")
        steps["read"].append(time.process_time() - start)
        start = time.process_time()
        counts = np.bincount(((times - times[0]) / DT).astype(np.int32), minlength=1 << 18)
        power = np.fft.rfft(counts[: n_segments * n_bins].reshape(n_segments, n_bins).astype("f4"))
        np.add.reduceat((np.abs(power) ** 2).mean(axis=0), edges)
        steps["spectrum"].append(time.process_time() - start)
    return {step: 1e3 * median(seconds) for step, seconds in steps.items()}


def stages(usage, n):
    """Return ms an observation by stage."""
    return {name: round(1e3 * seconds / n, 3) for name, seconds in sorted(usage.stages.items())}


def both(python, script, files, as_it_comes=False):
    """Return ms an observation by step and in all of a peer, None where it is not installed."""
    module = script.removeprefix("_peer_").removesuffix(".py")
    known = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    if subprocess.run([python, "-c", known, module], check=False).returncode:
        return None, None
    steps, _ = peer(python, script, files, as_it_comes=as_it_comes)
    return steps, sum(steps.values())


def main():
    """Print a line for each mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--observations", type=int, default=1000)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--p-values", type=int, default=100, help="sources that get a p-value")
    modes = ("cold", "warm", "p_value")
    parser.add_argument("--modes", nargs="+", default=modes, choices=modes)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), told)


def run(folder, told):
    """Write the archive, run surveys and peers in turns, and print the lines."""
    files = write_archive(folder / "archive", told.observations)
    sample, cache = files[:PEER_FILES], folder / "cache"
    config = configuration(folder / "archive", cache)
    least = floor(sample)
    before = both(told.peer_python, "_peer_stingray.py", sample)
    found = {}
    if {"cold", "warm"} & set(told.modes):
        found["cold"] = survey(folder, "cold", config, cache)
    if "warm" in told.modes:
        found["warm"] = survey(folder, "warm", config, cache)
    after = both(told.peer_python, "_peer_stingray.py", sample)
    untold = both(told.peer_python, "_peer_stingray.py", sample, as_it_comes=True)
    hendrics = both(told.peer_python, "_peer_hendrics.py", sample)
    peers = (before[1] + after[1]) / 2
    for mode, usage in found.items():
        ours = 1e3 * usage.cpu / told.observations
        report(
            "end_to_end",
            f"{told.observations} event lists of 10^5 events, archive to report, two fits; {mode}",
            "CPU ms an observation",
            ours,
            peer=peers,
            peer_name="Stingray, two processes of one thread, true starts; mean of a run before and one after",
            floor=sum(least.values()),
            floor_name="bytes, SHA-256, columns, histogram, transforms, bins in NumPy; no fits",
            times_faster=peers / ours,
            goal={"warm": 8, "cold": 4}[mode],
            by_stage=stages(usage, told.observations),
            floor_by_step=least,
            peer_by_step={"before": before[0], "after": after[0]},
            peer_as_it_comes=untold[1],
            times_faster_than_as_it_comes=untold[1] / ours,
            peer_with_numba=_has(told.peer_python, "numba"),
            hendrics=hendrics[1],
            hendrics_by_step=hendrics[0],
            peer_observations=len(sample),
            wall=usage.wall,
            peak_mb={name: size >> 20 for name, size in usage.peaks.items()},
        )
    if "p_value" in told.modes:
        p_values(folder, told, config, cache, peers)


def _has(python, module):
    """Return whether an interpreter has a module."""
    done = subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True)
    return done.returncode == 0


def p_values(folder, told, config, cache, peers):
    """Print the line of surveys with p-values: all simulations, and as many as the default stops at."""
    n = min(told.p_values, told.observations)
    files = write_archive(folder / "fewer", n)
    _, each = peer(told.peer_python, "_peer_stingray.py", files[:2], PEER_DRAWS)
    theirs = peers + 1e3 * DRAWS * float(np.mean(each))
    for enough in (DRAWS, 20):
        tested = json.loads(json.dumps(config)) | {"archive": str(folder / "fewer")}
        tested["fit"]["detection"] = {"draws": DRAWS, "enough": enough, "limits": 0}
        survey(folder, f"fill {enough}", tested, cache)
        usage = survey(folder, f"p {enough}", tested, cache)
        ours = 1e3 * usage.cpu / n
        report(
            "end_to_end",
            f"{n} event lists, archive to report, with a p-value of {DRAWS} simulations"
            f"{'' if enough == DRAWS else f', ended after {enough} as large'}; warm",
            "CPU ms an observation",
            ours,
            peer=theirs,
            peer_name=f"Stingray, with calibrate_lrt: {PEER_DRAWS} simulations scaled to {DRAWS}",
            times_faster=theirs / ours,
            goal=1000,
            by_stage=stages(usage, n),
            wall=usage.wall,
        )


if __name__ == "__main__":
    main()
