"""Clusters that outlive the jobs that use them: a job borrows one, and has its workers for itself."""

from __future__ import annotations

import asyncio
import json
import multiprocessing.util
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.service import certificates, wire

if TYPE_CHECKING:
    from distributed import Security, SpecCluster

PATIENCE = 120.0
"""Seconds to wait for workers to start."""
_LONGEST = 4096  # bytes of a question for workers
GROWN = 2**30
"""Bytes of memory with which a worker is not lent out again."""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler that was lent.

    Attributes
    ----------
    address : str
        Its address.
    security : distributed.Security
        What it knows its clients by.
    """

    address: str
    security: Security


@contextmanager
def borrowed(workers: int, memory_limit: str) -> Iterator[Scheduler | None]:
    """Yield a scheduler whose workers are all for the caller; None where there is no service.

    A cluster that is not given back in good order, because the caller raised or died, is ended.

    Parameters
    ----------
    workers : int
        Number of workers.
    memory_limit : str
        Memory of each.
    """
    folder = os.environ.get(wire.VARIABLE)
    connection = _connection(folder) if folder else None
    if connection is None:
        yield None
        return
    with connection:
        try:
            wire.send(connection, {"workers": workers, "memory_limit": memory_limit})
            address = wire.receive(connection)[0]["address"]
            lent = Scheduler(address, certificates.of_run(Path(str(folder))))
        except OSError:
            lent = None
        if lent is None:  # who lends has ended, or can start none: nobody waits for anything
            connection.close()
            yield None
            return
        yield lent
        with suppress(OSError):
            connection.sendall(b"back")
            connection.recv(1)  # until it is there for the next job


def _connection(folder: str) -> socket.socket | None:
    """Return a connection with the process that lends workers, if there is one."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(os.path.join(folder, wire.CLUSTERS))
        if wire.is_own(connection):
            return connection
    except OSError:
        pass
    connection.close()
    return None


def host(listener: socket.socket, lifeline: int, modules: list[str], folder: Path) -> None:
    """Lend workers until the service ends.

    Parameters
    ----------
    listener : socket
        Where jobs ask for them.
    lifeline : int
        Open file at whose end the service ends.
    modules : list of str
        What workers import before they are forked.
    folder : Path
        Where workers keep files, and the certificate of the run lies.
    """
    import dask
    from distributed.utils import get_mp_context

    from pipeline.cluster import SETTINGS, silence

    silence()
    settings = {
        **SETTINGS,
        "distributed.worker.multiprocessing-method": "forkserver",
        "temporary-directory": str(folder),
    }
    os.environ["NPROC"] = "1"
    tempfile.tempdir = str(
        folder
    )  # what multiprocessing leaves there if it is killed is swept with it
    certificates.make(folder)
    multiprocessing.util.abstract_sockets_supported = False  # type: ignore[misc]  # every user can connect
    with dask.config.set(settings):
        get_mp_context()  # it chooses what is imported, too
        multiprocessing.set_forkserver_preload(modules)
        forkserver.ensure_running()
        asyncio.run(_Pool(certificates.of_run(folder)).serve(listener, lifeline))


@dataclass(eq=False)
class _Lent:
    """A cluster, its size, and whether somebody has it."""

    cluster: SpecCluster
    workers: int
    memory_limit: str
    in_use: bool = True

    def has_grown(self) -> bool:
        """Return whether a worker is not to be lent out again."""
        return any(_has_grown(nanny.pid) for nanny in self.cluster.workers.values())

    async def close(self) -> None:
        """End the cluster."""
        with suppress(Exception):  # whatever a process that has died makes Dask raise
            closing = self.cluster.close()
            assert closing is not None  # as it is where a cluster is asynchronous
            await closing


class _Pool:
    """Clusters that are lent, or wait to be."""

    def __init__(self, security: Security) -> None:
        self.security = security
        self.clusters: list[_Lent] = []
        self.cores = len(os.sched_getaffinity(0))

    async def serve(self, listener: socket.socket, lifeline: int) -> None:
        """Lend until the end of an open file."""
        end = asyncio.Event()
        asyncio.get_running_loop().add_reader(lifeline, end.set)
        server = await asyncio.start_unix_server(self._lend, sock=listener)
        await end.wait()
        # what was lent or started is cut off now, of which nobody needs to read
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        server.close()
        await asyncio.gather(*(one.close() for one in self.clusters))

    async def _lend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lend a cluster to the other side of a connection, as long as there is one."""
        lent = None
        try:
            if not wire.is_own(writer.get_extra_info("socket")):
                raise ConnectionError("another user")
            lent = await self._cluster(*await _asked(reader))
            body = json.dumps({"address": lent.cluster.scheduler_address}).encode()
            writer.write(wire.LENGTH.pack(len(body)) + body)
            await writer.drain()
            lent.in_use = await reader.read(16) != b"back" or lent.has_grown()
        except (OSError, asyncio.IncompleteReadError, LookupError, TypeError, ValueError):
            pass
        except (
            asyncio.CancelledError,
            RuntimeError,
        ):  # the service ends, or no worker can be started
            pass
        finally:
            if lent is not None and lent.in_use:
                self.clusters.remove(lent)
            writer.close()
        if lent is not None and lent.in_use:  # something may still go on in it
            await lent.close()

    async def _cluster(self, workers: int, memory_limit: str) -> _Lent:
        """Return a cluster that nobody has: one that waits, or a new one in the place of others that wait."""
        free = [one for one in self.clusters if not one.in_use]
        for one in free:
            if (one.workers, one.memory_limit) == (workers, memory_limit):
                one.in_use = True
                return one
        for one in free:
            if sum(other.workers for other in self.clusters) + workers > self.cores:
                self.clusters.remove(one)
                await one.close()
        from pipeline.cluster import local_cluster

        cluster = await local_cluster(workers, memory_limit, self.security, asynchronous=True)
        lent = _Lent(cluster, workers, memory_limit)
        self.clusters.append(lent)
        return lent


async def _asked(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return the number of workers that are asked for, and the memory of each.

    Raises
    ------
    ConnectionError
        When something else is asked.
    """
    (length,) = wire.LENGTH.unpack(await reader.readexactly(wire.LENGTH.size))
    if length > _LONGEST:
        raise ConnectionError("no question for workers")
    asked = json.loads(await reader.readexactly(length))
    workers, memory_limit = asked["workers"], asked["memory_limit"]
    if not (type(workers) is int and workers > 0 and type(memory_limit) is str):
        raise ConnectionError("no question for workers")
    return workers, memory_limit


def _has_grown(pid: int | None) -> bool:
    """Return whether a worker has more memory than one that is lent out again, or has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError):
        return True
    return pages * os.sysconf("SC_PAGE_SIZE") > GROWN
