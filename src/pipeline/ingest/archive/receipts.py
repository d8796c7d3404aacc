"""The result of downloading the files of a shard: a small, sorted, tab-separated table."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.ingest.archive.file import FileVersion
from pipeline.tables import atomic_path

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
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*receipt.wanted, receipt.reason) for receipt in receipts)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read_failures(path: Path) -> dict[FileVersion, str]:
    """Return the files that are not here, each with the reason."""
    with open(path, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        return {FileVersion(r["file"], r["version"]): r["reason"] for r in rows if r["reason"]}
