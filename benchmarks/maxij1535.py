"""MAXI J1535-571: which of its power spectra have a QPO, and at what frequency, against a published list.

118 NICER power spectra, one a good time interval (`config/examples/maxij1535.yaml`), 38 of them with one to three
QPOs by others, who give frequencies on a grid of 1.1 %. A spectrum has a QPO where the false-discovery rate is at
most 1 %. The folder with the data is ../shared/data, or the first argument.
"""

import csv
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from _common import ROOT, report, survey

from pipeline import tables
from pipeline.columns.catalogue import SOURCES
from pipeline.status import HAS_RESULT

EXAMPLE = ROOT / "config" / "examples" / "maxij1535.yaml"
RATE = 0.01
"""False-discovery rate at which there is a QPO."""


def compare(sources, published) -> dict:
    """Return how well the QPOs of a catalogue agree with published ones.

    Parameters
    ----------
    sources : mapping of str to mapping
        Rows of SOURCES by name.
    published : sequence of mapping
        ``id``, ``n_qpo`` and ``frequency_1``, that of the fundamental, as text.
    """
    with np.errstate(invalid="ignore"):
        ours = {name: bool(row["qpo_q_value"] <= RATE) for name, row in sources.items()}
    has = {row["id"]: int(row["n_qpo"]) > 0 for row in published}
    both = sum(ours[name] and there for name, there in has.items())
    off = [
        sources[row["id"]]["qpo_frequency"] / float(row["frequency_1"]) - 1
        for row in published
        if has[row["id"]]
    ]
    return {
        "published": len(published),
        "with_result": sum(sources[name]["status"] in HAS_RESULT for name in has),
        "precision": both / max(sum(ours[name] for name in has), 1),
        "recall": both / max(sum(has.values()), 1),
        "first_frequency_within_5_percent": float((np.abs(off) < 0.05).mean()),
        "status": dict(Counter(str(sources[name]["status"]) for name in has)),
        "not_published": [name for name, there in has.items() if ours[name] and not there],
        "not_found": [name for name, there in has.items() if there and not ours[name]],
    }


def main():
    """Print a line for the survey."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"maxij1535: {data} is not a folder; give the folder of the data as an argument")
    with tempfile.TemporaryDirectory() as directory:
        seconds = survey(EXAMPLE, data / "maxij1535_pds", directory)
        catalogue = Path(directory) / "results" / "catalog" / "sources.parquet"
        rows = tables.rows_of(tables.read_parquet(catalogue, SOURCES))
    with open(data / "published" / "maxij1535_qpo.csv", encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    found = compare({row["source_id"]: row for row in rows}, published)
    report(
        "maxij1535",
        "118 XSPEC power spectra, up to 6 Lorentzians + constant, a calibrated test of each QPO, "
        "archive to catalogue and report",
        "spectra/s",
        len(rows) / seconds,
        seconds=seconds,
        **found,
    )


if __name__ == "__main__":
    main()
