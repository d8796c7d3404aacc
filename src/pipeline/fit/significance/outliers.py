"""How far a power spectrum lies above a model: tail probabilities of bins, and of windows of several.

With n the ordinates of a bin and x = n I / S, a bin of n and windows of any n are on one scale: under the
model x follows a gamma distribution of shape n, and the sum over bins one of the summed shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import gammaincc, gammaln, log_ndtr

LEAST_TAIL = 1e-290
"""Tail probabilities of a gamma distribution below this are computed from a continued fraction."""
TERMS = 30
"""Terms of that continued fraction."""


@dataclass(frozen=True)
class Outlier:
    """The highest window of bins of a spectrum.

    Attributes
    ----------
    first, bins : int
        Its first bin, and the number of its bins.
    log_tail : float
        Logarithm of the probability of its power or more.
    trials : int
        Number of windows that were searched.
    """

    first: int
    bins: int
    log_tail: float
    trials: int


def ordinates(
    likelihood: str,
    weight: Float[np.ndarray, "bins one_or_draws"],
    model: Float[np.ndarray, "bins draws"],
) -> Float[np.ndarray, "bins _"]:
    """Return n of each bin; where the likelihood has none, the n whose relative variance is 1 / n.

    Raises
    ------
    ValueError
        For the likelihood ``poisson``: counts of a light curve have no periodogram ordinates.
    """
    if likelihood == "poisson":
        raise ValueError("outliers are searched for in power spectra, not in counts")
    return weight * model**2 if likelihood == "gaussian" else weight


def log_tail(likelihood: str, n: np.ndarray | float | int, x: np.ndarray | float) -> Any:
    """Return the logarithm of the probability of x or more.

    Parameters
    ----------
    likelihood : {"gamma", "gaussian", "gaussian_model"}
        Whether x follows a gamma distribution of shape n, or else N(n, n).
    n, x : array
        Summed ordinates, and n I / S; they broadcast.
    """
    if likelihood != "gamma":
        return log_ndtr((n - x) / np.sqrt(n))
    n, x = np.broadcast_arrays(n, x)
    tail = gammaincc(n, x)
    out = np.log(np.maximum(tail, LEAST_TAIL))
    far = tail < LEAST_TAIL
    if far.any():
        out[far] = _far_log_tail(n[far], x[far])
    return out


def _far_log_tail(n, x):
    """The same for gamma distributions where the probability is too small to be a number.

    Abramowitz & Stegun 1964, eq. 6.5.31, contracted to its even part.
    """
    fraction = x + 2 * TERMS + 1 - n
    for k in range(TERMS, 0, -1):
        fraction = x + 2 * k - 1 - n - k * (k - n) / fraction
    return n * np.log(x) - x - gammaln(n) - np.log(fraction)


def t_sse(
    n: Float[np.ndarray, "bins one_or_draws"], x: Float[np.ndarray, "bins draws"]
) -> Float[np.ndarray, " draws"]:
    """Return the sum over bins of n (I / S - 1)^2, shape (draws,).

    Where n = 1 it is T_SSE of Vaughan (2010, MNRAS 402, 307); `n` and `x` have shape
    (bins, 1 or draws).
    """
    return np.sum((x - n) ** 2 / n, axis=0)


def t_r(
    likelihood: str,
    n: Float[np.ndarray, "bins one_or_draws"],
    x: Float[np.ndarray, "bins draws"],
    scales: Sequence[int],
) -> Float[np.ndarray, "scales draws"]:
    """Return for each scale the largest -2 ln(tail probability) of a window, shape (scales, draws).

    Windows of one bin with n = 1 give T_R of Vaughan (2010, MNRAS 402, 307), the largest 2 I / S.

    Parameters
    ----------
    likelihood : str
        See `log_tail`.
    n, x : array, shape (bins, 1 or draws) and (bins, draws)
        Ordinates and n I / S; no padding.
    scales : sequence of int
        Bins of a window; 0 is returned where it has more than there are.
    """
    out = np.zeros((len(scales), x.shape[1]))
    for s, scale in enumerate(scales):
        if scale > len(x):
            continue
        shape, value = _windows(n, scale), _windows(x, scale)
        if likelihood == "gamma":  # the tail falls with x: the largest of those with one n
            order = np.argsort(shape[:, 0])
            shape, first = np.unique(shape[order], return_index=True)
            shape, value = shape[:, None], np.maximum.reduceat(value[order], first, axis=0)
        out[s] = -2 * log_tail(likelihood, shape, value).min(axis=0)
    return out


def highest_window(
    likelihood: str,
    n: Float[np.ndarray, " bins"],
    x: Float[np.ndarray, " bins"],
    scales: Sequence[int],
) -> Outlier:
    """Return the window of one spectrum whose power has the smallest tail probability."""
    first_bin, bins, smallest, trials = 0, 0, np.inf, 0
    for scale in scales:
        if scale > x.size:
            continue
        tails = log_tail(likelihood, *(_windows(a[:, None], scale)[:, 0] for a in (n, x)))
        trials, first = trials + tails.size, int(np.argmin(tails))
        if tails[first] < smallest:
            first_bin, bins, smallest = first, scale, float(tails[first])
    return Outlier(first_bin, bins, smallest, trials)


def p_of_trials(log_tail: float | np.ndarray, trials: int | np.ndarray) -> float | np.ndarray:
    """Return the probability that the smallest of `trials` independent tail probabilities is that or less."""
    return -np.expm1(trials * np.log1p(-np.exp(log_tail)))


def _windows(values, scale):
    """Return the sums over all windows of `scale` bins side by side, shape (bins - scale + 1, draws)."""
    if scale == 1:
        return values
    total = np.cumsum(values, axis=0)
    total[scale:] -= total[:-scale].copy()
    return total[scale - 1 :]
