"""Files that could not be used: the stage that rejected each, and why."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.files import failed
from pipeline.catalog.groups import NONE, distinct, first_of, pairs, pick, rows_in
from pipeline.catalog.models import with_result
from pipeline.catalog.shards import Shard
from pipeline.columns.catalogue import REJECTED
from pipeline.status import Status
from pipeline.tables import columns_to_arrow

_KEY = ["source_id", "product"]
_SENTENCES = {str(status): status.sentence for status in Status}


def rejected_files(files: pa.Table) -> pa.Table:
    """Return the files that the search of the archive rejected, as rows of REJECTED.

    Files set aside and duplicates are nobody's fault and are not among them.
    """
    faulty = files.filter(pa.array(failed(files)))
    return _rejected(faulty, "plan", *_ends(faulty))


def rejected_of(shard: Shard, files: pa.Table) -> pa.Table:
    """Return the files of a shard that the stages after the search rejected, as rows of REJECTED.

    A stage rejects only what the one before handed on; a power spectrum that is rejected rejects every file in it,
    unless the same light curves have a result with segments of another length.

    Parameters
    ----------
    shard : Shard
        Its tables.
    files : pyarrow.Table
        Rows of OBSERVATIONS of its sources.
    """
    is_read = pc.equal(shard.readings.column("status"), str(Status.OK))
    unread, readings = shard.readings.filter(pc.invert(is_read)), shard.readings.filter(is_read)
    names = ["source_id", "file"]
    sound = files.filter(pc.equal(files.column("status"), str(Status.OK))).select(names)
    unread = unread.filter(pa.array(rows_in(sound, unread, names) >= 0))
    parts = [_rejected(unread, "ingest", *_ends(unread))]
    # an average may hold an observation that is too short by itself
    products = shard.spectra.filter(pc.equal(shard.spectra.column("epoch"), ""))
    is_fitted = (
        rows_in(
            distinct(shard.models.filter(pa.array(with_result(shard.models))), _KEY),
            products,
            _KEY,
        )
        >= 0
    )
    is_ok = pc.equal(products.column("status"), str(Status.OK)).to_numpy()
    failing = ~(is_ok & is_fitted) & ~_have_another_length(products, is_fitted)
    if failing.any():
        parts.append(_of_products(products.filter(pa.array(failing)), shard.models, readings))
    return _first_of_each(pa.concat_tables(parts))


def _have_another_length(products: pa.Table, is_fitted: np.ndarray) -> np.ndarray:
    """Return of which products another length of segment has a result."""
    named = pa.table({"source_id": products.column("source_id"), "series": _series(products)})
    shown = distinct(named.filter(pa.array(is_fitted)), ["source_id", "series"])
    is_other = pc.not_equal(named.column("series"), products.column("product")).to_numpy()
    return is_other & (rows_in(shown, named, ["source_id", "series"]) >= 0)


def _of_products(products: pa.Table, models: pa.Table, readings: pa.Table) -> pa.Table:
    """Return the rows of REJECTED of products without a result: their stage is that which says why."""
    count = products.num_rows
    own = rows_in(products.select(_KEY), models, _KEY)
    model = first_of(own, count, own >= 0)
    (status, reason), (of_model, reason_of_model) = _ends(products), _ends(models)
    is_ok = status == str(Status.OK)
    status = np.where(is_ok, pick(of_model, model, ""), status)
    reason = np.where(is_ok, pick(reason_of_model, model, ""), reason)
    product, reading = _averaged(products, readings)
    stage = np.where(is_ok, "fit", "segment").astype(object)[product]
    files = readings.take(pa.array(reading))
    return _rejected(files, stage, status[product], reason[product])


def _averaged(products: pa.Table, readings: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of a product and a reading that it was, or would have been, averaged from.

    Where one product had to become several spectra, the second and those after it are called
    ``product#2`` and so on: the observations tell which of the product's files they are of.
    """
    series = pc.cast(_series(products), pa.string())
    whole = pc.replace_substring_regex(series, r"(?s)^(.*)#\d+$", r"\1")
    rows = np.arange(products.num_rows)
    other = np.flatnonzero(pc.not_equal(series, whole).to_numpy())
    named = pa.table(
        {
            "source_id": products.column("source_id").take(pa.array(np.append(rows, other))),
            "product": pa.chunked_array([*series.chunks, *whole.take(pa.array(other)).chunks]),
        }
    )
    names = distinct(named, _KEY)
    product, reading = pairs(rows_in(names, named, _KEY), rows_in(names, readings, _KEY))
    product = np.append(rows, other)[product]
    order = np.lexsort([reading, product])
    product, reading = product[order], reading[order]
    inside = _observed(products, product, readings.take(pa.array(reading)))
    return product[inside], reading[inside]


def _observed(products: pa.Table, product: np.ndarray, readings: pa.Table) -> np.ndarray:
    """Return which readings are of an observation of their product; all where it names none."""
    lists = products.column("observation_ids").combine_chunks()
    known = pc.list_value_length(lists).to_numpy() > 0
    keys = pa.table(
        {
            "product": pc.cast(pc.list_parent_indices(lists), pa.string()),
            "observation_id": pc.list_flatten(lists),
        }
    )
    found = pa.table(
        {
            "product": pc.cast(pa.array(product), pa.string()),
            "observation_id": readings.column("observation_id"),
        }
    )
    names = ["product", "observation_id"]
    return ~known[product] | (rows_in(distinct(keys, names), found, names) >= 0)


def _series(products: pa.Table) -> pa.ChunkedArray:
    """Return the name of the product that each product is a length of segment of."""
    series = products.column("series")
    return pc.if_else(pc.equal(series, ""), products.column("product"), series)


def _ends(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return status and reason of each row."""
    status, reason = (table.column(n).to_numpy(zero_copy_only=False) for n in ("status", "reason"))
    return status, reason


def _rejected(
    files: pa.Table, stage: str | np.ndarray, status: np.ndarray, reason: np.ndarray
) -> pa.Table:
    """Return rows of REJECTED; where there is no reason, the status says it."""
    columns = {name: files.column(name) for name in ("file", "source_id")}
    said = [r or _SENTENCES[s] for s, r in zip(status.tolist(), reason.tolist(), strict=True)]
    stages = [stage] * files.num_rows if isinstance(stage, str) else stage
    return columns_to_arrow(
        REJECTED, {**columns, "stage": stages, "status": status, "reason": said}
    )


def _first_of_each(rows: pa.Table) -> pa.Table:
    """Return the first row of each file, source and stage."""
    names = list(REJECTED.key)
    group = rows_in(distinct(rows, names), rows, names)
    first = first_of(group, rows.num_rows, group != NONE)
    return rows.take(pa.array(np.sort(first[first >= 0])))
