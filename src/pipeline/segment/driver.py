"""Drives the stage: a worker makes the rows of the items of a task, and the parts become a table for each product."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cluster import Outcome
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.faults import own
from pipeline.parts import each_outcome, print_counts, scratch_folder
from pipeline.seals import Origin
from pipeline.segment.observation import Header, read_index, reader
from pipeline.segment.products import chosen, named
from pipeline.segment.products.base import Item, Product, by_source, named_by_epoch
from pipeline.status import Fault, Flag, Status
from pipeline.tables import parquet_writer, read_arrow, to_arrow, write_arrow

ROWS_PER_GROUP, BYTES_PER_GROUP = 512, 1 << 25
"""Most rows of a row group, and bytes with which it is closed."""

OPEN_PARTS = 8
"""Parts that are open at the same time."""


def run(
    *,
    input: Path,
    output: Path,
    options: SegmentOptions,
    cluster: ClusterOptions,
    recipe: str = "",
) -> None:
    """Make the products of a shard.

    Parameters
    ----------
    input : Path
        Table INGEST.
    output : Path
        Table SPECTRA. The tables of the other products are written beside it, see
        `pipeline.segment.products.base.Product.path`. Each has at least one row for every source of the input,
        whatever became of it.
    options, cluster
        Sections of the configuration.
    recipe : str, optional
        Identifies the options, see `pipeline.declared.Stage.recipe`.

    Raises
    ------
    TableError
        When the input is not such a table.
    ConnectionError
        When the Dask cluster cannot be reached or was lost.
    """
    segment_shard(input, output, options, cluster, make_rows, recipe)


@dataclass(frozen=True)
class Rows:
    """The rows of an item, and the name of the product that made them."""

    product: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Receipt:
    """Where the rows of an item are.

    Attributes
    ----------
    part : str
        Name of the part.
    first, count : int
        Its first row in it, and how many rows it has.
    size : int
        Bytes of a row of the part, on average.
    whole : bool
        Whether all rows have a result.
    """

    part: str
    first: int
    count: int
    size: int
    whole: bool


def make_rows(item: Item, *, input: Path, options: SegmentOptions) -> Rows:
    """Make the rows of an item.

    Runs in a worker, which holds one observation at a time, or several that are small.
    """
    with own(input):
        rows = named(item.maker).rows(item, reader(input), options)
    return Rows(item.maker, [_finished(row, item) for row in rows])


def write_parts(outcomes: list[Outcome], parts: Path) -> list[Outcome]:
    """In a worker: write the rows of all items of a task, a part for each product; return receipts in their place."""
    rows: dict[str, list[dict[str, Any]]] = {}
    first = []
    for outcome in outcomes:
        of_product = rows.setdefault(outcome.value.product, []) if outcome.value else []
        first.append(len(of_product))
        of_product += outcome.value.rows if outcome.value else []
    sizes = {}
    for product, of_product in rows.items():
        data = to_arrow(named(product).table, of_product)
        sizes[product] = data.nbytes // max(len(of_product), 1)
        file = parts / _part_name(outcomes, product)
        with own(file):
            write_arrow(file, named(product).table, data)
    receipts = []
    for outcome, start in zip(outcomes, first, strict=True):
        if (made := outcome.value) is not None:
            whole = all(row["status"] == Status.OK for row in made.rows)
            part = _part_name(outcomes, made.product)
            made = Receipt(part, start, len(made.rows), sizes[made.product], whole)
        receipts.append(replace(outcome, value=made))
    return receipts


def _part_name(outcomes: Sequence[Outcome], product: str) -> str:
    """Return the name of the file that the rows of a task's items go to."""
    return f"{outcomes[0].index:06d}.{product}.arrow"


def segment_shard(
    input: Path,
    output: Path,
    options: SegmentOptions,
    cluster: ClusterOptions,
    work: Callable[..., Rows],
    recipe: str = "",
) -> None:
    """Do what `run` does, with `work` in the place of `make_rows`."""
    origin = Origin.of_shard("segment", Path(output), recipe, input=Path(input))
    index = read_index(Path(input))
    products = chosen(options.products)
    items = _numbered(item for one in products for item in one.items(index, Path(input), options))
    with scratch_folder(output) as parts:
        outcomes = each_outcome(
            partial(work, input=Path(input).resolve(), options=options),
            items,
            cluster,
            "segment",
            sizes=[item.size for item in items],
            together=partial(write_parts, parts=parts),
        )
        done = sorted(outcomes, key=lambda outcome: outcome.index)
        for product in products:
            made = _gathered(product, index, items, done)
            counts = _write(made, index, parts, product.path(Path(output)), origin)
            print_counts(product.path(Path(output)).stem, counts)


def _numbered(items: Iterable[Item]) -> list[Item]:
    """Return items with their numbers, in the order of their observations, so that these are read in order."""
    in_order = sorted(items, key=lambda item: item.first.number)
    return [replace(item, number=number) for number, item in enumerate(in_order)]


@dataclass
class _Gathered:
    """What became of the items of one product.

    Attributes
    ----------
    product : Product
        Which product.
    done : list of (Item, Receipt)
        Items whose rows are in a part, and where.
    failed : list of dict
        Rows of the items that have no part, and of the sources that have no item.
    incomplete : set of str
        Sources with an observation, or an item that is not of an epoch, that has no result.
    """

    product: Product
    done: list[tuple[Item, Receipt]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)


def _gathered(
    product: Product, index: Sequence[Header], items: Sequence[Item], outcomes: Sequence[Outcome]
) -> _Gathered:
    """Sort the items of a product by what became of them."""
    made = _Gathered(product)
    made.incomplete = {one.source_id for one in index if not _is_whole(one)}
    for item, outcome in zip(items, outcomes, strict=True):
        if item.maker != product.name:
            continue
        if outcome.error:
            made.failed.append(_fallen(product, item, outcome))
        else:
            made.done.append((item, outcome.value))
        if not (outcome.value and outcome.value.whole) and not item.epoch:
            made.incomplete.add(item.source_id)
    with_items = {item.source_id for item in items if item.maker == product.name}
    for source_id, headers in by_source(index):
        if source_id not in with_items:
            status, reason = product.without_items(headers)
            made.failed.append(product.failed_row(headers[0], status, reason, headers[0].flags))
    return made


def _is_whole(header: Header) -> bool:
    """Return whether nothing went wrong with an observation (a duplicate is nobody's fault)."""
    return Status(header.status).fault is Fault.NOBODY


def _fallen(product: Product, item: Item, outcome: Outcome) -> dict[str, Any]:
    """Return the row of an item whose worker died or raised."""
    number = sum(len(series) for series in item.series)
    others = f" and {number - 1} more" if number > 1 else ""
    status = Status.WORKER_DIED if outcome.died else Status.ERROR
    reason = f"{item.first.file}{others}: {outcome.error}"
    return _finished(product.failed_row(item.first, status, reason, item.first.flags), item)


def _finished(row: dict[str, Any], item: Item) -> dict[str, Any]:
    """Return a row with the name of its epoch and the flags of its item."""
    row = named_by_epoch(row, item)
    return row | {"flags": int(row["flags"]) | int(item.flags)}


@dataclass(frozen=True)
class _Place:
    """Where a row is: in a part, or, where its name is empty, among those that failed; and its bytes."""

    part: str
    row: int
    size: int = 0


def _write(
    made: _Gathered, index: Sequence[Header], parts: Path, output: Path, origin: Origin
) -> Counter[str]:
    """Write the table of a product and return how many rows of each status it has.

    Raises
    ------
    RuntimeError
        When a source has no row.
    """
    counts: Counter[str] = Counter()
    missing = {one.source_id for one in index}
    with parquet_writer(output, made.product.table, origin) as write:
        for data in _joined(made, parts):
            counts.update(data.column("status").to_pylist())
            missing.difference_update(data.column("source_id").to_pylist())
            write(_flagged(data, made.incomplete))
        if missing:
            raise RuntimeError(f"{len(missing)} sources without a row, {min(missing)!r} among them")
    return counts


def _joined(made: _Gathered, parts: Path) -> Iterator[pa.Table]:
    """Yield the rows of the parts and of what failed, by source and product, a row group at a time."""

    @lru_cache(maxsize=OPEN_PARTS)
    def opened(part: str) -> pa.Table:
        return read_arrow(parts / part)

    for group in _groups(_places(made)):
        pieces = []
        for part, of_part in groupby(group, lambda place: place.part):
            rows = [place.row for place in of_part]
            if not part:
                pieces.append(to_arrow(made.product.table, [made.failed[row] for row in rows]))
            elif rows == list(range(rows[0], rows[0] + len(rows))):
                pieces.append(opened(part).slice(rows[0], len(rows)))
            else:
                pieces.append(opened(part).take(pa.array(rows)))
        yield pa.concat_tables(pieces).combine_chunks()


def _places(made: _Gathered) -> Iterator[_Place]:
    """Yield where each row is, by source and product."""
    entries = [
        (row["source_id"], row["product"], [_Place("", number)])
        for number, row in enumerate(made.failed)
    ]
    for item, receipt in made.done:
        rows = range(receipt.first, receipt.first + receipt.count)
        places = [_Place(receipt.part, row, receipt.size) for row in rows]
        entries.append((item.source_id, item.product, places))
    for _, _, places in sorted(entries, key=lambda entry: entry[:2]):
        yield from places


def _groups(places: Iterable[_Place]) -> Iterator[list[_Place]]:
    """Yield the rows of each row group."""
    group: list[_Place] = []
    size = 0
    for place in places:
        group.append(place)
        size += place.size
        if len(group) == ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _flagged(data: pa.Table, incomplete: set[str]) -> pa.Table:
    """Return rows with a flag where their source has an observation without a result."""
    partly = pc.and_(
        pc.equal(data.column("status"), str(Status.OK)),
        pc.and_(
            pc.equal(data.column("epoch"), ""),
            pc.is_in(data.column("source_id"), pa.array(sorted(incomplete), pa.string())),
        ),
    ).to_numpy()
    if not partly.any():
        return data
    place = data.column_names.index("flags")
    flags = data.column(place).to_numpy()
    flags = np.where(partly, flags | int(Flag.PARTIAL), flags)
    return data.set_column(place, data.schema.field(place), pa.array(flags))
