"""Options of `ingest`: how files are read."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import Count, Fraction, NotNegative, Options, Positive
from pipeline.config.tables import TableOptions

SCANNED_BY = ("max_decompressed", "tables")
"""Options of `ingest` that finding the files of an archive depends on."""


class IngestOptions(Options):
    """How files are read."""

    tables: list[TableOptions] = Field(
        default_factory=list,
        description="How text files, and FITS tables in a form of their own, are read; the first entry that "
        "fits a file is used.",
    )
    band: tuple[Positive, Positive] | None = Field(
        None, description="Energies of events to keep, keV: [lo, hi]; null: all."
    )
    bands: dict[str, tuple[Positive, Positive]] = Field(
        default_factory=dict,
        description="Energy bands of events by name, keV: {soft: [0.3, 2], hard: [2, 10]}. Each band is a "
        "product of its own. Excludes `band`.",
    )
    spectrum_norm: Literal["leahy", "frac", "abs"] | None = Field(
        None,
        description="Normalisation of power-spectrum files that do not state it; null: `leahy` is assumed, "
        "with the flag NORM_DOUBTFUL.",
    )
    spectrum_noise: NotNegative | Literal["auto"] | None = Field(
        "auto",
        description="Noise level of power-spectrum files that do not state it and have the normalisation "
        "`spectrum_norm`; a level that was subtracted is added back. `auto`: the level of "
        "counting noise under `leahy`, else a level estimated from the powers and errors of each "
        "file. null: unknown, and the fit is Gaussian.",
    )
    min_fracexp: Fraction = Field(
        0.5, description="Light-curve bins with a smaller exposed fraction count as gaps."
    )
    max_decompressed: Count = Field(
        8_000_000_000, description="Size, in bytes, beyond which a compressed file is refused."
    )

    @field_validator("band")
    @classmethod
    def _ordered(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and band[0] >= band[1]:
            raise ValueError("must be [lo, hi] with lo < hi")
        return band

    @field_validator("bands")
    @classmethod
    def _all_ordered(cls, bands: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, limits in bands.items():
            if not name or set(name) & set("/ #"):
                raise ValueError(f"{name!r} must be a name without blanks, slashes and #")
            if limits[0] >= limits[1]:
                raise ValueError(f"{name} must be [lo, hi] with lo < hi")
        return bands

    @model_validator(mode="after")
    def _one_or_several(self) -> "IngestOptions":
        if self.band is not None and self.bands:
            raise ValueError("band and bands exclude each other")
        return self
