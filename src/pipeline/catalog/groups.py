"""Groups of rows as arrays: `group` says for each row of a table which group it is in, -1 for none."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NONE = -1
"""The row number where there is no row, and the group of rows in no group."""

_SEPARATOR = "\x00"


def rows_in(keys: pa.Table, table: pa.Table, names: list[str]) -> np.ndarray:
    """Return for each row of a table which row of another table has the same words, -1 for none.

    Parameters
    ----------
    keys : pyarrow.Table
        The other table; its rows differ in these words.
    table : pyarrow.Table
        The table.
    names : list of str
        Columns of text that both have.
    """
    found = pc.index_in(_joined(table, names), value_set=_joined(keys, names))
    return pc.fill_null(found, NONE).to_numpy().astype(np.int64)


def _joined(table: pa.Table, names: list[str]) -> pa.Array:
    parts = [table.column(name).combine_chunks() for name in names]
    return pc.binary_join_element_wise(*parts, _SEPARATOR) if len(parts) > 1 else parts[0]


def distinct(table: pa.Table, names: list[str]) -> pa.Table:
    """Return the different words of some columns."""
    return table.select(names).group_by(names, use_threads=False).aggregate([])


def pairs(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of places at which two arrays have the same number, -1 not counted."""
    places = np.argsort(right, kind="stable")
    start, stop = (np.searchsorted(right[places], left, side) for side in ("left", "right"))
    count = np.where(left >= 0, stop - start, 0)
    first = np.repeat(start - (np.cumsum(count) - count), count)
    return np.repeat(np.arange(left.size), count), places[first + np.arange(count.sum())]


def pick(values: np.ndarray, rows: np.ndarray, empty: object) -> np.ndarray:
    """Return the values of some rows, and `empty` for row -1."""
    out = np.empty(rows.shape, values.dtype)
    out.fill(empty)  # also an empty tuple, which numpy.full would broadcast
    there = rows >= 0
    out[there] = values[rows[there]]
    return out


def count_of(group: np.ndarray, size: int, where: np.ndarray) -> np.ndarray:
    """Return how many of the rows `where` are in each of `size` groups."""
    return np.bincount(group[where & (group >= 0)], minlength=size)


def any_of(group: np.ndarray, size: int, where: np.ndarray) -> np.ndarray:
    """Return which of `size` groups have a row `where`."""
    return count_of(group, size, where) > 0


def bits_of(group: np.ndarray, size: int, bits: np.ndarray) -> np.ndarray:
    """Return the bits that any row of each group has."""
    out = np.zeros(size, np.int64)
    inside = group >= 0
    np.bitwise_or.at(out, group[inside], bits[inside])
    return out


def least_of(group: np.ndarray, size: int, values: np.ndarray) -> np.ndarray:
    """Return the least value of each group, NaN not counted; infinity where there is none."""
    out = np.full(size, np.inf)
    inside = (group >= 0) & ~np.isnan(values)
    np.minimum.at(out, group[inside], values[inside])
    return out


def first_of(group: np.ndarray, size: int, where: np.ndarray) -> np.ndarray:
    """Return the first of the rows `where` in each group, -1 where there is none."""
    return best_of(group, size, where)


def best_of(group: np.ndarray, size: int, where: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Return in each group the row with the least keys, -1 for none.

    Parameters
    ----------
    group : int array, shape (rows,)
        Group of each row.
    size : int
        How many groups there are.
    where : bool array, shape (rows,)
        Rows that take part.
    *keys : array, shape (rows,)
        The first key decides; rows that have the same first key are ordered by the second, and so on, and
        at the end by their place in the table.
    """
    rows = np.flatnonzero(where & (group >= 0))
    if keys:
        rows = rows[np.lexsort([key[rows] for key in reversed(keys)])]
    out = np.full(size, NONE, np.int64)
    out[group[rows[::-1]]] = rows[::-1]  # the first one is written last, and stays
    return out


def objects(values: Sequence) -> np.ndarray:
    """Return words or tuples as an array of one axis."""
    out = np.empty(len(values), object)
    for k, value in enumerate(values):
        out[k] = value
    return out


def ranks(words: np.ndarray) -> np.ndarray:
    """Return the place of each word in the alphabetical order of all: whole numbers that sort like them."""
    return np.unique(words.astype(str), return_inverse=True)[1] if words.size else np.zeros(0, int)
