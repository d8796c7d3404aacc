"""Cross spectra of two energy bands: coherence, phase and time lags against frequency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.segment.products.base import Item, Product, epoch_product
from pipeline.segment.products.cross.table import CROSS
from pipeline.status import Status

if TYPE_CHECKING:
    from pipeline.config.segment import SegmentOptions
    from pipeline.segment.observation import Header, Read


class Cross(Product):
    """Cross spectra of each two bands of an observation that have no photon in common."""

    name = "cross"
    summary = "Cross spectra, coherence and lags between each two energy bands."
    table = CROSS

    def takes(self, header: Header) -> bool:
        """Take events and light curves of a band that is known."""
        return header.kind in ("events", "lightcurve") and header.band_lo < header.band_hi

    def items(self, index: Sequence[Header], path: Path, options: SegmentOptions) -> list[Item]:
        """Return an item for each source and pair of bands, and one for each of several observations."""
        from pipeline.segment.products.cross.pairs import pairs_of

        grouped: dict[tuple[str, str], dict[str, tuple[list[Header], list[Header]]]] = {}
        for x, y in pairs_of([h for h in index if h.usable and self.takes(h)]):
            observations = grouped.setdefault((x.source_id, f"{x.product}:{y.product}"), {})
            both = observations.setdefault(x.observation_id, ([], []))
            both[0].append(x)
            both[1].append(y)
        items = []
        for (source_id, name), observations in grouped.items():
            series = tuple(
                tuple(header for both in observations.values() for header in both[side])
                for side in (0, 1)
            )
            items.append(Item(self.name, source_id, name, "", series))
            if options.epochs and len(observations) > 1:
                for epoch, both in observations.items():
                    product = epoch_product(name, epoch)
                    items.append(
                        Item(self.name, source_id, product, epoch, tuple(map(tuple, both)))
                    )
        return sorted(items, key=lambda item: (item.source_id, item.product, item.epoch))

    def without_items(self, headers: Sequence[Header]) -> tuple[Status, str]:
        """Return why there is no item for a source, given all its observations."""
        for header in headers:
            if not header.usable:
                return Status(header.status), header.reason
        return (
            Status.NO_DATA,
            "no observation has two energy bands without a photon in common: see ingest.bands",
        )

    def rows(self, item: Item, read: Read, options: SegmentOptions) -> list[dict[str, Any]]:
        """Return one row."""
        from pipeline.segment.products.cross.rows import product_row

        return [product_row(item, read, options)]
