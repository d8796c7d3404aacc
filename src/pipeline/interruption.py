"""A run that is interrupted ends in good order, with the exit code of the signal."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 10.0
"""Seconds that this process may take to end, unless it waits for others."""


class Interrupted(BaseException):
    """A signal asked this process to end.

    Attributes
    ----------
    number : int
        The signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number

    @property
    def code(self) -> int:
        """The exit code, as a shell gives it."""
        return 128 + self.number


class Interruptible:
    """What is done on a signal: the first one raises, and every other one makes haste.

    Where this process waits for nobody, it ends after `PATIENCE` seconds in any case: a thread may still hold it up,
    as one that waits for a server.

    Attributes
    ----------
    line : str
        What is said then.
    hurry : callable, optional
        Ends at once what this process waits for.
    was_asked : bool
        Whether there was a signal.
    """

    def __init__(self, line: str = "") -> None:
        self.line = line
        self.hurry: Callable[[], None] | None = None
        self.was_asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.was_asked:
            if self.hurry is not None:
                self.hurry()
            return
        self.was_asked = True
        if self.hurry is None:
            last = threading.Timer(PATIENCE, self._give_up, (number,))
            last.daemon = True
            last.start()
        raise Interrupted(number)

    def _give_up(self, number: int) -> None:
        """End this process at once."""
        with suppress(OSError, ValueError):
            print(self.line, file=sys.stderr, flush=True)
        os._exit(128 + number)


@contextmanager
def interruptible(line: str = "") -> Iterator[Interruptible]:
    """Raise `Interrupted` in the block when a signal asks this process to end.

    An interrupt is heeded also where a shell started this process in the background, which ignores it there; a
    hang-up is ignored where it was, as under ``nohup``. After one signal more of them are ignored, for this process ends.

    Parameters
    ----------
    line : str, optional
        What is said where this process cannot end in order.
    """
    handler = Interruptible(line)
    before = {
        number: signal.signal(number, handler)
        for number in SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield handler
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_IGN if handler.was_asked else old)
