"""Averages of the periodograms of event lists and light curves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.pvalues import combine
from pipeline.refusal import Refusal
from pipeline.segment import (
    average,
    between,
    leakage,
    lengths,
    periodogram,
    pulses,
    rebin,
    stationarity,
    taper,
    variability,
)
from pipeline.segment.cuts import Cuts
from pipeline.segment.observation import Observation, Observations
from pipeline.segment.periodogram import Periodogram
from pipeline.segment.products.base import NO_FLAG
from pipeline.segment.products.power_spectra import ranges
from pipeline.segment.products.power_spectra.columns import Averaged, Member, Timing
from pipeline.segment.pulsation import Pulsation
from pipeline.segment.series import Series
from pipeline.segment.taper import Treatment
from pipeline.status import Flag, Status

NON_STATIONARY = 1e-3
"""Probability of the scatter of the segments' power below which a source is flagged."""

_WEAK = f"its mean net rate is less than {average.SIGNIFICANT:g} of its errors"


@dataclass(frozen=True)
class Part:
    """An observation in an average.

    Attributes
    ----------
    position : int
        Which of the observations it is.
    member : Member
        What is kept of the observation itself.
    periodogram : Periodogram
        Of its segments.
    pulsation : Pulsation or None
        The strictly periodic signal that was looked for in it; None: nothing was tested.
    """

    position: int
    member: Member
    periodogram: Periodogram
    pulsation: Pulsation | None


def averages(observations: Observations, options: SegmentOptions) -> list[Averaged | Refusal]:
    """Average observations that are alike: once, or once for each length of a segment that fits.

    Returns
    -------
    list of Averaged or Refusal
        Of several lengths, those that fit; where none fits, the first one's reason.
    """
    try:
        cuts = Cuts(observations, options.dt, options.max_gap)
    except Refusal as error:
        return [error]
    results: dict[float | str, Averaged | Refusal] = {}
    for length in lengths.wanted(options.segment_size, options.min_segments):
        try:
            averaged = _average(cuts, options, length)
            # two of them may come to the same length, and all that fail to none
            results.setdefault(_segment_size(averaged), averaged)
        except Refusal as error:
            results.setdefault(length.size, error)
    good = [result for result in results.values() if isinstance(result, Averaged)]
    if len(results) == 1 or not good:
        return [next(iter(results.values()))]
    failed = [
        f"segments of {size} s: {result}"
        for size, result in results.items()
        if isinstance(result, Refusal)
    ]
    return [
        replace(
            one,
            mark=f":{_segment_size(one):g}s",
            reason="; ".join(filter(None, [one.reason, *failed])),
        )
        for one in good
    ]


def _segment_size(result: Averaged) -> float:
    """Return the length of the segments of an average, s."""
    assert result.timing is not None
    return result.timing.segment_size


def _average(cuts: Cuts, options: SegmentOptions, length: lengths.Length) -> Averaged:
    """Average observations in segments of one length.

    Raises
    ------
    Refusal
        Where none of them has such a segment with data.
    """
    n_bin = cuts.segment_bins(options, length)
    treatment = taper.treatment(options.taper, options.detrend, n_bin, leaks=False)
    parts, unused = _parts(cuts, n_bin, treatment, options.pulsations)
    assessed = _leakage([part.periodogram for part in parts])
    if assessed.leaks and "auto" in (options.taper, options.detrend):
        treatment = taper.treatment(options.taper, options.detrend, n_bin, leaks=True)
        parts = [_again(part, cuts, n_bin, treatment) for part in parts]
    result = _combined(parts, n_bin, cuts.steps[0], treatment, options)
    flags = result.flags | (Flag.PARTIAL if unused else NO_FLAG)
    if assessed.leaks and treatment.window == "none":
        flags |= Flag.LEAKAGE
    everything = flags | _flags_of(parts)
    if not everything & Flag.NON_STATIONARY:
        filled = bool(everything & Flag.GAPS_FILLED)
        if average.noise_is_too_high([part.periodogram for part in parts], filled):
            flags |= Flag.NOISE_TOO_HIGH
    pulsations = [part.pulsation for part in parts]
    left_out = f"{len(unused)} observations not used; {unused[0]}" if unused else ""
    remarks = [left_out, pulses.remark(pulsations)]
    assert result.timing is not None
    return replace(
        result,
        flags=flags | pulses.flag(pulsations),
        reason="; ".join(filter(None, remarks)),
        timing=replace(
            result.timing, leakage_p=assessed.p_value, longest_interval=cuts.longest_interval
        ),
    )


def _flags_of(parts: Sequence[Part]) -> Flag:
    """Return the flags of the observations in an average."""
    together = NO_FLAG
    for part in parts:
        together |= part.member.flags
    return together


def _parts(
    cuts: Cuts, n_bin: int, treatment: Treatment, alpha: float | None
) -> tuple[list[Part], list[Refusal]]:
    """Return the observations that can be averaged, and why the others cannot.

    Raises
    ------
    Refusal
        Where none can.
    """
    parts, unused = [], []
    for position in range(len(cuts)):
        observation, series = cuts[position]
        try:
            parts.append(_part(position, observation, series, n_bin, treatment, alpha))
        except Refusal as error:
            unused.append(error)
    if not parts:
        raise unused[0]
    strong = [part for part in parts if average.has_fraction(part.periodogram)]
    if strong and len(strong) < len(parts):
        # a few whose mean is lost in its error would be all of the average
        files = [
            part.member.header.file for part in parts if not average.has_fraction(part.periodogram)
        ]
        unused += [Refusal(Status.NO_DATA, f"{file}: {_WEAK}") for file in files]
        parts = strong
    return parts, unused


def _part(
    position: int,
    observation: Observation,
    series: Series,
    n_bin: int,
    treatment: Treatment,
    alpha: float | None,
) -> Part:
    """Average the segments of one observation, and look for a pulsation in it."""
    averaged = _periodogram(observation, series, n_bin, treatment)
    flags = Flag.GAPS_FILLED if series.gaps_filled else NO_FLAG
    flags |= Flag.WHOLE_FRAMES if series.whole_frames else NO_FLAG
    frequency = periodogram.frequencies(n_bin, series.dt, treatment).frequency
    pulsation = pulses.of_observation(observation, averaged, frequency, n_bin * series.dt, alpha)
    return Part(position, Member.of(observation, flags), averaged, pulsation)


def _again(part: Part, cuts: Cuts, n_bin: int, treatment: Treatment) -> Part:
    """Average the segments of an observation once more, under another window."""
    observation, series = cuts[part.position]
    return replace(part, periodogram=_periodogram(observation, series, n_bin, treatment))


def _periodogram(
    observation: Observation, series: Series, n_bin: int, treatment: Treatment
) -> Periodogram:
    """Return the averaged periodogram of one observation, with its background."""
    file = observation.header.file
    if not (series.bins >= n_bin).any():
        raise Refusal(
            Status.TOO_SHORT, f"{file}: no good time interval holds a segment of {n_bin} bins"
        )
    result = series.average(n_bin, treatment)
    if result is None or not result.mean_rate:
        raise Refusal(Status.NO_DATA, f"{file}: every rate in its segments is 0")
    if not result.power.sum() / (n_bin * series.dt) > (1e-12 * result.mean_rate) ** 2:
        trend = treatment.detrend
        left = "" if trend == "constant" else f", but for a {trend} trend (segment.detrend)"
        raise Refusal(Status.NO_DATA, f"{file}: the rate is the same in every bin{left}")
    if observation.header.background_rate > 0:
        return replace(result, background_rate=observation.header.background_rate)
    return result


def _leakage(periodograms: Sequence[Periodogram]) -> leakage.Assessed:
    """Compare the powers with and without a window, of all observations together."""
    norm = average.feasible_norm("frac", periodograms)
    return leakage.assess(
        [
            (one.compared, average.factor(norm, one.mean_rate, one.background_rate))
            for one in periodograms
            if one.compared
        ]
    )


def _combined(
    parts: Sequence[Part], n_bin: int, dt: float, treatment: Treatment, options: SegmentOptions
) -> Averaged:
    """Average the periodograms of observations, and rebin the average."""
    periodograms = [part.periodogram for part in parts]
    ordinates = periodogram.frequencies(n_bin, dt, treatment)
    kept = taper.TAPERS[treatment.window]
    df = kept.spacing / (n_bin * dt)
    m = np.array([one.m for one in periodograms])
    norm = average.feasible_norm(options.norm, periodograms)
    combined = average.combine(periodograms, norm)
    each = average.normalised(periodograms, norm)
    worth = between.effective_segments(each.power, each.noise, m) * kept.ordinates
    inside = ranges.inside(ordinates.frequency, options)
    flags = Flag.FEW_SEGMENTS if m.sum() < options.min_segments else NO_FLAG
    stationary = _stationarity(periodograms, m * kept.ordinates)
    flags |= Flag.NON_STATIONARY if stationary < NON_STATIONARY else NO_FLAG
    backgrounds = np.array([one.background_rate for one in periodograms])
    background_rate = m @ backgrounds / m.sum() if backgrounds.any() else np.nan
    flags |= Flag.BACKGROUND if backgrounds.any() else NO_FLAG
    rms, excess = variability.RMS_UNKNOWN, variability.EXCESS_UNKNOWN
    if average.feasible_norm("frac", periodograms) == "frac":
        squared = average.combine(periodograms, "frac")
        rms = variability.rms(
            squared.power[inside],
            squared.noise,
            worth[inside] * ordinates.weight[inside],
            ordinates.weight[inside] * df,
        )
        excess = average.combined_excess_variance(periodograms)
        flags |= rms.flag
    else:
        flags |= Flag.INSIGNIFICANT_MEAN | Flag.RMS_UNKNOWN
    inside &= pulses.clean(ordinates.frequency, [part.pulsation for part in parts])
    spectrum = rebin.logarithmic(
        ordinates.frequency[inside],
        ordinates.weight[inside],
        combined.power[inside],
        worth[inside],
        df,
        options.rebin,
    )
    spectrum, coarsened = ranges.limited(spectrum, options)
    return Averaged(
        members=[part.member for part in parts],
        reason="",
        flags=flags | coarsened,
        spectrum=spectrum,
        norm=norm,
        noise=combined.noise,
        rms=rms,
        timing=Timing(
            dt=dt,
            segment_size=n_bin * dt,
            longest_interval=np.nan,
            taper=treatment.window,
            detrend=treatment.detrend,
            leakage_p=np.nan,
            stationarity_p=stationary,
            m=int(m.sum()),
            counts=sum(one.counts for one in periodograms),
            mean_rate=m @ [one.mean_rate for one in periodograms] / m.sum(),
            background_rate=background_rate,
            excess=excess,
            pulses=pulses.summary([part.pulsation for part in parts]),
        ),
    )


def _stationarity(periodograms: Sequence[Periodogram], m: np.ndarray) -> float:
    """Return the probability that the power is as different between segments, and between observations."""
    within = stationarity.NOT_COMPARED
    for one in periodograms:
        within += one.scatter
    norm = average.feasible_norm("frac", periodograms)
    each = average.normalised(periodograms, norm)
    apart = between.scatter(each.power, each.noise, m)
    return combine([within.p_value, apart.p_value])
