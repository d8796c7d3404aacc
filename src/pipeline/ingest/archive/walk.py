"""List the files of a folder in order, without leaving the folder."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.faults import of_machine
from pipeline.ingest.archive.access import check_present
from pipeline.ingest.archive.file import ArchiveFile, version_of


def list_folder(archive: Path) -> Iterator[ArchiveFile]:
    """List the files of an archive. No file is opened.

    Parameters
    ----------
    archive : Path
        Folder.

    Yields
    ------
    ArchiveFile
        In the order of their paths. A link to a file inside the archive is a file like any other. A link
        that leads out of the archive, or nowhere, is not followed: it is a file with a problem. A folder
        that cannot be listed is a file with a problem, too.

    Raises
    ------
    MachineFault
        When the archive is away, or the machine is at fault otherwise.
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
                        problem = "" if regular else _problem_of_link(Path(entry.path), root)
                        found.append(_listed(name, entry, problem))
        except OSError as error:
            if of_machine(error):
                raise
            check_present(archive, archive / folder / "any")
            problem = f"{_UNLISTED} ({error.strerror})"
            found.append(_listed(folder.rstrip("/"), archive / folder, problem))
    yield from _apart(sorted(found, key=lambda listed: (listed.file, listed.problem == _ODD)))


def _apart(listed: list[ArchiveFile]) -> Iterator[ArchiveFile]:
    """Yield files in order; one whose name is written as another one's gets a number behind it."""
    names = {one.file for one in listed if one.problem != _ODD}
    for one in listed:
        if one.problem == _ODD:
            name, number = one.file, 1
            while name in names:
                number += 1
                name = f"{one.file} ({number})"
            names.add(name)
            yield one._replace(file=name)
        else:
            yield one


def may_pass(problem: str) -> bool:
    """Return whether a problem of a file or folder may be gone the next time, though nothing shows it."""
    return problem == _GONE or problem.startswith(_UNLISTED)


_GONE, _UNLISTED = "gone while being looked at", "a folder that cannot be listed"
_ODD, _LONG = "its name is not UTF-8: rename it", "its path is too long: move it to a higher folder"


def _leads_to_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a link to a folder; a link to itself leads nowhere."""
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError as error:
        if of_machine(error):
            raise
        return False


def _listed(name: str, place: os.DirEntry | Path, problem: str) -> ArchiveFile:
    """Describe a file. In a name that no table can hold, the odd bytes are written as escapes."""
    file = os.fsencode(name).decode(errors="backslashreplace")
    if file != name:
        problem = _ODD
    try:
        about = place.stat(follow_symlinks=not problem)
    except OSError as error:
        if of_machine(error):
            raise
        problem = _LONG if error.errno == errno.ENAMETOOLONG else _GONE
        return ArchiveFile(file, 0, problem=problem)
    size, mtime_ns = about.st_size, about.st_mtime_ns
    return ArchiveFile(file, size, mtime_ns, version_of(size, mtime_ns), problem=problem)


def _problem_of_link(path: Path, root: Path) -> str:
    """Return why an entry that is not a regular file must not be opened; empty if it may be."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        if of_machine(error):
            raise
        return "a link that leads nowhere: mend it or remove it"
    if not target.is_relative_to(root):
        return "a link out of the archive, which is not followed: copy the file into the archive"
    if not target.is_file():
        return "not a regular file: remove it from the archive"
    return ""
