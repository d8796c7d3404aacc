"""Merge the shards into the catalogue: read, join, check, and only then publish."""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from pipeline.catalog.bands import source_and_epochs
from pipeline.catalog.conservation import conserve, expected_sources
from pipeline.catalog.fdr import q_values
from pipeline.catalog.fits import write_fits
from pipeline.catalog.gate import quality_gate
from pipeline.catalog.parquet import published_schema, write_parquet_table
from pipeline.catalog.provenance import provenance
from pipeline.catalog.rejected import rejected_files, rejected_later
from pipeline.catalog.shards import Shard, read_shard, shard_lists
from pipeline.catalog.votable import write_votable
from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS, SAMPLES
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.registry import CATALOGUE
from pipeline.config.catalog import CatalogOptions
from pipeline.config.fit import SamplesOptions
from pipeline.config.survey import Survey
from pipeline.nulls import with_nulls
from pipeline.status import HAS_RESULT, Status
from pipeline.tables import atomic_path, read_parquet, rows_of, schema, to_arrow

_FILE_COLUMNS = [
    "file",
    "size",
    "version",
    "sha256",
    "kind",
    "mission",
    "instrument",
    "observation_id",
    "object",
    "ra",
    "dec",
    "mjd_start",
    "mjd_stop",
    "source_id",
    "status",
    "flags",
    "reason",
]
EXIT_GATE = 1


TITLE = "Catalogue of spectral-timing measurements"
"""Of the FITS file and the VOTable; the page's title does not touch the catalogue."""


def run(
    *,
    observations: Path,
    plan: Path,
    ingest: Path,
    segment: Path,
    fit: Path,
    output: Path,
    options: CatalogOptions,
    survey: Survey,
) -> int:
    """Write the catalogue of a survey into the folder `output`.

    Returns
    -------
    int
        0, or 1 when the quality gate refuses the catalogue: then nothing is published and
        ``refused.parquet`` says which files were rejected.

    Raises
    ------
    RowsLost
        When a source of OBSERVATIONS is not among those of a stage after it.
    TableError
        When a stage's file cannot be used.
    """
    started = datetime.now(UTC)
    found = read_parquet(observations, OBSERVATIONS).sort_by("file")
    files = rows_of(found.select(_FILE_COLUMNS))
    lists, folders = shard_lists(plan), (ingest, segment, fit)
    tables = merge(files, lists, folders, options, survey.fit.samples)
    tables[OBSERVATIONS] = _with_checksums(found, files)
    sources = tables[SOURCES]
    statuses = sources.column("status").to_pylist()
    refusal = quality_gate(
        statuses, sources.column("reason").to_pylist(), options.max_failed_fraction
    )
    refused = output / "refused.parquet"
    if refusal:
        write_parquet_table(refused, REJECTED, tables[REJECTED])
        print(f"catalog: {refusal}. Rejected files: {refused}", file=sys.stderr)
        return EXIT_GATE
    refused.unlink(missing_ok=True)
    publish(output, {table: tables[table] for table in CATALOGUE}, TITLE)
    collect_samples(output / "samples.parquet", lists, fit)
    rows = {table.name: tables[table].num_rows for table in CATALOGUE}
    times = [time.isoformat(timespec="seconds") for time in (started, datetime.now(UTC))]
    record = provenance(survey, files, statuses, rows, *times)
    _write_text(output / "provenance.json", json.dumps(record, indent=2) + "\n")
    return 0


def merge(
    files: list[dict],
    lists: list[Path],
    folders,
    options: CatalogOptions,
    samples: SamplesOptions | None = None,
) -> dict:
    """Join the shards and return the tables SOURCES, EPOCHS, MODELS, PARAMETERS and REJECTED.

    Parameters
    ----------
    files : list of dict
        Rows of OBSERVATIONS, which get the checksums of the files that were read.
    lists : list of Path
        The shards' lists; a shard's files in the stages' folders are named like them.
    folders : tuple of Path
        Of ingest, segment and fit.
    options : CatalogOptions
        What a QPO is.
    samples : SamplesOptions, optional
        Which sources must have draws.
    """
    by_source = defaultdict(list)
    for file in files:
        by_source[file["source_id"]].append(file)
    parts = {
        table: [schema(table).empty_table()] for table in (SOURCES, EPOCHS, MODELS, PARAMETERS)
    }
    rejected, planned = rejected_files(files), set()
    console = Console(stderr=True)
    for shard_list in track(
        lists, "catalog", console=console, disable=not console.is_terminal, transient=True
    ):
        shard = read_shard(shard_list, *folders)
        check_shard(shard_list.stem, shard)
        check_samples(shard_list.stem, shard, samples)
        planned |= shard.planned
        checksums = {r["file"]: r["sha256"] for rows in shard.readings.values() for r in rows}
        for i in shard.planned:
            for file in by_source[i]:
                file["sha256"] = checksums.get(file["file"]) or file["sha256"]
        rows = [_source(i, by_source[i], shard, options) for i in sorted(shard.planned)]
        parts[SOURCES].append(to_arrow(SOURCES, [source for source, _ in rows]))
        parts[EPOCHS].append(to_arrow(EPOCHS, [e for _, epochs in rows for e in epochs]))
        parts[MODELS].append(shard.models_table)
        parts[PARAMETERS].append(shard.parameters_table)
        for i in shard.planned:
            readings, products, models, _ = _rows(i, shard)
            # an average may hold an observation that is too short by itself
            products = [p for p in products if not p["epoch"]]
            rejected += rejected_later(by_source[i], readings, products, models)
    conserve("plan", expected_sources(files), planned)
    tables = {t: _sorted(pa.concat_tables(p, promote_options="none")) for t, p in parts.items()}
    for table in (SOURCES, EPOCHS):
        tables[table] = _with_q_values(tables[table])
    conserve("catalog", planned, tables[SOURCES].column("source_id").to_pylist())
    rejected.sort(key=lambda row: (row["file"], row["source_id"], row["stage"]))
    return {**tables, REJECTED: to_arrow(REJECTED, rejected)}


def check_shard(name: str, shard: Shard) -> None:
    """Raise RowsLost where a stage lost a source, or a fit its power spectrum."""
    conserve(f"ingest, {name}", shard.planned, shard.readings)
    conserve(f"segment, {name}", shard.planned, shard.products)
    spectra = {
        f"{source} {row['product']}"
        for source, rows in shard.products.items()
        for row in rows
        if row["status"] == Status.OK
    }
    fits = {f"{source} {row['product']}" for source, rows in shard.fits.items() for row in rows}
    conserve(f"fit, {name}", spectra, spectra & fits)


def check_samples(name: str, shard: Shard, samples: SamplesOptions | None) -> None:
    """Raise RowsLost where a source that was to be sampled has no draws, or one has that nobody fitted."""
    fitted = {
        f"{source} {row['product']}": samples is not None and samples.names(source)
        for source, rows in shard.fits.items()
        for row in rows
        if row["best"] and row["n_free"] and row["status"] in HAS_RESULT
    }
    found = {" ".join(both) for both in shard.sampled}
    named = {key for key, is_named in fitted.items() if is_named}
    conserve(f"fit (samples), {name}", named | (found & fitted.keys()), found)


def collect_samples(path: Path, lists: list[Path], fit: Path) -> None:
    """Write the SAMPLES of all shards, one after the other, into one file: they may not fit into memory."""
    files = [fit / f"{shard_list.stem}.samples.parquet" for shard_list in lists]
    words = [column.name for column in SAMPLES.columns if column.dtype == "str"]
    text = [read_parquet(file, SAMPLES, words) for file in files]
    published = published_schema(SAMPLES, pa.concat_tables([*text, _no_rows(SAMPLES, words)]))
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, published, compression="zstd") as writer,
    ):
        for file in files:
            table = read_parquet(file, SAMPLES)
            writer.write_table(with_nulls(SAMPLES, table.cast(schema(SAMPLES))))


def _no_rows(table, names) -> pa.Table:
    return schema(table).empty_table().select(names)


def publish(output: Path, tables: dict, title: str) -> None:
    """Write the tables as Parquet, FITS and VOTable, each file whole or not at all."""
    for table, data in tables.items():
        write_parquet_table(output / f"{table.name.lower()}.parquet", table, data)
    write_fits(output / "catalog.fits", tables, title)
    write_votable(output / "catalog.vot", tables, title)


def _rows(source_id: str, shard: Shard) -> list[list[dict]]:
    """Return the readings, products, fits and parameters of a source."""
    stages = (shard.readings, shard.products, shard.fits, shard.parameters)
    return [stage.get(source_id, []) for stage in stages]


def _source(source_id: str, files: list[dict], shard: Shard, options: CatalogOptions):
    """Return the row of SOURCES of a source and its rows of EPOCHS."""
    _, products, fits, parameters = _rows(source_id, shard)
    return source_and_epochs(source_id, files, products, fits, parameters, options)


def _with_checksums(observations: pa.Table, files: list[dict]) -> pa.Table:
    """Fill the checksums of files, which are known once these are read."""
    column = observations.column_names.index("sha256")
    checksums = pa.array([file["sha256"] for file in files], pa.string())
    return observations.set_column(column, observations.schema.field(column), checksums)


def _with_q_values(sources: pa.Table) -> pa.Table:
    """Fill the false-discovery rates, which are of a table of the catalogue and not of a row."""
    for name in ("qpo", "outlier"):
        if f"{name}_q_value" not in sources.column_names:
            continue
        column = sources.column_names.index(f"{name}_q_value")
        p_values = sources.column(f"{name}_p_value").to_numpy(zero_copy_only=False)
        if name == "qpo":  # a test of one more peak counts, but there is no QPO to discover
            without = ~np.isfinite(sources.column("qpo_frequency").to_numpy(zero_copy_only=False))
            p_values = np.where(without & np.isfinite(p_values), 1.0, p_values)
        rates = q_values(p_values)
        if name == "qpo":
            rates[without] = np.nan
        sources = sources.set_column(column, sources.schema.field(column), pa.array(rates))
    return sources


def _sorted(table: pa.Table) -> pa.Table:
    """Sort by source and product; within them the order of the fit, which is a model's, stays."""
    keys = [k for k in ("source_id", "product") if k in table.column_names]
    return table.sort_by([(k, "ascending") for k in keys])


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
