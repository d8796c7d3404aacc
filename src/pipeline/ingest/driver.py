"""Drives the stage: which files there are, which shard they go to, and reading those of a shard."""

import functools
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline import cluster as dask_cluster
from pipeline.columns import INGEST, MANIFEST
from pipeline.config import (
    ClusterOptions,
    ConfigError,
    IngestOptions,
    SourceOptions,
    code_version,
    section_json,
    shard_name,
    shard_of,
)
from pipeline.ingest import cache as scan_cache
from pipeline.ingest import identity, shard
from pipeline.ingest.reader import carried, read_products
from pipeline.ingest.reject import one_line
from pipeline.ingest.resolve import resolve
from pipeline.ingest.scan import failed, scan_file
from pipeline.ingest.walk import find
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of, write_parquet

WORTH_A_CLUSTER = 1000
"""Files to look at from which on workers are faster than doing it here."""

_DAY = 86400.0


def plan(
    *,
    archive: Path,
    manifest: Path,
    plan: Path,
    cache: Path | None,
    options: IngestOptions,
    source: SourceOptions,
    cluster: ClusterOptions,
    shards: int,
) -> None:
    """Find the files of an archive and spread its sources over shards.

    Parameters
    ----------
    archive : Path
        Folder to search.
    manifest : Path
        Parquet to write: MANIFEST, a row a file found.
    plan : Path
        Folder to write: a list of files a shard.
    cache : Path or None
        Parquet of the scan before, used and replaced.
    options, source, cluster
        Sections of the configuration.
    shards : int
        Number of shards, each of which gets a list, be it empty.

    Raises
    ------
    ConfigError
        When the archive is not a folder.
    """
    if not archive.is_dir():
        raise ConfigError(f"archive: {str(archive)!r} is not a folder; allowed: an existing folder")
    version = f"{code_version('ingest', 'columns', 'status')} {section_json(options)}"
    scanned = _scan(archive, scan_cache.load(cache, version), options, cluster)
    rows = resolve(scanned, source.group_by)
    lists = [[] for _ in range(shards)]
    for row in rows:
        if row["source_id"] and row["status"] != Status.DUPLICATE:
            lists[shard_of(row["source_id"], shards)].append(row)
    paths = [plan / f"{shard_name(index)}.tsv" for index in range(shards)]
    for path, members in zip(paths, lists, strict=True):
        shard.write(path, members)
    for leftover in set(plan.glob("shard-*.tsv")) - set(paths):
        leftover.unlink()
    write_parquet(manifest, MANIFEST, rows)
    scan_cache.save(cache, version, scanned)
    _report(f"{len(rows)} files", Counter(str(row["status"]) for row in rows))


def _scan(archive, known, options, cluster) -> list[dict]:
    """Look at every file that the cache does not know, and return the rows of all."""
    rows, new = [], []
    for item in find(archive):
        cached = None if item["problem"] else known.get(scan_cache.key(item))
        if cached:
            rows.append(cached)
        else:
            new.append(item)
    look = functools.partial(scan_file, archive=archive.resolve(), options=options)
    if len(new) >= WORTH_A_CLUSTER:
        with dask_cluster.connect(cluster) as client:
            for outcome in dask_cluster.isolating_map(client, look, new, cluster, "plan"):
                rows.append(outcome.value or _lost(new[outcome.index], outcome, failed))
    else:
        rows.extend(_look_here(look, item) for item in new)
    return rows


def _look_here(look: Callable, item: dict) -> dict:
    """Look at a file in this process; an error costs that file only."""
    try:
        return look(item)
    except Exception as error:  # whatever a damaged file makes a library raise
        return failed(item, Status.ERROR, one_line(f"{type(error).__name__}: {error}"))


def _lost(item: dict, outcome: dask_cluster.Outcome, make: Callable) -> dict:
    """Return the row of an item at which its worker died or the function raised."""
    return make(item, Status.WORKER_DIED if outcome.died else Status.ERROR, one_line(outcome.error))


def run(
    *,
    archive: Path,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
) -> None:
    """Read the files of a shard.

    Parameters
    ----------
    archive : Path
        Folder that the paths in the list are relative to.
    plan : Path
        List of files of the shard.
    output : Path
        Parquet to write: INGEST, at least a row a file of the list whatever happens to it, a row
        a row group.
    options, cluster
        Sections of the configuration.
    """
    read_shard(archive, plan, output, options, cluster, read_products)


def read_shard(
    archive: Path,
    plan: Path,
    output: Path,
    options: IngestOptions,
    cluster: ClusterOptions,
    read: Callable,
) -> None:
    """Read the files of a shard with `read`, each in a worker that may die of it; see `run`."""
    entries = shard.read(plan)
    parts = output.with_name(f"{output.name}.parts")
    shutil.rmtree(parts, ignore_errors=True)
    receipts = [[_carry(entry)] for entry in entries]
    todo = [i for i, entry in enumerate(entries) if entry["status"] == Status.OK]
    if todo:
        parts.mkdir(parents=True)
        work = functools.partial(
            read_part, archive=archive.resolve(), options=options, parts=parts.resolve(), read=read
        )
        items = [(index, entries[index]) for index in todo]
        with dask_cluster.connect(cluster) as client:
            for outcome in dask_cluster.isolating_map(client, work, items, cluster, "ingest"):
                index = todo[outcome.index]
                lost = None if outcome.value else _lost(entries[index], outcome, _failed)
                receipts[index] = outcome.value or [lost]
    receipts = [receipt for of_file in receipts for receipt in of_file]
    try:
        write_parquet(output, INGEST, _join(receipts, parts), rows_per_group=1)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    _report(plan.stem, Counter(str(receipt["status"]) for receipt in receipts))


def read_part(
    item: tuple[int, dict], archive: Path, options: IngestOptions, parts: Path, read: Callable
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
        start = max(row["mjd_ref"], 0) * _DAY + row["mjd_ref_frac"] * _DAY + row["t_start"]
        start, stop = start + row["gti_start"][0], start + row["gti_stop"][-1]
    return {"product": row.get("product", ""), "start": start, "stop": stop}


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


def _report(what: str, counts: Counter) -> None:
    """Say on standard error how many of what."""
    text = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{what}: {text or 'nothing'}", file=sys.stderr)
