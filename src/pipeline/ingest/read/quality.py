"""Columns of quality: the rows that a file marks as bad."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.status import Status

BITS = ("SAP_QUALITY", "QUALITY", "PIXEL_QUALITY", "TESS_FLAGS", "DQUALITY")
"""Columns of bits. Some bits are bad if `missions.registry` has them for the mission; else all bits are."""

_ROOTS = ("QUALITY", "QUAL", "DQ", "DQF", "CATFLAGS")
_BAD = ("FLAG", "FLAGS", "BAD", "INVALID", "REJECT", "REJECTED", "OUTLIER", "EXCLUDED")
_LIMITS = ("UPPER_LIMIT", "UPPERLIMIT", "UPLIM", "UPPER_LIM", "ULIM", "IS_UL", "UL_FLAG", "UL")
_GOOD = ("GOOD", "VALID", "USABLE", "OK")
_EITHER = ("MASK",)


def _called(name: str, roots: Collection[str]) -> bool:
    """Return whether a column has one of the names, with a usual prefix or suffix."""
    for prefix in ("IS_", "IS", "DATA_", "DATA", "QUALITY_", "QUAL_", "Q_", "Q"):
        if name.startswith(prefix) and name.removeprefix(prefix) in roots:
            return True
    bare = name.removesuffix("FLAG").removesuffix("FLAGS").removesuffix("_")
    return name in roots or bare in roots


def columns_of(names: Sequence[str]) -> list[str]:
    """Return the columns of a table that say by their names which rows are good or bad."""
    roots = (*BITS, *_ROOTS, *_BAD, *_LIMITS, *_GOOD, *_EITHER)
    return [name for name in names if _called(name, roots)]


_GOOD_WORDS = frozenset({"g", "good", "ok", "okay", "0", "00", "000", "0000", "", "none", "valid"})
_BAD_WORDS = frozenset(
    {"b", "bad", "x", "poor", "invalid", "reject", "rejected", "1", "<", ">", "ul"}
)
_TRUE, _FALSE = frozenset({"t", "true", "y", "yes"}), frozenset({"f", "false", "n", "no"})


Value = bool | int | float | str
"""A value in a column of quality."""


@dataclass(frozen=True)
class Quality:
    """Which rows a column of quality marks as bad.

    Attributes
    ----------
    bad : ndarray of bool, shape (n,)
        Rows that are bad.
    known : bool
        Whether it is known which of its values are good. If not, no row is bad, or the rows with the rarer one
        of two values are.
    """

    bad: np.ndarray
    known: bool = True


def of_column(
    name: str,
    values: np.ndarray,
    good: Sequence[Value] = (),
    bad_bits: int = 0,
    asked: bool = False,
) -> Quality:
    """Read a column of quality.

    Parameters
    ----------
    name : str
        What the column is called in the file.
    values : ndarray, shape (n,) or (n, k)
        Numbers, booleans, words or bits. A row of several values is bad if one of them is.
    good : sequence of bool, int, float or str, optional
        Values that are good, if the configuration has them.
    bad_bits : int, optional
        Bits that make a row bad; 0: a row is bad if its value is not 0.
    asked : bool, optional
        Whether the configuration names the column as one of quality.

    Raises
    ------
    Rejected
        NO_DATA where the configuration asks for the column and it is not known which of its values
        are good.

    Notes
    -----
    Numbers other than 0 are bad, and so are undefined ones (NaN, TNULL). The words G, good, OK and 0 are good.
    For booleans the name of the column tells: true is bad in ``BAD`` and ``FLAG``, good in ``GOOD`` and
    ``VALID``. Where the name does not tell (``MASK``, ``QUALITY``), the commoner value is taken for good, and
    `known` is false.
    """
    values = np.asarray(values)
    name = name.strip().upper()
    if values.dtype.kind not in "biuf":
        result = _of_words(name, values, good)
    elif good:
        result = Quality(~_is_one_of(values, good))
    elif values.dtype.kind == "b":
        result = _of_booleans(name, values)
    else:
        result = _of_numbers(name, values, bad_bits)
    if result is None:
        some = ", ".join(str(v) for v in np.unique(values[values == values])[:6])
        if asked:
            raise Rejected(
                Status.NO_DATA,
                f"column {name} (quality of ingest.tables) holds {some}: say in ingest.tables.good "
                "which are good",
            )
        return Quality(np.zeros(len(values), dtype=bool), known=False)
    axes = tuple(range(1, result.bad.ndim))
    return replace(result, bad=np.any(result.bad, axis=axes)) if axes else result


def _of_numbers(name: str, values: np.ndarray, bad_bits: int) -> Quality | None:
    """Read numbers; None if they are not whole."""
    defined = np.isfinite(values)
    if _called(name, _LIMITS) and not set(np.unique(values[defined])) <= {0, 1}:
        return Quality(np.zeros(values.shape, dtype=bool))  # the limits themselves
    if not np.all(values[defined] == np.rint(values[defined])):
        return None
    if bad_bits:
        defined &= np.abs(values.astype(float)) < 2.0**63
        number = np.where(defined, values, 0).astype(np.int64)
        return Quality(((number & bad_bits) > 0) | ~defined)
    if _called(name, _GOOD):
        return Quality((values == 0) | ~defined)
    if _called(name, _EITHER) and set(np.unique(values[defined])) <= {0, 1}:
        return _commoner(values == 1, ~defined)
    return Quality((values != 0) | ~defined)


def _of_booleans(name: str, values: np.ndarray, undefined: np.ndarray | bool = False) -> Quality:
    if values.ndim > 1 or _called(name, (*_BAD, *_LIMITS)):
        return Quality(values | undefined)
    if _called(name, _GOOD):
        return Quality(~values | undefined)
    return _commoner(values, undefined)


def _commoner(values: np.ndarray, undefined: np.ndarray | bool) -> Quality:
    """Take the commoner of two values for good; if there is only one value, it is good."""
    usual = 2 * np.count_nonzero(values) > values.size
    other = np.not_equal(values, usual)
    return Quality(other | undefined, known=not other.any())


def _of_words(name: str, values: np.ndarray, good: Sequence[Value]) -> Quality | None:
    """Read words; None if it is not known which of them are good."""
    words = np.char.lower(np.char.strip(_text(values)))
    if good:
        return Quality(~np.isin(words, [str(word).strip().lower() for word in good]))
    found = set(np.unique(words).tolist())
    if found & (_GOOD_WORDS - {""}):
        return Quality(~np.isin(words, list(_GOOD_WORDS)))
    answers = found - {""}
    if answers <= _TRUE | _FALSE:
        empty = words == ""
        return _of_booleans(name, np.isin(words, list(_TRUE)), empty & bool(answers))
    if answers <= _BAD_WORDS:
        return Quality(np.isin(words, list(_BAD_WORDS)))
    numbers = _as_numbers(words)
    return None if numbers is None else _of_numbers(name, numbers, 0)


def _text(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "S":
        return np.char.decode(values, "ascii", "replace")
    return values.astype(str)


def _as_numbers(words: np.ndarray) -> np.ndarray | None:
    try:
        return np.where(words == "", "nan", words).astype(float)
    except ValueError:
        return None


def _is_one_of(values: np.ndarray, good: Sequence[Value]) -> np.ndarray:
    numbers = []
    for one in good:
        with suppress(ValueError):
            numbers.append(float(one))
    return np.isin(values.astype(float), numbers)
