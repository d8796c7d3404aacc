"""Names of unfinished files, which say whose they are, and the removal of those whose process is gone."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from functools import cache
from glob import escape
from pathlib import Path

ABANDONED = 86_400.0
"""Seconds without a change after which a file of a process on another machine is taken for abandoned."""

_NAME = re.compile(r"\..+\.(?:(?P<machine>[0-9a-f]{8})-)?(?P<pid>\d+)\.(?:tmp|parts)")


def unfinished(path: Path, kind: str = "tmp") -> Path:
    """Return the path, beside a file or folder, at which this process makes it.

    Parameters
    ----------
    path : Path
        What is to be made.
    kind : {'tmp', 'parts'}, optional
        The end of the name.
    """
    return path.with_name(f".{path.name}.{machine()}-{os.getpid()}.{kind}")


def sweep(folder: Path) -> None:
    """Remove from a folder, and those in it, what processes that are gone left unfinished.

    Parameters
    ----------
    folder : Path
        A folder that belongs to the pipeline. Links are not followed.
    """
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if _is_left_over(Path(place, name)):
                _remove(Path(place, name))
        folders[:] = [name for name in folders if not _NAME.fullmatch(name)]


def sweep_beside(path: Path) -> None:
    """Remove what processes that are gone left of a file or folder that they were making.

    Parameters
    ----------
    path : Path
        What they were making.
    """
    for one in path.parent.glob(f".{escape(path.name)}.*"):
        if one.name.count(".") == path.name.count(".") + 3 and _is_left_over(one):
            _remove(one)


@cache
def machine() -> str:
    """Return a name of this machine since it was started, as far as numbers of processes are unique: 8 hex digits."""
    return hashlib.sha256("\0".join(_facts()).encode()).hexdigest()[:8]


def _facts() -> Iterator[str]:
    """Yield what tells machines, their starts, and containers apart."""
    yield os.uname().nodename
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        try:
            yield read()
        except OSError:
            yield ""


def _is_left_over(path: Path) -> bool:
    """Return whether a file or folder is unfinished, and the process that made it is gone."""
    made = _NAME.fullmatch(path.name)
    if made is None:
        return False
    if made["machine"] in (None, machine()):
        return not is_running(int(made["pid"]))
    try:
        return time.time() - path.lstat().st_mtime > ABANDONED
    except OSError:
        return False


def is_running(pid: int) -> bool:
    """Return whether there is a process with a number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # of another user
    return True


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
