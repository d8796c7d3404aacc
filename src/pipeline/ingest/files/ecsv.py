"""Tables of text that describe themselves: ECSV (Astropy APE 6), as Stingray and Astropy write them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import ascii as text_tables

from pipeline.ingest.hdu import Hdu
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

MAGIC = b"# %ECSV"


@dataclass(frozen=True)
class EcsvHdu(Hdu):
    """A table in memory.

    Attributes
    ----------
    values : mapping of str to ndarray
        Its columns.
    units : mapping of str to str
        Their units.
    """

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Return 0: columns have no numbers, as in keywords of FITS."""
        return 0

    def unit(self, name: str) -> str:
        """Return the unit of a column by its upper-case name; empty if there is none."""
        return self.units.get(name, "")

    def read_any(self, name: str) -> np.ndarray:
        """Return a column by its upper-case name."""
        return self.values[name]

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers by its upper-case name; masked cells are NaN.

        Raises
        ------
        Rejected
            UNREADABLE if it does not hold numbers.
        """
        values = self.values[name]
        if values.dtype.kind not in "biuf":
            raise Rejected(Status.UNREADABLE, f"column {name} does not hold numbers")
        return values


def read(content: bytes) -> list[Hdu]:
    """Read a table. Its metadata become keywords in upper case.

    Parameters
    ----------
    content : bytes
        The text.

    Returns
    -------
    list of Hdu
        An empty primary one and the table. The good time intervals that Stingray writes are a table, too.

    Raises
    ------
    Rejected
        UNREADABLE if the text is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = text_tables.read(content.decode("utf-8", "replace"), format="ecsv")
    except Exception as error:  # a damaged text can make Astropy raise anything
        reason = f"its ECSV cannot be read ({type(error).__name__}: {error}): write it again"
        raise Rejected(Status.UNREADABLE, " ".join(reason.split())) from error
    values, units = {}, {}
    for name in table.colnames:
        values[name.upper()] = _values(np.ma.asarray(table[name]))
        units[name.upper()] = str(table[name].unit or "")
    header = _of_stingray(_keywords(table.meta))
    hdus = [Hdu("PRIMARY", {}), EcsvHdu("", header, tuple(values), values, units)]
    intervals = np.asarray(table.meta.get("gti", ()), dtype=float)
    if intervals.ndim == 2 and intervals.shape[1] == 2:
        edges = {"START": intervals[:, 0], "STOP": intervals[:, 1]}
        hdus.append(EcsvHdu("GTI", {}, tuple(edges), edges))
    return hdus


def _keywords(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a FITS header could hold, by keywords in upper case."""
    header = {}
    for key, value in meta.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, (str, bool, int, float)):
            header[str(key).upper()] = value
    return header


def _values(column: np.ma.MaskedArray) -> np.ndarray:
    """Return a column; masked numbers are NaN, masked words empty."""
    if np.ma.is_masked(column):
        if column.dtype.kind in "biuf":
            return np.asarray(np.ma.filled(column.astype(float), np.nan))
        if column.dtype.kind == "U":
            return np.ma.filled(column, "")
    return np.asarray(column.data)


def _of_stingray(header: dict[str, Any]) -> dict[str, Any]:
    """Return keywords with those of FITS besides Stingray's: MJDREFI and MJDREFF, TIMEDEL."""
    extra: dict[str, Any] = {}
    if isinstance(header.get("MJDREF"), (int, float)) and "MJDREFI" not in header:
        whole = int(header["MJDREF"] // 1)
        extra = {"MJDREFI": whole, "MJDREFF": float(header["MJDREF"]) - whole}
    if isinstance(header.get("DT"), (int, float)) and "TIMEDEL" not in header:
        extra["TIMEDEL"] = float(header["DT"])
    return header | extra
