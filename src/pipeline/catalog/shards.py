"""What the stages left of a shard, read back and grouped by source."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns.fits import MODELS, PARAMETERS, SAMPLES
from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.tables import read_parquet, rows_of

_READING = ("source_id", "observation_id", "file", "sha256", "product", "status", "reason")
_SPECTRUM = tuple(c.name for c in SPECTRA.columns if not c.array or c.dtype == "str")

BySource = Mapping[str, list[dict]]


@dataclass(frozen=True)
class Shard:
    """The rows of a shard, a stage at a time, without the arrays.

    Attributes
    ----------
    planned : frozenset of str
        Sources in the shard's list.
    readings, products, fits, parameters : mapping of str to list of dict
        Rows of INGEST, SPECTRA and MODELS, and those of PARAMETERS that belong to a chosen model,
        by source.
    sampled : frozenset of (str, str)
        Source and product of the rows of SAMPLES.
    models_table, parameters_table : pyarrow.Table
        All of MODELS and PARAMETERS, as they are.
    """

    planned: frozenset[str]
    readings: BySource
    products: BySource
    fits: BySource
    parameters: BySource
    sampled: frozenset[tuple[str, str]]
    models_table: pa.Table
    parameters_table: pa.Table


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
    models = read_parquet(fit / f"{name}.models.parquet", MODELS)
    parameters = read_parquet(fit / f"{name}.parameters.parquet", PARAMETERS)
    samples = read_parquet(fit / f"{name}.samples.parquet", SAMPLES, ("source_id", "product"))
    return Shard(
        planned=planned,
        readings=_by_source(read_parquet(ingest / f"{name}.parquet", INGEST, _READING)),
        products=_by_source(read_parquet(segment / f"{name}.parquet", SPECTRA, _SPECTRUM)),
        fits=_by_source(models.drop_columns(["covariance", "parameter_names"])),
        parameters=_by_source(parameters.filter(pc.field("best"))),
        sampled=frozenset((row["source_id"], row["product"]) for row in rows_of(samples)),
        models_table=models,
        parameters_table=parameters,
    )


def _by_source(table: pa.Table) -> BySource:
    groups = defaultdict(list)
    for row in rows_of(table):
        groups[row["source_id"]].append(row)
    return groups
