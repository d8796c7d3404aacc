"""The Dask cluster of a stage, and a map over it in which an item can only harm itself.

An item may raise, crash its process, outgrow its memory or never end. Dask restarts the process
but blames every task that was assigned to it, so a death says only that the culprit is among
them. They are run again, one item a task. An item that is blamed a second time is run a third
time with no other task: then the verdict is certain. The same is done where memory lacks.

A fault of the machine (`pipeline.faults`) is nobody's: it is tried again for a while, and then ends the map.
"""

import faulthandler
import functools
import logging
import math
import os
import shutil
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Nanny,
    Security,
    SpecCluster,
    wait,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline import faults, openfiles
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions
from pipeline.faults import MachineFault
from pipeline.private import new_folder
from pipeline.refusal import error_line
from pipeline.service import certificates
from pipeline.service.clusters import borrowed
from pipeline.service.wire import MALLOC
from pipeline.service.workers import QuietNanny, QuietScheduler, started

CONNECT_TIMEOUT = 30.0
"""Seconds to wait for a scheduler to answer, and for a worker to come (back) to it."""

SETTINGS = {
    "distributed.nanny.pre-spawn-environ.NPROC": "1",  # the only limit on threads XLA heeds
    **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in MALLOC.items()},
    # Dask ends for good the place of a worker that is not there 15 s after a death: it may have died again.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}
"""Settings of Dask in the process that starts workers."""

CHUNK_BYTES = 1 << 24
"""Bytes of items, where they have sizes, with which a task is large enough."""

MODEST = 1 << 26
"""Bytes that a process can have unless the machine, and not the item, is to blame for a lack of memory."""

_watched = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What became of one item of `isolating_map`.

    Attributes
    ----------
    index : int
        Position of the item in `items`.
    value : object
        What the function returned.
    error : str
        Why it returned nothing, in one line; empty if it returned.
    died : bool
        Whether the worker process died on the item; else the function raised.
    """

    index: int
    value: Any = None
    error: str = ""
    died: bool = False


Together = Callable[[list[Outcome]], list[Outcome]]
"""What a worker does with the outcomes of all items of a task."""


@contextmanager
def connect(options: ClusterOptions) -> Iterator[Client]:
    """Yield a client of the scheduler at ``options.address``, or of a cluster that is for this job alone.

    The service of the run lends one; where there is no service, one is started here. It has one process a
    core, of one thread each: NumPy's and XLA's own threads would otherwise fight over the same cores. Nobody can
    use it who does not have its certificate, which only this user can read.

    Raises
    ------
    ConnectionError
        When the scheduler at ``options.address`` does not answer or has no worker.
    ConfigError
        When ``options.tls`` cannot be used.
    """
    silence()
    if options.address:
        with _client_of(options) as client:
            yield client
        return
    workers = options.workers or len(os.sched_getaffinity(0))
    openfiles.allow(workers)
    if options.dashboard:
        with _own(workers, options) as client:
            yield client
        return
    with borrowed(workers, options.memory_limit) as lent:
        if lent:
            with Client(lent.address, timeout=CONNECT_TIMEOUT, security=lent.security) as client:
                yield client
        else:
            with _own(workers, options) as client:
                yield client


@contextmanager
def _own(workers: int, options: ClusterOptions) -> Iterator[Client]:
    """Yield a client of a cluster that ends with this context."""
    with _temporary_folder() as folder:
        certificates.make(folder)
        security = certificates.of_run(folder)
        settings = {**SETTINGS, "temporary-directory": str(folder)}
        if options.dashboard:
            settings = {k: v for k, v in settings.items() if not k.endswith(".http.routes")}
        start = with_dashboard if options.dashboard else local_cluster
        with (
            dask.config.set(settings),
            started(start, workers, options.memory_limit, security) as cluster,
            Client(cluster) as client,
        ):
            if options.dashboard:
                print(f"dashboard: {cluster.dashboard_link}", file=sys.stderr)
            yield client


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder that only this user can change, as long as the context lasts."""
    folder = new_folder("pipeline-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def local_cluster(
    workers: int, memory_limit: str, security: Security, asynchronous: bool = False
) -> SpecCluster:
    """Return a cluster of processes of one thread each, to be started under `SETTINGS`.

    It listens on this machine only, to those who have its certificate, and serves no web pages.
    """
    everywhere = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    worker = {"nthreads": 1, "memory_limit": memory_limit, "silence_logs": logging.CRITICAL}
    return SpecCluster(
        workers={i: {"cls": QuietNanny, "options": everywhere | worker} for i in range(workers)},
        scheduler={"cls": QuietScheduler, "options": everywhere | {"dashboard": False}},
        security=security,
        silence_logs=logging.CRITICAL,
        asynchronous=asynchronous,
    )


def with_dashboard(workers: int, memory_limit: str, security: Security) -> SpecCluster:
    """Return such a cluster with Dask's dashboard, which shows it to every user of this machine."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        worker_class=Nanny,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port: jobs run side by side
        worker_dashboard_address="127.0.0.1:0",
        memory_limit=memory_limit,
        silence_logs=logging.CRITICAL,
        security=security,
    )


def isolating_map(
    client: Client,
    function: Callable,
    items: Sequence,
    options: ClusterOptions,
    progress: str = "",
    *,
    sizes: Sequence[int] = (),
    together: Together | None = None,
) -> Iterator[Outcome]:
    """Apply `function` to each item on the cluster and yield outcomes as they complete.

    Parameters
    ----------
    client : distributed.Client
        From `connect`.
    function : callable
        Importable by the workers. Takes one item, returns something small. It may be run more
        than once on an item, so it must not mind its own leftovers. An exception is the item's, unless it is a
        fault of the machine, or says that it ends the job (`ends_job`, an attribute that is true).
    items : sequence
        Small and picklable.
    options : ClusterOptions
        ``chunk_size`` items at most are one task; an item that takes longer than
        ``item_timeout`` ends its process.
    progress : str, optional
        Label of a progress bar on standard error, where that is a terminal.
    sizes : sequence of int, optional
        Bytes of each item, by which tasks are balanced; without them all items are alike.
    together : callable, optional
        Is given the outcomes of a task, in the worker, and returns them with what is small in the place of
        what `function` returned.

    Raises
    ------
    ConnectionError
        When the scheduler or all its workers are lost.
    MachineFault
        When the machine is at fault for longer than ``options.patience``.
    """
    slots = max(1, sum(client.nthreads().values()))
    size = max(1, min(options.chunk_size, math.ceil(len(items) / (4 * slots))))
    largest = min(CHUNK_BYTES, math.ceil(sum(sizes) / (4 * slots)))
    with _bar(progress, len(items)) as advance:
        pending = list(range(len(items)))
        errors: dict[int, BaseException] = {}
        for length, window in ((size, 2 * slots), (1, slots), (1, 1)):
            chunks = _chunks(pending, length, sizes, largest)
            pending = []
            run = functools.partial(_run_chunk, function, together)
            for chunk, result in _fly(client, run, items, chunks, window, options):
                if isinstance(result, BaseException):
                    if _ends_map(result):
                        raise result
                    pending.extend(chunk)
                    errors.update(dict.fromkeys(chunk, result))
                    continue
                for outcome in result:
                    advance()
                    yield outcome
        for index in pending:
            advance()
            yield _verdict(index, errors[index], options)


def _chunks(
    indices: Sequence[int], length: int, sizes: Sequence[int], largest: int
) -> list[list[int]]:
    """Cut items into runs of at most `length` items, each closed by the item that makes it `largest` bytes."""
    chunks: list[list[int]] = []
    room = 0
    for index in indices:
        if room <= 0 or len(chunks[-1]) == length:
            chunks.append([])
            room = max(largest, 1)
        chunks[-1].append(index)
        room -= sizes[index] if sizes else 0
    return chunks


def _fly(
    client: Client,
    run: Callable,
    items: Sequence,
    chunks: Sequence[list[int]],
    window: int,
    options: ClusterOptions,
) -> Iterator[tuple[list[int], list[Outcome] | BaseException]]:
    """Keep at most `window` chunks in flight; yield each with its outcomes or its exception."""
    waiting = iter(chunks)
    flying: dict[Future, list[int]] = {}
    while True:
        while len(flying) < window and (chunk := next(waiting, None)) is not None:
            numbered = [(i, items[i]) for i in chunk]
            future = client.submit(run, numbered, options, pure=False)
            flying[future] = chunk
        if not flying:
            return
        for future in _first_done(client, list(flying)):
            chunk = flying.pop(future)
            try:
                yield chunk, future.exception() or future.result()
            except (CancelledError, OSError) as error:
                raise ConnectionError("the Dask scheduler was lost") from error


def _first_done(client: Client, futures: list[Future]) -> set[Future]:
    """Wait for one of the futures; raise ConnectionError when no worker is left."""
    deserted = False
    while True:
        try:
            return wait(futures, timeout=CONNECT_TIMEOUT, return_when="FIRST_COMPLETED").done
        except TimeoutError as error:
            nobody = not client.nthreads()
            if nobody and deserted:
                raise ConnectionError("the Dask scheduler has no worker left") from error
            deserted = nobody
        except (CancelledError, OSError) as error:
            raise ConnectionError("the Dask scheduler was lost") from error


class _NoMemory(Exception):
    """There was not enough memory for a task.

    Attributes
    ----------
    reason : str
        The error.
    is_machines : bool
        Whether there was not even a modest amount when the task had given its own back.
    """

    def __init__(self, reason: str, is_machines: bool):
        super().__init__(reason, is_machines)
        self.reason, self.is_machines = reason, is_machines


def _ends_map(error: BaseException) -> bool:
    """Return whether an exception of a task is no item's: a fault of the machine, or one that says it ends the job."""
    return isinstance(error, MachineFault) or bool(getattr(error, "ends_job", False))


def _run_chunk(
    function: Callable,
    together: Together | None,
    numbered: Sequence[tuple[int, Any]],
    options: ClusterOptions,
) -> list[Outcome]:
    """Run in a worker: apply `function` to the items of a task, patiently.

    Raises
    ------
    MachineFault
        When the machine is at fault, and stays so.
    _NoMemory
        When there is not enough memory; another task may need it.
    Exception
        What ends the job, and what `together` raises.
    """
    try:
        outcomes = [_outcome(function, index, item, options) for index, item in numbered]
        if together is None:
            return outcomes
        return faults.persist(lambda: together(outcomes), options.patience)
    except Exception as error:
        if faults.lacks_memory(error):
            reason = error_line(error)
        elif faults.of_machine(error):
            raise MachineFault(faults.sentence(error)) from None
        else:
            raise
    raise _NoMemory(reason, not _has_memory())  # here the error, and what it holds, are gone


def _outcome(function: Callable, index: int, item: Any, options: ClusterOptions) -> Outcome:
    """Return the outcome of an item; what is not the item's is raised."""
    try:
        run = functools.partial(_watched_run, function, item, options.item_timeout)
        return Outcome(index, faults.persist(run, options.patience))
    except (Exception, SystemExit) as error:
        if _ends_map(error) or faults.of_machine(error):
            raise
        return Outcome(index, error=error_line(error))


def _watched_run(function: Callable, item: Any, timeout: float) -> Any:
    """Apply `function` to an item, and end the process if that hangs.

    The alarm is a thread of C that needs no interpreter lock, so it frees the worker from
    compiled code that never returns, too. There is one alarm a process: hence the lock.
    """
    with _watched, open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(timeout, exit=True, file=nowhere)
        try:
            return function(item)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _has_memory() -> bool:
    """Return whether this process can still have a modest amount of memory."""
    try:
        bytearray(MODEST)
    except MemoryError:
        return False
    return True


def _verdict(index: int, error: BaseException, options: ClusterOptions) -> Outcome:
    """Return the outcome of an item whose task failed with nothing else in flight.

    Raises
    ------
    MachineFault
        When there is no memory, and the item did not take it.
    """
    if isinstance(error, _NoMemory):
        if error.is_machines:
            raise MachineFault(faults.sentence(MemoryError()))
        reason = f"it needs more memory than the machine gives it ({error.reason})"
        return Outcome(index, error=reason, died=True)
    if not isinstance(error, KilledWorker):
        return Outcome(index, error=error_line(error))
    reason = (
        f"the worker process died on it: it crashed, ran for more than {options.item_timeout:g} s "
        f"(cluster.item_timeout) or needed more than {options.memory_limit} (cluster.memory_limit)"
    )
    return Outcome(index, error=reason, died=True)


def _client_of(options: ClusterOptions) -> Client:
    """Return a client of a running scheduler that has at least one worker."""
    address, security = options.address, _security_of(options)
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT, security=security)
    except (OSError, ValueError) as error:
        remedy = "; one that asks for TLS has an address tls://..., and needs cluster.tls"
        if security:
            remedy = (
                "; does it speak TLS, with a certificate of the same authority (cluster.tls.ca)?"
            )
        raise ConnectionError(
            f"cluster.address: no Dask scheduler answers at {address!r}{remedy}"
        ) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
    except TimeoutError as error:
        client.close()
        raise ConnectionError(
            f"cluster.address: the scheduler at {address!r} has no worker"
        ) from error
    return client


def _security_of(options: ClusterOptions) -> Security | None:
    """Return what a connection with a running scheduler needs; None: what Dask's own configuration says."""
    tls = options.tls
    if tls is None:
        by_dask = dask.config.get("distributed.comm.tls.ca-file", None)
        if str(options.address).startswith("tls://") and not by_dask:
            raise ConfigError("cluster.tls: a tls:// scheduler needs ca, cert and key")
        return None
    for name, path in tls:
        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            raise ConfigError(f"cluster.tls.{name}: {path!r}: {error.strerror}") from error
        if name == "key" and mode & 0o077:
            raise ConfigError(f"cluster.tls.key: {path!r} is open to other users: chmod 600 it")
    security = certificates.security(Path(tls.ca), Path(tls.cert), Path(tls.key))
    try:
        security.get_connection_args("client")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"cluster.tls: no certificate and its key in PEM ({error}): see to {tls.cert!r}, {tls.key!r} and {tls.ca!r}"
        ) from error
    return security


def silence() -> None:
    """Keep the messages of Dask about processes that died off stderr: the outcomes say it better."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a function that advances a progress bar by one, where anyone can see it."""
    if not (label and sys.stderr.isatty()):
        yield lambda: None
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
