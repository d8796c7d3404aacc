"""Normalisation of periodograms, and their average over observations."""

from collections.abc import Sequence

import numpy as np

from pipeline.segment.periodogram import Periodogram
from pipeline.segment.variability import excess_variance


def factor(norm, mean_rate, background_rate=0.0):
    """Return what turns "abs" power into another normalisation.

    Parameters
    ----------
    norm : {"abs", "leahy", "frac"}
        Absolute; Leahy et al. 1983 (ApJ 266, 160); squared fractional rms of the net rate per Hz
        (Belloni & Hasinger 1990, A&A 230, 103).
    mean_rate, background_rate : float
        ct/s; `mean_rate` includes the background.
    """
    if norm == "leahy":
        return 1 / mean_rate
    return 1 / (mean_rate - background_rate) ** 2 if norm == "frac" else 1.0


def feasible_norm(norm: str, periodograms: Sequence[Periodogram]) -> str:
    """Return the normalisation asked for, or the next best one.

    Leahy's needs counts; where there are none, "frac". That needs a positive net rate; where there
    is none, "abs".
    """
    if norm == "leahy" and not all(p.counts > 0 for p in periodograms):
        norm = "frac"
    if norm == "frac" and not all(p.net_rate > 0 for p in periodograms):
        norm = "abs"
    return norm


def combine(periodograms: Sequence[Periodogram], norm: str):
    """Normalise each observation's periodogram by its own mean and average them by segments.

    Parameters
    ----------
    periodograms : sequence of Periodogram
        Of the same frequencies, "abs".
    norm : {"abs", "leahy", "frac"}
        Normalisation of the result.

    Returns
    -------
    power : ndarray, shape (n_frequency,)
        Averaged power.
    noise : float
        Expected noise level in it, averaged the same way; NaN if one is unknown.
    """
    m = sum(p.m for p in periodograms)
    weights = [p.m / m * factor(norm, p.mean_rate, p.background_rate) for p in periodograms]
    power = sum(w * p.power for w, p in zip(weights, periodograms, strict=True))
    noise = sum(w * p.noise for w, p in zip(weights, periodograms, strict=True))
    return power, noise


def combined_excess_variance(periodograms: Sequence[Periodogram]):
    """Return the normalised excess variance and its error, averaged over observations by bins."""
    n = np.array([p.n_variance for p in periodograms], float)
    each = [
        excess_variance(p.variance, p.noise_variance, p.net_rate, p.n_variance)
        for p in periodograms
    ]
    value, error = np.array(each).T
    return float(value @ n / n.sum()), float(np.sqrt((error * n) @ (error * n)) / n.sum())
