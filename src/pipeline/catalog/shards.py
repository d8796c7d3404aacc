"""The tables of a shard, read from the folders of the stages that wrote them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.catalog.groups import rows_in
from pipeline.columns.base import Table
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.survey import Survey
from pipeline.declared import File
from pipeline.lists import read_list
from pipeline.seals import DamagedTable, identifier, read_seal
from pipeline.stages import CATALOG
from pipeline.tables import read_parquet, to_arrow

COLUMNS: dict[str, tuple[str, ...]] = {
    "INGEST": ("source_id", "observation_id", "file", "sha256", "product", "status", "reason"),
    "SPECTRA": tuple(c.name for c in SPECTRA.columns if not c.array or c.dtype == "str"),
    "SAMPLES": ("source_id", "product"),
}
"""Columns that the merge reads of a table, by its name; of the other tables it reads all."""

PART = 1024
"""Sources that are joined at once: what a join costs whatever its size is that of some 300 sources."""


@dataclass(frozen=True)
class ShardFile:
    """A table that each shard has.

    Attributes
    ----------
    table : Table
        Its declaration.
    file : File
        Its file, as the stage that writes it declares it.
    folder : Path
        Folder of that stage.
    stage : str
        Name of that stage.
    """

    table: Table
    file: File
    folder: Path
    stage: str

    def path(self, shard: str) -> Path:
        """Return the path of the table of a shard."""
        return self.folder / self.file.inside(shard)


@dataclass(frozen=True)
class Shard:
    """The tables of a shard, without large arrays.

    Attributes
    ----------
    name : str
        Its name: ``shard-0000``.
    planned : frozenset of str
        Sources in the shard's list.
    tables : mapping of str to pyarrow.Table
        Rows of each table that the stage `pipeline.stages.CATALOG` reads, by its name; see `COLUMNS`.
    files : frozenset of str
        Files in the shard's list.
    """

    name: str
    planned: frozenset[str]
    tables: Mapping[str, pa.Table]
    files: frozenset[str] = frozenset()

    @property
    def readings(self) -> pa.Table:
        """Rows of INGEST, without the data."""
        return self.tables[INGEST.name]

    @property
    def spectra(self) -> pa.Table:
        """Rows of SPECTRA, without their arrays of numbers."""
        return self.tables[SPECTRA.name]

    @property
    def models(self) -> pa.Table:
        """Rows of MODELS."""
        return self.tables[MODELS.name]

    @property
    def parameters(self) -> pa.Table:
        """Rows of PARAMETERS."""
        return self.tables[PARAMETERS.name]

    @property
    def sampled(self) -> pa.Table:
        """Source and product of the rows of SAMPLES."""
        return self.tables[SAMPLES.name]


def shard_files(survey: Survey, folders: Mapping[str, Path]) -> tuple[ShardFile, ...]:
    """Return the tables that the merge of a survey reads of each shard.

    Parameters
    ----------
    survey : Survey
        The survey, which may not have every table.
    folders : mapping of str to Path
        Folder of each stage that the merge reads, by its option of the command.
    """
    return tuple(
        ShardFile(file.table, file, folders[folder.name], folder.stage.name)
        for folder in CATALOG.folders()
        for file in folder.files
        if file.table is not None and file.when(survey)
    )


def read_shard(shard_list: Path, files: Sequence[ShardFile]) -> Shard:
    """Read the tables of a shard. Those of one without sources are empty: no stage runs for it.

    Parameters
    ----------
    shard_list : Path
        List of the shard, which has its name.
    files : sequence of ShardFile
        From `shard_files`.

    Raises
    ------
    DamagedTable
        When a file is cut or altered, or is of another shard, or was not made from the others.
    TableError
        When a file is not there, or of another version.
    """
    name = shard_list.stem
    entries = read_list(shard_list, ["source_id", "file"])
    planned = frozenset(source for source, _ in entries)
    if planned:
        _check_origins(shard_list, files)
    tables = {}
    for one in files:
        columns = COLUMNS.get(one.table.name)
        if planned:
            tables[one.table.name] = read_parquet(one.path(name), one.table, columns)
        else:
            empty = to_arrow(one.table, [])
            tables[one.table.name] = empty.select(list(columns or one.table.names))
    return Shard(name, planned, tables, frozenset(file for _, file in entries))


def _check_origins(shard_list: Path, files: Sequence[ShardFile]) -> None:
    """Raise DamagedTable where a table is not of this shard, or was made from another table than is here.

    Tables that no survey has made, as those of tests, do not say what they were made from.
    """
    name = shard_list.stem
    paths = [one.path(name) for one in files]
    seals = [read_seal(path) if path.is_file() else None for path in paths]
    here = {identifier(shard_list), *(seal.id for seal in seals if seal)}
    for one, path, seal in zip(files, paths, seals, strict=True):
        if seal is None or not seal.origin.stage:
            continue
        if what := seal.out_of_place(one.table.name, one.stage, name):
            raise DamagedTable(path, what)
        if not here.issuperset(seal.origin.inputs.values()):
            raise DamagedTable(path, "was not made from the tables of its shard that are there now")


def together(shards: Sequence[Shard]) -> Shard:
    """Return the sources of several shards as if they were one."""
    if len(shards) == 1:
        return shards[0]
    tables = {
        name: pa.concat_tables([shard.tables[name] for shard in shards])
        for name in shards[0].tables
    }
    planned = frozenset().union(*(shard.planned for shard in shards))
    return Shard(f"{shards[0].name} to {shards[-1].name}", planned, tables)


def divided(shard: Shard, most: int = PART) -> Iterator[Shard]:
    """Yield a shard, or parts of it that have fewer sources: what is made of them takes more memory than their tables."""
    if len(shard.planned) <= most:
        yield shard
        return
    sources = sorted(shard.planned)
    ids = pa.table({"source_id": pa.array(sources, pa.string())})
    part = {name: rows_in(ids, rows, ["source_id"]) // most for name, rows in shard.tables.items()}
    for number, start in enumerate(range(0, len(sources), most)):
        tables = {
            name: rows.filter(pa.array(part[name] == number)) for name, rows in shard.tables.items()
        }
        yield Shard(shard.name, frozenset(sources[start : start + most]), tables)
