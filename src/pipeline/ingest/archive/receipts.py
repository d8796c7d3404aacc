"""What came of downloading the files of a shard: a small, sorted, tab-separated table."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from pipeline.tables import atomic_path

_COLUMNS = ("file", "version", "reason")


def write(path: Path, results: Iterable[tuple[tuple[str, str], str]]) -> None:
    """Write path and version of each file, and why it is not here, empty if it is."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((*key, reason) for key, reason in results)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read(path: Path) -> dict[tuple[str, str], str]:
    """Return path and version of the files that are not here, each with the reason."""
    with open(path, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        return {(r["file"], r["version"]): r["reason"] for r in rows if r["reason"]}
