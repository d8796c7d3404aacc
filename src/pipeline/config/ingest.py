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
        description="Text files, and FITS tables in a form of their own; the first entry that a file "
        "fits is used.",
    )
    band: tuple[Positive, Positive] | None = Field(
        None, description="Energies of events to keep, keV: [lo, hi]; null: all."
    )
    bands: dict[str, tuple[Positive, Positive]] = Field(
        default_factory=dict,
        description="Energy bands of events by name, keV, each a product of its own: {soft: [0.3, 2], "
        "hard: [2, 10]}. In the place of `band`.",
    )
    spectrum_norm: Literal["leahy", "frac", "abs"] | None = Field(
        None,
        description="Normalisation of power-spectrum files that do not say it; null: `leahy`, with the "
        "flag NORM_DOUBTFUL.",
    )
    spectrum_noise: NotNegative | Literal["auto"] | None = Field(
        "auto",
        description="Noise level of power-spectrum files of the normalisation `spectrum_norm` that do not "
        "say it; where it was subtracted it is added back. `auto`: that of counts under `leahy`, else "
        "estimated for each from its powers and errors. null: unknown, and the fit is Gaussian.",
    )
    min_fracexp: Fraction = Field(
        0.5, description="Light-curve bins with a smaller exposed fraction are gaps."
    )
    max_decompressed: Count = Field(
        8_000_000_000, description="Bytes a compressed file may grow to before it is refused."
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
