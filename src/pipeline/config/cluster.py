"""Options of `cluster`: the Dask cluster of a job."""

from pydantic import Field

from pipeline.config.base import Count, Options, Positive


class ClusterOptions(Options):
    """The Dask cluster that ingest and segment work on."""

    address: str | None = Field(
        None,
        description="Address of a running Dask scheduler; null: each job starts a LocalCluster.",
    )
    workers: int = Field(
        0, ge=0, description="Worker processes of a LocalCluster; 0: one for each core of the job."
    )
    memory_limit: str = Field("4GiB", description="Memory at which a worker is stopped.")
    chunk_size: Count = Field(64, description="Number of items in a task.")
    item_timeout: Positive = Field(
        600.0, description="Seconds after which an item that does not end is given up."
    )
    patience: float = Field(
        30.0,
        ge=0,
        description="Seconds for which a worker tries again what a fault of the machine made fail (a full disk, a "
        "mount that is away), before the job ends.",
    )
