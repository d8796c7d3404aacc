"""Which rows of a table are whose: objects, bands, conditions on columns, ranges of time.

A file that holds several objects is a row of OBSERVATIONS an object. Such a row has the object in
``part``, and behind its path, after a ``#``, in ``file``, so that every row has a name of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.config.tables import RowOptions, TableOptions
from pipeline.ingest.reject import Rejected
from pipeline.refusal import one_line
from pipeline.status import Status

ROLES = ("object", "band", "ra", "dec")
"""Columns of a table that say whose a row is and are no measurement."""

MOST_OBJECTS = 1_000_000
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
_NO_NAME = frozenset({"", "nan", "none", "null", "--", "masked"})


class Rows:
    """Some rows of a table; what else it has is its own.

    Parameters
    ----------
    inside : object
        Table with ``read(name)`` and ``read_any(name)``.
    keep : ndarray
        Numbers of the rows.
    """

    def __init__(self, inside, keep: np.ndarray):
        self._inside, self._keep = inside, keep

    def __getattr__(self, name):
        return getattr(self._inside, name)

    def read(self, name):
        """Return a column of numbers."""
        return self._inside.read(name)[self._keep]

    def read_any(self, name):
        """Return a column."""
        return self._inside.read_any(name)[self._keep]


def path_of(row: Mapping) -> str:
    """Return the path of the file that a row of OBSERVATIONS, or an entry of a plan, is of."""
    part = row.get("part", "")
    return row["file"].removesuffix(f"#{part}") if part else row["file"]


def named(row: Mapping, part: str) -> dict:
    """Return the row of one object in the file of a row."""
    return {**row, "file": f"{row['file']}#{part}", "part": part}


def words(values: np.ndarray) -> np.ndarray:
    """Return a column as text that can be printed, in one line; whole numbers without a point."""
    values = np.asarray(values)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**53)
        text = values.astype(str)
        text[whole] = values[whole].astype(np.int64).astype(str)
        return text
    text = np.char.strip(values.astype(str))
    for i in [i for i, word in enumerate(text.tolist()) if not word.isprintable()]:
        text[i] = one_line(text[i])
    return text


def chosen(inside, table: TableOptions, part: str, own: Mapping[str, str]) -> np.ndarray | None:
    """Return the numbers of the rows that an entry of `ingest.tables` keeps, None where it keeps all.

    Parameters
    ----------
    inside : object
        Table of the file.
    table : TableOptions
        The entry: its conditions, its ranges of time, its column of objects.
    part : str
        Object whose rows are wanted; empty: those of all.
    own : mapping of str to str
        What the columns of the roles are called in `inside`.

    Raises
    ------
    Rejected
        NO_DATA where no row is left, UNREADABLE where a column is not there.
    """
    of_part = None
    if part and "object" in own:
        of_part = _rows_of(inside, own["object"], part)
        inside = Rows(inside, of_part)
    masks = [_holds(inside, condition) for condition in table.rows]
    if table.times and table.kind != "spectrum" and "time" in own:
        time = inside.read(own["time"]).ravel()
        masks.append(np.any([(time >= lo) & (time <= hi) for lo, hi in table.times], axis=0))
    if of_part is not None and not masks:
        masks.append(np.ones(len(of_part), bool))
    if not masks:
        return None
    keep = np.logical_and.reduce(masks)
    if not keep.any():
        asked = [f"{c.column} {c.op} {c.value}" for c in table.rows]
        asked += [f"times {list(map(list, table.times))}"] if table.times else []
        raise Rejected(
            Status.NO_DATA,
            f"none of {len(keep)} rows is left by {' and '.join(asked) or part} (ingest.tables): widen it",
        )
    return np.flatnonzero(keep) if of_part is None else of_part[keep]


def _rows_of(inside, column, part) -> np.ndarray:
    """Return the rows of an object; a text that is kept for the next object keeps those of all."""
    values = inside.read_any(column)
    if values.dtype.kind in "iu":
        return np.flatnonzero(values == int(part))
    kept = getattr(inside, "rows_of", None)
    if kept is None:
        return np.flatnonzero(words(values) == part)
    if column not in kept:
        names, inverse = np.unique(words(values), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        stops = np.cumsum(np.bincount(inverse))[:-1]
        kept[column] = dict(zip(names.tolist(), np.split(order, stops), strict=True))
    return kept[column].get(part, np.zeros(0, int))


def _holds(inside, condition: RowOptions) -> np.ndarray:
    """Return the rows for which a condition holds; a value that is missing holds for none but ``!=``."""
    values = inside.read_any(_called(inside, condition.column))
    if np.ndim(values) > 1:
        raise Rejected(
            Status.UNREADABLE,
            f"column {condition.column} (ingest.tables.rows) has several values in a cell: name another",
        )
    wanted = condition.value if isinstance(condition.value, list) else [condition.value]
    if condition.op in ("==", "!=", "in", "not in"):
        found = np.any([_equal(values, value) for value in wanted], axis=0)
        return found if condition.op in ("==", "in") else ~found
    numbers = _numbers(values)
    if condition.op == "bits clear":
        known = np.isfinite(numbers)
        bits = np.where(known, numbers, 0).astype(np.int64) & int(wanted[0])
        return known & (bits == 0)
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    return compare[condition.op](numbers, float(wanted[0]))


def _called(inside, column) -> str:
    """Return what a column is called in a table: text takes numbers too, FITS upper case."""
    names = getattr(inside, "columns", None)
    if names is None:
        return str(column)
    text = str(column).upper()
    if text.isdigit() and int(text) <= len(names):
        return names[int(text) - 1]
    if text not in names:
        raise Rejected(
            Status.UNREADABLE,
            f"no column {column!r} (ingest.tables): found {', '.join(list(names)[:8])}; name one of them",
        )
    return text


def _equal(values, value) -> np.ndarray:
    """Return which values of a column are a value."""
    if isinstance(value, bool):
        lower = np.char.lower(words(values))
        return np.isin(lower, list(_TRUE if value else _FALSE))
    if isinstance(value, str):
        return words(values) == value.strip()
    if values.dtype.kind in "iu" and isinstance(value, int):
        return values == value
    return _numbers(values) == float(value)


def _numbers(values) -> np.ndarray:
    """Return a column as numbers, NaN where a cell is none."""
    values = np.asarray(values)
    if values.dtype.kind in "biuf":
        return values.astype(float)

    def number(cell):
        try:
            return float(cell)
        except ValueError:
            return np.nan

    return np.array([number(cell) for cell in words(values)], dtype=float)


def parts(inside, table: TableOptions, own: Mapping[str, str]) -> dict[str, dict]:
    """Return the objects in a table, each with its position, in the order in which they come.

    Raises
    ------
    Rejected
        NO_DATA where no row has the name of one, UNREADABLE where there are implausibly many.
    """
    keep = chosen(inside, table, "", own)
    every = slice(None) if keep is None else keep
    names = words(inside.read_any(own["object"]))[every]
    unique, first = np.unique(names, return_index=True)
    order = [i for i in np.argsort(first) if unique[i].lower() not in _NO_NAME]
    if not order:
        raise Rejected(
            Status.NO_DATA,
            f"no row names an object in column {own['object']} (ingest.tables): name another",
        )
    if len(order) > MOST_OBJECTS:
        raise Rejected(
            Status.UNREADABLE,
            f"column {own['object']} (ingest.tables) names {len(order)} objects, more than "
            f"{MOST_OBJECTS}: split the file, or name the right column",
        )
    places = [
        inside.read(own[role])[every][first] if role in own else np.full(len(unique), np.nan)
        for role in ("ra", "dec")
    ]
    return {str(unique[i]): {"ra": float(places[0][i]), "dec": float(places[1][i])} for i in order}


def position(hdu) -> dict[str, float]:
    """Return the keywords of the position of the object that the rows of a table are of."""
    keys = {"ra": "RA_OBJ", "dec": "DEC_OBJ"}
    if not keys.keys() <= hdu.roles.keys():
        return {}
    found = {key: hdu.inside.read(hdu.roles[role]) for role, key in keys.items()}
    return {key: float(values[0]) for key, values in found.items() if np.isfinite(values[0])}


def bands(hdu) -> list[tuple[str, object]]:
    """Return the bands of a table that `ingest.tables` says a column of, each with its rows.

    Returns
    -------
    list of (str, Hdu)
        One of an empty name where there is no such column.
    """
    column = getattr(hdu, "roles", {}).get("band")
    if column is None:
        return [("", hdu)]
    names = words(hdu.inside.read_any(column))
    labels = [name for name in dict.fromkeys(names.tolist()) if name.lower() not in _NO_NAME]
    if not labels:
        raise Rejected(
            Status.NO_DATA,
            f"no row names a band in column {column} (ingest.tables): name another",
        )
    rows = [(label, np.flatnonzero(names == label)) for label in labels]
    return [(label, replace(hdu, inside=Rows(hdu.inside, keep))) for label, keep in rows]


def intersection(intervals: np.ndarray, ranges: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return where intervals, shape (n, 2), and ranges overlap; the ranges where there are none."""
    if not len(intervals):
        return np.array(ranges, dtype=float).reshape(-1, 2)
    pairs = [(max(a, lo), min(b, hi)) for a, b in intervals for lo, hi in ranges]
    return np.array([pair for pair in pairs if pair[0] < pair[1]], dtype=float).reshape(-1, 2)
