"""Write the report from the catalogue and the fitted curves."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.columns.base import Table
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.simulate import TRUTH
from pipeline.config.report import ReportOptions
from pipeline.report.data import DataFiles
from pipeline.report.details import DETAILS, Places, write_details
from pipeline.report.histograms import histograms
from pipeline.report.page import MAX_REJECTED, overview, render, write_rejected
from pipeline.report.sources import TEXT, SourceFiles, read_sources
from pipeline.report.truth import COMPARED, truth_data
from pipeline.shards import has_sources, shard_lists
from pipeline.stages import CATALOG, FIT
from pipeline.tables import atomic_path, opened, read_parquet, unpacked

DATA = "data"
"""Folder of the data beside the page."""


def run(
    *,
    catalog: Path,
    plan: Path,
    fit: Path,
    output: Path,
    options: ReportOptions,
    truth: Path | None = None,
) -> None:
    """Write the page of a survey to the file `output`, and its data to the folder ``data`` beside it.

    The memory that this takes does not grow with the number of sources, but for some columns of numbers.

    Parameters
    ----------
    catalog, plan, fit : Path
        Folders of the catalogue, of the shards' lists, and of the fitted curves.
    output : Path
        The page.
    options : ReportOptions
        Its title and the number of power spectra in it.
    truth : Path, optional
        Table of injected values of a simulated archive.

    Raises
    ------
    TableError
        When a table cannot be used.
    """
    data = DataFiles(output.parent / DATA)
    provenance = json.loads((catalog / "provenance.json").read_text(encoding="utf-8"))
    written = SourceFiles(data, options.max_spectra)
    for table in read_sources(_file(catalog, SOURCES), TEXT):
        written.add(table)
    pieces = written.finish() | {"details": DETAILS}
    write_details(data, written.shown, _places(catalog, plan, fit), options.max_corners)
    known = {"pieces": pieces, "n_details": len(written.shown)}
    known |= _rejected(data, _file(catalog, REJECTED))
    known |= _of_the_survey(_file(catalog, SOURCES), truth, provenance)
    folder = os.path.relpath(catalog, output.parent)
    links = {name: f"{folder}/{file}".replace(os.sep, "/") for file, name in published(provenance)}
    page = render(options.title, known, links, data.publish())
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _places(catalog: Path, plan: Path, fit: Path) -> Places:
    """Return the files that the details of sources are read from."""
    tables = (OBSERVATIONS, MODELS, PARAMETERS, SAMPLES)
    curves = FIT.written(CURVES)
    return Places(
        **{table.name.lower(): _file(catalog, table) for table in tables},
        curves=[fit / curves.inside(one.stem) for one in filter(has_sources, shard_lists(plan))],
    )


def _of_the_survey(sources: Path, truth: Path | None, provenance: dict) -> dict[str, Any]:
    """Return what the page says of all sources: counts, histograms, injected and recovered values."""
    known = read_parquet(sources, SOURCES, ("status", "qpo_frequency", "qpo_q_value"))
    found = overview(known, provenance) | {"histograms": histograms(sources)}
    if truth is None:
        return found
    compared = read_parquet(sources, SOURCES, COMPARED)
    return found | {"truth": truth_data(compared, read_parquet(truth, TRUTH))}


def _file(catalog: Path, table: Table) -> Path:
    """Return the file of a table in the folder of the catalogue."""
    return catalog / CATALOG.written(table).inside()


def _rejected(data: DataFiles, path: Path) -> dict[str, Any]:
    """Write the rejected files that the page lists."""
    with opened(path, REJECTED) as file:
        number = file.metadata.num_rows
        first = pa.Table.from_batches(islice(file.iter_batches(MAX_REJECTED), 1), file.schema_arrow)
    return write_rejected(data, unpacked(REJECTED, first), number)


def published(provenance: dict) -> list[tuple[str, str]]:
    """Return the files of the catalogue that the page links, each with its text."""
    formats = provenance["formats"].values()
    return [*((one["file"], one["label"]) for one in formats), ("provenance.json", "provenance")]
