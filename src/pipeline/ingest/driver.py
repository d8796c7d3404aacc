"""The command ``ingest``: read the files of a shard."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.columns.ingest import INGEST
from pipeline.config.archive import is_remote
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest.archive import receipts as download_receipts
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.missions.identity import Reading, distinct_products
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.reader import read_products
from pipeline.parts import print_counts, run_items, scratch_folder, write_counted
from pipeline.refusal import one_line
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of, write_parquet
from pipeline.times import seconds_since_zero

Read = Callable[[Entry, Path | Copies, IngestOptions], list[Observation]]
"""A function that reads the observations of an entry of a plan, as `read_products` does."""


def run(
    *,
    archive: Path | str,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    copies: Path | None = None,
    downloaded: Path | None = None,
) -> None:
    """Read the files of a shard.

    Parameters
    ----------
    archive : Path or str
        Folder that the paths in the list are relative to, or URL.
    plan : Path
        List of files of the shard.
    output : Path
        Parquet to write: INGEST. It has at least one row for each file of the list, whatever happens to the
        file; each row is a row group.
    options, cluster
        Sections of the configuration.
    copies, downloaded : Path, optional
        Of a remote archive: the folder of its copies, and the table from the command `download`.

    Raises
    ------
    ConnectionError
        When copies are gone; the next run downloads them again.
    """
    if not is_remote(archive):
        read_shard(Path(archive), plan, output, options, cluster)
        return
    if copies is None or downloaded is None or not downloaded.is_file():
        raise ConnectionError(f"{downloaded} is not there: run again")
    local = Copies(copies.resolve(), str(archive))
    failures = download_receipts.read_failures(downloaded)
    needed = shard.needed(shard.read(plan))
    gone = [file for file in needed if file not in failures and not local.has(file)]
    if gone:
        downloaded.unlink()
        raise ConnectionError(f"{len(gone)} copies are gone from {copies}, as of {gone[0].file}")
    read_shard(local, plan, output, options, cluster, failures=failures)


def read_shard(
    archive: Path | Copies,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    read: Read = read_products,
    failures: Mapping[FileVersion, str] | None = None,
) -> None:
    """Read the files of a shard, each in a worker that may die of it.

    Parameters
    ----------
    archive : Path or Copies
        Folder of the archive, or the copies of a remote one.
    plan, output, options, cluster
        See `run`.
    read : callable, optional
        Reads a file.
    failures : mapping, optional
        Files that could not be downloaded, each with the reason.
    """
    entries = [_if_downloaded(entry, failures or {}) for entry in shard.read(plan)]
    receipts = [[Receipt.unread(entry)] for entry in entries]
    items = [Item(i, entry) for i, entry in enumerate(entries) if entry.status == Status.OK]
    with scratch_folder(output) as parts:
        work = functools.partial(
            read_part,
            archive=archive if isinstance(archive, Copies) else archive.resolve(),
            options=options,
            parts=parts,
            read=read,
        )
        outcomes = run_items(work, items, cluster, "ingest")
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome.value, list) and outcome.value:
                receipts[item.index] = outcome.value
            else:
                status = Status.WORKER_DIED if outcome.died else Status.ERROR
                lost = item.entry.refused(status, one_line(outcome.error))
                receipts[item.index] = [Receipt.unread(lost)]
        rows = _join([receipt for of_file in receipts for receipt in of_file], parts)
        counts = write_counted(output, INGEST, rows, rows_per_group=1)
    print_counts(output.stem, counts)


def _if_downloaded(entry: Entry, failures: Mapping[FileVersion, str]) -> Entry:
    """Return an entry; if the file or its response could not be downloaded, with that status and reason."""
    if entry.status != Status.OK:
        return entry
    reason = next((failures[file] for file in entry.needed if file in failures), "")
    return entry.refused(Status.NOT_DOWNLOADED, reason) if reason else entry


@dataclass(frozen=True)
class Item:
    """An entry of the list of a shard, and its number."""

    index: int
    entry: Entry


@dataclass(frozen=True)
class Receipt:
    """What the driver needs to know of a row, without its data.

    Attributes
    ----------
    reading : Reading
        Names and time of the observation.
    status : str
        Whether it has data.
    part : str
        File in the scratch folder with the row; empty if nothing was read.
    unread_row : mapping
        The row, if nothing was read.
    """

    reading: Reading
    status: str
    part: str = ""
    unread_row: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, observation: Observation, part: str = "") -> "Receipt":
        """Make it of an observation, whose row is in a part."""
        return cls(_reading(observation), observation.status, part)

    @classmethod
    def unread(cls, entry: Entry) -> "Receipt":
        """Make it of an entry that is not read."""
        observation = Observation.unread(entry)
        return replace(cls.of(observation), unread_row=observation.row())


def read_part(
    item: Item, archive: Path | Copies, options: IngestOptions, parts: Path, read: Read
) -> list[Receipt]:
    """In a worker: read one file and write its rows as parts, one a product."""
    receipts = []
    for number, observation in enumerate(read(item.entry, archive, options)):
        name = f"{item.index}-{number}.parquet"
        write_parquet(parts / name, INGEST, [observation.row()])
        receipts.append(Receipt.of(observation, name))
    return receipts


def _reading(one: Observation) -> Reading:
    """Return names and time of an observation, s since MJD 0 or its own zero; NaN if it has no time."""
    names = Reading(one.file, one.source_id, one.observation_id, one.product)
    if not len(one.gti_start):
        return names
    start = seconds_since_zero(one.mjd_ref, one.mjd_ref_frac, one.t_start)
    return replace(names, start=start + one.gti_start[0], stop=start + one.gti_stop[-1])


def _join(receipts: Sequence[Receipt], parts: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a shard in the order of its list, one at a time."""
    products = distinct_products(r.reading for r in receipts if r.status == Status.OK)
    for receipt in receipts:
        if receipt.unread_row is not None:
            yield receipt.unread_row
            continue
        (row,) = rows_of(read_parquet(parts / receipt.part, INGEST))
        product = products.get((receipt.reading.file, row["product"]), row["product"])
        yield row | {"product": product}
