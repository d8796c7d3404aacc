"""Merge the shards into the catalogue: read, join, check, and only then publish."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.catalog.formats import chosen
from pipeline.catalog.formats.rows import Rows
from pipeline.catalog.formats.write_parquet import write_parquet_table
from pipeline.catalog.gate import quality_gate
from pipeline.catalog.join import Joined, join
from pipeline.catalog.provenance import provenance
from pipeline.catalog.shards import shard_files
from pipeline.catalog.spool import folder_for_sorting
from pipeline.columns.base import Table
from pipeline.columns.catalogue import REJECTED
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey
from pipeline.seals import DamagedTable, identifier, read_seal, together
from pipeline.shards import has_sources, shard_lists
from pipeline.stages import FIT, catalogue_tables
from pipeline.tables import atomic_path, batches_of

EXIT_GATE = 1


_FILES = f"{OBSERVATIONS.name.lower()}.parquet"

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
    lists = shard_lists(plan)
    check_lists(observations, lists)
    shard_tables = shard_files(survey, {"ingest": ingest, "segment": segment, "fit": fit})
    names = catalogue_tables(survey)
    samples = survey.fit.samples
    is_sampled = samples.names if samples else lambda source_id: False
    refused = output / "refused.parquet"
    with folder_for_sorting(output) as folder:
        joined = join(observations, lists, shard_tables, options, is_sampled, names, folder)
        if refusal := quality_gate(joined.endings, options.max_failed_fraction):
            write_parquet_table(refused, joined.rows(REJECTED))
            print(f"catalog: {refusal}. Rejected files: {refused}", file=sys.stderr)
            return EXIT_GATE
        refused.unlink(missing_ok=True)
        tables = {table: joined.rows(table) for table in names}
        published = publish(output, tables, TITLE, options)
    collect_samples(output / "samples.parquet", lists, fit)
    rows = {table.name: rows.count for table, rows in tables.items()}
    times = [time.isoformat(timespec="seconds") for time in (started, datetime.now(UTC))]
    files = Rows.in_file(output / _FILES, OBSERVATIONS, joined.extents[OBSERVATIONS])
    record = provenance(survey, files, joined.endings.counts, rows, published, *times)
    _write_text(output / "provenance.json", json.dumps(record, indent=2) + "\n")
    return 0


def check_lists(observations: Path, lists: list[Path]) -> None:
    """Raise DamagedTable where the table OBSERVATIONS of a survey was not made with the lists of the shards."""
    seal = read_seal(observations)
    if seal is None or not seal.origin.stage:
        return
    if seal.origin.inputs.get("plan") != together([identifier(one) for one in lists]):
        raise DamagedTable(observations, "was not made with the lists of the shards")


def collect_samples(path: Path, lists: list[Path], fit: Path) -> None:
    """Write the SAMPLES of all shards into one file, sorted by source and product."""
    written = FIT.written(SAMPLES)
    with folder_for_sorting(path.parent) as folder:
        joined = Joined.empty(folder, [SAMPLES])
        for shard_list in filter(has_sources, lists):
            for rows in batches_of(fit / written.inside(shard_list.stem), SAMPLES):
                joined.add(SAMPLES, rows)
        write_parquet_table(path, joined.rows(SAMPLES))


def publish(
    output: Path, tables: Mapping[Table, Rows], title: str, options: CatalogOptions
) -> dict[str, dict[str, Any]]:
    """Write the tables in each format, and return what the provenance says of each.

    That is the file that readers open (``file``), the text of a link to it (``label``), where the format does not
    write one row for each row of a table, numbers of rows (``rows``), and the tables that are too large for it
    (``left_out``). Parquet is written first; the other formats read their rows from it.
    """
    formats = {one.name: one for one in chosen(options.formats)}
    formats["parquet"].write(output, tables, title)
    files = {o.table: output / o.path for o in formats["parquet"].outputs(list(tables))}
    stored = {t: Rows.in_file(files[t], t, rows.extent) for t, rows in tables.items()}
    small = {t: rows for t, rows in stored.items() if rows.extent.nbytes <= options.largest_table}
    left_out = [table.name for table in stored if table not in small]
    record = {}
    for one in formats.values():
        about: dict[str, Any] = {"file": one.main, "label": one.label, "rows": {}}
        if one.is_limited and left_out:
            print(f"catalog: {one.main} is without {_too_large(left_out)}.", file=sys.stderr)
            about["left_out"] = left_out
            about["rows"] = dict(
                one.write(output, small, f"{title}, without {_too_large(left_out)}")
            )
        elif one.name != "parquet":
            about["rows"] = dict(one.write(output, stored, title))
        record[one.name] = about
    return record


def _too_large(names: list[str]) -> str:
    """Name the tables that are too large for a format, and say where they are."""
    verb = "which is" if len(names) == 1 else "which are"
    return f"{', '.join(names)}, {verb} larger than catalog.largest_table and in Parquet"


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
