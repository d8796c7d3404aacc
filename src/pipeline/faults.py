"""Whose fault an error is: the machine's, or that of the file that was worked on.

A fault of the machine (a full disk, a mount that is away, no memory, too many open files, a lost worker) passes or
is mended, and says nothing about a file. It is never written down as the status of a file: work is tried again for
a while, and then the job ends with the exit code of "try again", and nothing recorded.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

EXIT_TRY_AGAIN = 75
"""Exit code of a command that a fault of the machine ended: sysexits' EX_TEMPFAIL."""
TRY_AGAIN = "try again: "
"""What begins the line by which a command says what is wrong with the machine."""

_Done = TypeVar("_Done")

_SPACE = "make space there, then run again"
_AWAY = "see whether its disk or its server is there and sound, then run again"
_TICKET = "renew the ticket or key by which it is mounted, then run again"
_FILES = "raise the limit (`ulimit -n`) or use fewer workers, then run again"
_MEMORY = "use fewer workers (cluster.workers) or end other programs, then run again"
_PROCESSES = "raise the limit (`ulimit -u`) or use fewer workers, then run again"
_WRITABLE = "mount it for writing or choose another folder, then run again"
_AGAIN = "run again"

_BY_NAME = {
    **dict.fromkeys(("ENOSPC", "EDQUOT", "EFBIG"), _SPACE),
    **dict.fromkeys(("EMFILE", "ENFILE"), _FILES),
    **dict.fromkeys(("EAGAIN", "EWOULDBLOCK"), _PROCESSES),
    "ENOMEM": _MEMORY,
    "EROFS": _WRITABLE,
    **dict.fromkeys(("EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "ENOKEY"), _TICKET),
    **dict.fromkeys(
        (
            *("EIO", "ESTALE", "ENOTCONN", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET"),
            *("ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
            *("ENODEV", "ENOLINK", "EREMOTEIO", "EUCLEAN", "ENOLCK", "ENOMEDIUM"),
        ),
        _AWAY,
    ),
}
_REMEDIES = {getattr(errno, name): text for name, text in _BY_NAME.items() if hasattr(errno, name)}
"""What to do, by the number of an error; a number that is not here is no fault of the machine."""

_LOST = frozenset({"CommClosedError", "NoValidWorkerError"})
"""Exceptions of Dask by which a process is lost."""

FIRST_PAUSE = 0.5
"""Seconds before the first of further tries; the pause is doubled after each."""


class MachineFault(Exception):
    """The machine failed, and no file is to blame. The message is a sentence with the path and a remedy."""


def of_machine(error: BaseException) -> bool:
    """Return whether an error, or what it was raised for, is a fault of the machine.

    It is judged by the number of the error (``errno``) and by its kind, never by its text alone. A file that is not
    there, or must not be read, is no fault of the machine.

    Parameters
    ----------
    error : BaseException
        What was raised. Its causes are judged, too: of a library that says ``from error``, or that was handling
        one; ``from None`` ends the chain.
    """
    return any(_is_of_machine(one) for one in _chain(error))


def sentence(error: BaseException, path: str | os.PathLike[str] = "") -> str:
    """Return what is wrong with the machine, in one sentence: the path, what is wrong, and what to do.

    Parameters
    ----------
    error : BaseException
        A fault of the machine.
    path : path-like, optional
        What was worked on, where the error does not say it.
    """
    guilty = next((one for one in _chain(error) if _is_of_machine(one)), error)
    if isinstance(guilty, MachineFault):
        return str(guilty)
    if isinstance(guilty, (ConnectionError, TimeoutError)) and not guilty.errno:
        return _line(guilty) or "a connection was lost: run again"
    place = _place(guilty) or os.fspath(path)
    return f"{place}: {_wrong(guilty)}" if place else _wrong(guilty)


@contextmanager
def own(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make every error of the operating system in the block a fault of the machine.

    For files that the pipeline makes for itself: nothing that a stranger sent is to blame if these fail.

    Parameters
    ----------
    path : path-like
        What is named where the error names no file.

    Raises
    ------
    MachineFault
        For an ``OSError`` that has a number.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise MachineFault(sentence(error, path)) from error


def persist(
    action: Callable[[], _Done], patience: float, sleep: Callable[[float], None] | None = None
) -> _Done:
    """Return what a function returns; while the machine is at fault, call it again.

    Parameters
    ----------
    action : callable
        It may be called more than once. Where memory lacks, it is not: what needs too much would need it again.
    patience : float
        Longest sum of the pauses, s.
    sleep : callable, optional
        Waits for a number of seconds; default: `time.sleep`.

    Raises
    ------
    Exception
        What the last call raised.
    """
    pause, left = FIRST_PAUSE, patience
    while True:
        try:
            return action()
        except Exception as error:
            if left <= 0 or lacks_memory(error) or not of_machine(error):
                raise
        (sleep or time.sleep)(min(pause, left))
        left -= pause
        pause *= 2


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error, or what it was raised for, says that there is not enough memory."""
    return any(_is_of_memory(one) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it was raised for."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _is_of_machine(error: BaseException) -> bool:
    """Return whether an error by itself is a fault of the machine."""
    if isinstance(error, (MachineFault, ConnectionError, TimeoutError)) or _is_of_memory(error):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _REMEDIES
    if type(error).__name__ in _LOST:
        return type(error).__module__.partition(".")[0] == "distributed"
    return _is_of_threads(error)


def _is_of_memory(error: BaseException) -> bool:
    """Return whether an error by itself is a lack of memory; XLA says it in its text only."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    is_xla = type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError")
    return is_xla and str(error).startswith("RESOURCE_EXHAUSTED")


def _is_of_threads(error: BaseException) -> bool:
    """Return whether an error says that no thread can be started; Python has no kind of its own for it."""
    return type(error) is RuntimeError and str(error).startswith("can't start new thread")


def _place(error: BaseException) -> str:
    """Return the path that an error names; empty if it names none."""
    name = getattr(error, "filename", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else ""


def _wrong(error: BaseException) -> str:
    """Return what is wrong, and what to do."""
    if _is_of_memory(error):
        return f"not enough memory: {_MEMORY}"
    if _is_of_threads(error):
        return f"no more threads: {_PROCESSES}"
    number = getattr(error, "errno", None)
    said = os.strerror(number).lower() if number else _line(error) or type(error).__name__
    return f"{said}: {_REMEDIES.get(number or 0, _AGAIN)}"


def _line(error: BaseException) -> str:
    """Return the text of an error in one line."""
    return " ".join(str(error).split())
