"""GRS 1915+105: the pipeline's QPOs against those published by hand, from nothing to catalogue.

311 RXTE power spectra (Zhang et al. 2020, MNRAS 494, 1375), a sum of up to six Lorentzians chosen by
BIC, no starting value by hand. The folder with the data is ../shared/data, or the first argument; a figure of
published against ours goes into the folder that is the second. Then how often the same configuration finds a
narrow component in red noise that has none.
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from _common import ROOT, report, simulate, survey

from pipeline import tables
from pipeline.columns.catalogue import SOURCES
from pipeline.config.catalog import CatalogOptions
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, configure, fit_model
from pipeline.fit.significance.detection import peak_to_test

EXAMPLE = ROOT / "config" / "examples" / "grs1915.yaml"
PEER = 4.0
"""Spectra a second of fifty lines of scipy that fit the same model greedily."""


def compare(data, directory):
    """Return published and own values by column, and how many of them agree."""
    catalogue = Path(directory) / "results" / "catalog" / "sources.parquet"
    sources = {
        row["source_id"]: row for row in tables.rows_of(tables.read_parquet(catalogue, SOURCES))
    }
    with open(data / "published" / "grs1915_qpo.csv", encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    ours = [sources[row["observation_ID"]] for row in published]
    pairs = {
        ours_name: np.array(
            [(float(p[name]), row[ours_name]) for p, row in zip(published, ours, strict=True)]
        ).T
        for name, ours_name in (("frequency", "qpo_frequency"), ("width", "qpo_fwhm"))
    }
    frequency, width = (theirs_ours[1] / theirs_ours[0] for theirs_ours in pairs.values())
    return pairs, {
        "published": len(published),
        "sources": len(sources),
        "frequency_within_2_percent": float((np.abs(frequency - 1) < 0.02).mean()),
        "width_within_1.25": float(((width > 1 / 1.25) & (width < 1.25)).mean()),
    }


def plot(pairs, folder):
    """Draw the published values against ours."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "grs1915"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
    for ax, (name, (theirs, ours)), off in zip(axes, pairs.items(), (1.02, 1.25), strict=True):
        span = np.array([theirs.min() / 1.1, theirs.max() * 1.1])
        ax.fill_between(span, span / off, span * off, alpha=0.2, lw=0)
        ax.loglog(theirs, ours, ".", ms=4, c="k")
        ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if span[0] < t < span[1]]
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_ticks(ticks)
            axis.set_minor_formatter("")
        ax.set(xlim=span, xlabel=f"published {name[4:]}, Hz", ylabel=f"{name}, Hz")
        ax.set_title(f"shaded: within {off - 1:.0%}" if off < 1.1 else f"shaded: a factor {off}")
    figure.savefig(Path(folder) / "grs1915.svg", metadata={"Date": None})


def false_components(slope, amplitude, sources=400):
    """Fraction of red-noise spectra in which there would be a QPO, before any test of it."""
    config = yaml.safe_load((ROOT / "config" / "examples" / "grs1915.yaml").read_text())
    options = validate(config["fit"], FitOptions)
    ((name, components),) = options.models.items()
    grid = np.geomspace(0.06, 100, 250)
    n = np.maximum(8, np.round(32 * grid))[:, None]
    red = Model.from_components("red", ["constant", "power_law"])
    truth = [2.0, amplitude, slope]
    spectra, _ = simulate(red, truth, grid, n, sources, np.random.default_rng(int(10 * slope)))
    model = Model.from_components(name, components)
    widths = np.gradient(spectra.frequency, axis=0)
    batch = Batch(Engine(PowerSpectrum(model)), spectra, widths)
    found = fit_model(batch, min_delta_bic=options.min_delta_bic)
    return float((peak_to_test(batch, found, CatalogOptions().qpo_min_q) >= 0).mean())


def main():
    """Print a line for the survey and one for each slope of red noise."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"grs1915: {data} is not a folder; give the folder of the data as an argument")
    with tempfile.TemporaryDirectory() as directory:
        seconds = survey(EXAMPLE, data / "grs1915_pds", directory)
        pairs, found = compare(data, directory)
    if len(sys.argv) > 2:
        plot(pairs, sys.argv[2])
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
    configure()
    for slope, amplitude in ((1.0, 2.0), (1.5, 1.0), (2.0, 0.5)):
        report(
            "grs1915",
            f"400 spectra of red noise, slope {slope}, 250 bins: those with a false QPO, before any test",
            "fraction",
            false_components(slope, amplitude),
        )


if __name__ == "__main__":
    main()
