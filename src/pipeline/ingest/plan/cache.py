"""The rows of the scan before, so that a file that has not changed is not opened again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.columns.observations import OBSERVATIONS
from pipeline.ingest.files.selection import path_of
from pipeline.tables import TableError, atomic_path, read_parquet, rows_of, to_arrow


def load(path: Path | None, version: str) -> dict[tuple, list[dict]]:
    """Return the rows of a cache by path and version, one an object in the file.

    Parameters
    ----------
    path : Path or None
        File. One that is missing, damaged or of another version is as good as none.
    version : str
        Of the code and the options that scan.
    """
    if path is None or not path.is_file():
        return {}
    try:
        table = read_parquet(path, OBSERVATIONS)
    except TableError:
        return {}
    if table.schema.metadata.get(b"version") != version.encode():
        return {}
    found = defaultdict(list)
    for row in rows_of(table):
        found[key(row)].append(row)
    return dict(found)


def key(row: Mapping) -> tuple:
    """Return what tells that a file has not changed."""
    return path_of(row), row["version"]


def save(path: Path | None, version: str, rows: Iterable[Mapping]) -> None:
    """Write the rows of a scan, if there is a `path` to write them to.

    A file that could not be read, and so has no version, is left out: next time it may be possible.
    """
    if path is None:
        return
    table = to_arrow(OBSERVATIONS, [row for row in rows if row["version"]])
    metadata = {**table.schema.metadata, b"version": version.encode()}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
