"""Averages of the periodograms of event lists and light curves."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.cuts import Cuts
from pipeline.segment.intervals import lengths
from pipeline.segment.intervals.series import Series
from pipeline.segment.members import NON_STATIONARY, Gathered, Look, gather
from pipeline.segment.observation import Observation, Observations
from pipeline.segment.products.base import NO_FLAG
from pipeline.segment.products.power_spectra import ranges
from pipeline.segment.products.power_spectra.columns import Averaged, Timing
from pipeline.segment.pulsations import pulses
from pipeline.segment.pulsations.search import Pulsation
from pipeline.segment.spectrum import average, between, periodogram, rebin, taper, variability
from pipeline.segment.spectrum.periodogram import Periodogram
from pipeline.segment.spectrum.taper import Treatment
from pipeline.status import Flag


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
    gathered = gather(cuts, n_bin, treatment, _pulsations(n_bin, treatment, options.pulsations))
    assessed = gathered.leakage()
    if assessed.leaks and "auto" in (options.taper, options.detrend):
        treatment = taper.treatment(options.taper, options.detrend, n_bin, leaks=True)
        gathered = gathered.again(cuts, n_bin, treatment)
    result = _combined(gathered, n_bin, cuts.steps[0], treatment, options)
    flags = result.flags
    if assessed.leaks and treatment.window == "none":
        flags |= Flag.LEAKAGE
    if not flags & Flag.NON_STATIONARY:
        filled = bool(flags & Flag.GAPS_FILLED)
        if average.noise_is_too_high(gathered.periodograms, filled):
            flags |= Flag.NOISE_TOO_HIGH
    pulsations = [part.seen for part in gathered.parts]
    assert result.timing is not None
    return replace(
        result,
        flags=flags | pulses.flag(pulsations),
        reason="; ".join(filter(None, [gathered.reason, pulses.remark(pulsations)])),
        timing=replace(
            result.timing, leakage_p=assessed.p_value, longest_interval=cuts.longest_interval
        ),
    )


def _pulsations(n_bin: int, treatment: Treatment, alpha: float | None) -> Look:
    """Return a function that looks for a pulsation in an observation."""

    def look(observation: Observation, series: Series, averaged: Periodogram) -> Pulsation | None:
        frequency = periodogram.frequencies(n_bin, series.dt, treatment).frequency
        return pulses.of_observation(observation, averaged, frequency, n_bin * series.dt, alpha)

    return look


@dataclass(frozen=True)
class _Ordinates:
    """The ordinates of an average; all arrays have shape (n_frequency,).

    Attributes
    ----------
    frequency, weight : ndarray
        See `pipeline.segment.spectrum.periodogram.Ordinates`.
    worth : ndarray
        Like segments that were averaged at each frequency.
    inside : ndarray of bool
        Which of them are in the configured range.
    df : float
        Their spacing, Hz.
    """

    frequency: np.ndarray
    weight: np.ndarray
    worth: np.ndarray
    inside: np.ndarray
    df: float


def _combined(
    gathered: Gathered, n_bin: int, dt: float, treatment: Treatment, options: SegmentOptions
) -> Averaged:
    """Average the periodograms of observations, and rebin the average."""
    periodograms, m = gathered.periodograms, gathered.m
    pulsations = [part.seen for part in gathered.parts]
    norm = average.feasible_norm(options.norm, periodograms)
    combined = average.combine(periodograms, norm)
    ordinates = _ordinates(gathered, norm, n_bin, dt, treatment, options)
    stationary = gathered.stationarity(taper.TAPERS[treatment.window].ordinates)
    flags = gathered.flags
    flags |= Flag.FEW_SEGMENTS if m.sum() < options.min_segments else NO_FLAG
    flags |= Flag.NON_STATIONARY if stationary < NON_STATIONARY else NO_FLAG
    backgrounds = np.array([one.background_rate for one in periodograms])
    flags |= Flag.BACKGROUND if backgrounds.any() else NO_FLAG
    rms, excess = variability.RMS_UNKNOWN, variability.EXCESS_UNKNOWN
    if average.feasible_norm("frac", periodograms) == "frac":
        rms = _rms(average.combine(periodograms, "frac"), ordinates)
        excess = average.combined_excess_variance(periodograms)
        flags |= rms.flag
    else:
        flags |= Flag.INSIGNIFICANT_MEAN | Flag.RMS_UNKNOWN
    clean = pulses.clean(ordinates.frequency, pulsations)
    spectrum, coarsened = _rebinned(combined.power, ordinates, clean, options)
    return Averaged(
        members=[part.member for part in gathered.parts],
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
            background_rate=m @ backgrounds / m.sum() if backgrounds.any() else np.nan,
            excess=excess,
            pulses=pulses.summary(pulsations),
        ),
    )


def _ordinates(
    gathered: Gathered,
    norm: str,
    n_bin: int,
    dt: float,
    treatment: Treatment,
    options: SegmentOptions,
) -> _Ordinates:
    """Return the ordinates of an average, and what each is worth."""
    kept = periodogram.frequencies(n_bin, dt, treatment)
    window = taper.TAPERS[treatment.window]
    each = average.normalised(gathered.periodograms, norm)
    worth = between.effective_segments(each.power, each.noise, gathered.m)
    return _Ordinates(
        frequency=kept.frequency,
        weight=kept.weight,
        worth=worth * window.ordinates,
        inside=ranges.inside(kept.frequency, options),
        df=window.spacing / (n_bin * dt),
    )


def _rms(squared: average.Combined, ordinates: _Ordinates) -> variability.Rms:
    """Return the fractional rms over the frequencies in the configured range."""
    inside = ordinates.inside
    weight = ordinates.weight[inside]
    n = ordinates.worth[inside] * weight
    return variability.rms(squared.power[inside], squared.noise, n, weight * ordinates.df)


def _rebinned(
    power: np.ndarray, ordinates: _Ordinates, clean: np.ndarray, options: SegmentOptions
) -> tuple[rebin.Spectrum, Flag]:
    """Return the bins of the spectrum, and a flag where they had to be made wider."""
    kept = ordinates.inside & clean
    spectrum = rebin.logarithmic(
        ordinates.frequency[kept],
        ordinates.weight[kept],
        power[kept],
        ordinates.worth[kept],
        ordinates.df,
        options.rebin,
    )
    return ranges.limited(spectrum, options)
