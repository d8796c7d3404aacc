"""Tables and power spectra as compact JSON values for the page."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = 7
"""Significant digits of a number in the table: more than any error bar needs."""


def column(cells: pa.Array | pa.ChunkedArray, *, exact: bool = False) -> Any:
    """Return a column for the page, which `decodeColumn` of its scripts reads.

    Parameters
    ----------
    cells : pyarrow.Array or ChunkedArray
        Text, numbers or booleans, without nulls.
    exact : bool, optional
        Whether floating-point numbers keep their double precision.

    Returns
    -------
    None, list of str, or dict
        None where nothing is known; text as it is, once where all cells are the same; numbers as base64 under
        the name of their type.
    """
    if pa.types.is_string(cells.type):
        text = cells.to_pylist()
        same = bool(text) and text.count(text[0]) == len(text)
        return {"all": text[0]} if same else text
    values = cells.to_numpy() if isinstance(cells, pa.ChunkedArray) else cells.to_numpy(False)
    if values.dtype == bool:
        return {"u1": encoded(values, "u1")} if values.any() else None
    if values.dtype.kind == "f":
        if not np.isfinite(values).any():
            return None
        return {"f8": encoded(values, "<f8")} if exact else {"f4": floats(values)}
    return {"f8": encoded(values, "<f8")}


def records(rows: Iterable[Mapping], names: Sequence[str]) -> list[list]:
    """Return rows as lists in the order of `names`, their numbers as `compact` returns them."""
    return [[compact(row[name]) for name in names] for row in rows]


def compact(value: Any) -> Any:
    """Return a value that JSON can hold: numbers with seven significant digits, None for NaN and infinities."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    return value


def floats(values: np.ndarray) -> str:
    """Return numbers as base64 of little-endian float32."""
    return encoded(values, "<f4")


def encoded(values: np.ndarray, kind: str) -> str:
    """Return numbers of a NumPy type as base64."""
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode()


def searchable(columns: Sequence[pa.ChunkedArray]) -> str:
    """Return a line for each row: its distinct texts in lower case, separated by tabulators.

    Parameters
    ----------
    columns : sequence of pyarrow.ChunkedArray
        Columns of text; the first is always there, the others where they are not the same as the first.
    """
    clean = [
        pc.utf8_lower(pc.replace_substring_regex(one, r"[\t\n\r\x{2028}\x{2029}]", " "))
        for one in columns
    ]
    first, *rest = clean
    more = [pc.if_else(pc.equal(one, first), "", one) for one in rest]
    return "\n".join(pc.binary_join_element_wise(first, *more, "\t").to_pylist())


class Grids:
    """Frequency grids, each kept once: the spectra of a survey mostly share them."""

    def __init__(self) -> None:
        self.encoded: list[list[str]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, lo: str, hi: str) -> int:
        """Return the number of the grid with these lower and upper edges, Hz, as from `floats`."""
        if (lo, hi) not in self._numbers:
            self._numbers[lo, hi] = len(self.encoded)
            self.encoded.append([lo, hi])
        return self._numbers[lo, hi]


def curve(row: Mapping) -> dict[str, Any]:
    """Return a row of CURVES for the page: edges of the bins, power, error, and the power of each component."""
    return {
        "edges": [floats(row["frequency_lo"]), floats(row["frequency_hi"])],
        "power": floats(row["power"]),
        "error": floats(row["power_err"]),
        "components": list(row["components"]),
        "parts": floats(row["component_power"]),
    }


def spectrum(encoded_curve: Mapping, grids: Grids) -> dict[str, Any]:
    """Return what `curve` returned with the number of its grid in the place of the edges."""
    rest = {name: value for name, value in encoded_curve.items() if name != "edges"}
    return {"grid": grids.number(*encoded_curve["edges"]), **rest}
