"""Facts from the files of a source, or of a product: the identity of the source and the time of observation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.groups import (
    any_of,
    bits_of,
    count_of,
    distinct,
    first_of,
    least_of,
    pairs,
    pick,
    rows_in,
)
from pipeline.columns.shared import IDENTITY
from pipeline.nulls import EMPTY
from pipeline.status import Fault, Status

_FAULTY = pa.array([str(s) for s in Status if s.fault is not Fault.NOBODY], pa.string())


@dataclass(frozen=True)
class FileFacts:
    """Facts from the files of each of several groups.

    Attributes
    ----------
    identity : mapping of str to array, shape (groups,)
        Columns of `IDENTITY` and ``observation_id``: the value of the first file that has one.
    mjd_start, mjd_stop : float array, shape (groups,)
        First start and last end, MJD; NaN where unknown.
    count : int array, shape (groups,)
        How many files there are.
    flags : int array, shape (groups,)
        The flags that any of them has.
    with_failure : bool array, shape (groups,)
        Whether any of them could not be used.
    """

    identity: Mapping[str, np.ndarray]
    mjd_start: np.ndarray
    mjd_stop: np.ndarray
    count: np.ndarray
    flags: np.ndarray
    with_failure: np.ndarray

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns of the catalogue that they are."""
        return {**self.identity, "mjd_start": self.mjd_start, "mjd_stop": self.mjd_stop}


def facts_of(files: pa.Table, file: np.ndarray, group: np.ndarray, size: int) -> FileFacts:
    """Return the facts from files, for each group.

    Parameters
    ----------
    files : pyarrow.Table
        Rows of OBSERVATIONS.
    file, group : int array, shape (pairs,)
        Which file is in which group, those of a group in the order of the files.
    size : int
        How many groups there are.
    """
    rows = files.take(pa.array(file))
    identity = {}
    for name in (*IDENTITY, "observation_id"):
        values = rows.column(name).to_numpy(zero_copy_only=False)
        empty = EMPTY["str"] if values.dtype == object else nan
        identity[name] = pick(values, first_of(group, size, is_known(values)), empty)
    start, stop = (rows.column(name).to_numpy() for name in ("mjd_start", "mjd_stop"))
    return FileFacts(
        identity=identity,
        mjd_start=_finite(least_of(group, size, _finite(start))),
        mjd_stop=_finite(-least_of(group, size, -_finite(stop))),
        count=count_of(group, size, np.ones(group.size, bool)),
        flags=bits_of(group, size, rows.column("flags").to_numpy()),
        with_failure=any_of(group, size, failed(rows)),
    )


def files_of_products(
    products: pa.Table, product_source: np.ndarray, files: pa.Table, file_source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of a file and a product: the files of the observations of each product.

    A product whose observations are not known has all files of its source.

    Parameters
    ----------
    products, files : pyarrow.Table
        Rows of SPECTRA and OBSERVATIONS.
    product_source, file_source : int array
        Which source each of them is of.

    Returns
    -------
    file, product : int array, shape (pairs,)
        The pairs, ordered by product and file.
    """
    lists = products.column("observation_ids").combine_chunks()
    epochs = products.column("epoch").combine_chunks()
    of_epoch = np.flatnonzero(pc.not_equal(epochs, "").to_numpy(zero_copy_only=False))
    row = np.append(pc.list_parent_indices(lists).to_numpy(), of_epoch)
    named = pa.concat_arrays([lists.flatten(), epochs.take(pa.array(of_epoch))])
    observed = _observations(product_source[row], named)
    keys = distinct(observed, observed.column_names)
    own = _observations(file_source, files.column("observation_id"))
    place, file = pairs(*(rows_in(keys, table, keys.column_names) for table in (observed, own)))
    unknown = np.setdiff1d(np.arange(product_source.size), row)
    of_unknown, every = pairs(product_source[unknown], file_source)
    product = np.append(row[place], unknown[of_unknown])
    # an epoch may be among the observations: once is enough
    found = np.unique(product * np.int64(file_source.size + 1) + np.append(file, every))
    return found % (file_source.size + 1), found // (file_source.size + 1)


def _observations(source: np.ndarray, observation: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return observations with the number of their source."""
    return pa.table(
        {"source": pc.cast(pa.array(source), pa.string()), "observation_id": observation}
    )


def is_known(values: np.ndarray) -> np.ndarray:
    """Return which cells say something: neither empty text nor NaN."""
    if values.dtype == object:
        return values != ""
    return ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)


def failed(files: pa.Table) -> np.ndarray:
    """Return which files could not be used, for a fault."""
    return pc.is_in(files.column("status"), value_set=_FAULTY).to_numpy()


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, nan)
