"""Look at files in a process of its own, which a damaged file may end: by a crash, without end, or in need of memory.

A cluster does the same for many files at a time, but starting one takes longer than looking at some thousand headers.
"""

import ctypes
import faulthandler
import functools
import multiprocessing
import os
import resource
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from dask.utils import parse_bytes

from pipeline.cluster import Outcome
from pipeline.config.cluster import ClusterOptions
from pipeline.faults import MachineFault, lacks_memory, of_machine, persist, sentence
from pipeline.refusal import error_line

Item = TypeVar("Item")

TRIES = 2
"""Deaths on an item after which it is given up: somebody else may have ended the process once."""

_AT_A_TIME, _SECONDS = 64, 0.5
"""Outcomes that are sent together, and the longest time that they wait for others."""
_PATIENCE = 30.0
"""Seconds in which a process that is killed ends, unless the system does not let it."""
_BEAT = 0.1
"""Seconds after which a process that waits for the machine says so again."""
_DIE_WITH_PARENT = 1


def each(
    work: Callable[[Item], Any], items: Sequence[Item], options: ClusterOptions
) -> Iterator[Outcome]:
    """Apply a function to items in a process of its own, one after the other, and yield what became of them.

    Parameters
    ----------
    work : callable
        Returns something that can be pickled.
    items : sequence
        What it is given.
    options : ClusterOptions
        `item_timeout` and `memory_limit` hold for each item.

    Raises
    ------
    MachineFault
        When the function raises one, or another fault of the machine.
    """
    yield from _each(work, items, list(range(len(items))), options)


def together(
    work: Callable[[Sequence[Item]], Iterator[Any]], items: Sequence[Item], options: ClusterOptions
) -> Iterator[Outcome]:
    """Apply a function to all items at once in a process of its own, and yield what became of them.

    If the process ends before its time, the items that are left are worked on one after the other.

    Parameters
    ----------
    work : callable
        Takes items, and yields something for each that can be pickled, in their order.
    items, options
        See `each`, also for what is raised.
    """
    pending = list(range(len(items)))
    if pending:
        yield from _outcomes(_Child(work, items, pending, options, together=True), pending)
    yield from _each(lambda item: next(work([item])), items, pending, options)


def _each(
    work: Callable[[Item], Any], items: Sequence[Item], pending: list[int], options: ClusterOptions
) -> Iterator[Outcome]:
    """Do as `each` with the items that are pending."""
    deaths: Counter[int] = Counter()
    while pending:
        child = _Child(work, items, pending, options)
        yield from _outcomes(child, pending)
        if pending:
            culprit = child.place
            deaths[culprit] += 1
            if deaths[culprit] == TRIES:
                pending.remove(culprit)
                yield Outcome(culprit, error=_verdict(options), died=True)


def _outcomes(child: "_Child", pending: list[int]) -> Iterator[Outcome]:
    """Yield the outcomes of a process, which are pending no more, and end it."""
    try:
        for outcome in child.outcomes():
            pending.remove(outcome.index)
            yield outcome
    finally:
        child.end()


def _verdict(options: ClusterOptions) -> str:
    """Say why a file ended the process that looked at it."""
    return (
        f"the process that looked at it died: it crashed, took more than {options.item_timeout:g} s "
        f"(cluster.item_timeout) or needed more than {options.memory_limit} (cluster.memory_limit)"
    )


@dataclass
class _Child:
    """A process that applies a function to items.

    Attributes
    ----------
    work, items, options
        See `each`.
    pending : list of int
        The items that it is given, by their numbers.
    together : bool
        Whether the function takes all of them at once.
    """

    work: Callable[[Any], Any]
    items: Sequence[Any]
    pending: list[int]
    options: ClusterOptions
    together: bool = False
    _state: mmap = field(init=False)
    _process: ForkProcess = field(init=False)
    _connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        """Start the process."""
        self._state = mmap(-1, 16)
        self._write(self.pending[0])
        self.pending = list(self.pending)
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=self._run, args=(theirs,), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of libraries with threads: the process uses none of these
            self._process.start()
        theirs.close()

    @property
    def place(self) -> int:
        """The number of the item that it works on."""
        return int.from_bytes(self._state[:8], "little")

    def _write(self, number: int) -> None:
        self._state[:8] = number.to_bytes(8, "little")

    def _sleep(self, seconds: float) -> None:
        """Wait for the machine, in the process; the time does not count."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            beats = int.from_bytes(self._state[8:], "little")
            self._state[8:] = (beats + 1).to_bytes(8, "little")
            time.sleep(min(left, _BEAT))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes as they come, until the process ends or takes too long for an item."""
        state, since = self._state[:], time.monotonic()
        wait = min(1.0, self.options.item_timeout / 4)
        while True:
            if self._connection.poll(wait):
                try:
                    found = self._connection.recv()
                except EOFError:
                    return
                if isinstance(found, MachineFault):
                    raise found
                yield from found
            elif self._state[:] == state and time.monotonic() - since > self.options.item_timeout:
                return
            if self._state[:] != state:
                state, since = self._state[:], time.monotonic()

    def end(self) -> None:
        """End the process.

        Raises
        ------
        MachineFault
            When it cannot be ended, as while it waits for a disk that does not answer.
        """
        self._process.kill()
        self._process.join(_PATIENCE)
        self._connection.close()
        if self._process.exitcode is None:
            item = self.items[self.place]
            name = getattr(item, "file", item)
            raise MachineFault(f"{name}: cannot be read to its end: see whether its disk answers")
        self._process.close()

    def _run(self, connection: Connection) -> None:
        """Do the work, in the process."""
        faulthandler.disable()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)
        _bind_to_parent()
        _limit_memory(self.options.memory_limit)
        waiting: list[Outcome] = []
        since = time.monotonic()
        try:
            for outcome in self._at_once() if self.together else map(self._one, self.pending):
                waiting.append(outcome)
                if len(waiting) == _AT_A_TIME or time.monotonic() - since > _SECONDS:
                    connection.send(waiting)
                    waiting, since = [], time.monotonic()
        except Exception as error:
            if lacks_memory(error) or not of_machine(error):
                os._exit(1)
            connection.send(waiting)
            connection.send(MachineFault(sentence(error)))
        else:
            connection.send(waiting)

    def _one(self, number: int) -> Outcome:
        """Return the outcome of an item; a fault of the machine is raised."""
        self._write(number)
        look = functools.partial(self.work, self.items[number])
        try:
            return Outcome(number, persist(look, self.options.patience, self._sleep))
        except Exception as error:
            if of_machine(error):
                raise
            return Outcome(number, error=error_line(error))

    def _at_once(self) -> Iterator[Outcome]:
        """Yield the outcomes of all items."""
        values = self.work([self.items[number] for number in self.pending])
        for number, value in zip(self.pending, values, strict=True):
            self._write(number)
            yield Outcome(number, value)


def _bind_to_parent() -> None:
    """Let this process end when its parent does, where the system can."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _limit_memory(text: str) -> None:
    """Limit the memory of this process beside what it has; files that are only mapped do not count."""
    try:
        limit = int(parse_bytes(text))
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[5]) * resource.getpagesize()
    except (ValueError, OSError):
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = used + limit
    if limit > 0 and (most == resource.RLIM_INFINITY or wanted < most):
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
