"""Pulsations of the observations of a product: the search, its columns, the frequencies it spoils."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.segment import gti, pulsation
from pipeline.segment.folding import Series
from pipeline.segment.periodogram import Periodogram
from pipeline.segment.pulsation import Pulsation
from pipeline.status import Flag

FEWEST = 64
"""Events, or bins, of which a pulsation can be told; and ordinates that are left for the fit."""


def of_observation(
    row: Mapping, averaged: Periodogram, frequency, segment: float, alpha: float | None
) -> Pulsation | None:
    """Look for a pulsation in an observation.

    Parameters
    ----------
    row : mapping
        Row of INGEST, of events or of a light curve.
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
    if alpha is None or len(row["time"]) < FEWEST:
        return None
    series = _events(row, segment) if row["kind"] == "events" else _bins(row, segment)
    if series is None or len(series.time) < FEWEST:
        return None
    background = averaged.background_rate / averaged.mean_rate
    return pulsation.search(series, frequency, averaged.power, averaged.m, alpha, background)


def _events(row, segment):
    return Series.events(row["time"], row["gti_start"], row["gti_stop"], segment, row["dt"])


def _bins(row, segment):
    """Return the bins of a light curve inside good time; None where its mean says nothing."""
    time, rate, dt = row["time"], row["rate"], row["dt"]
    exposed = gti.exposed_fraction(time, dt, *gti.merge(row["gti_start"], row["gti_stop"]))
    good = (exposed > 0.5) & np.isfinite(rate)
    if np.sum(good) < FEWEST or not np.mean(rate[good]) > 0:
        return None
    time, rate = time[good], rate[good]
    if row["counting"]:
        variance = np.mean(rate) / dt
    else:
        error = row["rate_err"][good] if len(row["rate_err"]) else np.zeros(0)
        error = error[np.isfinite(error)]
        variance = np.mean(error**2) if len(error) else np.var(np.diff(rate)) / 2
    return Series.bins(time, rate, variance, dt, segment) if variance > 0 else None


def clean(frequency, found: Sequence[Pulsation | None]) -> np.ndarray:
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
    return mask if np.sum(mask) >= FEWEST // 2 else np.ones(len(frequency), bool)


def columns(found: Sequence[Pulsation | None]) -> dict:
    """Return the columns of SPECTRA for the most significant pulsation of the observations.

    Its p-value allows for the number of observations searched. There are none where none was.
    """
    tested = [pulse for pulse in found if pulse is not None]
    if not tested:
        return {}
    best = min(tested, key=lambda pulse: pulse.p_value)
    row = {"pulse_p_value": min(1.0, best.p_value * len(tested))}
    if not np.isfinite(best.frequency):
        return row
    for name, value, error in (
        ("pulse_frequency", best.frequency, best.frequency_err),
        ("pulsed_fraction", best.fraction, best.fraction_err),
    ):
        row |= {name: value, f"{name}_err_lo": error, f"{name}_err_hi": error}
    return row | {"pulse_h": best.h, "pulse_harmonics": best.harmonics}


def remarks(found: Sequence[Pulsation | None]) -> tuple[Flag, str]:
    """Return the flag of a pulsation, and what the row must say of the search."""
    tested = [pulse for pulse in found if pulse is not None]
    flag = Flag.PULSATION if any(np.isfinite(pulse.frequency) for pulse in tested) else Flag(0)
    limited = sum(pulse.limited for pulse in tested)
    reason = f"{limited} observations too long to test all peaks for pulsations" if limited else ""
    return flag, reason
