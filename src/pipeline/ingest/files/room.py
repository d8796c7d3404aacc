"""Room on the disk for unpacked files, which all workers of this machine share.

A file may unpack to much more than its size. Files that are small are unpacked at once. A larger one holds a lock that
others may hold too; where the disk has not enough room for all of them, it begins again when it is the only one. What
does not fit then is more than the disk has room for.
"""

import errno
import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import private

FREELY = 1 << 25
"""Bytes that each worker may unpack without asking."""
RESERVE = 1 << 30
"""Bytes that are left to others, at most a twentieth of the disk."""
_STEP = 1 << 25  # bytes after which the room is looked at again
_FULL = (errno.ENOSPC, errno.EDQUOT)
_mine = (
    threading.local()
)  # who has a lock, and opens another file, waits for nobody: they may wait for him


class NoRoom(Exception):
    """There is not enough room for this file and those that others unpack."""


class Room:
    """The room that one file takes. See `room`.

    Attributes
    ----------
    content : binary file
        Where it is unpacked to, without a buffer.
    is_alone : bool
        Whether no other large file is unpacked.
    size : int
        Bytes so far.
    """

    content: Any

    def __init__(self) -> None:
        self.is_alone, self.size = False, 0
        self._looked, self._asked, self._locks = 0, False, list[int]()

    def write(self, block: bytes) -> None:
        """Write the next bytes.

        Raises
        ------
        NoRoom
            When there is not enough room; the file may then be written anew, after `wait`.
        """
        self.size += len(block)
        if self.size > FREELY and not self._asked:
            self._asked, self._locks = True, _locked(fcntl.LOCK_SH)
        if not self.is_alone and self.size > self._looked + _STEP:
            self._looked = self.size
            if _free(self.content.fileno()) < 0:
                raise NoRoom
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self.content.write(rest) :]
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise NoRoom from error

    def wait(self) -> None:
        """Give the room back, wait until no other large file is unpacked, and begin again."""
        self.content.seek(0)
        self.content.truncate(0)
        self.close()
        self._locks, self._asked = _locked(fcntl.LOCK_EX), True
        self.is_alone, self.size = True, 0

    def close(self) -> None:
        """Let others unpack."""
        for number in self._locks:
            os.close(number)
            _mine.has_lock = False
        self._locks = []


@contextmanager
def room() -> Iterator[Room]:
    """Yield the room for a file that is unpacked, which it has as long as the context lasts."""
    one = Room()
    try:
        yield one
    finally:
        one.close()


def _free(number: int) -> int:
    """Return the bytes that are free beside the reserve on the disk of an open file."""
    about = os.fstatvfs(number)
    reserve = min(RESERVE, about.f_blocks * about.f_frsize // 20)
    return about.f_bavail * about.f_frsize - reserve


def _locked(kind: int) -> list[int]:
    """Wait for a lock, and return the open file that holds it; nothing where there can be none.

    Who waits to be alone holds the gate: nobody else comes in before.
    """
    if getattr(_mine, "has_lock", False):
        return []
    try:
        folder = private.made(Path(tempfile.gettempdir()) / f"pipeline-unpacking-{os.getuid()}")
        gate, lock = (_opened(folder / name) for name in ("gate", "lock"))
    except OSError:
        return []
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, kind)
    except OSError:  # a file system without locks
        os.close(lock)
        return []
    finally:
        os.close(gate)
    _mine.has_lock = True
    return [lock]


def _opened(path: Path) -> int:
    """Open the file of a lock."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
