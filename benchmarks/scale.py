"""What a source costs as surveys grow: CPU time by stage, memory of each process, files and bytes.

Light curves of 1,024 bins (20 kB each, red noise), one for each source, go through all stages with two models, a thousand
sources in a shard. The first survey fills the cache of compiled programs and is not counted. The goal: a source
costs the same within 15 % from one size to the next, and no process is larger than 2 GB.

    python benchmarks/scale.py [--sources 1000 3000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from _common import ROOT, report
from _cpu import measure
from _nicer import density
from astropy.io import fits
from scipy import fft

BINS, RATE, A_SHARD, SERIES = 1024, 100.0, 1000, 64
GOAL_RATIO, GOAL_BYTES = 1.15, 2 << 30


def template():
    """Return the bytes of a light curve, and where its data begin; the name is SIM 00000000."""
    about = fits.Header()
    about.update(
        TELESCOP="NICER", INSTRUME="XTI", OBJECT="SIM 00000000", OBS_ID="SIM00000000", TIMESYS="TDB",
        TIMEREF="SOLARSYSTEM", TIMEUNIT="s", MJDREFI=56658, MJDREFF=7.775925925925926e-4, TIMEZERO=0.0,
        TSTART=0.0, TSTOP=float(BINS), TIMEDEL=1.0, TIMEPIXR=0.5, EXPOSURE=float(BINS),
        HDUCLASS="OGIP", HDUCLAS1="LIGHTCURVE", HDUCLAS2="TOTAL",
    )  # fmt: skip
    columns = [
        fits.Column("TIME", "1D", unit="s", array=np.arange(BINS) + 0.5),
        fits.Column("RATE", "1E", unit="count/s", array=np.zeros(BINS)),
        fits.Column("ERROR", "1E", unit="count/s", array=np.zeros(BINS)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, header=about, name="RATE")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "one.lc"
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        with fits.open(path) as hdus:
            return path.read_bytes(), hdus[1].fileinfo()["datLoc"]


def write_archive(folder, n):
    """Write light curves: stretches of a few long series, each with its own Poisson noise."""
    rng = np.random.default_rng(14)
    frequency = fft.rfftfreq(16 * BINS, 1.0)
    scale = np.sqrt(density(np.maximum(frequency, frequency[1])) * 16 * BINS / 4)
    drawn = rng.standard_normal((2, SERIES, len(frequency))) * scale
    series = np.maximum(1 + fft.irfft(drawn[0] + 1j * drawn[1]), 0.05)
    raw, first = template()
    layout = np.dtype([("time", ">f8"), ("rate", ">f4"), ("error", ">f4")])
    row = np.frombuffer(raw, layout, count=BINS, offset=first).copy()
    for k in range(n):
        start = rng.integers(0, 15 * BINS)
        counts = rng.poisson(RATE * series[k % SERIES, start : start + BINS])
        row["rate"], row["error"] = counts, np.sqrt(np.maximum(counts, 1))
        head = raw[:first].replace(b"SIM 00000000", b"SIM %08d" % k)
        path = folder / f"{k // 1000:05d}" / f"{k:08d}.lc"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = head.replace(b"SIM00000000", b"SIM%08d" % k)
        path.write_bytes(head + row.tobytes() + raw[first + row.nbytes :])


def survey(folder, n, cache):
    """Run a survey of `n` sources and return its `Usage`."""
    archive, directory = folder / f"archive-{n}", folder / f"survey-{n}"
    if not archive.is_dir():
        write_archive(archive, n)
    models = {"noise": ["constant"], "power_law": ["constant", "power_law"]}
    config = {
        "archive": str(archive),
        "shards": max(2, n // A_SHARD),
        "fit": {"models": models, "compilation_cache": str(cache)},
    }
    file = folder / f"{n}.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "pipeline", "run", "--config", file, "--directory", directory]
    return directory, measure(
        command,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"{n}.log").open("w"),
    )


def written(directory):
    """Return number and bytes of the files of each stage."""
    found = {}
    for stage in sorted((directory / "results").iterdir()):
        files = [path for path in stage.rglob("*") if path.is_file()] if stage.is_dir() else [stage]
        found[stage.name] = {"files": len(files), "bytes": sum(p.stat().st_size for p in files)}
    return found


def main():
    """Print a line for each size, and one for the step from the last but one to the last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, nargs="+", default=[1000, 3000])
    sizes = parser.parse_args().sources
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        survey(folder, 200, folder / "cache")
        found = {n: line(folder, n) for n in sizes}
    if len(sizes) > 1:
        slope(found, *sizes[-2:])


def line(folder, n):
    """Run a survey, print its line and return its `Usage`."""
    directory, usage = survey(folder, n, folder / "cache")
    largest = max(usage.peaks.values())
    report(
        "scale",
        f"{n} light curves of {BINS} bins, all stages, two models",
        "CPU ms a source",
        1e3 * usage.cpu / n,
        by_stage={k: round(1e3 * s / n, 3) for k, s in sorted(usage.stages.items())},
        wall=usage.wall,
        peak_mb={k: size >> 20 for k, size in sorted(usage.peaks.items())},
        within_memory=largest < GOAL_BYTES,
        written=written(directory),
    )
    return usage


def slope(found, few, many):
    """Print what one more source costs, and the ratio of the costs of a source."""
    more = many - few
    a, b = found[few], found[many]
    ratio = (b.cpu / many) / (a.cpu / few)
    report(
        "scale",
        f"one more source, from {few} to {many}",
        "CPU ms a source",
        1e3 * (b.cpu - a.cpu) / more,
        by_stage={
            k: round(1e3 * (b.stages[k] - a.stages.get(k, 0.0)) / more, 3) for k in sorted(b.stages)
        },
        ratio_of_costs=ratio,
        goal_ratio=GOAL_RATIO,
        is_constant=ratio < GOAL_RATIO,
        memory_bytes_a_source={
            k: max(0, b.peaks[k] - a.peaks.get(k, 0)) / more for k in sorted(b.peaks)
        },
    )


if __name__ == "__main__":
    main()
