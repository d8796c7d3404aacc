"""Options of `segment`: how light curves become averaged power spectra, and other products."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import Count, Fraction, Options, Positive, with_keys
from pipeline.segment.products import PRODUCTS

_NAMES = [product.name for product in PRODUCTS]


class _SegmentOptions(Options):
    """How light curves become averaged power spectra, and other products."""

    products: list[Annotated[str, Field(json_schema_extra={"enum": _NAMES})]] = Field(
        default_factory=lambda: _NAMES[:1],
        description="Products that are made of light curves; `power_spectra` is always made. Some products "
        "have options of their own, under a key with their name.",
    )
    segment_size: Positive | list[Positive] | Literal["auto", "whole", "several"] = Field(
        "auto",
        description="Length of a segment, s. `auto`: the longest of which `min_segments` fit into the good "
        "time intervals, with at most `max_bins` bins. `whole`: the longest good time interval. "
        "A list, [16, 128, 1024]: a product for each length. `several`: a product each for 1, "
        "`min_segments` and 8 times `min_segments` segments, found as under `auto`. "
        "`qpo_p_value` combines all lengths.",
    )
    dt: Positive = Field(
        1 / 256, description="Time resolution for events, s; light curves keep their own."
    )
    min_bins: int = Field(64, ge=8, description="Fewest bins in a segment under `auto`.")
    max_bins: int = Field(16384, ge=8, description="Most bins in a segment under `auto`.")
    min_segments: Count = Field(8, description="Number of segments to aim at under `auto`.")
    taper: Literal["auto", "none", "hann", "dpss"] = Field(
        "auto",
        description="Window that keeps the power of low frequencies from leaking into others. It costs half "
        "of the ordinates, and those below 4 / `segment_size`. `auto`: `hann` where leakage is "
        "measured, else `none`.",
    )
    detrend: Literal["auto", "constant", "linear", "quadratic"] = Field(
        "auto",
        description="Function that is subtracted from each segment: its mean, a line or a parabola. `auto`: "
        "`linear` where leakage is measured, else `constant`.",
    )
    max_gap: int = Field(
        2,
        ge=0,
        description="Gaps of at most this number of bins are filled by linear interpolation.",
    )
    norm: Literal["frac", "leahy", "abs"] = Field(
        "frac", description="Normalisation of the power spectra."
    )
    rebin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Logarithmic rebinning: width of a bin over its frequency; 0: none.",
    )
    frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies to keep, Hz: [lo, hi]; null: all."
    )
    mask: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies to leave out, Hz, such as those of instrumental lines: [[lo, hi], …].",
    )
    max_frequencies: int = Field(
        8192,
        ge=64,
        description="Largest number of frequency bins of a power spectrum, also of one that comes "
        "ready-made. In a longer one neighbours are averaged, more of them at higher "
        "frequencies, and outliers are kept apart.",
    )
    pulsations: Fraction | None = Field(
        1e-3,
        description="Largest p-value of a strictly periodic signal. The events or bins are searched for one "
        "at narrow peaks of the power spectrum; null: they are not searched.",
    )
    epochs: bool = Field(
        True,
        description="Whether each observation of a source whose observations are averaged "
        "(`source.group_by`) is also analysed by itself, for the table `EPOCHS`.",
    )

    @field_validator("products")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        if unknown := [name for name in names if name not in _NAMES]:
            raise ValueError(f"{unknown[0]!r} is not one of {', '.join(_NAMES)}")
        if _NAMES[0] not in names:
            raise ValueError(f"must have {_NAMES[0]}, which the fit works on")
        return names

    @field_validator("mask")
    @classmethod
    def _ordered(cls, mask: list[tuple[float, float]]) -> list[tuple[float, float]]:
        if any(not lo < hi for lo, hi in mask):
            raise ValueError("must be [[lo, hi], …] with lo < hi")
        return mask

    @field_validator("segment_size")
    @classmethod
    def _some(cls, size: float | list[float] | str) -> float | list[float] | str:
        if isinstance(size, list) and (not size or len(set(size)) < len(size)):
            raise ValueError("a list must have at least one length, and none of them twice")
        return size

    @model_validator(mode="after")
    def _bins(self) -> "_SegmentOptions":
        if self.min_bins > self.max_bins:
            raise ValueError("min_bins must not be larger than max_bins")
        return self


if TYPE_CHECKING:
    SegmentOptions = _SegmentOptions
else:
    _OF_PRODUCTS = {
        product.name: (product.Options, Field(default_factory=product.Options))
        for product in PRODUCTS
        if product.Options is not None
    }
    SegmentOptions = with_keys(_SegmentOptions, _OF_PRODUCTS)
