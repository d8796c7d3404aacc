"""The processes of a cluster of Dask, as they are started here: they listen to who has the certificate, and to nobody else.

Light, because each worker imports it: Dask's own classes would serve web pages as well, to every user of the machine.
"""

from collections.abc import Callable
from typing import Any

from distributed import Nanny, Scheduler, SpecCluster, Worker


class _WithoutPages:
    """Serves no web pages."""

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """Listen nowhere."""


class QuietScheduler(_WithoutPages, Scheduler):
    """A scheduler without web pages."""


class QuietWorker(_WithoutPages, Worker):
    """A worker without web pages."""


class QuietNanny(Nanny):
    """What starts a worker without web pages, and starts it again when it dies."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **{**options, "worker_class": QuietWorker})


def started(start: Callable[..., SpecCluster], *arguments: Any) -> SpecCluster:
    """Start a cluster.

    Raises
    ------
    ConnectionError
        When one of its processes ends while it starts.
    """
    try:
        return start(*arguments)
    except RuntimeError as error:
        raise ConnectionError("processes of Dask ended while they started: run again") from error
