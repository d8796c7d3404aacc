"""Files that could not be used: the stage that rejected each, and why."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.files import failed
from pipeline.catalog.groups import rows_in
from pipeline.catalog.models import with_result
from pipeline.catalog.shards import Shard
from pipeline.status import HAS_RESULT, Status

_KEY = ["source_id", "product"]
_OF_FILES = ["file", "source_id", "status", "reason"]
_OF_SPECTRA = [*_KEY, "series", "observation_ids", "status", "reason"]
_OF_MODELS = [*_KEY, "status", "reason"]


def rejected_files(files: pa.Table) -> list[dict]:
    """Return the files that the search of the archive rejected, as rows of REJECTED.

    Files set aside and duplicates are nobody's fault and are not among them.
    """
    faulty = files.filter(pa.array(failed(files))).select(_OF_FILES)
    return [_row(f, f, "plan") for f in faulty.to_pylist()]


def rejected_of(shard: Shard, files: pa.Table) -> list[dict]:
    """Return the files of a shard that the stages after the search rejected, as rows of REJECTED.

    Parameters
    ----------
    shard : Shard
        Its tables.
    files : pyarrow.Table
        Rows of OBSERVATIONS of its sources.
    """
    # an average may hold an observation that is too short by itself
    averaged = shard.spectra.filter(pc.equal(shard.spectra.column("epoch"), ""))
    fitted = shard.models.filter(pa.array(with_result(shard.models)))
    unfit = rows_in(fitted.select(_KEY).group_by(_KEY).aggregate([]), averaged, _KEY) < 0
    unread = pc.not_equal(shard.readings.column("status"), str(Status.OK))
    concerned = pa.chunked_array(
        [
            *averaged.filter(pa.array(unfit)).column("source_id").chunks,
            *shard.readings.filter(unread).column("source_id").chunks,
        ],
        pa.string(),
    ).unique()
    tables = (
        (files, _OF_FILES),
        (shard.readings, shard.readings.column_names),
        (averaged, _OF_SPECTRA),
        (shard.models, _OF_MODELS),
    )
    rows = [_by_source(table, names, concerned) for table, names in tables]
    return [
        row
        for source in concerned.to_pylist()
        for row in rejected_later(*(stage.get(source, []) for stage in rows))
    ]


def _by_source(table: pa.Table, names: list[str], sources: pa.Array) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    there = pc.is_in(table.column("source_id"), value_set=sources)
    for row in table.select(names).filter(there).to_pylist():
        groups.setdefault(row["source_id"], []).append(row)
    return groups


def rejected_later(
    files: Sequence[Mapping],
    readings: Sequence[Mapping],
    products: Sequence[Mapping],
    models: Sequence[Mapping],
) -> list[dict]:
    """Return the files of one source that the stages after the search rejected.

    Parameters
    ----------
    files, readings, products, models : sequence of mapping
        Its rows of OBSERVATIONS, of INGEST (file, observation_id, product, status, reason), of SPECTRA and
        MODELS.

    Returns
    -------
    list of dict
        Rows of REJECTED. A stage rejects only what the one before handed on; a power spectrum that
        is rejected rejects every file in it.
    """
    sound = {f["file"] for f in files if f["status"] == Status.OK}
    rows: dict[tuple[str, str], dict] = {}

    def reject(reading: Mapping, cause: Mapping, stage: str) -> None:
        rows.setdefault((reading["file"], stage), _row(reading, cause, stage))

    for reading in readings:
        if reading["status"] != Status.OK and reading["file"] in sound:
            reject(reading, reading, "ingest")
    fitted = {m["product"] for m in models if Status(m["status"]) in HAS_RESULT}
    shown = {_series(p) for p in products if p["product"] in fitted}
    for product in products:
        name = product["product"]
        if _series(product) in shown - {name}:  # another length of segment has a result
            continue
        stage, cause = "segment", product
        if product["status"] == Status.OK:
            if name in fitted:
                continue
            stage, cause = "fit", next(m for m in models if m["product"] == name)
        for reading in _averaged(readings, product):
            reject(reading, cause, stage)
    return list(rows.values())


def _averaged(readings: Sequence[Mapping], product: Mapping) -> list[Mapping]:
    """Return the readings that a power spectrum was, or would have been, averaged from.

    Where one product had to become several spectra, the second and those after it are called
    ``product#2`` and so on: the observations tell which of the product's files they are of.
    """
    usable = [r for r in readings if r["status"] == Status.OK]
    series = _series(product)
    name, sign, number = series.rpartition("#")
    whole = {series, name if sign and number.isdecimal() else series}
    members = [r for r in usable if r["product"] in whole]
    observed = set(product["observation_ids"])
    return [r for r in members if r["observation_id"] in observed] if observed else members


def _series(product: Mapping) -> str:
    """Return the name of the product that a product is a length of segment of."""
    return product.get("series") or product["product"]


def _row(what: Mapping, cause: Mapping, stage: str) -> dict:
    status = Status(cause["status"])
    return {
        "file": what["file"],
        "source_id": what["source_id"],
        "stage": stage,
        "status": status,
        "reason": cause["reason"] or status.sentence,
    }
