"""The files that the last scan found, so that a file that has not changed is not opened again."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.columns.observations import OBSERVATIONS
from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.plan.found import FoundFile
from pipeline.tables import TableError, atomic_path, read_parquet, rows_of, to_arrow


def load(path: Path | None, version: str) -> dict[FileVersion, list[FoundFile]]:
    """Read a cache: the objects in each file, by path and version of the file.

    Parameters
    ----------
    path : Path or None
        File. One that is missing, damaged or of another version is treated as empty.
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
    known = defaultdict(list)
    for row in rows_of(table):
        found = FoundFile.of_row(row)
        known[FileVersion(found.path, found.version)].append(found)
    return dict(known)


def save(path: Path | None, version: str, found: Iterable[FoundFile]) -> None:
    """Write the files that a scan found, if there is a `path` to write them to.

    A file that could not be read, and so has no version, is left out: the next scan may read it.
    """
    if path is None:
        return
    table = to_arrow(OBSERVATIONS, [one.row() for one in found if one.version])
    metadata = {**table.schema.metadata, b"version": version.encode()}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
