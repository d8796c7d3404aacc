"""Join the shards into the tables of the catalogue, and check that no source is lost on the way."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import track

from pipeline.catalog.conservation import (
    check_products,
    check_samples,
    check_shard,
    conserve,
    expected_sources,
)
from pipeline.catalog.fdr import with_q_values
from pipeline.catalog.merge import merge
from pipeline.catalog.rejected import rejected_files, rejected_of
from pipeline.catalog.shards import Shard, ShardFile, read_shard
from pipeline.columns.base import Table
from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.catalog import CatalogOptions
from pipeline.tables import schema, to_arrow


def join(
    observations: pa.Table,
    lists: Sequence[Path],
    shard_tables: Sequence[ShardFile],
    options: CatalogOptions,
    is_sampled: Callable[[str], bool],
    published: Sequence[Table],
) -> dict[Table, pa.Table]:
    """Join the shards and return the tables of the catalogue.

    Parameters
    ----------
    observations : pyarrow.Table
        Rows of OBSERVATIONS.
    lists : sequence of Path
        The shards' lists; a shard's files in the stages' folders are named like them.
    shard_tables : sequence of ShardFile
        The tables that each shard has.
    options : CatalogOptions
        What a QPO is.
    is_sampled : callable
        Returns whether a source, by its identifier, must have draws.
    published : sequence of Table
        The tables of the catalogue. Those of them that each shard has are published as they are: MODELS,
        PARAMETERS and the tables of further products.

    Raises
    ------
    RowsLost
        When a source is not among those of a stage after it.
    """
    copied = [one.table for one in shard_tables if one.table in published]
    parts = {table: [schema(table).empty_table()] for table in (SOURCES, EPOCHS, *copied)}
    rejected = rejected_files(observations)
    planned: set[str] = set()
    checksums: dict[str, str] = {}
    console = Console(stderr=True)
    for shard_list in track(
        lists, "catalog", console=console, disable=not console.is_terminal, transient=True
    ):
        shard = read_shard(shard_list, shard_tables)
        check_shard(shard)
        check_products(shard, [t for t in copied if t not in (MODELS, PARAMETERS)])
        check_samples(shard, is_sampled)
        files = _files_of(shard, observations)
        rows = merge(
            sorted(shard.planned),
            files,
            shard.spectra,
            shard.models,
            shard.parameters.filter(pc.field("best")),
            options,
        )
        parts[SOURCES].append(rows.sources)
        parts[EPOCHS].append(rows.epochs)
        for table in copied:
            parts[table].append(shard.tables[table.name])
        planned |= shard.planned
        checksums |= _checksums(shard)
        rejected += rejected_of(shard, files)
    conserve("plan", expected_sources(observations), planned)
    tables = {t: _sorted(pa.concat_tables(p, promote_options="none")) for t, p in parts.items()}
    for table in (SOURCES, EPOCHS):
        tables[table] = with_q_values(tables[table])
    conserve("catalog", planned, tables[SOURCES].column("source_id").to_pylist())
    rejected.sort(key=lambda row: (row["file"], row["source_id"], row["stage"]))
    tables[OBSERVATIONS] = _with_checksums(observations, checksums)
    return {**tables, REJECTED: to_arrow(REJECTED, rejected)}


def _files_of(shard: Shard, observations: pa.Table) -> pa.Table:
    """Return the rows of OBSERVATIONS of the sources of a shard."""
    planned = pa.array(sorted(shard.planned), pa.string())
    return observations.filter(pc.is_in(observations.column("source_id"), value_set=planned))


def _checksums(shard: Shard) -> dict[str, str]:
    """Return the checksums of the files that a shard read, by file."""
    columns = (shard.readings.column(name).to_pylist() for name in ("file", "sha256"))
    return {file: checksum for file, checksum in zip(*columns, strict=True) if checksum}


def _with_checksums(observations: pa.Table, checksums: dict[str, str]) -> pa.Table:
    """Fill the checksums of files, which are known once these are read."""
    names = ("file", "sha256")
    pairs = zip(*(observations.column(name).to_pylist() for name in names), strict=True)
    filled = pa.array([checksums.get(file, checksum) for file, checksum in pairs], pa.string())
    column = observations.column_names.index("sha256")
    return observations.set_column(column, observations.schema.field(column), filled)


def _sorted(table: pa.Table) -> pa.Table:
    """Sort by source and product; within them the order of the fit, which is a model's, stays."""
    keys = [k for k in ("source_id", "product") if k in table.column_names]
    return table.sort_by([(k, "ascending") for k in keys])
