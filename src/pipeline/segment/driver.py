"""Drives the stage: a product is an item, a worker averages it, the parts become one table."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.parts import print_counts, run_items, scratch_folder, write_counted
from pipeline.segment import oversampled
from pipeline.segment.rows import IDENTITY, failed_row, product_rows
from pipeline.status import Fault, Flag, Status
from pipeline.tables import (
    TableError,
    read_arrow,
    read_parquet,
    rows_of,
    unpacked,
    write_arrow,
)

INDEX_COLUMNS = (*IDENTITY, "observation_id", "file", "status", "flags", "reason")
READ_COLUMNS = tuple(name for name in INGEST.names if name != "energy")
ROWS_PER_GROUP = 512


@dataclass(frozen=True)
class Item:
    """A product of a source.

    Attributes
    ----------
    source_id, product : str
        What it is called.
    epoch : str
        The observation, where it is of one beside the average of several; else empty.
    observations : tuple of int
        Its rows, and so row groups, of the table of observations.
    part : str
        Name of the file its result goes to.
    """

    source_id: str
    product: str
    epoch: str
    observations: tuple[int, ...]
    part: str


def run(*, input: Path, output: Path, options: SegmentOptions, cluster: ClusterOptions) -> None:
    """Make the averaged power spectra of a shard.

    Parameters
    ----------
    input : Path
        Table INGEST, one observation a row group.
    output : Path
        Table SPECTRA: at least one row a source of the input, whatever became of it.
    options, cluster
        Sections of the configuration.

    Raises
    ------
    TableError
        When the input is not such a table.
    ConnectionError
        When the Dask cluster cannot be reached or was lost.
    """
    segment_shard(input, output, options, cluster, work=segment_product)


def segment_product(item: Item, *, input: Path, parts: Path, options: SegmentOptions) -> bool:
    """Average a product, write its rows, and return whether all of them have a spectrum.

    Runs in a worker, which holds one observation at a time.
    """
    stamp = input.stat().st_mtime_ns
    rows = product_rows(
        lambda i: _observation(input, stamp, item.observations[i]), len(item.observations), options
    )
    rows = [_of_epoch(row, item) for row in rows]
    write_arrow(parts / item.part, SPECTRA, rows)
    return all(row["status"] == Status.OK for row in rows)


def segment_shard(
    input: Path,
    output: Path,
    options: SegmentOptions,
    cluster: ClusterOptions,
    work: Callable[..., bool],
) -> None:
    """Do what `run` does, with `work` in the place of `segment_product`."""
    index = rows_of(read_parquet(input, INGEST, INDEX_COLUMNS))
    if index and pq.read_metadata(input).num_row_groups != len(index):
        raise TableError(f"{input}: not one observation a row group; run ingest again")
    done, failed = [], _without_data(index)
    incomplete = {row["source_id"] for row in index if not _is_whole(row)}
    items = _items(index, options.epochs)
    with scratch_folder(output) as parts:
        work = partial(work, input=Path(input).resolve(), parts=parts, options=options)
        for item, outcome in zip(items, run_items(work, items, cluster, "segment"), strict=True):
            if outcome.error:
                failed.append(_fallen(index, item, outcome))
            else:
                done.append(item)
            if not outcome.value and not item.epoch:
                incomplete.add(item.source_id)
        rows = _flagged(_joined(done, failed, parts, incomplete), _overstated(input, index))
        rows = _complete(rows, {row["source_id"] for row in index})
        counts = write_counted(output, SPECTRA, rows, rows_per_group=ROWS_PER_GROUP)
    print_counts(output.stem, counts)


@lru_cache(maxsize=1)
def _table(path, stamp):
    """Open a table of observations; kept, because its footer lists every row group."""
    return pq.ParquetFile(path)


@lru_cache(maxsize=1)
def _observation(path, stamp, number):
    """Read one observation; the last one is kept, for it is asked for several times."""
    data = _table(path, stamp).read_row_group(number, columns=list(READ_COLUMNS))
    return rows_of(unpacked(INGEST, data))[0]


def _is_whole(row):
    """Return whether nothing went wrong with an observation (a duplicate is nobody's fault)."""
    return Status(row["status"]).fault is Fault.NOBODY


def _items(index, epochs=True):
    """Return an item for each source and product with data, and for each observation of several."""
    members = {}
    for number, row in enumerate(index):
        if row["status"] == Status.OK:
            of_product = members.setdefault((row["source_id"], row["product"]), {})
            of_product.setdefault(row["observation_id"], []).append(number)
    keys = {}
    for (source_id, product), observations in members.items():
        together = sorted(n for numbers in observations.values() for n in numbers)
        keys[source_id, product, ""] = together
        if epochs and len(observations) > 1:
            for name, numbers in observations.items():
                keys[source_id, epoch_product(product, name), name] = numbers
    return [
        Item(*key, tuple(numbers), f"part-{i:06d}.arrow")
        for i, (key, numbers) in enumerate(sorted(keys.items()))
    ]


def epoch_product(product: str, observation_id: str) -> str:
    """Return the name of a product of one observation, where the average of several is another."""
    return f"{product}@{observation_id}"


def _of_epoch(row, item):
    """Name the row of a product by its observation, where it is of one beside an average."""
    if not item.epoch:
        return row
    names = {n: epoch_product(row[n], item.epoch) for n in ("product", "series")}
    return row | names | {"epoch": item.epoch}


def _without_data(index):
    """Return a row for each source of which no observation has data, with the first one's reason."""
    usable = {row["source_id"] for row in index if row["status"] == Status.OK}
    first = {}
    for row in index:
        if row["source_id"] not in usable:
            first.setdefault(row["source_id"], row)
    return [failed_row(r, r["status"], r["reason"], r["flags"]) for r in first.values()]


def _fallen(index, item, outcome):
    """Return the row of an item whose worker died or raised."""
    first = index[item.observations[0]]
    others = f" and {len(item.observations) - 1} more" if len(item.observations) > 1 else ""
    status = Status.WORKER_DIED if outcome.died else Status.ERROR
    reason = f"{first['file']}{others}: {outcome.error}"
    return _of_epoch(failed_row(first, status, reason, first["flags"]), item)


def _joined(items, failed, parts, incomplete) -> Iterator[dict]:
    """Yield the rows of the parts and of what failed, by source and product."""
    entries = [(row["source_id"], row["product"], [row]) for row in failed]
    entries += [(item.source_id, item.product, item.part) for item in items]
    for source_id, _, entry in sorted(entries, key=lambda e: e[:2]):
        rows = entry if isinstance(entry, list) else rows_of(read_arrow(parts / entry))
        for row in rows:
            if row["status"] == Status.OK and source_id in incomplete and not row["epoch"]:
                row["flags"] |= Flag.PARTIAL
            yield row


def _overstated(input, index) -> set[tuple[str, str]]:
    """Return the sources and products whose raw powers their light curves contradict."""
    names = ("gti_start", "gti_stop", "frequency_lo", "frequency_hi", "n", "power_err")
    table = pq.ParquetFile(input) if index else None

    def read(number):
        return rows_of(unpacked(INGEST, table.read_row_group(number, columns=list(names))))[0]

    return oversampled.overstated(index, read)


def _flagged(rows, overstated) -> Iterator[dict]:
    """Yield the rows, those of `overstated` with the flag."""
    for row in rows:
        if (row["source_id"], row["product"].partition("@")[0].partition("#")[0]) in overstated:
            row["flags"] |= Flag.OVERSAMPLED
        yield row


def _complete(rows: Iterable[dict], sources: set[str]) -> Iterator[dict]:
    """Yield the rows, and raise RuntimeError at the end if a source has none."""
    missing = set(sources)
    for row in rows:
        missing.discard(row["source_id"])
        yield row
    if missing:
        raise RuntimeError(f"{len(missing)} sources without a row, {min(missing)!r} among them")
