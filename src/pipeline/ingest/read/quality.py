"""Columns of quality: which rows a file, or whoever made it, says are bad."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.status import Status

BITS = ("SAP_QUALITY", "QUALITY", "PIXEL_QUALITY", "TESS_FLAGS", "DQUALITY")
"""Columns of which some bits are bad by a mission's table (`missions`), all of them elsewhere."""

_ROOTS = ("QUALITY", "QUAL", "DQ", "DQF", "CATFLAGS")
_BAD = ("FLAG", "FLAGS", "BAD", "INVALID", "REJECT", "REJECTED", "OUTLIER", "EXCLUDED")
_LIMITS = ("UPPER_LIMIT", "UPPERLIMIT", "UPLIM", "UPPER_LIM", "ULIM", "IS_UL", "UL_FLAG", "UL")
_GOOD = ("GOOD", "VALID", "USABLE", "OK")
_EITHER = ("MASK",)


def _called(name: str, roots: Collection[str]) -> bool:
    """Return whether a column has one of the names, with what is put before and after them."""
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


@dataclass(frozen=True)
class Quality:
    """What a column of quality says.

    Attributes
    ----------
    bad : ndarray of bool, shape (n,)
        Rows that are bad.
    known : bool
        Whether it is known which of its values are good; if not, no row is bad, or all but those with
        the commoner one of two values are.
    """

    bad: np.ndarray
    known: bool = True


def of_column(
    name: str,
    values: np.ndarray,
    good: Sequence = (),
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
        Values that are good, where somebody said them.
    bad_bits : int, optional
        Bits that make a row bad; 0: a row is bad whose value is not 0.
    asked : bool, optional
        Whether the configuration names the column as one of quality.

    Raises
    ------
    Rejected
        NO_DATA where the configuration asks for the column and it is not known which of its values
        are good.

    Notes
    -----
    A number that is not 0 is bad, one that is undefined (NaN, TNULL) too. Of words, G, good, OK and 0 are good.
    Of booleans the name of the column says which is: ``BAD``, ``FLAG``; ``GOOD``, ``VALID``. Where it does
    not (``MASK``, ``QUALITY``), the commoner one is taken for good, and `known` is false.
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
    bad = result.bad
    return Quality(bad.any(axis=tuple(range(1, bad.ndim))), result.known)


def _of_numbers(name, values, bad_bits) -> Quality | None:
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


def _of_booleans(name, values, undefined=False) -> Quality:
    if values.ndim > 1 or _called(name, (*_BAD, *_LIMITS)):
        return Quality(values | undefined)
    if _called(name, _GOOD):
        return Quality(~values | undefined)
    return _commoner(values, undefined)


def _commoner(values, undefined) -> Quality:
    """Take the commoner of two values for good; all that are the same are good."""
    usual = 2 * np.count_nonzero(values) > values.size
    return Quality((values != usual) | undefined, known=bool(np.all(values == usual)))


def _of_words(name, values, good) -> Quality | None:
    words = np.char.lower(np.char.strip(_text(values)))
    if good:
        return Quality(~np.isin(words, [str(word).strip().lower() for word in good]))
    found = set(np.unique(words).tolist())
    if found & (_GOOD_WORDS - {""}):
        return Quality(~np.isin(words, list(_GOOD_WORDS)))
    said = found - {""}
    if said <= _TRUE | _FALSE:
        empty = words == ""
        return _of_booleans(name, np.isin(words, list(_TRUE)), empty & bool(said))
    if said <= _BAD_WORDS:
        return Quality(np.isin(words, list(_BAD_WORDS)))
    numbers = _as_numbers(words)
    return None if numbers is None else _of_numbers(name, numbers, 0)


def _text(values) -> np.ndarray:
    if values.dtype.kind == "S":
        return np.char.decode(values, "ascii", "replace")
    return values.astype(str)


def _as_numbers(words) -> np.ndarray | None:
    try:
        return np.where(words == "", "nan", words).astype(float)
    except ValueError:
        return None


def _is_one_of(values, good) -> np.ndarray:
    numbers = []
    for one in good:
        try:
            numbers.append(float(one))
        except ValueError:
            continue
    return np.isin(values.astype(float), numbers)
