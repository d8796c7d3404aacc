"""Coherence and phase of averaged cross spectra, with intervals that cover.

The transforms of n segments of two series are complex normal. Their squared raw coherence g2 = |C|^2 / (Px Py) and the
phase of C have distributions that hold for any n; nothing here is the limit of many segments.

The phase: given the transforms of y, those of x follow a linear regression on them, so
g2 sin^2(D) / (1 - g2) x (2n - 2) is the square of Student's t of 2n - 2 degrees of freedom at the true phase, D its
distance from the phase of C. It allows D around 0 and around pi; only the former is kept.

The coherence: g2 is a mixture of beta distributions B(1 + j, n - 1), where j has the negative binomial distribution of n
and the true coherence (Goodman 1957; Carter, Knapp & Nuttall 1973, IEEE Trans. Audio Electroacoust. 21, 337).
"""

import numpy as np
from scipy.special import betainc, stdtrit

ONE_SIGMA = 0.15865525393145707
"""Probability beyond one side of a 68.3 % interval."""

LIMIT = 0.05
"""Probability above an upper limit."""

_MANY, _NOTHING = 60.0, 1e-10
_HALVINGS, _STEPS = 20, 4


def chance(coherence: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the probability of at least a coherence between series that are not coherent.

    Parameters
    ----------
    coherence : ndarray
        Raw coherence g2.
    n : ndarray
        Ordinates averaged, of the same shape; more than 1.
    """
    return np.clip(1 - coherence, 0, 1) ** (np.asarray(n) - 1)


def phase_error(coherence: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return half of the 68.3 % interval of the phase of a cross spectrum, rad; pi where every phase is possible.

    It covers 68 % wherever n times the true coherence is at least about 1; `chance` says where that is so.

    Parameters
    ----------
    coherence, n
        See `chance`.
    """
    degrees = 2 * np.asarray(n, float) - 2
    least = stdtrit(degrees, 1 - ONE_SIGMA) ** 2 / degrees
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = np.sqrt(least * (1 - coherence) / coherence)
    return np.where(sine < 1, np.arcsin(np.minimum(sine, 1)), np.pi)


def cumulative(coherence: np.ndarray, true: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the probability of at most a raw coherence, given the true one.

    Parameters
    ----------
    coherence, n
        See `chance`.
    true : ndarray
        True coherence, from 0 to below 1.
    """
    found = _nearly(coherence, true, n)
    exact = n * true < _MANY * (1 - true)
    if exact.any():
        found[exact] = _mixture(coherence[exact], true[exact], n[exact])
    return found


def bound(coherence: np.ndarray, n: np.ndarray, probability: float) -> np.ndarray:
    """Return the true coherence with which at most the measured one has a probability; 0 where none is so low.

    Parameters
    ----------
    coherence, n
        See `chance`.
    probability : float
        ``ONE_SIGMA`` for the upper end of a 68.3 % interval, ``1 - ONE_SIGMA`` for the lower one, `LIMIT`
        for a 95 % upper limit.
    """
    coherence, n = np.broadcast_arrays(np.asarray(coherence, float), np.asarray(n, float))
    low, high = np.zeros(coherence.shape), np.full(coherence.shape, 1 - 1e-12)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = _nearly(coherence, middle, n) > probability
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    true = (low + high) / 2
    for _ in range(_STEPS):
        step = 1e-4 * true * (1 - true) + 1e-12
        slope = (_nearly(coherence, true + step, n) - _nearly(coherence, true, n)) / step
        ahead = true - (cumulative(coherence, true, n) - probability) / np.minimum(slope, -1e-9)
        true = np.clip(ahead, true / 2, (1 + true) / 2)
    none = 1 - chance(coherence, n) <= probability
    return np.where(none, 0.0, true)


def _nearly(coherence, true, n):
    """The same, with the two first moments of the numerator of g2 / (1 - g2), given its denominator (Gurland 1968)."""
    odds = true / (1 - true)
    mean, variance = 2 + 2 * n * odds, 4 + 8 * n * odds + 4 * n * odds**2
    scale, degrees = variance / (2 * mean), 2 * mean**2 / variance
    return betainc(degrees / 2, n - 1, coherence / (coherence + (1 - coherence) * scale))


def _mixture(coherence, true, n):
    """The same, term by term."""
    weight = (1 - true) ** n
    beta = 1 - (1 - coherence) ** (n - 1)
    less = coherence * (n - 1) * (1 - coherence) ** (n - 1)
    total, left, j = weight * beta, 1 - weight, 0
    while left.max() > _NOTHING:
        beta = beta - less
        less = less * coherence * (j + n) / (j + 2)
        weight = weight * true * (n + j) / (j + 1)
        total, left, j = total + weight * beta, left - weight, j + 1
    return total
