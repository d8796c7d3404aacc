"""Every file of an archive, in order, without leaving it."""

import os
from collections.abc import Iterator
from pathlib import Path


def find(archive: Path) -> Iterator[dict]:
    """Walk an archive.

    Parameters
    ----------
    archive : Path
        Folder.

    Yields
    ------
    dict
        ``file``: path inside the archive, with forward slashes, in order; ``size``, bytes;
        ``mtime_ns``; and ``problem``: why it must not be opened, empty if it may. A link to a file
        inside the archive is a file as any other; a link that leads out of it, or nowhere, is not
        followed. A folder that cannot be listed is a file with a problem.
    """
    root = archive.resolve()
    found, closed = [], {}

    def note(error):
        closed[Path(error.filename)] = f"a folder that cannot be listed ({error.strerror})"

    for folder, folders, files in os.walk(archive, onerror=note):
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
        found.extend(Path(folder, name) for name in files)
    for path in sorted([*found, *closed], key=lambda p: p.relative_to(archive).as_posix()):
        yield _item(path, archive, closed.get(path) or _problem(path, root))


def _item(path, archive, problem) -> dict:
    """Describe a file; one with a name that no table can hold is named as well as it can be."""
    name = path.relative_to(archive).as_posix()
    file = os.fsencode(name).decode(errors="backslashreplace")
    if file != name:
        problem = "its name is not UTF-8: rename it"
    try:
        about = path.lstat() if problem else path.stat()
    except OSError:
        return {"file": file, "size": 0, "mtime_ns": 0, "problem": "gone while being looked at"}
    return {
        "file": file,
        "size": about.st_size,
        "mtime_ns": about.st_mtime_ns,
        "problem": problem,
    }


def _problem(path, root) -> str:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere: mend it or remove it"
    if not target.is_relative_to(root):
        return "a link out of the archive, which is not followed: copy the file into the archive"
    if not target.is_file():
        return "not a regular file: remove it from the archive"
    return ""
