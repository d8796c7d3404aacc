"""Pulsations of the observations of a product: the search, the strongest one, the frequencies it spoils."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.segment.intervals import gti
from pipeline.segment.observation import Observation
from pipeline.segment.pulsations.folding import Series
from pipeline.segment.pulsations.search import Pulsation, search
from pipeline.segment.spectrum.periodogram import Periodogram
from pipeline.status import Flag

FEWEST = 64
"""Fewest events, or bins, that are searched for a pulsation."""


FEWEST_ORDINATES = 32
"""Fewest ordinates that are left for the fit."""


@dataclass(frozen=True)
class Pulses:
    """The most significant pulsation of several observations; NaN, and 0 harmonics, where none was found.

    Attributes
    ----------
    p_value : float
        It allows for the number of observations that were searched; NaN where none was.
    frequency, frequency_err, fraction, fraction_err, h, harmonics
        See `pipeline.segment.pulsations.search.Pulsation`.
    """

    p_value: float = np.nan
    frequency: float = np.nan
    frequency_err: float = np.nan
    fraction: float = np.nan
    fraction_err: float = np.nan
    h: float = np.nan
    harmonics: int = 0


NOT_SEARCHED = Pulses()


def of_observation(
    observation: Observation,
    averaged: Periodogram,
    frequency: np.ndarray,
    segment: float,
    alpha: float | None,
) -> Pulsation | None:
    """Look for a pulsation in an observation.

    Parameters
    ----------
    observation : Observation
        Events or a light curve.
    averaged : Periodogram
        Of its segments.
    frequency : ndarray, shape (n,)
        Of the periodogram, Hz.
    segment : float
        Length of a segment, s.
    alpha : float or None
        Largest p-value of a pulsation; None: none is looked for.

    Returns
    -------
    Pulsation or None
        None where nothing was tested: `alpha` is None, no narrow peak stands out, or too little is known.
    """
    if alpha is None or len(observation.time) < FEWEST:
        return None
    of_kind = _events if observation.header.kind == "events" else _bins
    series = of_kind(observation, segment)
    if series is None or len(series.time) < FEWEST:
        return None
    background = averaged.background_rate / averaged.mean_rate
    return search(series, frequency, averaged.power, averaged.m, alpha, background)


def _events(one: Observation, segment: float) -> Series | None:
    """Return the events in good time."""
    return Series.events(one.time, one.gti_start, one.gti_stop, segment, one.header.dt)


def _bins(one: Observation, segment: float) -> Series | None:
    """Return the bins of a light curve inside good time; None where its mean says nothing."""
    dt = one.header.dt
    exposed = gti.exposed_fraction(one.time, dt, *gti.merge(one.gti_start, one.gti_stop))
    good = (exposed > 0.5) & np.isfinite(one.rate)
    if np.sum(good) < FEWEST or not np.mean(one.rate[good]) > 0:
        return None
    time, rate = one.time[good], one.rate[good]
    if one.header.counting:
        variance = np.mean(rate) / dt
    else:
        error = one.rate_err[good] if len(one.rate_err) else np.zeros(0)
        error = error[np.isfinite(error)]
        variance = np.mean(error**2) if len(error) else np.var(np.diff(rate)) / 2
    return Series.bins(time, rate, variance, dt, segment) if variance > 0 else None


def clean(frequency: np.ndarray, found: Sequence[Pulsation | None]) -> np.ndarray:
    """Return which ordinates of a periodogram no pulsation spoils; all, where too few are left.

    Parameters
    ----------
    frequency : ndarray, shape (n,)
        Hz.
    found : sequence of Pulsation or None
        One an observation.
    """
    mask = np.ones(len(frequency), bool)
    for pulse in found:
        for line, reach in pulse.lines if pulse is not None else ():
            mask &= np.abs(frequency - line) > reach
    return mask if np.sum(mask) >= FEWEST_ORDINATES else np.ones(len(frequency), bool)


def summary(found: Sequence[Pulsation | None]) -> Pulses:
    """Return the most significant pulsation of the observations."""
    tested = [pulse for pulse in found if pulse is not None]
    if not tested:
        return NOT_SEARCHED
    best = min(tested, key=lambda pulse: pulse.p_value)
    p_value = min(1.0, best.p_value * len(tested))
    if not np.isfinite(best.frequency):
        return Pulses(p_value)
    return Pulses(
        p_value=p_value,
        frequency=best.frequency,
        frequency_err=best.frequency_err,
        fraction=best.fraction,
        fraction_err=best.fraction_err,
        h=best.h,
        harmonics=best.harmonics,
    )


def flag(found: Sequence[Pulsation | None]) -> Flag:
    """Return the flag of a pulsation, if one was found."""
    some = any(pulse is not None and np.isfinite(pulse.frequency) for pulse in found)
    return Flag.PULSATION if some else Flag(0)


def remark(found: Sequence[Pulsation | None]) -> str:
    """Return what the row must say of the search; empty if nothing."""
    limited = sum(pulse is not None and pulse.limited for pulse in found)
    return f"{limited} observations too long to test all peaks for pulsations" if limited else ""
