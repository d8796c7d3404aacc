"""The list of files of a shard: a small, sorted, tab-separated table."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.tables import atomic_path

COLUMNS = (
    "source_id",
    "observation_id",
    "file",
    "part",
    "version",
    "kind",
    "response",
    "response_version",
    "status",
    "reason",
)


def write(path: Path, rows: Iterable[Mapping]) -> None:
    """Write the columns `COLUMNS` of `rows`, in the order of source and file."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["source_id"], row["file"])))
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read(path: Path) -> list[dict]:
    """Read what `write` wrote."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))
