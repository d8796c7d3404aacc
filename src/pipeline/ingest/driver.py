"""The command ``ingest``: read the files of a shard."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipeline.cluster import Outcome
from pipeline.columns.ingest import INGEST
from pipeline.config.archive import is_remote
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.faults import own
from pipeline.ingest.archive import receipts as download_receipts
from pipeline.ingest.archive.copies import Copies, size_of
from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.missions.identity import Reading, distinct_products
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.observation import Observation, columns
from pipeline.ingest.read.reader import read_products
from pipeline.parts import each_outcome, print_counts, scratch_folder
from pipeline.refusal import one_line
from pipeline.seals import Origin
from pipeline.status import Status
from pipeline.tables import columns_to_arrow, parquet_writer, read_arrow, write_arrow
from pipeline.times import seconds_since_zero

GROUP_BYTES = 1 << 22
"""Most bytes of arrays of the observations of a row group, unless it has one only."""
GROUP_ROWS = 1024
"""Most observations of a row group."""

_ARRAYS = tuple(column.name for column in INGEST.columns if column.array)

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
    energies: int | None = None,
    recipe: str = "",
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
        file. A row group is one large observation, or several that are small.
    options, cluster
        Sections of the configuration.
    copies, downloaded : Path, optional
        Of a remote archive: the folder of its copies, and the table from the command `download`.
    energies : int, optional
        Whether a product needs the energies of events (1); else they are left out.
    recipe : str, optional
        Identifies the options, see `pipeline.declared.Stage.recipe`.

    Raises
    ------
    ConnectionError
        When copies are gone; the next run downloads them again.
    """
    read = functools.partial(read_products, energies=bool(energies))
    if not is_remote(archive):
        read_shard(Path(archive), plan, output, options, cluster, read, recipe=recipe)
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
    read_shard(local, plan, output, options, cluster, read, failures, recipe)


def read_shard(
    archive: Path | Copies,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    read: Read = read_products,
    failures: Mapping[FileVersion, str] | None = None,
    recipe: str = "",
) -> None:
    """Read the files of a shard, each in a worker that may die of it.

    Rows are written while later files are read: those of a source once all its files are read.

    Parameters
    ----------
    archive : Path or Copies
        Folder of the archive, or the copies of a remote one.
    plan, output, options, cluster, recipe
        See `run`.
    read : callable, optional
        Reads a file.
    failures : mapping, optional
        Files that could not be downloaded, each with the reason.
    """
    entries = [_if_downloaded(entry, failures or {}) for entry in shard.read(plan)]
    items = [Item(i, entry) for i, entry in enumerate(entries) if entry.status == Status.OK]
    archive = archive if isinstance(archive, Copies) else archive.resolve()
    origin = Origin.of_shard("ingest", output, recipe, plan=plan)
    with scratch_folder(output) as parts, parquet_writer(output, INGEST, origin) as write:
        outcomes = each_outcome(
            functools.partial(_read_item, archive=archive, options=options, read=read),
            items,
            cluster,
            "ingest",
            sizes=[size_of(archive, item.entry.path, item.entry.version) for item in items],
            together=functools.partial(write_part, parts=parts),
        )
        counts: Counter[str] = Counter()
        for receipts in _in_groups(_by_source(entries, _receipts(entries, items, outcomes))):
            write(_rows(receipts, parts))
            _remove(receipts, parts)
            counts.update(str(receipt.status) for receipt in receipts)
    print_counts(output.stem, counts)


def _if_downloaded(entry: Entry, failures: Mapping[FileVersion, str]) -> Entry:
    """Return an entry; if the file or its response could not be downloaded, with that status and reason."""
    if entry.status != Status.OK:
        return entry
    reason = next((failures[file] for file in entry.needed if file in failures), "")
    return entry.refused(Status.NOT_DOWNLOADED, reason) if reason else entry


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the list of a shard, and its number."""

    index: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the driver needs to know of a row, without its data.

    Attributes
    ----------
    reading : Reading
        Names and time of the observation.
    status : str
        Whether it has data.
    size : int
        Bytes of its arrays.
    part : str
        File in the scratch folder with the row; empty if nothing was read.
    row : int
        Its place in the part.
    unread : Observation, optional
        The observation without data, if nothing was read.
    """

    reading: Reading
    status: str
    size: int = 0
    part: str = ""
    row: int = 0
    unread: Observation | None = None

    @classmethod
    def of_unread(cls, entry: Entry) -> "Receipt":
        """Make it of an entry that is not read."""
        observation = Observation.unread(entry)
        return cls(_reading(observation), observation.status, unread=observation)


def _read_item(
    item: Item, archive: Path | Copies, options: IngestOptions, read: Read
) -> list[Observation]:
    """In a worker: read one file."""
    return read(item.entry, archive, options)


def write_part(outcomes: list[Outcome], parts: Path) -> list[Outcome]:
    """In a worker: write all observations of a task as one part; return receipts in their place.

    Parameters
    ----------
    outcomes : list of Outcome
        With the observations of each file; an error where there are none.
    parts : Path
        The scratch folder.
    """
    name = f"{outcomes[0].index:06d}.arrow"
    observations: list[Observation] = []
    receipts = []
    for outcome in outcomes:
        made = []
        for one in outcome.value or ():
            size = sum(getattr(one, array).nbytes for array in _ARRAYS)
            made.append(Receipt(_reading(one), one.status, size, name, len(observations)))
            observations.append(one)
        receipts.append(replace(outcome, value=made))
    if observations:
        with own(parts / name):
            write_arrow(parts / name, INGEST, columns(observations))
    return receipts


def _reading(one: Observation) -> Reading:
    """Return names and time of an observation, s since MJD 0 or its own zero; NaN if it has no time."""
    names = Reading(one.file, one.source_id, one.observation_id, one.product)
    if not len(one.gti_start):
        return names
    start = seconds_since_zero(one.mjd_ref, one.mjd_ref_frac, one.t_start)
    return replace(names, start=start + one.gti_start[0], stop=start + one.gti_stop[-1])


def _receipts(
    entries: Sequence[Entry], items: Sequence[Item], outcomes: Iterable[Outcome]
) -> Iterator[list[Receipt]]:
    """Yield the receipts of each entry, in the order of the list, as early as they are there."""
    read: dict[int, list[Receipt]] = {}
    wanted = {item.index for item in items}
    coming = iter(outcomes)
    for index, entry in enumerate(entries):
        if index not in wanted:
            yield [Receipt.of_unread(entry)]
            continue
        while index not in read:
            outcome = next(coming)
            item = items[outcome.index]
            read[item.index] = outcome.value or [_lost(item.entry, outcome)]
        yield read.pop(index)
    for _ in coming:  # closes the cluster
        pass


def _lost(entry: Entry, outcome: Outcome) -> Receipt:
    """Return the receipt of a file on which its worker died or failed."""
    status = Status.WORKER_DIED if outcome.died else Status.ERROR
    return Receipt.of_unread(entry.refused(status, one_line(outcome.error)))


def _by_source(
    entries: Iterable[Entry], receipts: Iterable[list[Receipt]]
) -> Iterator[list[Receipt]]:
    """Yield the receipts of each source, which has its entries one after another, with their final products."""
    pairs = zip(entries, receipts, strict=True)
    for _, of_source in itertools.groupby(pairs, lambda pair: pair[0].source_id):
        together = [receipt for _, of_entry in of_source for receipt in of_entry]
        names = distinct_products(r.reading for r in together if r.status == Status.OK)
        yield [_renamed(receipt, names) for receipt in together]


def _renamed(receipt: Receipt, names: Mapping[tuple[str, str], str]) -> Receipt:
    """Return a receipt with the product that it gets."""
    reading = receipt.reading
    product = names.get((reading.file, reading.product), reading.product)
    return replace(receipt, reading=replace(reading, product=product))


def _in_groups(sources: Iterable[list[Receipt]]) -> Iterator[list[Receipt]]:
    """Yield the receipts of each row group: as many as are not more than `GROUP_BYTES`, or `GROUP_ROWS`."""
    group: list[Receipt] = []
    size = 0
    for receipt in itertools.chain.from_iterable(sources):
        if group and (size + receipt.size > GROUP_BYTES or len(group) == GROUP_ROWS):
            yield group
            group, size = [], 0
        group.append(receipt)
        size += receipt.size
    if group:
        yield group


def _rows(receipts: Sequence[Receipt], parts: Path) -> pa.Table:
    """Return the rows of receipts out of their parts."""
    pieces: list[pa.Table] = []
    for part, of_part in itertools.groupby(receipts, lambda receipt: receipt.part):
        rows = list(of_part)
        if part:  # the rows of a part are in the order of the list
            pieces.append(read_arrow(parts / part).slice(rows[0].row, len(rows)))
        else:
            unread = [r.unread for r in rows if r.unread is not None]
            pieces.append(columns_to_arrow(INGEST, columns(unread)))
    data = pa.concat_tables(pieces)
    products = pa.array([receipt.reading.product for receipt in receipts])
    place = data.column_names.index("product")
    return data.set_column(place, data.schema.field(place), products)


def _remove(receipts: Sequence[Receipt], parts: Path) -> None:
    """Remove the parts of rows that are written, but the last one: its other rows may come."""
    names = list(dict.fromkeys(receipt.part for receipt in receipts if receipt.part))
    for name in names[:-1]:
        (parts / name).unlink(missing_ok=True)
