"""Have chains mixed, and how many independent draws are they worth: for many parameters at once.

Rank-normalised split R-hat and effective sample sizes of Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021,
Bayesian Analysis 16, 667). All functions take draws of shape (draws, chains, …) and return shape (…).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

GOOD_R_HAT, GOOD_ESS = 1.01, 400.0
"""Largest R-hat and least effective sizes at which draws are good (ibid., section 4)."""
TAILS = 0.05, 0.95


class Diagnosis(NamedTuple):
    """Quality of the draws of each parameter.

    Attributes
    ----------
    r_hat : array
        Rank-normalised split R-hat, the larger of that of the draws and of their distance from the median.
    ess_bulk, ess_tail : array
        Effective number of draws for the middle of the distribution, and for its 5 % and 95 % quantiles.
    """

    r_hat: Float[np.ndarray, "..."]
    ess_bulk: Float[np.ndarray, "..."]
    ess_tail: Float[np.ndarray, "..."]

    @property
    def good(self) -> Bool[np.ndarray, "..."] | np.bool_:
        """Where all three pass their limits; NaN does not."""
        enough = (self.ess_bulk >= GOOD_ESS) & (self.ess_tail >= GOOD_ESS)
        return enough & (self.r_hat <= GOOD_R_HAT)


def diagnose(draws: Float[np.ndarray, "draws chains ..."]) -> Diagnosis:
    """Return the three numbers of chains.

    Parameters
    ----------
    draws : array, shape (draws, chains, …)
        At least eight draws a chain. NaN comes out where a draw is not finite or all are the same.
    """
    split = _split(_last(np.asarray(draws, float)))
    usable = np.isfinite(split).all(axis=(-2, -1)) & (np.ptp(split, axis=(-2, -1)) > 0)
    split = np.where(usable[..., None, None], split, 0.0)
    median, *edges = np.quantile(split, (0.5, *TAILS), axis=(-2, -1))[..., None, None]
    normal, folded = normalised(split), normalised(np.abs(split - median))
    tails = [_ess((split <= edge).astype(float)) for edge in edges]
    found = np.fmax(_r_hat(normal), _r_hat(folded)), _ess(normal), np.fmin(*tails)
    return Diagnosis(*(np.where(usable, value, np.nan) for value in found))


def ess(draws: Float[np.ndarray, "draws chains ..."]) -> Float[np.ndarray, "..."]:
    """Return the effective number of draws for the mean, without normalising ranks (ibid., eq. 10)."""
    return _ess(_split(_last(np.asarray(draws, float))))


def _last(draws):
    """Chains and draws as the last two axes: (draws, chains, …) to (…, chains, draws)."""
    return np.ascontiguousarray(np.moveaxis(draws, (0, 1), (-1, -2)))


def _split(draws):
    """Cut each chain in two halves, shape (…, 2 chains, draws // 2); the middle one of an odd number goes."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., draws.shape[-1] - half :]], axis=-2)


def normalised(
    draws: Float[np.ndarray, "*more chains draws"],
) -> Float[np.ndarray, "*more chains draws"]:
    """Replace draws, shape (…, chains, draws), by the normal quantiles of their ranks among all chains.

    Ties have the mean of their ranks.
    """
    flat = draws.reshape(*draws.shape[:-2], -1)
    order = np.argsort(flat, axis=-1)
    ordered = np.take_along_axis(flat, order, axis=-1)
    count = flat.shape[-1]
    place = np.broadcast_to(np.arange(count), flat.shape)
    new = np.ones(flat.shape, bool)
    new[..., 1:] = ordered[..., 1:] > ordered[..., :-1]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    ends = np.ones(flat.shape, bool)
    ends[..., :-1] = new[..., 1:]
    last = np.minimum.accumulate(np.where(ends, place, count)[..., ::-1], axis=-1)[..., ::-1]
    rank = np.empty(flat.shape)
    np.put_along_axis(rank, order, (first + last) / 2 + 1, axis=-1)
    return ndtri((rank - 0.375) / (count + 0.25)).reshape(draws.shape)


def _r_hat(draws):
    """Split R-hat of draws, shape (…, chains, draws), already split."""
    count = draws.shape[-1]
    within = draws.var(axis=-1, ddof=1).mean(axis=-1)
    between = draws.mean(axis=-1).var(axis=-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((count - 1) / count + between / within)


def _ess(draws):
    """Effective number of draws, shape (…, chains, draws), already split.

    Autocorrelations are added in pairs while the pairs are positive and made to fall (Geyer 1992, Stat. Sci. 7, 473).
    """
    chains, count = draws.shape[-2:]
    away = draws - draws.mean(axis=-1, keepdims=True)
    power = np.abs(rfft(away, n=next_fast_len(2 * count, real=True), axis=-1)) ** 2
    covariance = irfft(power.mean(axis=-2), n=next_fast_len(2 * count, real=True), axis=-1)
    covariance = covariance[..., :count] / count
    within = covariance[..., 0] * count / (count - 1)
    total = covariance[..., 0] + draws.mean(axis=-1).var(axis=-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1 - (within[..., None] - covariance) / total[..., None]
    correlation[..., 0] = 1.0
    even = count // 2 * 2
    pairs = correlation[..., :even:2] + correlation[..., 1:even:2]
    ended = np.logical_or.accumulate(~(pairs > 0), axis=-1)
    kept = np.where(ended, 0.0, np.minimum.accumulate(pairs, axis=-1))
    # the first of the pair at which the sum ends still counts, where it is positive
    at = np.minimum(ended.argmax(axis=-1), pairs.shape[-1] - 1)[..., None]
    tail = np.take_along_axis(correlation, 2 * at, axis=-1)[..., 0]
    tail = np.where(ended.any(axis=-1), np.maximum(tail, 0.0), 0.0)
    time = -1 + 2 * kept.sum(axis=-1) + tail
    draws_in_all = chains * count
    # antithetic chains are worth more than they are many, within reason
    time = np.maximum(time, 1 / np.log10(draws_in_all))
    return np.where(np.isfinite(total) & (total > 0), draws_in_all / time, np.nan)
