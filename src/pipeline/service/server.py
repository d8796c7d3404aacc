"""The process that forks jobs: it has one thread, and imports what the stages need once, while it has nothing else to do.

Nothing here may start a thread or a backend of JAX: a process that has one cannot be forked.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.declared import Stage
from pipeline.service import wire
from pipeline.service.job import Job, plain_signals
from pipeline.stages import CATALOG, FIT, INGEST, PLAN, REPORT, SEGMENT, SIMULATE, STAGES

CHAIN = (PLAN, INGEST, SEGMENT, FIT, CATALOG, REPORT)
"""Stages of which one follows the other, in every survey."""
WITH_WORKERS = (INGEST, SEGMENT)
"""Stages whose jobs borrow workers."""
PATIENCE = 10.0
"""Seconds that a job may take to say what it is."""


@dataclass(frozen=True)
class Host:
    """What a process that was forked to lend workers goes on with: see `pipeline.service.clusters.host`.

    Attributes
    ----------
    listener : socket
        Where jobs ask for workers.
    lifeline : int
        Its end is the end of the service.
    """

    listener: socket.socket
    lifeline: int


class Server:
    """The service of one run.

    Parameters
    ----------
    listener, lender : socket
        Where jobs are handed over, and where they ask for workers.
    lifeline : int
        Open file at whose end the service ends: its other end is with the run.
    eager : bool
        Import at once; else when the first job comes.
    """

    def __init__(self, listener: socket.socket, lender: socket.socket, lifeline: int, eager: bool):
        self.stages = {stage.name: stage for stage in STAGES if stage is not SIMULATE}
        self.waiting = deque(CHAIN if eager else ())
        self.environment = wire.read_at_import(os.environ)
        self.jobs: dict[int, socket.socket] = {}
        self.host, self.hold = 0, -1
        self.selector = selectors.DefaultSelector()
        self.listener, self.lender = listener, lender
        for one in (self.listener, self.lender, lifeline):
            self.selector.register(one, selectors.EVENT_READ)
        self.lifeline = lifeline
        self.woken, self.wake = os.pipe()
        for end in (self.woken, self.wake):
            os.set_blocking(end, False)
        self.selector.register(self.woken, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)

    def serve(self) -> Job | Host | None:
        """Serve until the run ends; in a process that was forked, return what it is to do."""
        while True:
            ready = [key.fileobj for key, _ in self.selector.select(0 if self.waiting else None)]
            if self.lifeline in ready:
                self._end()
                return None
            forked = self._answer(ready) if ready else self._look_ahead()
            if forked is not None:
                return forked

    def _answer(self, ready: Sequence[object]) -> Job | Host | None:
        """Do what is asked; in a process that was forked for it, return what that is to do."""
        for one in ready:
            forked: Job | Host | None = None
            if one is self.listener:
                forked = self._accept()
            elif one is self.lender:
                forked = self._fork_host()
            elif one == self.woken:
                os.read(self.woken, 4096)
                self._reap()
            else:
                self._hear(one)
            if forked is not None:
                return forked
        return None

    def _look_ahead(self) -> Host | None:
        """Import what the next stage needs, while there is nothing else to do."""
        stage = self.waiting.popleft()
        _import(stage)
        return self._fork_host() if stage is SEGMENT and not self.host else None

    def _accept(self) -> Job | None:
        """Take a job over and fork it; in the process of the job, return it."""
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE)
        try:
            if not wire.is_own(connection):
                raise ConnectionError("another user")
            message, descriptors = wire.receive(connection, wire.DESCRIPTORS)
        except OSError:
            connection.close()
            return None
        job = _job(message, descriptors)
        if job is None:
            connection.close()
            return None
        stage, python = self.stages.get(job.argv[0]), message["python"]
        same = wire.read_at_import(job.environment) == self.environment
        if stage is None or not same or python != sys.executable:
            with connection, suppress(OSError):
                wire.send(connection, {"refused": "it has to run by itself"})
            job.close()
            return None
        if stage in CHAIN:
            self.waiting = deque(CHAIN[CHAIN.index(stage) + 1 :])
        _import(stage)
        return self._fork(job, connection)

    def _fork(self, job: Job, connection: socket.socket) -> Job | None:
        """Fork a job; in its process, return it."""
        pid = _fork()
        if not pid:
            os.setpgid(0, 0)
            # The job says it itself, and first: a service that is killed now leaves no job that nobody knows.
            with connection, suppress(OSError):
                wire.send(connection, {"pid": os.getpid()})
            self._forget()
            return job
        with suppress(OSError):  # the job has done it, or has ended
            os.setpgid(pid, pid)
        job.close()
        connection.setblocking(False)
        self.jobs[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ)
        return None

    def _fork_host(self) -> Host | None:
        """Fork the process that lends workers; in it, return it."""
        for stage in WITH_WORKERS:
            _import(stage)
        lifeline, hold = os.pipe()
        pid = _fork()
        if not pid:
            os.setpgid(0, 0)
            os.close(hold)
            listener = self.lender.dup()
            self._forget()
            return Host(listener, lifeline)
        os.close(lifeline)
        self.selector.unregister(self.lender)
        self.host, self.hold = pid, hold
        return None

    def _hear(self, connection: object) -> None:
        """Pass a signal on to a job, or end one whose client has gone."""
        assert isinstance(connection, socket.socket)
        pid = next(pid for pid, one in self.jobs.items() if one is connection)
        try:
            numbers: bytes = connection.recv(16)
        except OSError:
            numbers = b""
        for number in numbers or (signal.SIGKILL,):
            _kill(pid, number)
        if not numbers:
            self.selector.unregister(connection)

    def _reap(self) -> None:
        """Tell the clients of jobs that have ended how these ended."""
        while self.jobs or self.host:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.host:
                os.close(self.hold)
                self.host = 0
                self.selector.register(self.lender, selectors.EVENT_READ)
            elif pid in self.jobs:
                connection = self.jobs.pop(pid)
                with suppress(KeyError):
                    self.selector.unregister(connection)
                _kill(pid, signal.SIGKILL)  # what it left behind
                with connection, suppress(OSError):
                    wire.send(connection, {"status": status})

    def _end(self) -> None:
        """End all processes."""
        for pid in self.jobs:
            _kill(pid, signal.SIGKILL)
        if self.host:
            os.close(self.hold)
        for pid in (*self.jobs, *([self.host] if self.host else [])):
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def _forget(self) -> None:
        """In a process that was forked: let go of all that is the server's."""
        plain_signals()
        self.selector.close()
        self.listener.close()
        self.lender.close()
        for connection in self.jobs.values():
            connection.close()
        for descriptor in (self.lifeline, self.woken, self.wake, *([self.hold] * bool(self.host))):
            os.close(descriptor)


def _job(message: object, descriptors: Sequence[int]) -> Job | None:
    """Return the job that a message asks for; None, and close what came with it, if it asks for none."""
    match message:
        case {
            "argv": [str(), *_] as argv,
            "cwd": str() as cwd,
            "environment": dict() as environment,
            "umask": int() as umask,
            "python": str(),
        } if len(descriptors) == wire.DESCRIPTORS:
            texts = [*argv, *environment, *environment.values()]
            if all(isinstance(text, str) and "\0" not in text for text in texts):
                return Job(argv, cwd, environment, umask, descriptors)
    for number in descriptors:
        os.close(number)
    return None


def _import(stage: Stage) -> None:
    """Import what a stage needs."""
    with suppress(Exception):  # the job says it better
        importlib.import_module(stage.module)


def _fork() -> int:
    """Fork this process; what there is now is not looked at by collections of garbage, and so stays shared."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    gc.freeze()
    return os.fork()


def _kill(pid: int, number: int) -> None:
    """Send a signal to the processes of a job."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
