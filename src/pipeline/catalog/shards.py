"""What the stages left of a shard, read back as tables."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.columns.fits import MODELS, PARAMETERS, SAMPLES
from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.tables import read_parquet

_READING = ("source_id", "observation_id", "file", "sha256", "product", "status", "reason")
_SPECTRUM = tuple(c.name for c in SPECTRA.columns if not c.array or c.dtype == "str")


@dataclass(frozen=True)
class Shard:
    """The rows of a shard, a table for each stage, without large arrays.

    Attributes
    ----------
    name : str
        Its name: ``shard-0000``.
    planned : frozenset of str
        Sources in the shard's list.
    readings, spectra : pyarrow.Table
        Rows of INGEST and of SPECTRA, without their arrays of numbers.
    models, parameters : pyarrow.Table
        All of MODELS and of PARAMETERS.
    sampled : pyarrow.Table
        Source and product of the rows of SAMPLES.
    """

    name: str
    planned: frozenset[str]
    readings: pa.Table
    spectra: pa.Table
    models: pa.Table
    parameters: pa.Table
    sampled: pa.Table


def shard_lists(plan: Path) -> list[Path]:
    """Return the lists of the shards, in order."""
    return sorted(Path(plan).glob("shard-*.tsv"))


def read_shard(shard_list: Path, ingest: Path, segment: Path, fit: Path) -> Shard:
    """Read a shard from the folders of the stages.

    Raises
    ------
    TableError
        When a stage's file is not there, cut short, or of another version.
    """
    name = shard_list.stem
    with open(shard_list, encoding="utf-8", newline="") as handle:
        planned = frozenset(row["source_id"] for row in csv.DictReader(handle, delimiter="\t"))
    return Shard(
        name=name,
        planned=planned,
        readings=read_parquet(ingest / f"{name}.parquet", INGEST, _READING),
        spectra=read_parquet(segment / f"{name}.parquet", SPECTRA, _SPECTRUM),
        models=read_parquet(fit / f"{name}.models.parquet", MODELS),
        parameters=read_parquet(fit / f"{name}.parameters.parquet", PARAMETERS),
        sampled=read_parquet(fit / f"{name}.samples.parquet", SAMPLES, ("source_id", "product")),
    )
