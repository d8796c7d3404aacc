"""Exposures of the bins of a light curve, given in seconds, as a fraction, or relative to each other."""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.times import time_units

COLUMNS = ("FRACEXP", "EXPOSURE", "TIMEDEL")
"""Columns with the exposure of a bin, the best first."""

_OVER = 1.1
"""Largest possible exposure of a bin relative to its width; the excess over 1 allows for rounding."""

_PERCENT = frozenset({"%", "percent"})
_PERCENTS = 10.0
"""Exposed fractions with a larger median are in percent."""

_LEAST = 0.01
"""A bin with a smaller relative exposure was not exposed."""


@dataclass(frozen=True)
class Exposure:
    """How the bins were exposed.

    Attributes
    ----------
    fraction : ndarray, shape (n,) or (0,)
        Exposed fraction of the width of each bin; a relative exposure divided by its median.
    relative : bool
        Whether exposures only tell which bins were exposed more than others: they are products of area and
        time, or sums over detectors.
    """

    fraction: np.ndarray
    relative: bool = False


def of_column(name: str, values: np.ndarray, unit: str, dt: float) -> Exposure:
    """Read a column of exposures.

    Parameters
    ----------
    name : str
        One of `COLUMNS`.
    values : ndarray, shape (n,)
        The column.
    unit : str
        Its unit; empty if it has none.
    dt : float
        Width of a bin, s.

    Notes
    -----
    An EXPOSURE without a unit is a fraction if it is at most 1 and bins are 2 s or longer; it is in seconds if
    it fits into a bin; else it is relative. A FRACEXP whose median is above 10 is in percent.
    """
    values = values.astype(float, copy=False)
    unit = unit.strip()
    if name == "FRACEXP" and unit not in _PERCENT and np.fmax.reduce(values) <= _PERCENTS:
        return Exposure(values)
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):  # no exposure is given, or all are zero
        return Exposure(values if np.any(values == 0) else np.empty(0))
    middle = float(np.median(known))
    if name == "FRACEXP":
        percent = unit in _PERCENT or middle > _PERCENTS
        return Exposure(values / 100 if percent else values)
    seconds = _seconds(unit)
    if seconds is None and unit:
        return Exposure(_relative(values, middle), relative=True)
    if seconds is None and name == "EXPOSURE" and known.max() <= 1 and dt >= 2:
        return Exposure(values)
    fraction = values * (seconds or 1.0) / dt
    if middle * (seconds or 1.0) <= _OVER * dt:
        return Exposure(fraction)
    return Exposure(_relative(values, middle), relative=True)


def _seconds(unit: str) -> float | None:
    """Return the seconds in a unit of time, None if it is empty or is no unit of time."""
    found = time_units.parse(unit) if unit.strip() else None
    return None if found is None or found.epoch else found.seconds


def _relative(values: np.ndarray, middle: float) -> np.ndarray:
    """Return exposures relative to a middle one, NaN for a bin with next to none."""
    relative = values / middle
    return np.where(relative >= _LEAST, relative, np.nan)


def bin_width(values: np.ndarray, unit: str, header_unit: float) -> float | None:
    """Return the width of bins by a column TIMEDEL, in units of the header; None if it varies.

    Parameters
    ----------
    values : ndarray
        The column.
    unit : str
        Its unit; that of the header if it is empty or not one of time.
    header_unit : float
        Seconds in a unit of time of the header.
    """
    known = np.asarray(values, dtype=float).ravel()
    known = known[np.isfinite(known) & (known > 0)]
    if not len(known):
        return None
    middle = float(np.median(known))
    if np.mean(np.abs(known - middle) > 0.05 * middle) > 0.05:
        return None
    return middle * (_seconds(unit) or header_unit) / header_unit
