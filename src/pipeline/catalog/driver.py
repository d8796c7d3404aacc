"""Merge the shards into the catalogue: read, join, check, and only then publish."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog.formats import chosen
from pipeline.catalog.formats.write_parquet import published_schema, write_parquet_table
from pipeline.catalog.gate import quality_gate
from pipeline.catalog.join import join
from pipeline.catalog.provenance import provenance
from pipeline.catalog.shards import shard_files
from pipeline.columns.base import Table
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey
from pipeline.nulls import with_nulls
from pipeline.shards import shard_lists
from pipeline.stages import FIT, catalogue_tables
from pipeline.tables import atomic_path, read_parquet, schema

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
    lists = shard_lists(plan)
    shard_tables = shard_files(survey, {"ingest": ingest, "segment": segment, "fit": fit})
    names = catalogue_tables(survey)
    samples = survey.fit.samples
    is_sampled = samples.names if samples else lambda source_id: False
    tables = join(found, lists, shard_tables, options, is_sampled, names)
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
    published = publish(output, {table: tables[table] for table in names}, TITLE, options.formats)
    collect_samples(output / "samples.parquet", lists, fit)
    rows = {table.name: tables[table].num_rows for table in names}
    times = [time.isoformat(timespec="seconds") for time in (started, datetime.now(UTC))]
    record = provenance(survey, tables[OBSERVATIONS], statuses, rows, published, *times)
    _write_text(output / "provenance.json", json.dumps(record, indent=2) + "\n")
    return 0


def collect_samples(path: Path, lists: list[Path], fit: Path) -> None:
    """Write the SAMPLES of all shards, one after the other, into one file: they may not fit into memory."""
    written = FIT.written(SAMPLES)
    files = [fit / written.inside(shard_list.stem) for shard_list in lists]
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


def _no_rows(table: Table, names: list[str]) -> pa.Table:
    return schema(table).empty_table().select(names)


def publish(
    output: Path, tables: Mapping[Table, pa.Table], title: str, formats: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Write the tables in each format, and return what the provenance says of each.

    That is the file that readers open (``file``), the text of a link to it (``label``) and, where the format does not
    write one row for each row of a table, numbers of rows (``rows``).
    """
    record = {}
    for one in chosen(formats):
        rows = dict(one.write(output, tables, title))
        record[one.name] = {"file": one.main, "label": one.label, "rows": rows}
    return record


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
