"""From the observations of a series to the rows of POWER_COLORS."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.alike import alike
from pipeline.segment.observation import Header, Observations
from pipeline.segment.products.described import identity, of_members
from pipeline.segment.products.power_colors import PowerColorsOptions
from pipeline.segment.products.power_colors.bands import LIMIT, ONE_SIGMA
from pipeline.segment.products.power_colors.colors import Color
from pipeline.segment.products.power_colors.measure import Measured, Range, measure
from pipeline.segment.products.power_colors.table import POWER_COLORS
from pipeline.status import Status


def product_rows(
    observations: Observations, options: SegmentOptions, own: PowerColorsOptions
) -> list[dict[str, Any]]:
    """Return the rows of POWER_COLORS for a series.

    Parameters
    ----------
    observations : Observations
        Events, or light curves. As for power spectra, those that differ too much to be averaged make rows of
        their own, numbered from the second on.
    options : SegmentOptions
        Section ``segment``.
    own : PowerColorsOptions
        The bands.
    """
    observations = observations.remembered()
    rows = []
    for number, members in enumerate(alike(observations), start=1):
        some = observations.some(members)
        try:
            cells = _cells(measure(some, options, own))
        except Refusal as error:
            cells = _refused(some.headers[0], error)
        mark = f"#{number}" if number > 1 else ""
        rows.append(cells | {"product": cells["product"] + mark})
    return rows


def _refused(first: Header, error: Refusal) -> dict[str, Any]:
    """Return the row of a series where nothing could be measured."""
    return identity(POWER_COLORS, first) | {
        "status": error.status,
        "reason": str(error),
        "flags": first.flags,
    }


def _cells(measured: Measured) -> dict[str, Any]:
    """Return the row of a series."""
    members, m = [part.member for part in measured.gathered.parts], measured.gathered.m
    periodograms = measured.gathered.periodograms
    backgrounds = np.array([one.background_rate for one in periodograms])
    return (
        identity(POWER_COLORS, members[0].header)
        | of_members(members)
        | {
            "status": Status.OK,
            "flags": measured.flags,
            "reason": measured.reason,
            "dt": measured.dt,
            "segment_size": measured.segment_size,
            "m": int(m.sum()),
            "mean_rate": m @ [one.mean_rate for one in periodograms] / m.sum(),
            "background_rate": m @ backgrounds / m.sum() if backgrounds.any() else np.nan,
            "leakage_p": measured.leakage_p,
            "stationarity_p": measured.stationarity_p,
        }
        | _of_ranges(measured.ranges)
        | _of_color("power_color_1", measured.first_color)
        | _of_color("power_color_2", measured.second_color)
        | {
            "hue": measured.hue.value,
            "hue_err_lo": measured.hue.err_lo,
            "hue_err_hi": measured.hue.err_hi,
        }
    )


def _of_ranges(ranges: Sequence[Range]) -> dict[str, Any]:
    """Return the columns with an element a band."""
    each = [_of_range(one) for one in ranges]
    return {name: [cells[name] for cells in each] for name in each[0]}


def _of_range(one: Range) -> dict[str, Any]:
    """Return the elements of a band in the columns that have one a band."""
    cells: dict[str, Any] = dict.fromkeys(_MEASURED, np.nan)
    cells |= {"range_lo": one.lo, "range_hi": one.hi, "range_status": one.status}
    if one.band is None:
        return cells
    low, high = one.band.quantile(np.array([ONE_SIGMA, 1 - ONE_SIGMA]))
    variance = one.band.variance
    cells |= {
        "range_variance": variance,
        "range_variance_err_lo": variance - low,
        "range_variance_err_hi": high - variance,
        "range_ordinates": one.band.shape,
    }
    if not one.band.is_measured:
        limit = float(one.band.quantile(LIMIT))
        return cells | {"range_rms_limit": np.sqrt(max(limit, 0.0))}
    rms = np.sqrt(variance)
    return cells | {
        "range_rms": rms,
        "range_rms_err_lo": rms - np.sqrt(max(low, 0.0)),
        "range_rms_err_hi": np.sqrt(high) - rms,
    }


_MEASURED = (
    *("range_variance", "range_variance_err_lo", "range_variance_err_hi", "range_ordinates"),
    *("range_rms", "range_rms_err_lo", "range_rms_err_hi", "range_rms_limit"),
)
"""Columns with an element a band that is NaN where nothing was measured."""


def _of_color(name: str, one: Color) -> dict[str, Any]:
    """Return the columns of a power colour."""
    return {
        name: one.value,
        f"{name}_err_lo": one.err_lo,
        f"{name}_err_hi": one.err_hi,
        f"{name}_limit": one.limit,
        f"{name}_limit_is_lower": one.limit_is_lower,
    }
