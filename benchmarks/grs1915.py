"""GRS 1915+105: the pipeline's QPOs against those published by hand, from nothing to catalogue.

311 RXTE power spectra (Zhang et al. 2020, MNRAS 494, 1375), a sum of up to six Lorentzians chosen by
BIC, no starting value by hand. The folder with the data is ../shared/data, or the first argument.
"""

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import report

from pipeline import columns, tables

ROOT = Path(__file__).parents[1]
PEER = 4.0
"""Spectra a second of fifty lines of scipy that fit the same model greedily."""


def survey(data, directory):
    """Run the survey and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", "run"),
            *("--config", ROOT / "config" / "examples" / "grs1915.yaml"),
            *("--archive", data / "grs1915_pds", "--directory", directory),
        ],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def compare(data, directory):
    """Return the fractions of the published QPOs that were found, and the number of sources."""
    catalogue = Path(directory) / "results" / "catalog" / "sources.parquet"
    sources = {
        row["source_id"]: row
        for row in tables.rows_of(tables.read_parquet(catalogue, columns.SOURCES))
    }
    with open(data / "published" / "grs1915_qpo.csv", encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    ours = [sources[row["observation_ID"]] for row in published]
    frequency = np.array([row["qpo_frequency"] for row in ours])
    width = np.array([row["qpo_fwhm"] for row in ours])
    frequency /= np.array([float(row["frequency"]) for row in published])
    width /= np.array([float(row["width"]) for row in published])
    return {
        "published": len(published),
        "sources": len(sources),
        "frequency_within_2_percent": float((np.abs(frequency - 1) < 0.02).mean()),
        "width_within_1.25": float(((width > 1 / 1.25) & (width < 1.25)).mean()),
    }


def main():
    """Print one line."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"grs1915: {data} is not a folder; give the folder of the data as an argument")
    with tempfile.TemporaryDirectory() as directory:
        seconds = survey(data, directory)
        found = compare(data, directory)
    report(
        "grs1915",
        "311 XSPEC power spectra, up to 6 Lorentzians + constant, archive to catalogue and report",
        "spectra/s",
        found["sources"] / seconds,
        peer=PEER,
        peer_name="greedy scipy sketch, its own quoted rate",
        seconds=seconds,
        **found,
    )


if __name__ == "__main__":
    main()
