"""The command ``plan``: find the files of an archive and spread its sources over shards."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.closure import code_version
from pipeline.cluster import Outcome, connect, isolating_map
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.config.archive import RemoteOptions, SourceOptions, is_remote
from pipeline.config.base import ConfigError, section_json
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import SCANNED_BY, IngestOptions
from pipeline.faults import MachineFault, of_machine
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan import apart, shard
from pipeline.ingest.plan import cache as scan_cache
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.duplicates import possible_duplicates
from pipeline.ingest.plan.found import FoundFile, columns
from pipeline.ingest.plan.scan import Opener, objects_in, scan_file
from pipeline.ingest.plan.sources import same_positions
from pipeline.ingest.reject import Rejected
from pipeline.parts import print_counts
from pipeline.refusal import one_line
from pipeline.seals import Origin, identifier, together
from pipeline.shards import shard_lists, shard_name, shard_of
from pipeline.status import Status
from pipeline.tables import parquet_writer, read_parquet, rows_of

WORTH_A_CLUSTER = 10_000
"""Number of files to look at from which on workers are faster than one process."""

LONGEST_PAUSE = 120.0
"""Seconds before another try of a request, at most."""

_Known = dict[str, list[FoundFile]]


def run(
    *,
    archive: Path | str,
    observations: Path,
    plan: Path,
    cache: Path | None,
    options: IngestOptions,
    source: SourceOptions,
    cluster: ClusterOptions,
    shards: int,
    listing: Path | None = None,
    copies: Path | None = None,
    remote: RemoteOptions | None = None,
    recipe: str = "",
) -> None:
    """Find the files of an archive and spread its sources over shards.

    Parameters
    ----------
    archive : Path or str
        Folder to search, or URL.
    observations : Path
        Parquet to write: OBSERVATIONS, a row a file found.
    plan : Path
        Folder to write: a list of files a shard.
    cache : Path or None
        Parquet of the last scan, which is used and replaced.
    options, source, cluster
        Sections of the configuration.
    shards : int
        Number of shards. Each of them gets a list, which may be empty.
    listing, copies : Path, optional
        Of a remote archive: the table from the command `list`, and the folder its files are downloaded to.
    remote : RemoteOptions, optional
        Section of the configuration.
    recipe : str, optional
        Identifies the options, see `pipeline.declared.Stage.recipe`.

    Raises
    ------
    ConfigError
        When the archive is not a folder, or two names are at one place and `source.same_position`
        is `error`.
    """
    version = f"{code_version('ingest')} {section_json(options, SCANNED_BY)}"
    known = scan_cache.load(cache, version)
    if is_remote(archive):
        if listing is None or copies is None or remote is None:
            raise ConfigError("archive: a remote archive needs a listing, copies and remote")
        server = _RemoteScan(str(archive), listing, copies, remote)
        scanned = server.scan(known, options, cluster)
    else:
        scanned = _scan_folder(Path(archive), known, options, cluster)
    scan_cache.save(cache, version, scanned)
    files = complete(scanned, source.group_by, source.radius)
    if source.group_by == "object" and source.same_position == "error":
        _refuse_same_positions(files, source.radius)
    _write_lists(plan, files, shards)
    lists = [identifier(one) for one in shard_lists(plan)]
    origin = Origin("plan", "", recipe, {"plan": together(lists)})
    with parquet_writer(observations, OBSERVATIONS, origin) as write:
        if files:
            write(columns(files))
    print_counts(f"{len(files)} files", Counter(str(one.status) for one in files))


def _write_lists(plan: Path, files: Iterable[FoundFile], shards: int) -> None:
    """Write the list of each shard, and remove those of shards that there are no more."""
    lists: list[list[FoundFile]] = [[] for _ in range(shards)]
    for one in files:
        if one.source_id and one.status != Status.DUPLICATE:
            lists[shard_of(one.source_id, shards)].append(one)
    paths = [plan / f"{shard_name(index)}.tsv" for index in range(shards)]
    for path, entries in zip(paths, lists, strict=True):
        shard.write(path, entries)
    for leftover in set(plan.glob("shard-*.tsv")) - set(paths):
        leftover.unlink()


def _refuse_same_positions(files: Iterable[FoundFile], radius: float) -> None:
    """Raise ConfigError where sources of two names lie within a radius of one another, arcsec."""
    pairs = same_positions(files, radius)
    if pairs:
        named = "; ".join(f"{a} and {b}" for a, b in pairs[:5])
        more = f"; and {len(pairs) - 5} more pairs" if len(pairs) > 5 else ""
        raise ConfigError(
            f'source.same_position: within {radius:g}" of one another: {named}{more}. Set '
            "source.group_by to position, which makes one source of each, or same_position to flag"
        )


def _split(
    listed: Iterable[ArchiveFile], known: _Known
) -> tuple[list[FoundFile], list[ArchiveFile]]:
    """Return the files that the cache knows, as they were found, and the files to look at."""
    found: list[FoundFile] = []
    new: list[ArchiveFile] = []
    for one in listed:
        cached = None if one.problem else known.pop(one.file, None)
        if cached and cached[0].version == one.version:
            found.extend(cached)
        else:
            new.append(one)
    return found, new


def _scan_folder(
    archive: Path, known: _Known, options: IngestOptions, cluster: ClusterOptions
) -> list[FoundFile]:
    """Look at every file of a folder that the cache does not know, and return all that was found."""
    if not archive.is_dir():
        raise ConfigError(f"archive: {str(archive)!r} is not a folder; allowed: an existing folder")
    had = len(known)
    found, new = _split(list_folder(archive), known)
    if had and not found and not new:
        raise MachineFault(
            f"{archive}: has no file, and had {had}: see whether its disk is mounted; if they were all removed, "
            "remove .scan.parquet from the folder of the results, and run again"
        )
    look = functools.partial(_look_at, archive=archive.resolve(), options=options)
    if len(new) >= WORTH_A_CLUSTER:
        with connect(cluster) as client:
            found.extend(_found(new, isolating_map(client, look, new, cluster, "plan")))
    else:
        found.extend(_found(new, apart.each(look, new, cluster)))
    unsure = [one for one in possible_duplicates(found) if not one.sha256]
    with ThreadPoolExecutor(cluster.workers or 1) as pool:
        paths = [archive / one.path for one in unsure]
        for one, digest in zip(unsure, pool.map(_checksum, paths), strict=True):
            one.sha256 = digest
    return found


@dataclass(frozen=True)
class _RemoteScan:
    """The files of an archive on a server, to be looked at many requests at a time."""

    archive: str
    listing: Path
    copies: Path
    remote: RemoteOptions

    def scan(
        self, known: _Known, options: IngestOptions, cluster: ClusterOptions
    ) -> list[FoundFile]:
        """Look at every file that the cache does not know, and return all that was found.

        Files that may be copies of one another are downloaded, for their checksums.
        """
        # here: a worker that scans a folder does without the libraries of servers, which take a second
        from pipeline.ingest.archive.remote import RemoteArchive, each

        rows = rows_of(read_parquet(self.listing, LISTING))
        listed = {row["file"]: ArchiveFile.of_row(row) for row in rows}
        found, new = _split(listed.values(), known)
        look = functools.partial(self._look, options=options)
        limits = cluster.model_copy(update={"item_timeout": self._longest(cluster)})
        found.extend(_found(new, apart.together(look, new, limits)))
        server = RemoteArchive(self.archive, self.remote, self.copies)
        unsure = [one for one in possible_duplicates(found) if not one.sha256]

        def checksum(one: FoundFile) -> str:
            try:
                return _checksum(server.fetch(listed[one.path]))
            except Rejected:
                return ""  # `download` will say so

        for one, digest in zip(unsure, each(server, checksum, unsure), strict=True):
            one.sha256 = digest
        return found

    def _look(
        self, listed: Sequence[ArchiveFile], options: IngestOptions
    ) -> Iterator[list[FoundFile]]:
        """Yield what is found in files, with as many requests at a time as allowed."""
        from pipeline.ingest.archive.remote import RemoteArchive, each

        server = RemoteArchive(self.archive, self.remote, self.copies)
        look = functools.partial(_look_at, archive=server, options=options)
        yield from each(server, functools.partial(_look_here, look), listed)

    def _longest(self, cluster: ClusterOptions) -> float:
        """Return the seconds that a file may take: a slow server is no fault of it."""
        return cluster.item_timeout + self.remote.tries * (self.remote.timeout + LONGEST_PAUSE)


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file, empty if it cannot be read."""
    try:
        return fits_file.sha256(path)
    except OSError as error:
        if of_machine(error):
            raise
        return ""


_Look = Callable[[ArchiveFile], list[FoundFile]]


def _look_at(
    listed: ArchiveFile, archive: Path | Opener, options: IngestOptions
) -> list[FoundFile]:
    """Look at a file, and return each object in it."""
    found = scan_file(listed, archive=archive, options=options)
    return objects_in(found, listed, archive, options)


def _look_here(look: _Look, listed: ArchiveFile) -> list[FoundFile]:
    """Look at a file in this process; an error costs that file only."""
    try:
        return look(listed)
    except Exception as error:  # whatever a damaged file makes a library raise
        if of_machine(error):
            raise
        reason = one_line(f"{type(error).__name__}: {error}")
        return [FoundFile.failed(listed, Status.ERROR, reason)]


def _found(listed: list[ArchiveFile], outcomes: Iterable[Outcome]) -> Iterator[FoundFile]:
    """Yield what was found in files; one at which a process died costs that file only."""
    for outcome in outcomes:
        if isinstance(outcome.value, list) and outcome.value:
            yield from outcome.value
        else:
            status = Status.WORKER_DIED if outcome.died else Status.ERROR
            yield FoundFile.failed(listed[outcome.index], status, one_line(outcome.error))
