"""What a product of light curves is: the declaration that each of them makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.columns.base import Table
from pipeline.columns.shared import IDENTITY as WHO
from pipeline.status import Flag, Status

if TYPE_CHECKING:
    from pipeline.config.segment import SegmentOptions
    from pipeline.segment.observation import Header, Read

IDENTITY = ("source_id", "product", *WHO, "band_lo", "band_hi")
"""Columns that a row takes over from its first observation; every table of a product has them."""


NO_FLAG = Flag(0)


@dataclass(frozen=True)
class Item:
    """One product of one or several series: the unit of work.

    Attributes
    ----------
    maker : str
        Name of the `Product` that makes its rows.
    source_id, product : str
        Its source, and its name in the table.
    epoch : str
        The observation, where the item is of one of several that are also averaged; else empty.
    series : tuple of tuple of Header
        The observations of each series. Several series, as the two energy bands of a cross spectrum, have
        the same segments.
    flags : Flag
        Flags that every row of the item gets.
    number : int
        Its place among the items of the shard, of all products; the driver gives it.
    """

    maker: str
    source_id: str
    product: str
    epoch: str
    series: tuple[tuple[Header, ...], ...]
    flags: Flag = NO_FLAG
    number: int = 0

    @property
    def first(self) -> Header:
        """The observation whose identity the rows have."""
        return self.series[0][0]

    @property
    def size(self) -> int:
        """Bytes of its observations."""
        return sum(header.size for series in self.series for header in series)


class Product(ABC):
    """A product of light curves, with a table of its own.

    A subclass is light to import: it imports what it computes with inside its methods.

    Attributes
    ----------
    name : str
        Its name in `segment.products` and in the names of files.
    summary : str
        What it is, one sentence.
    table : Table
        Its rows: columns `IDENTITY`, ``status``, ``flags``, ``reason`` and ``epoch`` at least; ``source_id`` and
        ``product`` are the key.
    Options : type or None
        Its own options; None: it has none.
    needs_energies : bool
        Whether it is made of the energies of events, which are read and kept only then.
    lacks : str
        Why a source has no item whose observations have data; empty: that there is none of the right kind.
    """

    name: str
    summary: str
    table: Table
    Options: type | None = None
    needs_energies: bool = False
    lacks: str = ""

    def options(self, section: SegmentOptions) -> Any:
        """Return the product's own options out of the section; None if it has none."""
        return getattr(section, self.name, None)

    @abstractmethod
    def takes(self, header: Header) -> bool:
        """Return whether an observation with data goes into this product."""

    @abstractmethod
    def rows(self, item: Item, read: Read, options: SegmentOptions) -> list[dict[str, Any]]:
        """Return the rows of an item, at least one.

        Parameters
        ----------
        item : Item
            One of those that `items` returned.
        read : callable
            Returns the observation of a header. A worker has little memory: only few, or small, observations
            may be kept.
        options : SegmentOptions
            Section ``segment`` of the configuration.
        """

    def items(self, index: Sequence[Header], path: Path, options: SegmentOptions) -> list[Item]:
        """Return the items of a shard: one a source and series, and one for each of several observations.

        Parameters
        ----------
        index : sequence of Header
            All observations of the shard.
        path : Path
            The table INGEST that they are from.
        options : SegmentOptions
            Section ``segment`` of the configuration.
        """
        grouped: dict[tuple[str, str], dict[str, list[tuple[Header, ...]]]] = {}
        usable = [header for header in index if header.usable and self.takes(header)]
        for name, headers in self.members(usable):
            observations = grouped.setdefault((headers[0].source_id, name), {})
            observations.setdefault(headers[0].observation_id, []).append(headers)
        items = []
        for (source_id, name), observations in grouped.items():
            together = [headers for members in observations.values() for headers in members]
            together.sort(key=lambda headers: headers[0].number)
            items.append(Item(self.name, source_id, name, "", tuple(zip(*together, strict=True))))
            if options.epochs and len(observations) > 1:
                for epoch, members in observations.items():
                    series = tuple(zip(*members, strict=True))
                    items.append(
                        Item(self.name, source_id, epoch_product(name, epoch), epoch, series)
                    )
        return sorted(items, key=lambda item: (item.source_id, item.product, item.epoch))

    def members(self, headers: Sequence[Header]) -> Iterator[tuple[str, tuple[Header, ...]]]:
        """Yield what is averaged: the name of its product, and one header of each series.

        Parameters
        ----------
        headers : sequence of Header
            The observations of a shard that have data and that the product takes.
        """
        for header in headers:
            yield header.product, (header,)

    def without_items(self, headers: Sequence[Header]) -> tuple[Status, str]:
        """Return why there is no item for a source, given all its observations."""
        for header in headers:
            if not header.usable:
                return Status(header.status), header.reason
        return Status.NO_DATA, self.lacks or f"no observation that {self.name} are made of"

    def failed_row(self, first: Header, status: str, reason: str, flags: int = 0) -> dict[str, Any]:
        """Return the row of an item without a result, whose first observation has the header `first`."""
        from pipeline.tables import empty_row

        row = empty_row(self.table) | {name: getattr(first, name) for name in IDENTITY}
        if "series" in self.table.names:
            row["series"] = first.product
        return row | {"status": status, "reason": reason, "flags": flags}

    def path(self, output: Path) -> Path:
        """Return where the table of this product goes, given where that of power spectra goes."""
        return output.with_name(f"{output.stem}.{self.name}{output.suffix}")


def epoch_product(product: str, observation_id: str) -> str:
    """Return the name of a product of one observation, where the average of several is another."""
    return f"{product}@{observation_id}"


def named_by_epoch(row: Mapping[str, Any], item: Item) -> dict[str, Any]:
    """Return a row under the name of its observation, where the item is of one of several."""
    if not item.epoch:
        return dict(row)
    names = {n: epoch_product(row[n], item.epoch) for n in ("product", "series") if n in row}
    return {**row, **names, "epoch": item.epoch}


def by_source(index: Sequence[Header]) -> Iterator[tuple[str, list[Header]]]:
    """Yield each source with the headers of its observations."""
    grouped: dict[str, list[Header]] = {}
    for header in index:
        grouped.setdefault(header.source_id, []).append(header)
    yield from grouped.items()
