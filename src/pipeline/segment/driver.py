"""Drives the stage: a worker makes the rows of an item, and the parts become a table for each product."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.cluster import Outcome
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.parts import print_counts, run_items, scratch_folder, write_counted
from pipeline.segment.observation import Header, read_index, reader
from pipeline.segment.products import chosen, named
from pipeline.segment.products.base import Item, Product, by_source, named_by_epoch
from pipeline.status import Fault, Flag, Status
from pipeline.tables import Row, read_arrow, rows_of, write_arrow

ROWS_PER_GROUP = 512


def run(*, input: Path, output: Path, options: SegmentOptions, cluster: ClusterOptions) -> None:
    """Make the products of a shard.

    Parameters
    ----------
    input : Path
        Table INGEST, one observation a row group.
    output : Path
        Table SPECTRA. The tables of the other products are written beside it, see
        `pipeline.segment.products.base.Product.path`. Each has at least one row for every source of the input,
        whatever became of it.
    options, cluster
        Sections of the configuration.

    Raises
    ------
    TableError
        When the input is not such a table.
    ConnectionError
        When the Dask cluster cannot be reached or was lost.
    """
    segment_shard(input, output, options, cluster, work=make_part)


def make_part(item: Item, *, input: Path, parts: Path, options: SegmentOptions) -> bool:
    """Make the rows of an item, write them as a part, and return whether all of them have a result.

    Runs in a worker, which holds one observation at a time, or several that are small.
    """
    product = named(item.maker)
    rows = product.rows(item, reader(input), options)
    rows = [_finished(row, item) for row in rows]
    write_arrow(parts / part_name(item), product.table, rows)
    return all(row["status"] == Status.OK for row in rows)


def part_name(item: Item) -> str:
    """Return the name of the file that the rows of an item go to."""
    return f"{item.number:06d}.arrow"


def segment_shard(
    input: Path,
    output: Path,
    options: SegmentOptions,
    cluster: ClusterOptions,
    work: Callable[..., bool],
) -> None:
    """Do what `run` does, with `work` in the place of `make_part`."""
    index = read_index(Path(input))
    products = chosen(options.products)
    items = _numbered(item for one in products for item in one.items(index, Path(input), options))
    with scratch_folder(output) as parts:
        work = partial(work, input=Path(input).resolve(), parts=parts, options=options)
        outcomes = run_items(work, items, cluster, "segment")
        for product in products:
            made = _gathered(product, index, items, outcomes)
            counts = _write(made, index, parts, product.path(Path(output)))
            print_counts(product.path(Path(output)).stem, counts)


def _numbered(items: Iterable[Item]) -> list[Item]:
    """Return items with their numbers."""
    return [replace(item, number=number) for number, item in enumerate(items)]


@dataclass
class _Gathered:
    """What became of the items of one product.

    Attributes
    ----------
    product : Product
        Which product.
    done : list of Item
        Items whose rows are in a part.
    failed : list of dict
        Rows of the items that have no part, and of the sources that have no item.
    incomplete : set of str
        Sources with an observation, or an item that is not of an epoch, that has no result.
    """

    product: Product
    done: list[Item] = field(default_factory=list)
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
            made.done.append(item)
        if not outcome.value and not item.epoch:
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


def _write(made: _Gathered, index: Sequence[Header], parts: Path, output: Path) -> Counter[str]:
    """Write the table of a product and return how many rows of each status it has."""
    rows = complete(_joined(made, parts), {one.source_id for one in index})
    return write_counted(output, made.product.table, rows, rows_per_group=ROWS_PER_GROUP)


def _joined(made: _Gathered, parts: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the parts and of what failed, by source and product."""
    entries: dict[tuple[str, str], list[dict[str, Any] | Item]] = {}
    for row in made.failed:
        entries.setdefault((row["source_id"], row["product"]), []).append(row)
    for item in made.done:
        entries.setdefault((item.source_id, item.product), []).append(item)
    for source_id, product in sorted(entries):
        of_product = entries[source_id, product]
        for row in (row for entry in of_product for row in _rows(entry, parts)):
            if row["status"] == Status.OK and source_id in made.incomplete and not row["epoch"]:
                row["flags"] |= Flag.PARTIAL
            yield row


def _rows(entry: dict[str, Any] | Item, parts: Path) -> list[dict[str, Any]]:
    """Return the rows of an item from its part, or the row that there is already."""
    return [entry] if isinstance(entry, dict) else rows_of(read_arrow(parts / part_name(entry)))


def complete(rows: Iterable[Row], sources: set[str]) -> Iterator[Row]:
    """Yield the rows, and raise RuntimeError at the end if a source has none."""
    missing = set(sources)
    for row in rows:
        missing.discard(row["source_id"])
        yield row
    if missing:
        raise RuntimeError(f"{len(missing)} sources without a row, {min(missing)!r} among them")
