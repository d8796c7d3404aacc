"""Folders that nobody but this user, and root, can change: for keys, for sockets, and for programs that are run.

A name in a folder that everybody may write, as ``/tmp``, may be taken by somebody else before. A folder is private if
it is this user's, and if nobody else can put another one into its place: each folder above it belongs to this user or
to root, and no other user can write there, or only to what is his own (the sticky bit).
"""

import grp
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.faults import MachineFault

_OTHERS = 0o077
_LINKS = 40  # as many as the system follows


def made(folder: str | os.PathLike[str]) -> Path:
    """Return a private folder, without links in its path; make it if it is not there.

    Raises
    ------
    PermissionError
        When it is there and not private, or cannot be private where it is.
    OSError
        When it cannot be made.
    """
    path = Path(os.path.abspath(folder))
    _make(path)
    check(path)
    return path.resolve()


def check(folder: str | os.PathLike[str]) -> None:
    """Raise `PermissionError` unless a folder is there and private."""
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a folder of this user")
    if about.st_mode & _OTHERS:
        raise PermissionError(f"{folder} is open to other users: chmod 700 it")
    check_above(folder)


def check_above(folder: str | os.PathLike[str]) -> None:
    """Raise `PermissionError` where somebody else can put another folder into the place of this one."""
    for path in _above(Path(os.path.abspath(folder))):
        about = os.lstat(path)
        if not _is_trusted(about.st_uid):
            raise PermissionError(f"{path}, in which {folder} is, belongs to another user")
        if stat.S_ISLNK(about.st_mode) or about.st_mode & stat.S_ISVTX:
            continue
        by_group = about.st_mode & stat.S_IWGRP and not _is_own_group(about.st_gid)
        if by_group or about.st_mode & stat.S_IWOTH:
            raise PermissionError(f"other users can write to {path}, in which {folder} is")


def new_folder(prefix: str, longest: int | None = None) -> Path:
    """Return a new private folder for temporary files: in TMPDIR, or where that is not safe, elsewhere.

    Parameters
    ----------
    prefix : str
        How its name begins; the rest is random.
    longest : int, optional
        Most characters of its path.

    Raises
    ------
    MachineFault
        When there is no place for it.
    OSError
        When it cannot be made where it should be.
    """
    reasons = []
    for number, place in enumerate((tempfile.gettempdir(), "/tmp", "/var/tmp", str(user_cache()))):
        try:
            check_above(os.path.join(place, prefix))
        except OSError as error:
            reasons.append(str(error))
            continue
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        if longest is not None and len(str(folder)) > longest:
            folder.rmdir()
            continue
        if number and reasons:
            print(f"TMPDIR is not used for keys: {reasons[0]}", file=sys.stderr)
        return folder
    raise MachineFault(
        f"no folder for temporary files is safe ({'; '.join(reasons)}): set TMPDIR to one of yours"
    )


def user_cache() -> Path:
    """Return the folder of this user's caches."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    return Path(folder) if os.path.isabs(folder) else Path.home() / ".cache"


def _make(path: Path) -> None:
    """Make a folder for this user only, and those above it that are not there, whatever the mask of permissions."""
    with suppress(FileExistsError):
        try:
            path.mkdir(mode=0o700)
        except FileNotFoundError:
            for missing in reversed(path.parents):
                missing.mkdir(mode=0o755, exist_ok=True)
            path.mkdir(mode=0o700)


def _above(path: Path) -> Iterator[Path]:
    """Yield the folders above a path, and the links that lead to them."""
    waiting, links = [path.parent], 0
    while waiting:
        for one in (waiting[-1], *waiting.pop().parents):
            yield one
            if one.is_symlink():
                links += 1
                if links > _LINKS:
                    raise PermissionError(f"{path}: too many links lead there")
                waiting.append(one.parent / os.readlink(one))


def _is_trusted(uid: int) -> bool:
    """Return whether a user is this one or root, who may also be hidden by a namespace of users."""
    return uid in (0, os.geteuid()) or uid == _hidden_users()


@cache
def _hidden_users() -> int | None:
    """Return the number by which users are shown who are not in this container; None outside of one."""
    try:
        first, _, count = Path("/proc/self/uid_map").read_text().split()[:3]
        if (int(first), int(count)) == (0, 2**32 - 1):
            return None
        return int(Path("/proc/sys/fs/overflowuid").read_text())
    except (OSError, ValueError):
        return None


@cache
def _is_own_group(gid: int) -> bool:
    """Return whether a group is that of this user alone, as many systems make one for each user."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return (
        user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    )
