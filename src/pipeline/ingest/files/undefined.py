"""Numbers and words that stand for no value: -999, 99.99, 1e30, INDEF, <0.3."""

from dataclasses import dataclass, field

import numpy as np

WORDS = frozenset(
    {
        *("", "-", "--", "---", ".", "..", "...", "…", "*", "**", "***", "?", "_", "\\n", "\\N"),
        *(
            "na",
            "n/a",
            "#n/a",
            "n.a.",
            "nan",
            "+nan",
            "-nan",
            "nan.0",
            "none",
            "null",
            "nil",
            "indef",
        ),
        *(
            "indefinite",
            "undef",
            "undefined",
            "missing",
            "masked",
            "nodata",
            "no_data",
            "bad",
            "inf",
        ),
        *("+inf", "-inf", "infinity", "-infinity", "ind", "-1.#ind", "1.#qnan", "no", "nd", "n.d."),
    }
)
"""Words in the place of a number, in lower case, that say that there is none."""

NOTHING = "no value"
"""The description of a cell that says that there is no value."""

_LIMITS = ("<", ">", "≤", "≥", "≲", "≳", "~<", "~>")

_HUGE = 1e20
"""A number beyond this, far from all others, is no measurement even if it is there once."""

_REPEATED = 2

_APART = 3
"""If all other whole numbers are at least this, -1 is no measurement."""

_EXTREMES = frozenset({32767, 32768, 65535, 2147483647, 2147483648, 4294967295})

_FEW = 8
"""Most different values that are looked at; a column has one or two that stand for no value."""


@dataclass(frozen=True)
class Cleaned:
    """A column in which numbers that stand for no value are NaN.

    Attributes
    ----------
    values : ndarray of float
        The column.
    found : mapping of str to int
        Numbers and words that stood for no value, and their counts.
    """

    values: np.ndarray
    found: dict[str, int] = field(default_factory=dict)


def clean(values: np.ndarray) -> Cleaned:
    """Replace by NaN the numbers that stand for no value.

    A number stands for no value if it is written like such numbers (two or more nines and no other digit; -1; a
    power of ten from 1e10, any number from 1e25, or the largest of a type of integers), if it is there
    twice or more, and if it is implausible: further from all the others than they are from each other, or
    negative and four times beyond the most negative of them. Beyond 1e20, once is enough.

    Parameters
    ----------
    values : ndarray of numbers, any shape
        A column of rates, fluxes, magnitudes or errors.
    """
    values = np.asarray(values)
    if values.size < 3 or not any(map(_is_written, _extremes(values))):
        return Cleaned(values)
    finite = values[np.isfinite(values)]
    if finite.size < 3:
        return Cleaned(values)
    candidates, rest = [], finite
    for _ in range(_FEW):
        for extreme in (rest.min(), rest.max()):
            count = int(np.count_nonzero(rest == extreme))
            if _is_written(extreme) and (count >= _REPEATED or abs(extreme) > _HUGE):
                candidates.append((extreme, count))
                rest = rest[rest != extreme]
                if not rest.size:
                    return Cleaned(values)
        if not (_is_written(rest.min()) or _is_written(rest.max())):
            break
    low, high = float(rest.min()), float(rest.max())
    whole = bool(np.all(rest == np.rint(rest)))
    found = {
        f"{value:.6g}": count
        for value, count in candidates
        if _is_out(float(value), count, low, high, whole)
    }
    if not found:
        return Cleaned(values)
    bad = np.isin(values, [v for v, _ in candidates if f"{v:.6g}" in found])
    return Cleaned(np.where(bad, np.nan, values.astype(float)), found)


def _extremes(values: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest finite value; zeros where there is none."""
    flat = values.ravel()
    low, high = np.fmin.reduce(flat), np.fmax.reduce(flat)
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = flat[np.isfinite(flat)]
    return (finite.min(), finite.max()) if finite.size else (0.0, 0.0)


def _is_out(value: float, count: int, low: float, high: float, whole: bool) -> bool:
    """Return whether a value cannot be one of those between `low` and `high`."""
    width = high - low
    if value > high:
        return value > high + max(width, abs(high)) and (value != 99 or count > _REPEATED)
    if value == -1 and whole:  # the difference of two counts may be, where others are as small
        return low >= _APART or value < low - width / 3
    return value < low - width or value < 4 * min(low, 0.0)


def _is_written(value: float) -> bool:
    """Return whether a number is written like those that stand for no value."""
    size = abs(float(value))
    if size < 9:
        return value == -1
    mantissa, _, exponent = f"{size:.5e}".partition("e")
    digits, power = mantissa.replace(".", "").rstrip("0"), int(exponent)
    if set(digits) == {"9"}:
        return len(digits) > 1 and power < len(digits)
    return (digits == "1" and power >= 10) or power >= 25 or size in _EXTREMES


def number_of(text: str) -> float | None:
    """Return the number in a text, NaN if the text says that there is none, None if it is no number.

    A limit (``<0.3``) is no measurement: NaN. Fortran's exponents (``1.0D-3``) are read.
    """
    text = text.strip().strip("\"'").strip()
    lower = text.lower()
    if lower in WORDS or is_limit(text):
        return np.nan
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(lower.replace("d", "e"))
    except ValueError:
        return None


def is_limit(text: str) -> bool:
    """Return whether a text is an upper or lower limit."""
    return text.strip().strip("\"'").lstrip().startswith(_LIMITS)


def of_words(words: np.ndarray) -> Cleaned:
    """Read numbers that are written as words.

    Parameters
    ----------
    words : ndarray of str or bytes
        Cells of a column.

    Returns
    -------
    Cleaned
        Cells that hold no number are NaN.
    """
    text = np.char.decode(words, "ascii", "replace") if words.dtype.kind == "S" else words
    values = np.full(text.shape, np.nan)
    found: dict[str, int] = {}
    flat = values.reshape(-1)
    for i, cell in enumerate(text.astype(str).ravel()):
        number = number_of(cell)
        if number is not None and np.isfinite(number):
            flat[i] = number
        else:
            description = described(cell)
            found[description] = found.get(description, 0) + 1
    return Cleaned(values, found)


def described(text: str) -> str:
    """Return how a reason describes a cell without a number."""
    text = text.strip().strip("\"'").strip()
    if text.lower() in WORDS:
        return NOTHING
    return "limits" if is_limit(text) else repr(text[:12])
