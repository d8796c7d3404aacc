"""The list of files of a shard: a small, sorted, tab-separated table."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pathlib import Path

from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.plan.found import FoundFile, path_of
from pipeline.lists import read_list, write_list
from pipeline.status import Status


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or one object in it, that a shard is to read; a line of its list.

    See `FoundFile` for the attributes. `version` is that of the file when it was planned.
    """

    source_id: str
    observation_id: str
    file: str
    part: str = ""
    version: str = ""
    kind: str = ""
    response: str = ""
    response_version: str = ""
    status: str = Status.OK
    reason: str = ""

    @classmethod
    def of_found(cls, found: FoundFile) -> "Entry":
        """Make the entry of a file that was found."""
        return cls(**{name: getattr(found, name) for name in COLUMNS})

    @property
    def path(self) -> str:
        """Path of the file inside the archive, without an object."""
        return path_of(self.file, self.part)

    @property
    def needed(self) -> list[FileVersion]:
        """The file, and its response if it has one."""
        file = FileVersion(self.path, self.version)
        if not self.response:
            return [file]
        return [file, FileVersion(self.response, self.response_version)]

    def refused(self, status: Status, reason: str) -> "Entry":
        """Return the entry as one that cannot be read."""
        return replace(self, status=status, reason=reason)


COLUMNS = tuple(field.name for field in fields(Entry))


def write(path: Path, entries: Iterable[Entry | FoundFile]) -> None:
    """Write entries, or files that are to be read, in the order of source and file."""
    ordered = sorted(entries, key=attrgetter("source_id", "file"))
    write_list(path, COLUMNS, map(attrgetter(*COLUMNS), ordered))


def read(path: Path) -> list[Entry]:
    """Read the entries of a list.

    Raises
    ------
    TableError
        Where the file is no such list.
    """
    return [Entry(*cells) for cells in read_list(path, COLUMNS)]


def needed(entries: Iterable[Entry]) -> list[FileVersion]:
    """Return the files that reading a shard needs, responses included, in order."""
    return sorted({file for entry in entries if entry.status == Status.OK for file in entry.needed})
