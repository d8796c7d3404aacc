"""p-values by simulation of many spectra at once: draws that end early, and a tail beyond them.

Spectra that are plainly not significant need few draws (Besag & Clifford 1991, Biometrika 78, 301). For a
spectrum beyond all draws, the tail of a generalised Pareto distribution is fitted to the largest draws, and the
method of its p-value says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

ROUNDS = 2
"""Factor by which each round increases the number of draws."""
LEAST = 64
"""Least number of spectra in a call of the engine; fewer are repeated, so that few sizes are compiled."""
TAIL_FRACTION = 0.1
"""Fraction of the draws, the largest ones, that the tail is fitted to."""
TAIL_LEAST = 200
"""Least number of draws for a fit of the tail."""
LEAST_P = 1e-10
"""Extrapolated probabilities end here."""
BOOTSTRAPS = 200
"""Resamplings behind the error of an extrapolated p-value."""

Block: TypeAlias = list[tuple[int, int]]
"""Lanes, and how many draws each of them gets."""


class Method(StrEnum):
    """How a p-value was found."""

    NONE = "none"
    """There is no p-value: there is no fit under the null."""
    SIMULATED = "simulated"
    """(1 + draws that reached the statistic) / (1 + draws)."""
    SEQUENTIAL = "sequential"
    """Draws ended when enough of them had reached the statistic."""
    EXTRAPOLATED = "extrapolated"
    """No draw reached it: from the tail of the draws. `error_dex` says how well."""
    BELOW = "below"
    """It is so far beyond the draws that their tail does not tell: p is below `LEAST_P`."""


@dataclass(frozen=True)
class PValues:
    """p-values of one statistic of many spectra; arrays of shape (lanes,).

    Attributes
    ----------
    p_value : array
        The probability of the statistic or more where the null is true. Never 0; NaN where there is none.
    error_dex : array
        Standard error of log10 p, from the number of the draws or from resampling the tail.
    draws, reached : int array
        Draws that count, and those of them that reached the statistic.
    failed : int array
        Draws that gave no statistic; they are in neither.
    method : array of Method
        How p was found.
    """

    p_value: Float[np.ndarray, " lanes"]
    error_dex: Float[np.ndarray, " lanes"]
    draws: Int[np.ndarray, " lanes"]
    reached: Int[np.ndarray, " lanes"]
    failed: Int[np.ndarray, " lanes"]
    method: Shaped[np.ndarray, " lanes"]

    @staticmethod
    def joined(parts: "Sequence[PValues]") -> "PValues":
        """Return the p-values of several batches in one."""
        return PValues(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(PValues))
        )


@dataclass(frozen=True)
class _Judgement:
    """The p-value of one spectrum: see `PValues`."""

    p_value: float
    error_dex: float
    draws: int
    reached: int
    failed: int
    method: Method


def simulated(
    observed: Float[np.ndarray, "statistics lanes"],
    simulate: Callable[[Block], Float[np.ndarray, "statistics draws"]],
    *,
    draws: int,
    enough: int,
    batch_size: int,
) -> list[Float[np.ndarray, "statistics _"]]:
    """Draw statistics of every lane until enough of each reach the observed one.

    Parameters
    ----------
    observed : array, shape (statistics, lanes)
        Of the data; NaN where there is none.
    simulate : callable
        Given a list of (lane, number of draws), it returns statistics, shape (statistics, draws), lane
        after lane. It goes on where it was in a lane when that comes again.
    draws : int
        Draws of a lane, at most.
    enough : int
        Draws that have reached the statistic when they end.
    batch_size : int
        Draws at a time.

    Returns
    -------
    list of array, shape (statistics, draws), length lanes
        NaN where a draw gave no statistic.
    """
    count, lanes = observed.shape
    found = [np.empty((count, 0))] * lanes
    total = min(draws, max(2 * enough, 50))
    while True:
        jobs = [
            (k, total - found[k].shape[1])
            for k in range(lanes)
            if found[k].shape[1] < total and _wants(observed[:, k], found[k], enough)
        ]
        for block in _blocks(jobs, batch_size):
            values = simulate(block)
            ends = np.cumsum([some for _, some in block])[:-1]
            for (k, _), more in zip(block, np.split(values, ends, axis=1), strict=True):
                found[k] = np.concatenate([found[k], more], axis=1)
        if total >= draws or not jobs:
            return found
        total = min(draws, ROUNDS * total)


def p_values(
    observed: Float[np.ndarray, " lanes"],
    found: Sequence[Float[np.ndarray, " _"]],
    enough: int,
    generators: Sequence[np.random.Generator],
) -> PValues:
    """Return the p-values of a statistic, given draws of it under the null.

    Parameters
    ----------
    observed : array, shape (lanes,)
        Of the data; NaN where there is none.
    found : sequence of array, length lanes
        The draws of each lane, in the order in which they were made.
    enough : int
        As for `simulated`.
    generators : sequence of numpy.random.Generator, length lanes
        For the resampling of tails.
    """
    judged = [
        _judge(value, draws, enough, rng)
        for value, draws, rng in zip(observed, found, generators, strict=True)
    ]

    def column(name, dtype):
        return np.array([getattr(one, name) for one in judged], dtype)

    return PValues(
        p_value=column("p_value", float),
        error_dex=column("error_dex", float),
        draws=column("draws", int),
        reached=column("reached", int),
        failed=column("failed", int),
        method=column("method", object),
    )


def filled(count: int) -> Int[np.ndarray, " _"]:
    """Return the numbers up to `count`, repeated up to `LEAST` of them: fewer shapes to compile."""
    return np.resize(np.arange(count), max(count, LEAST))


def _wants(observed, found, enough):
    """Whether a spectrum wants more draws."""
    reached = np.count_nonzero(found >= observed[:, None], axis=1)
    return bool((np.isfinite(observed) & (reached < enough)).any())


def _blocks(jobs: Block, batch_size: int) -> Iterator[Block]:
    """Split (lane, draws) into blocks of a few sizes: powers of two, and the rest."""
    left = sum(count for _, count in jobs)
    jobs = list(reversed(jobs))
    while left:
        size = min(1 << (left.bit_length() - 1), batch_size) if left > LEAST else left
        left -= size
        block: Block = []
        while size:
            lane, count = jobs.pop()
            some = min(count, size)
            block.append((lane, some))
            size -= some
            if count > some:
                jobs.append((lane, count - some))
        yield block


def _judge(observed, found, enough, rng) -> _Judgement:
    """Return the p-value of one spectrum."""
    failed = int(np.count_nonzero(~np.isfinite(found)))
    found = found[np.isfinite(found)]
    if not np.isfinite(observed) or not found.size:
        return _Judgement(np.nan, np.nan, 0, 0, failed, Method.NONE)
    reached = found >= observed
    count, draws = int(reached.sum()), int(found.size)
    if count >= enough:
        draws = int(np.searchsorted(np.cumsum(reached), enough)) + 1
        error = _dex(enough, draws)
        return _Judgement(enough / draws, error, draws, enough, failed, Method.SEQUENTIAL)
    if count == 0 and draws >= TAIL_LEAST:
        p, error = extrapolate(found, float(observed), rng)
        if p < LEAST_P:
            return _Judgement(LEAST_P, np.nan, draws, count, failed, Method.BELOW)
        return _Judgement(p, error, draws, count, failed, Method.EXTRAPOLATED)
    p, error = (1 + count) / (1 + draws), _dex(1 + count, 1 + draws)
    return _Judgement(p, error, draws, count, failed, Method.SIMULATED)


def _dex(count, draws):
    """Standard error of log10 of count / draws, binomial."""
    return np.sqrt(max(1 - count / draws, 0.0) / count) / np.log(10)


def extrapolate(
    draws: Float[np.ndarray, " n"], value: float | np.floating, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the probability to exceed a value beyond all draws, and the standard error of its log10.

    It is assumed that the excesses of the largest draws over a threshold follow a generalised Pareto
    distribution (Pickands 1975, Ann. Stat. 3, 119), whose shape and scale come from
    probability-weighted moments (Hosking & Wallis 1987, Technometrics 29, 339, eq. 5). If the fitted tail
    ends at a largest value, an exponential tail is taken instead. The error is from resampling the draws.

    Parameters
    ----------
    draws : array, shape (n,)
        Values under the null.
    value : float
        Beyond them.
    rng : numpy.random.Generator
        For the resampling.
    """
    draws = np.asarray(draws, float)
    again = rng.choice(draws, (BOOTSTRAPS, draws.size))
    log_p = _log_tail(np.vstack([draws, again]), value)
    return float(np.exp(log_p[0])), float(np.std(log_p[1:]) / np.log(10))


def _log_tail(samples, value):
    """Logarithm of the tail probability of a value, for each row of samples."""
    ordered = np.sort(samples, axis=1)
    n = ordered.shape[1]
    count = max(int(TAIL_FRACTION * n), 20)
    threshold = ordered[:, n - count - 1][:, None]
    excess = ordered[:, n - count :] - threshold
    mean = excess.mean(axis=1)
    rank = (np.arange(1, count + 1) - 0.35) / count
    moment = (excess * (1 - rank)).mean(axis=1)
    shape = np.maximum(2 - mean / np.maximum(mean - 2 * moment, 1e-300), 0.0)
    scale = np.where(shape > 0, 2 * mean * moment / np.maximum(mean - 2 * moment, 1e-300), mean)
    z = np.maximum(value - threshold[:, 0], 0.0) / np.maximum(scale, 1e-300)
    tail = np.where(shape > 1e-6, np.log1p(shape * z) / np.maximum(shape, 1e-6), z)
    return np.log(count / n) - tail
