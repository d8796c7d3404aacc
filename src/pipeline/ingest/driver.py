"""Drives the stage: which files there are, which shard they go to, and reading those of a shard."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.closure import code_version
from pipeline.cluster import Outcome
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.config.archive import RemoteOptions, SourceOptions, is_remote
from pipeline.config.base import ConfigError, section_json
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import SCANNED_BY, IngestOptions
from pipeline.ingest.archive import receipts as download_receipts
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.archive.walk import find
from pipeline.ingest.files import fits_file
from pipeline.ingest.files.selection import path_of
from pipeline.ingest.missions import identity
from pipeline.ingest.plan import cache as scan_cache
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.resolve import alike, resolve, same_positions
from pipeline.ingest.plan.scan import failed, parts_of, scan_file
from pipeline.ingest.read.reader import carried, read_products
from pipeline.ingest.reject import Rejected
from pipeline.parts import print_counts, run_items, scratch_folder, write_counted
from pipeline.refusal import error_line, one_line
from pipeline.shards import shard_name, shard_of
from pipeline.status import Status
from pipeline.tables import TableError, read_parquet, rows_of, write_parquet
from pipeline.times import seconds_since_zero

WORTH_A_CLUSTER = 10_000
"""Files to look at from which on workers are faster than doing it here."""


def list_archive(*, archive: str, output: Path, options: RemoteOptions) -> None:
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
    from pipeline.ingest.archive.remote import RemoteArchive

    try:
        rows = RemoteArchive(archive, options, output.parent).find()
    except Rejected as rejected:
        raise ConfigError(f"archive: {rejected.reason}") from rejected
    try:
        known = rows_of(read_parquet(output, LISTING))
    except TableError:
        known = None
    if rows != known:
        write_parquet(output, LISTING, rows)
    print_counts(archive, Counter("problem" if row["problem"] else "listed" for row in rows))


def plan(
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
        Parquet of the scan before, used and replaced.
    options, source, cluster
        Sections of the configuration.
    shards : int
        Number of shards, each of which gets a list, be it empty.
    listing, copies : Path, optional
        Of a remote archive: what `list_archive` wrote, and where its files are downloaded to.
    remote : RemoteOptions, optional
        Section of the configuration.

    Raises
    ------
    ConfigError
        When the archive is not a folder, or two names are at one place and `source.same_position`
        is `error`.
    """
    version = f"{code_version('ingest')} {section_json(options, SCANNED_BY)}"
    known = scan_cache.load(cache, version)
    if is_remote(archive):
        scanned = _scan_remote(archive, listing, copies, known, options, remote)
    else:
        scanned = _scan(archive, known, options, cluster)
    rows = resolve(scanned, source.group_by, source.radius)
    if source.group_by == "object" and source.same_position == "error":
        _refuse_same_positions(rows, source.radius)
    lists = [[] for _ in range(shards)]
    for row in rows:
        if row["source_id"] and row["status"] != Status.DUPLICATE:
            lists[shard_of(row["source_id"], shards)].append(row)
    paths = [plan / f"{shard_name(index)}.tsv" for index in range(shards)]
    for path, members in zip(paths, lists, strict=True):
        shard.write(path, members)
    for leftover in set(plan.glob("shard-*.tsv")) - set(paths):
        leftover.unlink()
    write_parquet(observations, OBSERVATIONS, rows)
    scan_cache.save(cache, version, scanned)
    print_counts(f"{len(rows)} files", Counter(str(row["status"]) for row in rows))


def _refuse_same_positions(rows, radius) -> None:
    """Raise ConfigError where sources of two names lie within a radius of one another, arcsec."""
    pairs = same_positions(rows, radius)
    if pairs:
        named = "; ".join(f"{a} and {b}" for a, b in pairs[:5])
        more = f"; and {len(pairs) - 5} more pairs" if len(pairs) > 5 else ""
        raise ConfigError(
            f'source.same_position: within {radius:g}" of one another: {named}{more}. Set '
            "source.group_by to position, which makes one source of each, or same_position to flag"
        )


def _split(items, known) -> tuple[list[dict], list[dict]]:
    """Return the rows of the files that the cache knows, and the files that are to be looked at."""
    rows, new = [], []
    for item in items:
        cached = None if item["problem"] else known.get(scan_cache.key(item))
        if cached:
            rows.extend(cached)
        else:
            new.append(item)
    return rows, new


def _scan(archive, known, options, cluster) -> list[dict]:
    """Look at every file that the cache does not know, and return the rows of all."""
    if not archive.is_dir():
        raise ConfigError(f"archive: {str(archive)!r} is not a folder; allowed: an existing folder")
    rows, new = _split(find(archive), known)
    look = functools.partial(_look_at, archive=archive.resolve(), options=options)
    if len(new) >= WORTH_A_CLUSTER:
        for item, outcome in zip(new, run_items(look, new, cluster, "plan"), strict=True):
            rows.extend(outcome.value or [_lost(item, outcome, failed)])
    else:
        for item in new:
            rows.extend(_look_here(look, item))
    unsure = [row for row in alike(rows) if not row.get("sha256")]
    with ThreadPoolExecutor(cluster.workers or 1) as pool:
        paths = [archive / path_of(row) for row in unsure]
        for row, digest in zip(unsure, pool.map(_checksum, paths), strict=True):
            row["sha256"] = digest
    return rows


def _scan_remote(archive, listing, copies, known, options, remote) -> list[dict]:
    """Do the same for the files of a listing, many requests at a time.

    Those that may be copies of one another are downloaded to tell.
    """
    from pipeline.ingest.archive.remote import RemoteArchive, each

    server = RemoteArchive(archive, remote, copies)
    items = {item["file"]: item for item in rows_of(read_parquet(listing, LISTING))}
    rows, new = _split(items.values(), known)
    look = functools.partial(_look_at, archive=server, options=options)
    for found in each(server, functools.partial(_look_here, look), new):
        rows.extend(found)
    unsure = [row for row in alike(rows) if not row.get("sha256")]

    def checksum(row):
        try:
            return _checksum(server.fetch(items[path_of(row)]))
        except Rejected:
            return ""  # `download` will say so

    for row, digest in zip(unsure, each(server, checksum, unsure), strict=True):
        row["sha256"] = digest
    return rows


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file, empty if it cannot be read."""
    try:
        return fits_file.sha256(path)
    except OSError:
        return ""


def download(
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
        List of files of the shard, and what `list_archive` wrote.
    copies : Path
        Folder to download to.
    output : Path
        Table to write: a row a file, with the reason where it could not be had.
    options
        Section of the configuration.
    """
    from pipeline.ingest.archive.remote import RemoteArchive, each

    server = RemoteArchive(archive, options, copies)
    wanted = _needed(shard.read(plan))
    listed = read_parquet(listing, LISTING)
    listed = listed.filter(
        pc.is_in(listed["file"], pa.array([file for file, _ in wanted], pa.string()))
    )
    items = {scan_cache.key(item): item for item in rows_of(listed)}

    def fetch(key):
        try:
            if key not in items:
                reason = f"{server.url}/{key[0]}: has changed since the plan was made: run again"
                raise Rejected(Status.NOT_DOWNLOADED, reason)
            server.fetch(items[key])
        except Rejected as rejected:
            return rejected.reason
        return ""

    reasons = list(each(server, fetch, wanted))
    download_receipts.write(output, zip(wanted, reasons, strict=True))
    print_counts(plan.stem, Counter("not downloaded" if reason else "here" for reason in reasons))


def _needed(entries: Sequence[dict]) -> list[tuple[str, str]]:
    """Return path and version of the files that reading a shard needs, in order."""
    good = [entry for entry in entries if entry["status"] == Status.OK]
    needed = {(path_of(entry), entry["version"]) for entry in good}
    needed |= {(e["response"], e["response_version"]) for e in good if e["response"]}
    return sorted(needed)


def with_failures(*, listing: Path, observations: Path, downloads: Path) -> list[Path]:
    """Return what says that files could not be downloaded, and is to be made again.

    A file that the listing has a problem with does not count: it will, once the listing has none.

    Parameters
    ----------
    listing, observations : Path
        From `list_archive` and `plan`.
    downloads : Path
        Folder of the tables from `download`.
    """
    found = [f for f in sorted(downloads.glob("shard-*.tsv")) if download_receipts.read(f)]
    if observations.is_file():
        rows = rows_of(read_parquet(observations, OBSERVATIONS, ["file", "status"]))
        failed = {path_of(row) for row in rows if row["status"] == Status.NOT_DOWNLOADED}
        rows = rows_of(read_parquet(listing, LISTING, ["file", "problem"]))
        if failed - {row["file"] for row in rows if row["problem"]}:
            found.append(observations)
    return found


def _look_at(item: dict, archive, options: IngestOptions) -> list[dict]:
    """Look at a file; return a row for each object in it."""
    row = scan_file(item, archive=archive, options=options)
    return parts_of(row, item, archive, options)


def _look_here(look: Callable, item: dict) -> list[dict]:
    """Look at a file in this process; an error costs that file only."""
    try:
        return look(item)
    except Exception as error:  # whatever a damaged file makes a library raise
        return [failed(item, Status.ERROR, error_line(error))]


def _lost(item: dict, outcome: Outcome, make: Callable) -> dict:
    """Return the row of an item at which its worker died or the function raised."""
    return make(item, Status.WORKER_DIED if outcome.died else Status.ERROR, one_line(outcome.error))


def run(
    *,
    archive: Path | str,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    copies: Path | None = None,
    downloaded: Path | None = None,
) -> None:
    """Read the files of a shard.

    Parameters
    ----------
    archive : Path or str
        Folder that the paths in the list are relative to, or URL.
    plan : Path
        List of files of the shard.
    output : Path
        Parquet to write: INGEST, at least a row a file of the list whatever happens to it, a row
        a row group.
    options, cluster
        Sections of the configuration.
    copies, downloaded : Path, optional
        Of a remote archive: the folder of its copies, and the table that `download` wrote.

    Raises
    ------
    ConnectionError
        When copies are gone; then the next run downloads them again.
    """
    failures = {}
    if is_remote(archive):
        archive = Copies(copies.resolve(), archive)
        if not downloaded.is_file():
            raise ConnectionError(f"{downloaded} is not there: run again")
        failures = download_receipts.read(downloaded)
        gone = [k for k in _needed(shard.read(plan)) if k not in failures and not archive.has(*k)]
        if gone:
            downloaded.unlink()
            raise ConnectionError(f"{len(gone)} copies are gone from {copies}, as of {gone[0][0]}")
    read_shard(archive, plan, output, options, cluster, read_products, failures)


def read_shard(
    archive: Path | Copies,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    read: Callable,
    failures: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """Read the files of a shard with `read`, each in a worker that may die of it; see `run`."""
    entries = [_undelivered(entry, failures or {}) for entry in shard.read(plan)]
    receipts = [[_carry(entry)] for entry in entries]
    items = [(i, entry) for i, entry in enumerate(entries) if entry["status"] == Status.OK]
    with scratch_folder(output) as parts:
        work = functools.partial(
            read_part,
            archive=archive if isinstance(archive, Copies) else archive.resolve(),
            options=options,
            parts=parts,
            read=read,
        )
        for (index, entry), outcome in zip(
            items, run_items(work, items, cluster, "ingest"), strict=True
        ):
            receipts[index] = outcome.value or [_lost(entry, outcome, _failed)]
        rows = _join([receipt for of_file in receipts for receipt in of_file], parts)
        counts = write_counted(output, INGEST, rows, rows_per_group=1)
    print_counts(output.stem, counts)


def read_part(
    item: tuple[int, dict],
    archive: Path | Copies,
    options: IngestOptions,
    parts: Path,
    read: Callable,
) -> list[dict]:
    """In a worker: read one file and write its rows as parts, one a product.

    Returns
    -------
    list of dict
        What the driver needs to know of each row, without its data.
    """
    index, entry = item
    receipts = []
    for number, row in enumerate(read(entry, archive, options)):
        name = f"{index}-{number}.parquet"
        write_parquet(parts / name, INGEST, [row])
        keys = ("file", "source_id", "observation_id", "status")
        receipts.append({key: row[key] for key in keys} | _span(row) | {"part": name})
    return receipts


def _span(row) -> dict:
    """Return product, start and end of an observation, s since MJD 0 or its own zero; NaN if none."""
    start = stop = float("nan")
    if len(row.get("gti_start", ())):
        start = seconds_since_zero(row["mjd_ref"], row["mjd_ref_frac"], row["t_start"])
        start, stop = start + row["gti_start"][0], start + row["gti_stop"][-1]
    return {"product": row.get("product", ""), "start": start, "stop": stop}


def _undelivered(entry: dict, failures) -> dict:
    """Return an entry, with status and reason if it, or its response, could not be downloaded."""
    if entry["status"] != Status.OK:
        return entry
    keys = (path_of(entry), entry["version"]), (entry["response"], entry["response_version"])
    reason = next((failures[key] for key in keys if key in failures), "")
    return entry | {"status": Status.NOT_DOWNLOADED, "reason": reason} if reason else entry


def _carry(entry: dict) -> dict:
    """Return the receipt of an entry that is not read."""
    row = carried(entry)
    return row | _span(row) | {"part": "", "row": row}


def _failed(entry: dict, status: Status, reason: str) -> dict:
    """Return the receipt of an entry at which reading failed."""
    return _carry(entry | {"status": status, "reason": reason})


def _join(receipts: Sequence[dict], parts: Path) -> Iterator[dict]:
    """Yield the rows of a shard in the order of its list, one at a time."""
    good = [r for r in receipts if r["status"] == Status.OK]
    products = identity.distinct_products(good)
    for receipt in receipts:
        if not receipt["part"]:
            yield receipt["row"]
            continue
        (row,) = rows_of(read_parquet(parts / receipt["part"], INGEST))
        key = receipt["file"], row["product"]
        yield row | {"product": products.get(key, row["product"])}
