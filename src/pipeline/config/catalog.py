"""Options of `catalog`: the published catalogue and its quality gate."""

from pydantic import Field, field_validator

from pipeline.catalog.formats import ALWAYS, DEFAULT, FORMATS
from pipeline.config.base import Fraction, Options, Positive


class CatalogOptions(Options):
    """The published catalogue and its quality gate."""

    max_failed_fraction: Fraction = Field(
        0.5, description="The merge fails if a larger fraction of the sources has no result."
    )
    qpo_min_q: Positive = Field(
        2.0, description="Least Q, at 95 % confidence, of a Lorentzian that is called a QPO."
    )
    qpo_frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies a QPO may have, Hz: [lo, hi]; null: all."
    )
    formats: list[str] = Field(
        list(DEFAULT),
        description=f"Formats that it is published in; {' and '.join(ALWAYS)} is always written.",
        json_schema_extra={"items": {"type": "string", "enum": list(FORMATS)}},
    )

    largest_table: int = Field(
        1_000_000_000,
        ge=0,
        description="Bytes; a larger table is left out of FITS and VOTable, which say so. Parquet and HATS have all.",
    )

    @field_validator("formats")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        if unknown := [name for name in names if name not in FORMATS]:
            raise ValueError(f"no format {unknown[0]!r}; allowed: {', '.join(FORMATS)}")
        return names
