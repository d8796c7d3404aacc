"""A job hands itself over to the service of its run and waits for its end, as if it had run here."""

import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from pipeline.faults import TRY_AGAIN
from pipeline.service import wire

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that the job gets when this process gets them."""

BY_MACHINE = (signal.SIGKILL, signal.SIGBUS)
"""Signals by which the machine ends a process: for want of memory, or of the disk of a file that is mapped."""


def run_there(argv: Sequence[str]) -> int | None:
    """Have a command run by the service and return its exit code; None where the caller has to run it.

    A job that a signal ended ends this process by the same signal.

    Parameters
    ----------
    argv : sequence of str
        Name of the command and its arguments.
    """
    folder = os.environ.get(wire.VARIABLE)
    if not folder or not argv or argv[0].startswith("-"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(os.path.join(folder, wire.JOBS))
            if not wire.is_own(connection):
                return None
        except OSError:
            return None
        return _Handed(connection).wait(argv)


class _Handed:
    """A job in the hands of the service."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.alive, self.held = os.pipe()
        self.signals: list[int] = []

    def wait(self, argv: Sequence[str]) -> int | None:
        """See `run_there`."""
        before = {
            number: signal.signal(number, self._forward)
            for number in FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            status = self._status(argv)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self.alive)
        if status is None:
            return _ended_by(self.signals[0]) if self.signals else None
        if not os.WIFSIGNALED(status):
            return os.WEXITSTATUS(status)
        if os.WTERMSIG(status) in BY_MACHINE and not self.signals:
            print(
                f"{TRY_AGAIN}the job was ended by {signal.Signals(os.WTERMSIG(status)).name}, as where memory lacks: "
                "use fewer workers or cores, or end other programs, then run again",
                file=sys.stderr,
                flush=True,
            )
        return _ended_by(os.WTERMSIG(status))

    def _forward(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on."""
        self.signals.append(number)
        with suppress(OSError):
            self.connection.send(bytes([number]))

    def _status(self, argv: Sequence[str]) -> int | None:
        """Return how the job ended, as `os.wait` says it; None if it was not done."""
        umask = os.umask(0o077)
        os.umask(umask)
        message = {
            "argv": list(argv),
            "cwd": os.getcwd(),
            "environment": dict(os.environ),
            "umask": umask,
            "python": sys.executable,
        }
        pid = 0
        try:
            wire.send(self.connection, message, [0, 1, 2, self.held])
        except OSError:
            return None
        finally:
            os.close(self.held)
        try:
            answer, _ = wire.receive(self.connection)
            if "refused" in answer:
                return None
            pid = answer["pid"]
            return wire.receive(self.connection)[0]["status"]
        except OSError:
            # The service is gone: its job must not go on beside the one that takes its place.
            if pid and not self._has_ended(wait=False):
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            self._has_ended(wait=True)
            return None

    def _has_ended(self, wait: bool) -> bool:
        """Return whether all processes of the job have ended, when they have or at once."""
        os.set_blocking(self.alive, wait)
        try:
            return os.read(self.alive, 1) == b""
        except BlockingIOError:
            return False


def _ended_by(number: int) -> int:
    """End this process by a signal, without a core of its own; return a shell's code for it if it does not end."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
