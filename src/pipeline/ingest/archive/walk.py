"""Every file of a folder, in order, without leaving it."""

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
        ``mtime_ns``; ``version``: `version_of` the two; and ``problem``: why it must not be opened,
        empty if it may. A link to a file inside the archive is a file as any other; a link that
        leads out of it, or nowhere, is not followed. A folder that cannot be listed is a file with
        a problem. No file is opened.
    """
    root = archive.resolve()
    found, folders = [], [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(archive, folder)) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{name}/")
                    elif not _leads_to_folder(entry):
                        regular = entry.is_file(follow_symlinks=False)
                        problem = "" if regular else _problem(Path(entry.path), root)
                        found.append(_item(name, entry, problem))
        except OSError as error:
            problem = f"a folder that cannot be listed ({error.strerror})"
            found.append(_item(folder.rstrip("/"), archive / folder, problem))
    yield from sorted(found, key=lambda item: item["file"])


def _leads_to_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a link to a folder; a link to itself leads nowhere."""
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def version_of(size: int, mtime_ns: int) -> str:
    """Return the version of a file that has no ETag."""
    return f"{size}-{mtime_ns}"


def _item(name: str, place: os.DirEntry | Path, problem: str) -> dict:
    """Describe a file; one with a name that no table can hold is named as well as it can be."""
    file = os.fsencode(name).decode(errors="backslashreplace")
    if file != name:
        problem = "its name is not UTF-8: rename it"
    try:
        about = place.stat(follow_symlinks=not problem)
    except OSError:
        gone = "gone while being looked at"
        return {"file": file, "size": 0, "mtime_ns": 0, "version": "", "problem": gone}
    return {
        "file": file,
        "size": about.st_size,
        "mtime_ns": about.st_mtime_ns,
        "version": version_of(about.st_size, about.st_mtime_ns),
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
