"""Options of `cluster`: the Dask cluster of a job."""

from pydantic import Field, model_validator

from pipeline.config.base import Count, Options, Positive


class TlsOptions(Options):
    """Files of PEM by which a job and a Dask scheduler know each other."""

    ca: str = Field(
        description="Certificate of the authority that scheduler and workers have theirs of."
    )
    cert: str = Field(description="Certificate of this side, of the same authority.")
    key: str = Field(description="Its key, which only its owner may be able to read.")


class ClusterOptions(Options):
    """The Dask cluster that ingest and segment work on."""

    address: str | None = Field(
        None,
        description="Address of a running Dask scheduler; null: each job has a cluster of its own on its machine, "
        "with TLS. Whoever reaches a scheduler without TLS (tcp://) can run code as its user.",
    )
    tls: TlsOptions | None = Field(
        None,
        description="Certificates for a scheduler at tls://, as files that every node sees; null: those of Dask's own "
        "configuration.",
    )
    dashboard: bool = Field(
        False,
        description="Whether the cluster of a job serves Dask's dashboard, without a password, on 127.0.0.1, where "
        "every user of the machine can see it. It needs the package `bokeh`.",
    )
    workers: int = Field(
        0,
        ge=0,
        description="Worker processes of a job's own cluster; 0: one for each core of the job.",
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

    @model_validator(mode="after")
    def _tls_where_it_is_used(self) -> "ClusterOptions":
        if self.tls is not None and not (self.address or "").startswith("tls://"):
            raise ValueError("tls is for an address that begins with tls://")
        return self
