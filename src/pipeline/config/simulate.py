"""Options of `simulate`: the simulated archive of the default survey."""

from pydantic import Field

from pipeline.config.base import Count, Options


class SimulateOptions(Options):
    """The simulated archive of the default survey."""

    enabled: bool = Field(
        False, description="Whether the archive is to be simulated where it does not exist."
    )
    seed: int = Field(20260101, ge=0, description="Seed of everything in it.")
    n_sources: Count = Field(60, description="Sources with usable data.")
    n_damaged: int = Field(5, ge=0, description="Files damaged on purpose.")
