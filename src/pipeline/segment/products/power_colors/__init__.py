"""Fractional rms in fixed bands of frequency, power colours and hue (Heil, Uttley & Klein-Wolt 2015, MNRAS 448, 3339)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline.config.base import Options, Positive
from pipeline.segment.products.base import Item, Product
from pipeline.segment.products.power_colors.table import POWER_COLORS

if TYPE_CHECKING:
    from pipeline.config.segment import SegmentOptions
    from pipeline.segment.observation import Header, Read

BANDS = [(1 / 256, 1 / 32), (1 / 32, 1 / 4), (1 / 4, 2.0), (2.0, 16.0)]


class PowerColorsOptions(Options):
    """Fractional rms in four bands of frequency, power colours and hue."""

    bands: list[tuple[Positive, Positive]] = Field(
        default_factory=lambda: list(BANDS),
        description="Four bands of frequency, Hz: [[lo, hi], …], in order. The first colour is the variance in the third "
        "over that in the first, the second colour that in the second over that in the fourth. The hue means something "
        "for the bands of the default only.",
    )

    @field_validator("bands")
    @classmethod
    def _four(cls, bands: list[tuple[float, float]]) -> list[tuple[float, float]]:
        edges = [edge for band in bands for edge in band]
        if len(bands) != 4 or edges != sorted(edges) or any(lo == hi for lo, hi in bands):
            raise ValueError("must be four bands, [[lo, hi], …], in order and apart")
        return bands


class PowerColors(Product):
    """Rms in bands, power colours and hue, of events and light curves."""

    name = "power_colors"
    summary = "Fractional rms in four bands of frequency, power colours and hue."
    table = POWER_COLORS
    Options = PowerColorsOptions

    def takes(self, header: Header) -> bool:
        """Take events and light curves: a power spectrum that comes ready-made has bins of its own."""
        return header.kind in ("events", "lightcurve")

    def rows(self, item: Item, read: Read, options: SegmentOptions) -> list[dict[str, Any]]:
        """Return one row, or one for each width of the bins of light curves."""
        from pipeline.segment.observation import Observations
        from pipeline.segment.products.power_colors.rows import product_rows

        return product_rows(Observations(item.series[0], read), options, self.options(options))
