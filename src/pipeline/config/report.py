"""Options of `report`: the page."""

from pydantic import Field

from pipeline.config.base import Options


class ReportOptions(Options):
    """The report's page."""

    title: str = Field("Spectral-timing survey", description="Title of the page.")
    max_spectra: int = Field(
        10_000,
        ge=0,
        description="Power spectra kept in the report; further sources are in the table only.",
    )
    max_corners: int = Field(
        50,
        ge=0,
        description="Corner plots in the page, for sources whose draws were kept (`fit.samples`).",
    )
    truth: str | None = Field(
        None,
        description="Table of injected values (Parquet, from `pipeline simulate`) that the results are "
        "compared with.",
    )
