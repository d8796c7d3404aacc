"""Tables of text that describe themselves: ECSV (Astropy APE 6), as Stingray and Astropy write them."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy.io import ascii as text_tables

from pipeline.ingest.files.recognise import Hdu
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

    values: dict = field(default_factory=dict)
    units: dict = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Return 0: no keyword of FITS has the number of a column."""
        return 0

    def unit(self, name: str) -> str:
        """Return the unit of a column by its upper-case name; empty if there is none."""
        return self.units.get(name, "")

    def read_any(self, name: str) -> np.ndarray:
        """Return a column by its upper-case name."""
        return self.values[name]

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers by its upper-case name; what is masked is NaN.

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
    """Read a table, whose metadata become keywords in upper case.

    Parameters
    ----------
    content : bytes
        The text.

    Returns
    -------
    list of Hdu
        An empty primary one and the table; good time intervals of Stingray's are a table too.

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
    header, plain = {}, (str, bool, int, float)
    for key, value in table.meta.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, plain):
            header[str(key).upper()] = value
    values, units = {}, {}
    for name in table.colnames:
        column = np.ma.asarray(table[name])
        numeric = column.dtype.kind in "biuf"
        masked = numeric and np.ma.is_masked(column)
        values[name.upper()] = (
            np.asarray(column.astype(float).filled(np.nan)) if masked else np.asarray(column.data)
        )
        if column.dtype.kind == "U" and np.ma.is_masked(column):
            values[name.upper()] = column.filled("")
        units[name.upper()] = str(table[name].unit or "")
    hdus = [Hdu("PRIMARY", {}), EcsvHdu("", _of_stingray(header), tuple(values), values, units)]
    intervals = np.asarray(table.meta.get("gti", ()), dtype=float)
    if intervals.ndim == 2 and intervals.shape[1] == 2:
        edges = {"START": intervals[:, 0], "STOP": intervals[:, 1]}
        hdus.append(EcsvHdu("GTI", {}, tuple(edges), edges))
    return hdus


def _of_stingray(header) -> dict:
    """Return keywords with those of FITS beside Stingray's: MJDREFI and MJDREFF, TIMEDEL."""
    extra = {}
    if isinstance(header.get("MJDREF"), (int, float)) and "MJDREFI" not in header:
        whole = int(header["MJDREF"] // 1)
        extra = {"MJDREFI": whole, "MJDREFF": float(header["MJDREF"]) - whole}
    if isinstance(header.get("DT"), (int, float)) and "TIMEDEL" not in header:
        extra["TIMEDEL"] = float(header["DT"])
    return header | extra
