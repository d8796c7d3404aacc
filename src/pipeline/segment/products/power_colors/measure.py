"""Measure the variances in bands of frequency of the observations of a series, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.cuts import Cuts
from pipeline.segment.intervals import lengths
from pipeline.segment.members import NON_STATIONARY, Gathered, gather
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_colors import PowerColorsOptions
from pipeline.segment.products.power_colors.bands import Band, band
from pipeline.segment.products.power_colors.colors import Color, Hue, color, hue
from pipeline.segment.spectrum import average, between, periodogram
from pipeline.segment.spectrum.periodogram import Ordinates
from pipeline.segment.spectrum.taper import UNTREATED
from pipeline.status import Flag, Status

LONGER = 2
"""Largest length of a segment, in periods of the lowest frequency of the bands."""

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
    first_color, second_color : Color
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
    first_color: Color
    second_color: Color
    hue: Hue
    leakage_p: float
    stationarity_p: float
    flags: Flag
    reason: str


def measure(
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
            Status.NO_DATA,
            f"{cuts.longest_file}: the mean net rate is less than {average.SIGNIFICANT:g} of its errors, so there is "
            "no rms",
        )
    combined = average.combine(gathered.periodograms, "frac")
    if not np.isfinite(combined.noise):
        raise Refusal(
            Status.NO_DATA,
            f"{cuts.longest_file}: the errors of the rates are not known, so the noise is not known either",
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
        first_color=color(bands[2], bands[0]),
        second_color=color(bands[1], bands[3]),
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
