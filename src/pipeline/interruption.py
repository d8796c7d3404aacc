"""A run that is interrupted ends in good order, with the exit code of the signal."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    Attributes
    ----------
    hurry : callable, optional
        Ends at once what this process waits for.
    was_asked : bool
        Whether there was a signal.
    """

    def __init__(self) -> None:
        self.hurry: Callable[[], None] | None = None
        self.was_asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.was_asked:
            if self.hurry is not None:
                self.hurry()
            return
        self.was_asked = True
        raise Interrupted(number)


@contextmanager
def interruptible() -> Iterator[Interruptible]:
    """Raise `Interrupted` in the block when a signal asks this process to end.

    An interrupt is heeded also where a shell started this process in the background, which ignores it there; a
    hang-up is ignored where it was, as under ``nohup``. After one signal more of them are ignored, for this process ends.
    """
    handler = Interruptible()
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
