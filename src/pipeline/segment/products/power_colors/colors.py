"""Power colours and hue of four bands of frequencies (Heil, Uttley & Klein-Wolt 2015, MNRAS 448, 3339 and 3348)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pipeline.segment.products.power_colors.bands import LIMIT, ONE_SIGMA, SIGNIFICANT, Band

CENTRE = (4.51920, 0.453724)
"""Power colours of the point about which the hue turns."""

ZERO = 135.0
"""Direction of hue 0 from the centre, degrees from the axis of the first colour; the hue grows clockwise."""

GRID = 128
"""Quantiles that stand for the confidence distribution of a variance."""


@dataclass(frozen=True)
class Color:
    """The ratio of the variances in two bands; NaN where it is not known.

    Attributes
    ----------
    value, err_lo, err_hi : float
        With its 68.3 % errors.
    limit : float
        95 % limit, where one of the two variances is not measured.
    limit_is_lower : bool
        Whether that is a lower limit: where the variance in the denominator is not measured.
    """

    value: float = np.nan
    err_lo: float = np.nan
    err_hi: float = np.nan
    limit: float = np.nan
    limit_is_lower: bool = False


UNKNOWN = Color()


@dataclass(frozen=True)
class Hue:
    """The angle of two power colours about the centre, degrees from 0 to 360; NaN where it is not known."""

    value: float = np.nan
    err_lo: float = np.nan
    err_hi: float = np.nan


NO_HUE = Hue()


def color(top: Band | None, bottom: Band | None) -> Color:
    """Return the ratio of the variances in two bands; None stands for a band that is not covered."""
    if top is None or bottom is None or not (top.is_measured or bottom.is_measured):
        return UNKNOWN
    ratios = np.exp(_logarithms(top, bottom))
    if not bottom.is_measured:
        return Color(limit=float(np.quantile(ratios, 1 - LIMIT)), limit_is_lower=True)
    if not top.is_measured:
        return Color(limit=float(np.quantile(ratios, LIMIT)))
    value = top.variance / bottom.variance
    low, high = np.quantile(ratios, [ONE_SIGMA, 1 - ONE_SIGMA], method="nearest")
    return Color(value, max(value - float(low), 0.0), max(float(high) - value, 0.0))


def hue(bands: Sequence[Band | None]) -> Hue:
    """Return the hue of four bands, in order of frequency.

    There is none where a variance is not measured, or where the colours are within `SIGNIFICANT` errors of the centre:
    then every direction is possible.
    """
    if not all(one is not None and one.is_measured for one in bands):
        return NO_HUE
    first, second, third, fourth = (one for one in bands if one is not None)
    at = np.log(third.variance / first.variance), np.log(second.variance / fourth.variance)
    value = _angle(*(np.array(one) for one in at))
    x = _thinned(_logarithms(third, first))
    y = _thinned(_logarithms(second, fourth))
    off = (_angle(x[:, None], y) - value + 180.0) % 360.0 - 180.0
    if np.mean(np.abs(off) > 90.0) > ndtr(-SIGNIFICANT):
        return NO_HUE
    low, high = np.quantile(off, [ONE_SIGMA, 1 - ONE_SIGMA])
    return Hue(float(value % 360.0), max(-float(low), 0.0), max(float(high), 0.0))


def _angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the hue of natural logarithms of power colours, degrees."""
    x, y = first - np.log(CENTRE[0]), second - np.log(CENTRE[1])
    return ZERO - np.degrees(np.arctan2(y, x))


def _logarithms(top: Band, bottom: Band) -> np.ndarray:
    """Return equally probable logarithms of a ratio, increasing; a variance that is not positive counts as next to nothing."""
    at = (np.arange(GRID) + 0.5) / GRID
    least = np.finfo(float).tiny
    logs = [np.log(np.maximum(one.quantile(at), least)) for one in (top, bottom)]
    return np.sort((logs[0][:, None] - logs[1]).ravel())


def _thinned(values: np.ndarray) -> np.ndarray:
    """Return as many sorted values as `GRID`, equally probable."""
    step = len(values) // GRID
    return values[step // 2 :: step]
