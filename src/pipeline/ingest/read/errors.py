"""The errors of a light curve, from the columns of any form that files have."""

import numpy as np
from astropy import units

from pipeline.ingest.missions.registry import LightCurveDialect
from pipeline.ingest.read import counts
from pipeline.ingest.read.columns import MeasuredColumns

_EMPTY = np.empty(0)

_TELLING = 10.0
"""Where bins have more counts than this, a rate of 0 with an error of 0 is no measurement: chance 5e-5."""

_SIDES = (
    *(("_LO", "_HI"), ("_LOW", "_HIGH"), ("_LOWER", "_UPPER"), ("_NEG", "_POS"), ("NEG", "POS")),
    *(("_MINUS", "_PLUS"), ("_M", "_P"), ("_DOWN", "_UP"), ("LO", "HI"), ("LOW", "HIGH")),
)
_OF_FLUXES = ("KSPSAP_FLUX_ERR", "DET_FLUX_ERR", "ERR_RATE")
"""Errors of fluxes and rates. They may stand beside counts, to which they do not belong."""

_PERCENT = frozenset({"%", "percent", "per cent", "pct"})
_VARIANCE = frozenset({"variance", "var", "sigma2", "sigma^2", "sigma**2"})


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def of_rate(
    table: MeasuredColumns, name: str, number: int, dialect: LightCurveDialect
) -> np.ndarray:
    """Return the standard errors of a band of a column.

    Parameters
    ----------
    table : MeasuredColumns
        The columns.
    name : str
        Column of rates, counts or fluxes.
    number : int
        Number of its band.
    dialect : LightCurveDialect
        The dialect of the column.

    Returns
    -------
    ndarray, shape (n,) or (0,)
        Empty if there are none. Of a lower and an upper error the root of their mean square is taken.
        Variances and percents are recognised by the unit, or by the name of the column.
    """
    suffix = name.removeprefix("RATE") if name.startswith("RATE") else ""
    candidates = (
        *((dialect.error,) if dialect.error else ()),
        *(f"{name}_ERR", f"{name}_ERROR", f"ERROR{suffix}", f"{name}ERR", f"E_{name}"),
        *(f"ERR_{name}", f"{name}_SIGMA", *(_OF_FLUXES if name != "COUNTS" else ())),
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


def _of_column(
    table: MeasuredColumns, column: str, name: str, number: int, rate: np.ndarray
) -> np.ndarray:
    """Return the errors in a column: of each band, of all bands, or a lower and an upper one of each."""
    bands = table.bands(column)
    if len(bands) == 2 * len(table.bands(name)):  # lower and upper
        error = _of_sides(bands[2 * number], bands[2 * number + 1])
    else:
        error = bands[number] if number < len(bands) else bands[0]
    unit = table.hdu.unit(column).strip()
    if unit.lower() in _PERCENT and table.hdu.unit(name).strip().lower() not in _PERCENT:
        return np.abs(rate) * error / 100
    if unit.lower() in _VARIANCE or _is_square(unit, table.hdu.unit(name).strip()):
        return _root(error)
    return error


def _of_sides(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the root of the mean square of a lower and an upper error; one of them if the other is missing."""
    square = (
        np.where(np.isfinite(low), low, high) ** 2 + np.where(np.isfinite(high), high, low) ** 2
    )
    return np.sqrt(square / 2)


def _root(variance: np.ndarray) -> np.ndarray:
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
def are_impossible(
    rate: np.ndarray, rate_err: np.ndarray, dt: float, fracexp: np.ndarray
) -> np.ndarray:
    """Return which bins are no measurement, because their error is impossible.

    These are negative errors; errors of 0 with a rate that is not 0; and errors of 0 with a rate of 0, if the
    other bins are so significant that a bin without any count does not happen by chance. Counts are an
    exception, because an eclipse may leave none.

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
    impossible = np.zeros(len(rate), dtype=bool)
    if not len(rate_err) or not np.fmin.reduce(rate_err) <= 0 < np.fmax.reduce(rate_err):
        return impossible
    impossible |= rate_err < 0
    zero = rate_err == 0
    impossible |= zero & np.isfinite(rate) & (rate != 0)
    given = rate_err > 0
    counted = np.median((rate[given] / rate_err[given]) ** 2)
    if counted > _TELLING and not counts.of_curve(rate, rate_err, dt, fracexp).gross:
        impossible |= zero
    return impossible
