"""Which outputs are made again because a file may be read now that could not be before, though nothing else changed."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.ingest.archive import receipts
from pipeline.ingest.archive.copies import locate
from pipeline.ingest.files.fits_file import open_regular
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.found import path_of
from pipeline.ingest.reject import Rejected
from pipeline.status import Status
from pipeline.tables import TableError, read_parquet, rows_of


def outputs_to_remake(
    *, archive: Path, observations: Path, plan: Path, ingested: Path
) -> list[Path]:
    """Return the outputs that record a file of a folder as inaccessible that can be read now.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    observations, plan : Path
        Outputs of the command `plan`: its table, and the folder of its lists.
    ingested : Path
        Folder of the outputs of `ingest`.
    """
    found = [observations] if any(map(_is_there, _not_looked_at(archive, observations))) else []
    for table in sorted(ingested.glob("shard-*.parquet")):
        files = _inaccessible(table)
        shard_list = plan / f"{table.stem}.tsv"
        if files and shard_list.is_file():
            entries = (entry for entry in shard.read(shard_list) if entry.file in files)
            if any(_can_be_read(archive, entry) for entry in entries):
                found.append(table)
    return found


def downloads_to_remake(*, listing: Path, observations: Path, downloads: Path) -> list[Path]:
    """Return the outputs that record failed downloads, and are to be made again to try once more.

    A file with a problem in the listing does not count: it will be tried when the listing has none.

    Parameters
    ----------
    listing, observations : Path
        Outputs of the commands `list` and `plan`.
    downloads : Path
        Folder of the outputs of `download`.
    """
    tables = sorted(downloads.glob("shard-*.tsv"))
    found = [table for table in tables if receipts.read_failures(table)]
    if observations.is_file():
        rows = rows_of(read_parquet(observations, OBSERVATIONS, ["file", "part", "status"]))
        failed = {
            path_of(row["file"], row["part"])
            for row in rows
            if row["status"] == Status.NOT_DOWNLOADED
        }
        rows = rows_of(read_parquet(listing, LISTING, ["file", "problem"]))
        if failed - {row["file"] for row in rows if row["problem"]}:
            found.append(observations)
    return found


def _not_looked_at(archive: Path, observations: Path) -> Iterator[Path]:
    """Yield the files, and folders, of an archive that a plan could not look at."""
    try:
        data = read_parquet(observations, OBSERVATIONS, ["file", "part", "status"])
    except TableError:
        return
    for row in rows_of(data.filter(pc.equal(data["status"], str(Status.INACCESSIBLE)))):
        yield archive / path_of(row["file"], row["part"])


def _is_there(path: Path) -> bool:
    """Return whether a file can be read, or a folder be listed."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
            return True
        with open_regular(path) as handle:
            handle.read(1)
    except OSError:
        return False
    return True


def _inaccessible(table: Path) -> set[str]:
    """Return the files that a table INGEST records as inaccessible."""
    try:
        status = read_parquet(table, INGEST, ["status"])["status"]
        if not pc.any(wanted := pc.equal(status, str(Status.INACCESSIBLE))).as_py():
            return set()
        return set(read_parquet(table, INGEST, ["file"])["file"].filter(wanted).to_pylist())
    except TableError:  # it will be made again
        return set()


def _can_be_read(archive: Path, entry: shard.Entry) -> bool:
    """Return whether all files of an entry are there as they were planned."""
    try:
        return all(_is_there(locate(archive, *wanted)) for wanted in entry.needed)
    except (OSError, Rejected):
        return False
