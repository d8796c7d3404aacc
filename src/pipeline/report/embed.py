"""Tables and power spectra as compact JSON values for the page."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa

_DIGITS = 7
"""Significant digits of a number in the table: more than any error bar needs."""


def columns(table: pa.Table, names: Sequence[str]) -> dict[str, list]:
    """Return columns as lists: numbers rounded to seven digits, None for NaN and infinities."""
    return {name: [compact(v) for v in table.column(name).to_pylist()] for name in names}


def records(rows: Iterable[Mapping], names: Sequence[str]) -> list[list]:
    """Return rows as lists in the order of `names`, their numbers as `columns` has them."""
    return [[compact(row[name]) for name in names] for row in rows]


def compact(value: Any) -> Any:
    """Return a value that JSON can hold, numbers rounded to seven significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    return value


def floats(values: np.ndarray) -> str:
    """Return numbers as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


class Grids:
    """Frequency grids, each kept once: the spectra of a survey mostly share them."""

    def __init__(self) -> None:
        self.encoded: list[list[str]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, lo: np.ndarray, hi: np.ndarray) -> int:
        """Return the number of the grid with these lower and upper edges, Hz."""
        key = (floats(lo), floats(hi))
        if key not in self._numbers:
            self._numbers[key] = len(self.encoded)
            self.encoded.append(list(key))
        return self._numbers[key]


def spectrum(curve: Mapping, grids: Grids) -> dict:
    """Return a row of CURVES for the page: grid, power, error, and the power of each component."""
    return {
        "grid": grids.number(curve["frequency_lo"], curve["frequency_hi"]),
        "power": floats(curve["power"]),
        "error": floats(curve["power_err"]),
        "components": list(curve["components"]),
        "parts": floats(curve["component_power"]),
    }
