"""From the observations of a series to the rows of POWER_COLORS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment import average, between, lengths, periodogram
from pipeline.segment.alike import alike
from pipeline.segment.cuts import Cuts
from pipeline.segment.members import NON_STATIONARY, Gathered, gather
from pipeline.segment.observation import Header, Observations
from pipeline.segment.periodogram import Ordinates
from pipeline.segment.products.described import identity, of_members
from pipeline.segment.products.power_colors import PowerColorsOptions
from pipeline.segment.products.power_colors.bands import LIMIT, ONE_SIGMA, Band, band
from pipeline.segment.products.power_colors.colors import Color, Hue, color, hue
from pipeline.segment.products.power_colors.table import POWER_COLORS
from pipeline.segment.taper import UNTREATED
from pipeline.status import Flag, Status

LONGER = 2
"""Segments are at most so many times longer than one period of the lowest frequency of the bands."""

EXACT = 1e-6
"""Relative rounding of lengths and frequencies."""

MEASURED, NO_EXCESS, FEW = "measured", "no_excess", "few_ordinates"
TOO_SHORT, TOO_COARSE = "too_short", "too_coarse"


@dataclass(frozen=True)
class Range:
    """A band of frequencies that was asked for.

    Attributes
    ----------
    lo, hi : float
        Hz.
    status : str
        Whether there is a variance, and if not, why.
    band : Band or None
        What was measured; None where nothing was.
    """

    lo: float
    hi: float
    status: str
    band: Band | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured of a series.

    Attributes
    ----------
    gathered : Gathered
        The observations, with their periodograms.
    dt, segment_size : float
        Width of a bin and length of a segment, s.
    ranges : sequence of Range
        The four bands.
    colors : (Color, Color)
        The power colours.
    hue : Hue
        Their angle.
    leakage_p, stationarity_p : float
        See `pipeline.segment.members.Gathered`.
    flags : Flag
        Of the observations and of the result.
    reason : str
        What is not there, and why.
    """

    gathered: Gathered
    dt: float
    segment_size: float
    ranges: Sequence[Range]
    colors: tuple[Color, Color]
    hue: Hue
    leakage_p: float
    stationarity_p: float
    flags: Flag
    reason: str


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
            cells = _cells(_measure(some, options, own))
        except Refusal as error:
            cells = _refused(some.headers[0], error)
        mark = f"#{number}" if number > 1 else ""
        rows.append(cells | {"product": cells["product"] + mark})
    return rows


def _measure(
    observations: Observations, options: SegmentOptions, own: PowerColorsOptions
) -> Measured:
    """Measure the variances in the bands.

    Raises
    ------
    Refusal
        Where there is none.
    """
    cuts = Cuts(observations, options.dt, options.max_gap)
    ranges = [_covered(lo, hi, cuts) for lo, hi in own.bands]
    n_bin = _segment_bins(cuts, ranges, options)
    gathered = gather(cuts, n_bin, UNTREATED)
    if average.feasible_norm("frac", gathered.periodograms) != "frac":
        raise Refusal(
            Status.NO_DATA, "the mean net rate is less than five of its errors, so there is no rms"
        )
    combined = average.combine(gathered.periodograms, "frac")
    if not np.isfinite(combined.noise):
        raise Refusal(
            Status.NO_DATA, "the errors of the rates are not known, so nor is their noise"
        )
    each = average.normalised(gathered.periodograms, "frac")
    worth = between.effective_segments(each.power, each.noise, gathered.m)
    ordinates = periodogram.frequencies(n_bin, cuts.steps[0])
    ranges = [_filled(one, ordinates, combined, worth) for one in ranges]
    bands = [one.band for one in ranges]
    assessed, stationarity_p = gathered.leakage(), gathered.stationarity(1.0)
    flags = gathered.flags
    flags |= Flag.FEW_SEGMENTS if gathered.m.sum() < options.min_segments else Flag(0)
    flags |= Flag.LEAKAGE if assessed.leaks else Flag(0)
    flags |= Flag.NON_STATIONARY if stationarity_p < NON_STATIONARY else Flag(0)
    backgrounds = any(one.background_rate for one in gathered.periodograms)
    flags |= Flag.BACKGROUND if backgrounds else Flag(0)
    if not flags & Flag.NON_STATIONARY:
        filled = bool(flags & Flag.GAPS_FILLED)
        high = average.noise_is_too_high(gathered.periodograms, filled)
        flags |= Flag.NOISE_TOO_HIGH if high else Flag(0)
    return Measured(
        gathered=gathered,
        dt=cuts.steps[0],
        segment_size=n_bin * cuts.steps[0],
        ranges=ranges,
        colors=(color(bands[2], bands[0]), color(bands[1], bands[3])),
        hue=hue(bands),
        leakage_p=assessed.p_value,
        stationarity_p=stationarity_p,
        flags=flags,
        reason="; ".join(filter(None, [gathered.reason, _why(ranges, cuts)])),
    )


def _covered(lo: float, hi: float, cuts: Cuts) -> Range:
    """Return a band, with the reason why it is not covered, if it is not."""
    if cuts.longest_interval * lo < 1 - EXACT:
        return Range(lo, hi, TOO_SHORT)
    if max(cuts.steps) * 2 * hi > 1 + EXACT:
        return Range(lo, hi, TOO_COARSE)
    return Range(lo, hi, MEASURED)


def _why(ranges: Sequence[Range], cuts: Cuts) -> str:
    """Return in words why bands are not covered; empty where all are."""
    short = [one for one in ranges if one.status == TOO_SHORT]
    coarse = [one for one in ranges if one.status == TOO_COARSE]
    few = [one for one in ranges if one.status == FEW]
    parts = []
    if short:
        parts.append(
            f"one period at {short[-1].lo:.3g} Hz is {1 / short[-1].lo:g} s, and the longest good time interval "
            f"holds {cuts.longest_interval:g} s"
        )
    if coarse:
        parts.append(
            f"bins of {max(cuts.steps):g} s are longer than half a period at {coarse[0].hi:.3g} Hz"
        )
    parts += [f"too few ordinates from {one.lo:.3g} to {one.hi:.3g} Hz" for one in few]
    return "; ".join(parts)


def _segment_bins(cuts: Cuts, ranges: Sequence[Range], options: SegmentOptions) -> int:
    """Return the bins in a segment: at least a period of the lowest frequency that can be covered."""
    covered = [one for one in ranges if one.status == MEASURED]
    if not covered:
        short = any(one.status == TOO_SHORT for one in ranges)
        status = Status.TOO_SHORT if short else Status.BAD_TIME
        raise Refusal(status, f"{cuts.longest_file}: {_why(ranges, cuts)}")
    step = cuts.steps[cuts.longest]
    least = int(np.ceil((1 - EXACT) / (covered[0].lo * step)))
    n_bin = lengths.auto_bins(
        np.concatenate(cuts.bins), least, LONGER * least, options.min_segments
    )
    if n_bin > max(int(np.max(bins, initial=0)) for bins in cuts.bins):
        n_bin = least
    lengths.refuse_too_many(cuts.bins, n_bin, step, cuts.longest_file)
    return n_bin


def _filled(
    one: Range, ordinates: Ordinates, combined: average.Combined, worth: np.ndarray
) -> Range:
    """Return a band with what was measured in it."""
    if one.status != MEASURED:
        return one
    df = ordinates.frequency[0]
    edges = ordinates.frequency - df / 2, ordinates.frequency + df * (ordinates.weight - 0.5)
    n = worth * ordinates.weight
    found = band(one.lo, one.hi, edges, combined.power, combined.noise, n)
    if found is None:
        return Range(one.lo, one.hi, FEW)
    return Range(one.lo, one.hi, MEASURED if found.is_measured else NO_EXCESS, found)


def _refused(first: Header, error: Refusal) -> dict[str, Any]:
    """Return the row of a series of which nothing could be measured."""
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
    first, second = measured.colors
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
        | _of_color("power_color_1", first)
        | _of_color("power_color_2", second)
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
