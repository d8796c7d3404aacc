"""The command ``list``: list an archive on a server."""

from collections import Counter
from pathlib import Path

from pipeline.columns.observations import LISTING
from pipeline.config.archive import RemoteOptions
from pipeline.config.base import ConfigError
from pipeline.ingest.archive.remote import RemoteArchive
from pipeline.ingest.reject import Rejected
from pipeline.parts import print_counts
from pipeline.tables import TableError, read_parquet, rows_of, write_parquet


def run(*, archive: str, output: Path, options: RemoteOptions) -> None:
    """List an archive on a server; a listing that has not changed is left as it is.

    Parameters
    ----------
    archive : str
        Its URL.
    output : Path
        Parquet to write: LISTING, a row a file.
    options
        Section of the configuration.

    Raises
    ------
    ConfigError
        When the archive is not there, or must not be listed.
    ConnectionError
        When it cannot be listed for now.
    """
    try:
        listed = RemoteArchive(archive, options, output.parent).list_files()
    except Rejected as rejected:
        raise ConfigError(f"archive: {rejected.reason}") from rejected
    rows = [one.row() for one in listed]
    try:
        known = rows_of(read_parquet(output, LISTING))
    except TableError:
        known = None
    if rows != known:
        write_parquet(output, LISTING, rows)
    counts = Counter("problem" if one.problem else "listed" for one in listed)
    print_counts(archive, counts)
