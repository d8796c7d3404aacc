"""Cross spectra of two energy bands: coherence, phase and time lags against frequency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.segment.products.base import Item, Product
from pipeline.segment.products.cross.table import CROSS

if TYPE_CHECKING:
    from pipeline.config.segment import SegmentOptions
    from pipeline.segment.observation import Header, Read


class Cross(Product):
    """Cross spectra of each two bands of an observation that have no photon in common."""

    name = "cross"
    summary = "Cross spectra, coherence and lags between each two energy bands."
    table = CROSS
    lacks = "no observation has two energy bands without a photon in common: see ingest.bands"

    def takes(self, header: Header) -> bool:
        """Take events and light curves of a band that is known."""
        return header.kind in ("events", "lightcurve") and header.band_lo < header.band_hi

    def members(self, headers: Sequence[Header]) -> Iterator[tuple[str, tuple[Header, ...]]]:
        """Yield the pairs of bands, the harder one first."""
        from pipeline.segment.products.cross.pairs import pairs_of

        for x, y in pairs_of(headers):
            yield f"{x.product}:{y.product}", (x, y)

    def rows(self, item: Item, read: Read, options: SegmentOptions) -> list[dict[str, Any]]:
        """Return one row."""
        from pipeline.segment.products.cross.rows import product_row

        return [product_row(item, read, options)]
