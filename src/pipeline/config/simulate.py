"""Options of `simulate`: the simulated archive of the default survey."""

from pydantic import Field

from pipeline.config.base import Count, Options


class SimulateOptions(Options):
    """The simulated archive of the default survey."""

    enabled: bool = Field(
        False, description="Whether the archive is simulated where it does not exist."
    )
    seed: int = Field(20260101, ge=0, description="Seed of the whole archive.")
    n_sources: Count = Field(60, description="Number of sources with usable data.")
    n_damaged: int = Field(5, ge=0, description="Number of files that are damaged on purpose.")
