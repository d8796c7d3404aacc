"""Averaged power spectra of event lists and light curves, and those that come ready-made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.columns.spectra import SPECTRA
from pipeline.segment.products.base import Item, Product
from pipeline.status import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config.segment import SegmentOptions
    from pipeline.segment.observation import Header, Read


class PowerSpectra(Product):
    """Averaged power spectra. Their options are the keys of section ``segment`` themselves."""

    name = "power_spectra"
    summary = "Averaged power spectra, which the fit works on."
    table = SPECTRA

    def takes(self, header: Header) -> bool:
        """Take every observation: power spectra that come ready-made are averaged too."""
        return True

    def items(self, index: Sequence[Header], path: Path, options: SegmentOptions) -> list[Item]:
        """Return the items, flagged where raw powers contradict the light curve of their source."""
        from pipeline.segment.observation import read_arrays
        from pipeline.segment.products.power_spectra.oversampled import overstated

        found = overstated(index, lambda number, names: read_arrays(path, number, names))
        return [
            replace(item, flags=Flag.OVERSAMPLED)
            if (item.source_id, item.first.product) in found
            else item
            for item in super().items(index, path, options)
        ]

    def rows(self, item: Item, read: Read, options: SegmentOptions) -> list[dict[str, Any]]:
        """Return a row, or several: see `pipeline.segment.products.power_spectra.rows.product_rows`."""
        from pipeline.segment.observation import Observations
        from pipeline.segment.products.power_spectra.rows import product_rows

        return product_rows(Observations(item.series[0], read), options)

    def path(self, output: Path) -> Path:
        """Return the output of the stage itself."""
        return output
