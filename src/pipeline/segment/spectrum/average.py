"""Normalisation of periodograms, and their average over observations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc

from pipeline.segment.spectrum.periodogram import Periodogram
from pipeline.segment.spectrum.variability import Excess, excess_variance

SIGNIFICANT = 5.0
"""Least ratio of a mean net rate to its error for which a fraction of that rate has a meaning."""

DEFICIT = 0.97
"""Power at high frequencies, in units of the noise level, below which the deficit is flagged."""

DEFICIT_FILLED = 0.75
"""The same where gaps were filled, because interpolation removes up to a fifth of the power there."""


_BY_CHANCE = 1e-4
_SPARSE = 20.0
"""Mean counts in a segment below which its power at high frequencies is not judged."""


@dataclass(frozen=True)
class Level:
    """Mean power over a noise level, and the probability of a ratio as small by chance; NaN if unknown."""

    ratio: float = np.nan
    p_value: float = np.nan


@dataclass(frozen=True)
class Combined:
    """Power with its noise level.

    Attributes
    ----------
    power : ndarray, shape (n_frequency,)
        Averaged power.
    noise : float
        Expected noise level in it; NaN if unknown.
    """

    power: np.ndarray
    noise: float


@dataclass(frozen=True)
class Normalised:
    """Powers of several observations, each with its noise level.

    Attributes
    ----------
    power : ndarray, shape (observations, n_frequency)
        Averaged power of each.
    noise : ndarray, shape (observations,)
        Expected noise level in it; NaN if unknown.
    """

    power: np.ndarray
    noise: np.ndarray


def has_fraction(one: Periodogram) -> bool:
    """Return whether a fraction of a mean rate means something.

    The mean of counts without a known background is certainly positive. Any other mean must be at least
    `SIGNIFICANT` times its error, which follows from the errors of the bins or, where they are unknown, from the
    scatter of the rates.
    """
    if one.counts > 0 and not one.background_rate:
        return True
    known = one.noise_variance > 0
    variance = one.noise_variance if known else one.variance
    return bool(one.net_rate > SIGNIFICANT * np.sqrt(variance / max(one.n_variance, 1)))


def below_noise(periodograms: Sequence[Periodogram]) -> Level:
    """Compare the power in the upper half of the frequencies with the noise level.

    The ratio times the number of ordinates, summed, is gamma distributed. A source that varies at these
    frequencies makes it larger.
    """
    total = number = 0.0
    for one in periodograms:
        if not one.noise > 0:
            return Level()
        n = np.full(len(one.power), float(one.m))
        n[-1] *= 0.5  # the Nyquist frequency, in segments of an even number of bins
        upper = slice(len(n) // 2, None)
        total += float(n[upper] @ one.power[upper]) / one.noise
        number += n[upper].sum()
    return Level(total / number, float(gammainc(number, total)))


def noise_is_too_high(periodograms: Sequence[Periodogram], gaps_filled: bool) -> bool:
    """Return whether the power at high frequencies is below the noise level by more than chance.

    The power of few counts scatters by more than its number of ordinates says, because they may all be in a few
    segments: it is not judged. That of a source that is not stationary should not be judged either.
    """
    if any(p.counts < _SPARSE * p.m for p in periodograms):
        return False
    level = below_noise(periodograms)
    deficit = DEFICIT_FILLED if gaps_filled else DEFICIT
    return level.ratio < deficit and level.p_value < _BY_CHANCE


def factor(norm: str, mean_rate: float, background_rate: float = 0.0) -> float:
    """Return the factor that turns "abs" power into another normalisation.

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

    Leahy's needs counts; where there are none, "frac". That needs a net rate that is significantly
    positive; where there is none, "abs".
    """
    if norm == "leahy" and not all(p.counts > 0 for p in periodograms):
        norm = "frac"
    if norm == "frac" and not all(has_fraction(p) for p in periodograms):
        norm = "abs"
    return norm


def combine(periodograms: Sequence[Periodogram], norm: str) -> Combined:
    """Normalise each observation's periodogram by its own mean and average them by segments.

    Parameters
    ----------
    periodograms : sequence of Periodogram
        Of the same frequencies, "abs".
    norm : {"abs", "leahy", "frac"}
        Normalisation of the result.

    Returns
    -------
    Combined
        The noise level is averaged in the same way; NaN if one of them is unknown.
    """
    m = sum(p.m for p in periodograms)
    weights = [p.m / m * factor(norm, p.mean_rate, p.background_rate) for p in periodograms]
    pairs = list(zip(weights, periodograms, strict=True))
    power = sum((w * p.power for w, p in pairs), np.zeros(1))
    return Combined(power, sum(w * p.noise for w, p in pairs))


def normalised(periodograms: Sequence[Periodogram], norm: str) -> Normalised:
    """Return the powers and noise levels of observations, each normalised by its own mean rate."""
    factors = [factor(norm, p.mean_rate, p.background_rate) for p in periodograms]
    power = np.array([f * p.power for f, p in zip(factors, periodograms, strict=True)])
    noise = np.array([f * p.noise for f, p in zip(factors, periodograms, strict=True)])
    return Normalised(power, noise)


def combined_excess_variance(periodograms: Sequence[Periodogram]) -> Excess:
    """Return the normalised excess variance, averaged over observations with the numbers of their bins."""
    n = np.array([p.n_variance for p in periodograms], float)
    each = [
        excess_variance(p.variance, p.noise_variance, p.net_rate, p.n_variance)
        for p in periodograms
    ]
    value, error = np.array([(one.value, one.error) for one in each]).T
    return Excess(float(value @ n / n.sum()), float(np.sqrt((error * n) @ (error * n)) / n.sum()))
