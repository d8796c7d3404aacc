"""The command ``download``: download the files of a shard."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns.observations import LISTING
from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive import receipts
from pipeline.ingest.archive.file import ArchiveFile, FileVersion
from pipeline.ingest.archive.receipts import Receipt
from pipeline.ingest.archive.remote import RemoteArchive, each
from pipeline.ingest.plan import shard
from pipeline.ingest.reject import Rejected
from pipeline.parts import print_counts
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of


def run(
    *,
    archive: str,
    plan: Path,
    listing: Path,
    copies: Path,
    output: Path,
    options: RemoteOptions,
) -> None:
    """Download the files of a shard that are not here yet.

    Parameters
    ----------
    archive : str
        URL of the archive.
    plan, listing : Path
        List of files of the shard, and the table from the command `list`.
    copies : Path
        Folder to download to.
    output : Path
        Table to write: a row a file, with the reason where it was not downloaded.
    options
        Section of the configuration.
    """
    server = RemoteArchive(archive, options, copies)
    wanted = shard.needed(shard.read(plan))
    listed = _listed(listing, wanted)

    def fetch(one: FileVersion) -> Receipt:
        try:
            if one not in listed:
                reason = f"{server.url}/{one.file}: has changed since the plan was made: run again"
                raise Rejected(Status.NOT_DOWNLOADED, reason)
            server.fetch(listed[one])
        except Rejected as rejected:
            return Receipt(one, rejected.reason)
        return Receipt(one)

    results = list(each(server, fetch, wanted))
    receipts.write(output, results)
    print_counts(plan.stem, Counter("not downloaded" if one.reason else "here" for one in results))


def _listed(listing: Path, wanted: list[FileVersion]) -> dict[FileVersion, ArchiveFile]:
    """Read the wanted files of a listing."""
    table = read_parquet(listing, LISTING)
    files = pa.array([one.file for one in wanted], pa.string())
    found = map(ArchiveFile.of_row, rows_of(table.filter(pc.is_in(table["file"], files))))
    return {one.key: one for one in found}
