"""The result of downloading the files of a shard: a small, sorted, tab-separated table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.ingest.archive.file import FileVersion
from pipeline.lists import read_list, write_list

_COLUMNS = ("file", "version", "reason")


@dataclass(frozen=True)
class Receipt:
    """The result of downloading a file.

    Attributes
    ----------
    wanted : FileVersion
        The file.
    reason : str
        Why it is not here; empty if it is.
    """

    wanted: FileVersion
    reason: str = ""


def write(path: Path, receipts: Iterable[Receipt]) -> None:
    """Write receipts in their order."""
    write_list(path, _COLUMNS, ((*receipt.wanted, receipt.reason) for receipt in receipts))


def read_failures(path: Path) -> dict[FileVersion, str]:
    """Return the files that are not here, each with the reason.

    Raises
    ------
    TableError
        Where the file is no such list.
    """
    rows = read_list(path, _COLUMNS)
    return {FileVersion(file, version): reason for file, version, reason in rows if reason}
