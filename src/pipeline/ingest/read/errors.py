"""The columns with the errors of a light curve, in the forms that files have."""

import numpy as np
from astropy import units

from pipeline.ingest.read import counts

_EMPTY = np.empty(0)

_TELLING = 10.0
"""Counts in a bin above which nothing at all, without an error, is no measurement: chance 5e-5."""

_SIDES = (
    *(("_LO", "_HI"), ("_LOW", "_HIGH"), ("_LOWER", "_UPPER"), ("_NEG", "_POS"), ("NEG", "POS")),
    *(("_MINUS", "_PLUS"), ("_M", "_P"), ("_DOWN", "_UP"), ("LO", "HI"), ("LOW", "HIGH")),
)
_OF_KIND = (("KSPSAP_FLUX_ERR", "DET_FLUX_ERR", "ERR_RATE"), ())
"""Errors of fluxes and rates, which may stand beside counts that they are not of."""

_PERCENT = frozenset({"%", "percent", "per cent", "pct"})
_VARIANCE = frozenset({"variance", "var", "sigma2", "sigma^2", "sigma**2"})


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def of_rate(table, name: str, number: int, dialect) -> np.ndarray:
    """Return the standard errors of a band of a column.

    Parameters
    ----------
    table : object
        Columns, with ``names``, ``bands(name)``, ``first_of(names, number)`` and ``hdu.unit(name)``.
    name : str
        Column of rates, counts or fluxes.
    number : int
        Its band.
    dialect : LightCurveDialect
        That of the column.

    Returns
    -------
    ndarray, shape (n,) or (0,)
        Empty if there are none. Of a lower and an upper error it is the root of their mean square.
        Variances and percents are read as such where the unit, or the name of the column, says so.
    """
    suffix = name.removeprefix("RATE") if name.startswith("RATE") else ""
    candidates = (
        *((dialect.error,) if dialect.error else ()),
        *(f"{name}_ERR", f"{name}_ERROR", f"ERROR{suffix}", f"{name}ERR", f"E_{name}"),
        *(f"ERR_{name}", f"{name}_SIGMA", *_OF_KIND[name == "COUNTS"]),
        *(f"{name}_UNC", f"{name}_UNCERTAINTY", "STAT_ERR", "ERROR", "ERR", "SIGMA"),
    )
    rate = table.bands(name)[number]
    for column in candidates:
        if column in table.names:
            return _of_column(table, column, name, number, rate)
    for stem in (f"{name}_ERR", f"{name}_ERROR", "ERROR", "ERR", "STAT_ERR", name):
        for low, high in _SIDES:
            if {stem + low, stem + high} <= table.names and (stem != name or "POS" in high):
                return _of_sides(*(table.first_of((stem + side,), number) for side in (low, high)))
    for column in (f"{name}_VAR", f"{name}_VARIANCE", "VARIANCE", "VAR"):
        if column in table.names:
            return _root(table.first_of((column,), number))
    for column in (f"{name}_IVAR", "IVAR"):
        if column in table.names:
            inverse = table.first_of((column,), number)
            return 1 / np.sqrt(np.where(inverse > 0, inverse, np.nan))
    return _EMPTY


def _of_column(table, column, name, number, rate) -> np.ndarray:
    bands = table.bands(column)
    if len(bands) == 2 * len(table.bands(name)):  # lower and upper
        error = _of_sides(bands[2 * number], bands[2 * number + 1])
    else:
        error = bands[number] if number < len(bands) else bands[0]
    said = table.hdu.unit(column).strip()
    if said.lower() in _PERCENT and table.hdu.unit(name).strip().lower() not in _PERCENT:
        return np.abs(rate) * error / 100
    if said.lower() in _VARIANCE or _is_square(said, table.hdu.unit(name).strip()):
        return _root(error)
    return error


def _of_sides(low, high) -> np.ndarray:
    """Return the root of the mean square of a lower and an upper error; of one where one is missing."""
    square = (
        np.where(np.isfinite(low), low, high) ** 2 + np.where(np.isfinite(high), high, low) ** 2
    )
    return np.sqrt(square / 2)


def _root(variance) -> np.ndarray:
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def _is_square(unit: str, of: str) -> bool:
    """Return whether a unit is the square of another."""
    if not unit or not of or unit == of:
        return False
    try:
        squared = units.Unit(of) ** 2
        return squared != units.dimensionless_unscaled and units.Unit(unit) == squared
    except (ValueError, TypeError):
        return False


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def are_none(rate: np.ndarray, rate_err: np.ndarray, dt: float, fracexp: np.ndarray) -> np.ndarray:
    """Return which bins have an error that no measurement has, so that they are none.

    Negative errors; none beside a rate that is not 0; and none beside a rate of 0 where the others are
    so significant that a bin without a count does not happen, unless they are counts, of which an eclipse
    may leave none.

    Parameters
    ----------
    rate, rate_err, fracexp : ndarray, shape (n,), or (0,) where unknown
        ct/s, and the exposed fraction.
    dt : float
        Width of a bin, s.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    none = np.zeros(len(rate), dtype=bool)
    if not len(rate_err) or not np.fmin.reduce(rate_err) <= 0 < np.fmax.reduce(rate_err):
        return none
    none |= rate_err < 0
    nothing = rate_err == 0
    none |= nothing & np.isfinite(rate) & (rate != 0)
    given = rate_err > 0
    counted = np.median((rate[given] / rate_err[given]) ** 2)
    if counted > _TELLING and not counts.of_curve(rate, rate_err, dt, fracexp).gross:
        none |= nothing
    return none
