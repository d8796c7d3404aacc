"""The files that the last scan found, so that a file that has not changed is not opened again."""

import gc
from collections.abc import Iterable
from pathlib import Path

from pipeline.columns.observations import OBSERVATIONS
from pipeline.ingest.plan.found import FoundFile, columns, of_columns
from pipeline.sealed import sealed_writer
from pipeline.seals import NO_ORIGIN
from pipeline.tables import TableError, atomic_path, columns_to_arrow, read_parquet


def load(path: Path | None, version: str) -> dict[str, list[FoundFile]]:
    """Read a cache: the objects in each file, by the path of the file.

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
    known: dict[str, list[FoundFile]] = {}
    gc.disable()  # it would look for cycles, of which there are none, again and again
    try:
        for found in of_columns(table):
            known.setdefault(found.path, []).append(found)
    finally:
        gc.enable()
    gc.freeze()
    return known


def save(path: Path | None, version: str, found: Iterable[FoundFile]) -> None:
    """Write the files that a scan found, if there is a `path` to write them to.

    A file that could not be read, and so has no version, is left out: the next scan may read it.
    """
    if path is None:
        return
    table = columns_to_arrow(OBSERVATIONS, columns([one for one in found if one.version]))
    metadata = {**table.schema.metadata, b"version": version.encode()}
    table = table.replace_schema_metadata(metadata)
    with (
        atomic_path(path) as temporary,
        sealed_writer(
            temporary, OBSERVATIONS.name, table.schema, NO_ORIGIN, compression="zstd"
        ) as write,
    ):
        write(table)
