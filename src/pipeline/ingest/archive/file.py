"""A file of an archive, as a folder or a server lists it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class FileVersion(NamedTuple):
    """A version of a file of the archive, by its path."""

    file: str
    version: str


class ArchiveFile(NamedTuple):
    """A file of an archive that was listed and not opened: a row of LISTING.

    Attributes
    ----------
    file : str
        Path inside the archive, with forward slashes.
    size : int
        Bytes; -1 if unknown.
    mtime_ns : int
        Time of the last change, ns since 1970; 0 if unknown.
    version : str
        Changes when the file changes: its ETag, or else `version_of` its size and time. Empty if the
        file has a problem.
    checksum : str
        As ``md5:…`` or ``sha-256:…``; empty if unknown.
    problem : str
        Why the file must not be opened; empty if it may be opened.
    """

    file: str
    size: int = -1
    mtime_ns: int = 0
    version: str = ""
    checksum: str = ""
    problem: str = ""

    @property
    def key(self) -> FileVersion:
        """What tells that a file has not changed."""
        return FileVersion(self.file, self.version)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "ArchiveFile":
        """Read a row of LISTING."""
        return cls(**row)

    def row(self) -> dict[str, Any]:
        """Return the row of LISTING."""
        return self._asdict()


def version_of(size: int, mtime_ns: int) -> str:
    """Return the version of a file that has no ETag."""
    return f"{size}-{mtime_ns}"
