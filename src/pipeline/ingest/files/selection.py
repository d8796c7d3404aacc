"""Rows of a table: those of an object or a band, those that meet conditions or lie in ranges of time.

A file that holds several objects has a row of OBSERVATIONS for each object. Such a row has the object in
``part``, and behind its path, after a ``#``, in ``file``, so that every row has a name of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.config.tables import RowOptions, TableOptions
from pipeline.ingest.hdu import Columns
from pipeline.ingest.reject import Rejected
from pipeline.refusal import one_line
from pipeline.status import Status

ROLES = ("object", "band", "ra", "dec")
"""Columns that tell the object or the band of a row and are no measurement."""

MOST_OBJECTS = 1_000_000
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
_NO_NAME = frozenset({"", "nan", "none", "null", "--", "masked"})


class Rows:
    """Some rows of a table, with all other attributes of the table.

    Parameters
    ----------
    inside : Columns
        The table.
    keep : ndarray
        Numbers of the rows.
    """

    def __init__(self, inside: Columns, keep: np.ndarray):
        self._inside, self._keep = inside, keep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def unit(self, name: str) -> str:
        """Return the unit of a column, empty if it has none."""
        return self._inside.unit(name)

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers."""
        return self._inside.read(name)[self._keep]

    def read_any(self, name: str) -> np.ndarray:
        """Return a column that need not hold numbers."""
        return self._inside.read_any(name)[self._keep]


def words(values: np.ndarray) -> np.ndarray:
    """Return a column as printable text, each cell in one line; whole numbers without a decimal point."""
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


def kept_rows(
    inside: Columns, table: TableOptions, part: str, own: Mapping[str, str]
) -> np.ndarray | None:
    """Return the numbers of the rows that an entry of `ingest.tables` keeps, None where it keeps all.

    Parameters
    ----------
    inside : Columns
        Table of the file.
    table : TableOptions
        The entry: its conditions, its ranges of time, its column of objects.
    part : str
        Object whose rows are wanted; empty: all objects.
    own : mapping of str to str
        Name in `inside` of the column of each role.

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


def _rows_of(inside: Columns, column: str, part: str) -> np.ndarray:
    """Return the rows of an object. A text that is kept for the next object keeps the rows of all objects."""
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


def _holds(inside: Columns, condition: RowOptions) -> np.ndarray:
    """Return the rows that meet a condition; a missing value meets only ``!=``."""
    values = inside.read_any(_name_in(inside, condition.column))
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


def _name_in(inside: Columns, column: str | int) -> str:
    """Return the name of a column in a table: text takes numbers, too, and FITS names in upper case."""
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


def _equal(values: np.ndarray, value: bool | int | float | str) -> np.ndarray:
    """Return which cells of a column have a value."""
    if isinstance(value, bool):
        lower = np.char.lower(words(values))
        return np.isin(lower, list(_TRUE if value else _FALSE))
    if isinstance(value, str):
        return words(values) == value.strip()
    if values.dtype.kind in "iu" and isinstance(value, int):
        return values == value
    return _numbers(values) == float(value)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Return a column as numbers, NaN where a cell is no number."""
    values = np.asarray(values)
    if values.dtype.kind in "biuf":
        return values.astype(float)

    def number(cell: str) -> float:
        try:
            return float(cell)
        except ValueError:
            return np.nan

    return np.array([number(cell) for cell in words(values)], dtype=float)


class Place(NamedTuple):
    """A position on the sky, deg; NaN if unknown."""

    ra: float
    dec: float


def objects_of(inside: Columns, table: TableOptions, own: Mapping[str, str]) -> dict[str, Place]:
    """Return the objects in a table with their positions, in the order of their first rows.

    For the parameters see `kept_rows`.

    Raises
    ------
    Rejected
        NO_DATA where no row has the name of one, UNREADABLE where there are implausibly many.
    """
    keep = kept_rows(inside, table, "", own)
    wanted = slice(None) if keep is None else keep
    names = words(inside.read_any(own["object"]))[wanted]
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
    ra, dec = (
        inside.read(own[role])[wanted][first] if role in own else np.full(len(unique), np.nan)
        for role in ("ra", "dec")
    )
    return {str(unique[i]): Place(float(ra[i]), float(dec[i])) for i in order}


def position_keywords(inside: Columns, roles: Mapping[str, str]) -> dict[str, float]:
    """Return the position of the object that the rows of a table are of, as keywords; none if it is unknown."""
    keys = {"ra": "RA_OBJ", "dec": "DEC_OBJ"}
    if not keys.keys() <= roles.keys():
        return {}
    found = {key: inside.read(roles[role]) for role, key in keys.items()}
    return {key: float(values[0]) for key, values in found.items() if np.isfinite(values[0])}


@dataclass(frozen=True)
class BandRows:
    """The rows of one band in a table that has a column of bands.

    Attributes
    ----------
    name : str
        The band.
    rows : ndarray
        Numbers of its rows.
    """

    name: str
    rows: np.ndarray


def bands_in(inside: Columns, column: str) -> list[BandRows]:
    """Return the bands of a table that has a column of bands, in the order of their first rows.

    Raises
    ------
    Rejected
        NO_DATA where no row has the name of one.
    """
    names = words(inside.read_any(column))
    labels = [name for name in dict.fromkeys(names.tolist()) if name.lower() not in _NO_NAME]
    if not labels:
        raise Rejected(
            Status.NO_DATA,
            f"no row names a band in column {column} (ingest.tables): name another",
        )
    return [BandRows(label, np.flatnonzero(names == label)) for label in labels]


def intersection(intervals: np.ndarray, ranges: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return where intervals, shape (n, 2), and ranges overlap; the ranges where there are none."""
    if not len(intervals):
        return np.array(ranges, dtype=float).reshape(-1, 2)
    pairs = [(max(a, lo), min(b, hi)) for a, b in intervals for lo, hi in ranges]
    return np.array([pair for pair in pairs if pair[0] < pair[1]], dtype=float).reshape(-1, 2)
