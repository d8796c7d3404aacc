"""Write the report's page from the catalogue and the fitted curves."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.columns.base import Table
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.simulate import TRUTH
from pipeline.config.report import ReportOptions
from pipeline.report.corner import corner_plot
from pipeline.report.embed import Grids
from pipeline.report.page import page_data, render, source_details, truth_data
from pipeline.shards import has_sources, shard_lists
from pipeline.stages import CATALOG, FIT
from pipeline.status import HAS_RESULT
from pipeline.tables import atomic_path, read_parquet, rows_of, unpacked


def run(
    *,
    catalog: Path,
    plan: Path,
    fit: Path,
    output: Path,
    options: ReportOptions,
    truth: Path | None = None,
) -> None:
    """Write the page of a survey to the file `output`.

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
    sources, files, models, every_parameter, rejected = (
        read_parquet(_file(catalog, table), table)
        for table in (SOURCES, OBSERVATIONS, MODELS, PARAMETERS, REJECTED)
    )
    parameters = every_parameter.filter(pc.field("best"))
    shown = dict(shown_products(sources, options.max_spectra))
    grids = Grids()
    details = source_details(
        shown,
        files=rows_of(_of_sources(files, shown)),
        models=rows_of(_of_sources(models, shown)),
        parameters=rows_of(_of_sources(parameters, shown)),
        curves=read_curves(plan, fit, shown),
        grids=grids,
    )
    for source, figure in corners(_file(catalog, SAMPLES), shown, parameters, options.max_corners):
        details[source]["corner"] = figure
    provenance = json.loads((catalog / "provenance.json").read_text(encoding="utf-8"))
    ids = sources.column("source_id").to_pylist()
    data = page_data(sources, rows_of(rejected), [details.get(i) for i in ids], grids, provenance)
    if truth is not None:
        data["truth"] = truth_data(rows_of(sources), rows_of(read_parquet(truth, TRUTH)))
    folder = os.path.relpath(catalog, output.parent)
    links = {name: f"{folder}/{file}".replace(os.sep, "/") for file, name in published(provenance)}
    with atomic_path(output) as temporary:
        temporary.write_text(render(options.title, data, links), encoding="utf-8")


def _file(catalog: Path, table: Table) -> Path:
    """Return the file of a table in the folder of the catalogue."""
    return catalog / CATALOG.written(table).inside()


def published(provenance: dict) -> list[tuple[str, str]]:
    """Return the files of the catalogue that the page links, each with its text."""
    formats = provenance["formats"].values()
    return [*((one["file"], one["label"]) for one in formats), ("provenance.json", "provenance")]


def shown_products(sources: pa.Table, limit: int) -> list[tuple[str, str]]:
    """Return source and product of the first fitted sources, at most `limit`."""
    columns = (sources.column(name).to_pylist() for name in ("source_id", "product", "status"))
    fitted = [
        (source, product)
        for source, product, status in zip(*columns, strict=True)
        if status in HAS_RESULT
    ]
    return fitted[:limit]


def read_curves(plan: Path, fit: Path, shown: Mapping[str, str]) -> dict[str, dict]:
    """Return the row of CURVES of each shown source and product, by source."""
    file, curves = FIT.written(CURVES), {}
    for shard_list in filter(has_sources, shard_lists(plan)):
        table = read_parquet(fit / file.inside(shard_list.stem), CURVES)
        for row in rows_of(_of_sources(table, shown)):
            if shown[row["source_id"]] == row["product"]:
                curves[row["source_id"]] = row
    return curves


def corners(
    path: Path, shown: Mapping[str, str], parameters: pa.Table, limit: int
) -> Iterator[tuple[str, str]]:
    """Yield source and corner plot of the first shown sources whose draws were kept, at most `limit`.

    Parameters
    ----------
    path : Path
        SAMPLES of the catalogue.
    shown : mapping of str to str
        Product of each source that has its power spectrum on the page.
    parameters : pyarrow.Table
        PARAMETERS of the chosen models.
    limit : int
        Largest number of plots.
    """
    names = read_parquet(path, SAMPLES, ("source_id", "product"))
    pairs = dict.fromkeys(zip(*(column.to_pylist() for column in names.columns), strict=True))
    kept = [pair for pair in pairs if shown.get(pair[0]) == pair[1]][:limit]
    wanted = pa.array([source for source, _ in kept], pa.string())
    rows = defaultdict(list)
    for row in rows_of(read_samples(path, wanted)):
        rows[row["source_id"], row["product"]].append(row)
    measured = {
        (row["source_id"], row["product"], row["component"], row["parameter"]): row
        for row in rows_of(parameters.filter(pc.field("source_id").isin(wanted)))
    }
    for source, product in kept:
        drawn = [row for row in rows[source, product] if len(row["value"])]
        if drawn:
            marked = [measured[source, product, r["component"], r["parameter"]] for r in drawn]
            yield source, corner_plot(drawn, marked)


def read_samples(path: Path, sources: pa.Array) -> pa.Table:
    """Read the rows of SAMPLES of some sources, without the draws of the others."""
    table = pq.read_table(path, filters=pc.field("source_id").isin(sources))
    return unpacked(SAMPLES, table)


def _of_sources(table: pa.Table, shown: Mapping[str, str]) -> pa.Table:
    """Return the rows of the shown sources."""
    wanted = pa.array(list(shown), pa.string())
    return table.filter(pc.field("source_id").isin(wanted))
