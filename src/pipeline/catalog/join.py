"""Join the shards into the tables of the catalogue, and check that no source is lost on the way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import track

from pipeline.catalog.conservation import (
    check_files,
    check_fits,
    check_products,
    check_samples,
    check_shard,
    conserve,
    expected_sources,
)
from pipeline.catalog.fdr import DiscoveryRates
from pipeline.catalog.formats.rows import Extent, Rows
from pipeline.catalog.gate import Endings
from pipeline.catalog.groups import pick, rows_in
from pipeline.catalog.merge import merge
from pipeline.catalog.observations import by_shard
from pipeline.catalog.rejected import rejected_files, rejected_of
from pipeline.catalog.shards import PART, Shard, ShardFile, divided, read_shard, together
from pipeline.catalog.spool import Spool
from pipeline.columns.base import Table
from pipeline.columns.catalogue import EPOCHS, REJECTED, SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.catalog import CatalogOptions
from pipeline.tables import schema

_OF_FILES = {OBSERVATIONS: ("file",), REJECTED: ("file", "source_id", "stage")}
_WITH_RATES = (SOURCES, EPOCHS)


@dataclass(frozen=True)
class Joined:
    """The tables of a catalogue, which may not fit into memory.

    Attributes
    ----------
    extents : dict of Table to Extent
        How large each table is.
    rates : dict of Table to DiscoveryRates
        The false-discovery rates of the tables that have some.
    endings : Endings
        How the sources ended.
    """

    extents: dict[Table, Extent]
    rates: dict[Table, DiscoveryRates]
    endings: Endings
    _spool: Spool

    @classmethod
    def empty(cls, folder: Path, tables: Sequence[Table]) -> "Joined":
        """Return tables without rows; what does not fit into memory goes into a folder."""
        spool = Spool(folder, {table.name: _keys(table) for table in tables})
        rates = {table: DiscoveryRates() for table in _WITH_RATES}
        return cls({table: Extent(table) for table in tables}, rates, Endings(), spool)

    def add(self, table: Table, data: pa.Table) -> None:
        """Add rows to a table, in any order."""
        data = data.cast(schema(table))
        self.extents[table].add(data)
        if table in self.rates:
            self.rates[table].add(data)
        if table is SOURCES:
            self.endings.add(data)
        self._spool.add(table.name, data)

    def rows(self, table: Table) -> Rows:
        """Return the rows of a table, sorted: by source and product, or by file."""
        return Rows(table, self.extents[table], partial(self._read, table))

    def _read(self, table: Table, names: Sequence[str] | None) -> Iterator[pa.Table]:
        for block in self._spool.blocks(table.name):
            rows = self.rates[table].filled(block) if table in self.rates else block
            yield rows.select(names) if names else rows


def join(
    observations: Path,
    lists: Sequence[Path],
    shard_tables: Sequence[ShardFile],
    options: CatalogOptions,
    is_sampled: Callable[[str], bool],
    published: Sequence[Table],
    folder: Path,
) -> Joined:
    """Join the shards, one after the other, and return the tables of the catalogue.

    Parameters
    ----------
    observations : Path
        The table OBSERVATIONS.
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
    folder : Path
        Where rows go that do not fit into memory.

    Raises
    ------
    RowsLost
        When a source is not among those of a stage after it.
    """
    copied = [one.table for one in shard_tables if one.table in published]
    joined = Joined.empty(folder, [SOURCES, EPOCHS, *copied, OBSERVATIONS, REJECTED])
    files_of_shards = by_shard(observations, len(lists), folder)
    nowhere = next(files_of_shards)
    joined.add(OBSERVATIONS, nowhere)
    joined.add(REJECTED, rejected_files(nowhere))
    waiting: list[tuple[Shard, pa.Table]] = []
    console = Console(stderr=True)
    for shard_list in track(
        lists, "catalog", console=console, disable=not console.is_terminal, transient=True
    ):
        files = next(files_of_shards)
        shard = read_shard(shard_list, shard_tables)
        conserve(f"plan, {shard.name}", expected_sources(files), shard.planned)
        check_shard(shard)
        check_files(shard, files)
        check_fits(shard)
        check_products(shard, [t for t in copied if t not in (MODELS, PARAMETERS)])
        check_samples(shard, is_sampled)
        joined.add(OBSERVATIONS, _with_checksums(files, shard.readings))
        joined.add(REJECTED, rejected_files(files))
        for table in copied:
            joined.add(table, shard.tables[table.name])
        waiting.append((shard, files))
        if sum(len(one.planned) for one, _ in waiting) >= PART:
            _add_shards(joined, waiting, options)
            waiting = []
    if waiting:
        _add_shards(joined, waiting, options)
    return joined


def _add_shards(
    joined: Joined, waiting: list[tuple[Shard, pa.Table]], options: CatalogOptions
) -> None:
    """Add the rows that the sources of some shards have in the catalogue."""
    shards, files = zip(*waiting, strict=True)
    for part in divided(together(shards)):
        _add_part(joined, part, _files_of(part, pa.concat_tables(files)), options)


def _add_part(joined: Joined, shard: Shard, files: pa.Table, options: CatalogOptions) -> None:
    """Add the rows that some sources of a shard have in the catalogue."""
    best = shard.parameters.filter(pc.field("best"))
    rows = merge(sorted(shard.planned), files, shard.spectra, shard.models, best, options)
    conserve(f"catalog, {shard.name}", shard.planned, rows.sources.column("source_id").to_pylist())
    joined.add(SOURCES, rows.sources)
    joined.add(EPOCHS, rows.epochs)
    joined.add(REJECTED, rejected_of(shard, files))


def _files_of(shard: Shard, files: pa.Table) -> pa.Table:
    """Return the rows of OBSERVATIONS of the sources of a shard."""
    planned = pa.array(list(shard.planned), pa.string())
    return files.filter(pc.is_in(files.column("source_id"), value_set=planned))


def _with_checksums(files: pa.Table, readings: pa.Table) -> pa.Table:
    """Fill the checksums of files, which are known once these are read."""
    known = readings.filter(pc.not_equal(readings.column("sha256"), "")).select(["file", "sha256"])
    last = known.group_by("file", use_threads=False).aggregate([("sha256", "last")])
    row = rows_in(last, files, ["file"])
    before, read = (
        column.to_numpy(zero_copy_only=False)
        for column in (files.column("sha256"), last.column("sha256_last"))
    )
    filled = pa.array(np.where(row >= 0, pick(read, row, ""), before), pa.string())
    place = files.column_names.index("sha256")
    return files.set_column(place, files.schema.field(place), filled)


def _keys(table: Table) -> tuple[str, ...]:
    """Return what a table is sorted by: source and product; within them the order of the fit, a model's, stays."""
    if table in _OF_FILES:
        return _OF_FILES[table]
    return tuple(k for k in ("source_id", "product") if k in table.names)
