"""Posteriors and evidences by importance sampling from the fit, for many spectra at once.

Draws come from a multivariate t distribution about the best fit, of the fit's own covariance, and are
weighted by likelihood times prior. Where that proposal is poor, the weighted draws give a better one (adaptive
importance sampling: Cappe et al. 2008, Stat. Comput. 18, 447). The largest weights are smoothed, and the shape k of their tail says
whether to believe the rest (Vehtari et al. 2024, JMLR 25, 72): up to 0.7 it is good.

Without a stated prior a parameter's prior is flat in the fitted variable between its bounds. Evidences compare
models fairly only where those bounds express what was expected: state them, or priors, where they matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaln, logsumexp

from pipeline.fit.engine.blocks import in_blocks
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.covariance import Covariance, covariance
from pipeline.fit.model.likelihood import saturated
from pipeline.fit.model.priors import is_flat
from pipeline.fit.search.batch import Batch, ModelFit

DEGREES = 5
"""Degrees of freedom of the t distribution: its tails are heavier than those of a posterior."""
ROUNDS = 4
"""Times a lane draws, from the moments of the draws before, until its tail is good."""
GOOD_K = 0.7
"""Largest tail shape at which the estimates are reliable."""

Seed: TypeAlias = int | Sequence[int] | np.random.SeedSequence
"""Anything that `numpy.random.default_rng` takes."""


@dataclass(frozen=True)
class Posterior:
    """Weighted draws of many posteriors; the last axis is the lane.

    Attributes
    ----------
    u : array, shape (draws, P, lanes)
        Fitted variables; those that did not move are at their best value.
    weight : array, shape (draws, lanes)
        Smoothed weights; they sum to 1. NaN in lanes without a posterior.
    log_evidence : array, shape (lanes,)
        Logarithm of the integral of likelihood times prior; NaN where there is no fit, or nothing to
        tell how wide the posterior is.
    log_evidence_error : array, shape (lanes,)
        Its Monte-Carlo error.
    log_evidence_laplace : array, shape (lanes,)
        The same from the curvature at the best fit alone; NaN where a parameter is at a bound.
    pareto_k : array, shape (lanes,)
        Shape of the tail of the weights; above `GOOD_K` the rest is not to be believed.
    ess : array, shape (lanes,)
        Effective number of draws, 1 / sum of squared weights (Kish 1965).
    """

    u: Float[np.ndarray, "draws P lanes"]
    weight: Float[np.ndarray, "draws lanes"]
    log_evidence: Float[np.ndarray, " lanes"]
    log_evidence_error: Float[np.ndarray, " lanes"]
    log_evidence_laplace: Float[np.ndarray, " lanes"]
    pareto_k: Float[np.ndarray, " lanes"]
    ess: Float[np.ndarray, " lanes"]

    def quantiles(self, levels: Sequence[float]) -> Float[np.ndarray, "levels P lanes"]:
        """Return quantiles of the marginal posteriors, shape (levels, P, lanes)."""
        order = np.argsort(self.u, axis=0)
        ordered = np.take_along_axis(self.u, order, axis=0)
        weight = np.take_along_axis(
            np.broadcast_to(self.weight[:, None], self.u.shape), order, axis=0
        )
        below = np.cumsum(weight, axis=0) - weight / 2
        out = []
        for level in levels:
            at = np.clip((below < level).sum(axis=0), 1, len(below) - 1)[None]
            (b0, b1), (u0, u1) = (
                [np.take_along_axis(a, at - 1 + k, axis=0)[0] for k in (0, 1)]
                for a in (below, ordered)
            )
            part = np.clip((level - b0) / np.where(b1 > b0, b1 - b0, 1.0), 0.0, 1.0)
            out.append(u0 + part * (u1 - u0))
        return np.where(np.isfinite(self.weight[0]), np.array(out), np.nan)

    def below(self, u: Float[np.ndarray, "P lanes"]) -> Float[np.ndarray, "P lanes"]:
        """Return the posterior probability to be below u, shape (P, lanes): a rank from 0 to 1."""
        return np.sum(self.weight[:, None] * (self.u < u), axis=0)

    def resample(self, count: int, seed: Seed) -> Float[np.ndarray, "count P lanes"]:
        """Return draws of equal weight, shape (count, P, lanes), by systematic resampling."""
        places = (np.arange(count) + np.random.default_rng(seed).uniform()) / count
        out = np.full((count, *self.u.shape[1:]), np.nan)
        for lane in np.flatnonzero(np.isfinite(self.weight[0])):
            pick = np.searchsorted(np.cumsum(self.weight[:, lane]), places)
            out[:, :, lane] = self.u[np.minimum(pick, len(self.u) - 1), :, lane]
        return out


def sample(
    batch: Batch, result: ModelFit, seeds: Sequence[Seed], *, draws: int = 1024
) -> Posterior:
    """Draw from the posterior of every lane and estimate its evidence.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine of the model.
    result : ModelFit
        Their fits.
    seeds : sequence, length lanes
        One a spectrum, as `numpy.random.default_rng` takes it.
    draws : int, optional
        Draws a spectrum.

    Returns
    -------
    Posterior
        Draws and evidences of every lane. No content of a lane raises an error.
    """
    best, matrix, usable = best_and_covariance(batch, result)
    size = result.free.sum(axis=0)
    matrix = np.where(usable, matrix, np.nan)
    target = _Target(batch, result, best)
    laplace = target.log_height + 0.5 * size * np.log(2 * np.pi)
    laplace = laplace + roots(matrix, result.free)[1]
    generators = [np.random.default_rng(seed) for seed in seeds]
    u = np.repeat(best[None], draws, axis=0)
    log_weight = np.full((draws, batch.n_lanes), np.nan)
    smooth, k = log_weight.copy(), np.full(batch.n_lanes, np.inf)
    lanes, centre = np.flatnonzero(usable), best
    for _ in range(ROUNDS):
        if not lanes.size:
            break
        some = [generators[lane] for lane in lanes]
        new, log_q = _propose(
            centre[:, lanes], matrix[:, :, lanes], result.free[:, lanes], some, draws
        )
        more = target.log_density(new, lanes) - log_q
        better, shape = smoothed(more)
        kept = shape < k[lanes]
        at = lanes[kept]
        u[:, :, at], log_weight[:, at] = new[:, :, kept], more[:, kept]
        smooth[:, at], k[at] = better[:, kept], shape[kept]
        lanes = at[k[at] > GOOD_K]
        centre, matrix = _moments(u, smooth)
    weight = np.exp(smooth)
    k[~usable] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        log_evidence = logsumexp(log_weight, axis=0) - np.log(draws)
        error = np.exp(log_weight - log_evidence).std(axis=0) / np.sqrt(draws)
        ess = 1 / (weight**2).sum(axis=0)
    at_bound = (result.fit.at_bound & result.free).any(axis=0)
    laplace = np.where(usable & ~at_bound, laplace, np.nan)
    u = np.moveaxis(batch.model.tied(np.moveaxis(u, 1, 0)), 0, 1)
    return Posterior(u, weight, log_evidence, error, laplace, k, ess)


class _Target:
    """Logarithm of likelihood times prior."""

    def __init__(self, batch, result, best):
        self.batch, self.free, self.active = batch, result.free, result.active
        model, spectra = batch.model, batch.spectra
        priors = [p for slot in model.slots for p in slot.priors]
        flat = np.array(
            [is_flat(prior, log) for prior, log in zip(priors, model.is_log.tolist(), strict=True)]
        )
        span = np.where(self.free & flat[:, None], batch.bounds.upper - batch.bounds.lower, 1.0)
        # the density of the flat priors here: that of the other priors is in the objective, which also counts
        # parameters that are held or not in the model; these have none and are taken out
        held = np.where(self.free, 0.0, np.asarray(model.log_prior(best)[0])).sum(axis=0)
        constant = saturated(batch.likelihood, spectra.power, spectra.weight) + 2 * held
        self.constant = -0.5 * constant - np.log(np.where(span > 0, span, 1.0)).sum(axis=0)
        self.log_height = self.constant - 0.5 * result.fit.objective

    def log_density(self, u, lanes):
        """Return it at u, shape (draws, P, lanes); -inf outside the bounds."""
        batch, free = self.batch, self.free[:, lanes]
        lower, upper = batch.bounds.take(lanes)
        inside = ((u >= lower) & (u <= upper) | ~free).all(axis=1)
        function = _objectives.of(batch.objective)
        place = np.where(free, np.clip(u, lower, upper), u)
        arrays = batch.spectra.take(lanes).on_device(float), self.active[:, lanes], place
        objective = in_blocks(function, arrays, batch.engine.block_size)[0]
        return np.where(inside, self.constant[lanes] - 0.5 * objective, -np.inf)


def _propose(centre, matrix, free, generators, draws):
    """Draw from t distributions; return draws, shape (draws, P, lanes), and their log densities."""
    root, log_root = roots(matrix, free)
    size = free.sum(axis=0)
    u, log_q = np.empty((draws, *centre.shape)), np.empty((draws, centre.shape[1]))
    for lane, rng in enumerate(generators):
        z = rng.standard_normal((draws, len(centre))) * free[:, lane]
        z *= np.sqrt(DEGREES / rng.chisquare(DEGREES, draws))[:, None]
        u[:, :, lane] = centre[:, lane] + z @ root[:, :, lane].T
        log_q[:, lane] = _log_t((z**2).sum(axis=1), size[lane]) - log_root[lane]
    return u, log_q


def _moments(u, log_weight):
    """Mean, shape (P, lanes), and covariance, shape (P, P, lanes), of weighted draws."""
    weight = np.exp(log_weight)
    mean = np.einsum("dl,dpl->pl", weight, u)
    away = u - mean
    return mean, np.einsum("dl,dpl,dql->pql", weight, away, away)


def best_and_covariance(
    batch: Batch, result: ModelFit
) -> tuple[
    Float[np.ndarray, "P lanes"], Float[np.ndarray, "P P lanes"], Bool[np.ndarray, " lanes"]
]:
    """Return the best fits, the covariance of all that is free, at bounds too, and where both are known.

    The covariance is from the observed information or, where that is not positive definite, from the expected one.
    Shapes (P, lanes), (P, P, lanes) and (lanes,).
    """
    finite = np.isfinite(result.fit.objective)
    best = np.where(finite & np.isfinite(result.fit.u), result.fit.u, 0.0)

    def of_kind(kind: str) -> Covariance:
        return covariance(
            batch.objective, batch.resident, result.active, best, result.free, kind=kind
        )

    matrix, sound = of_kind("observed")
    if not sound.all():
        expected = of_kind("fisher")
        matrix = np.where(sound, matrix, expected.matrix)
        sound = sound | expected.sound
    return best, matrix, finite & sound


def roots(
    covariance: Float[np.ndarray, "P P lanes"], free: Bool[np.ndarray, "P lanes"]
) -> tuple[Float[np.ndarray, "P P lanes"], Float[np.ndarray, " lanes"]]:
    """Return the square roots of covariances, and the logarithms of the determinants of these roots."""
    both = free[:, None] & free[None]
    eye = np.eye(len(free))[:, :, None]
    usable = np.isfinite(covariance).all(axis=(0, 1))
    usable &= (~free | (np.einsum("iil->il", covariance) > 0)).all(axis=0)
    matrix = np.moveaxis(np.where(both & usable, covariance, eye), -1, 0)
    scale = np.sqrt(np.einsum("lii->li", matrix))
    outer = scale[:, :, None] * scale[:, None]
    # a little more on the diagonal: moments of few draws may be short of a direction
    root = scale[:, :, None] * np.linalg.cholesky(matrix / outer + 1e-9 * np.eye(len(free)))
    log_root = np.log(np.einsum("lii->li", root)).sum(axis=1)
    return np.moveaxis(root, 0, -1) * free[None], np.where(usable, log_root, np.nan)


def _log_t(square, size):
    """Logarithm of the density of a multivariate t distribution of unit scale, of `size` dimensions."""
    total = DEGREES + size
    norm = gammaln(total / 2) - gammaln(DEGREES / 2) - size / 2 * np.log(DEGREES * np.pi)
    return norm - total / 2 * np.log1p(square / DEGREES)


def probabilities(
    log_evidence: Float[np.ndarray, "models lanes"], pareto_k: Float[np.ndarray, "models lanes"]
) -> Float[np.ndarray, "models lanes"]:
    """Return the probabilities of models that were equally probable before.

    NaN for a model without a reliable evidence, and in lanes where fewer than two models have one.
    """
    known = np.isfinite(log_evidence) & (pareto_k <= GOOD_K)
    out = np.full(known.shape, np.nan)
    for lane in np.flatnonzero(known.sum(axis=0) > 1):
        some = log_evidence[known[:, lane], lane]
        out[known[:, lane], lane] = np.exp(some - logsumexp(some))
    return out


@stored(static=1)
def _objectives(objective, data, active, u):
    """Objective at each draw, shape (draws, lanes)."""
    return (jax.lax.map(partial(objective.value, objective.prepared(data), active), u),)


def smoothed(
    log_weight: Float[np.ndarray, "draws lanes"],
) -> tuple[Float[np.ndarray, "draws lanes"], Float[np.ndarray, " lanes"]]:
    """Replace the largest weights by the quantiles of a Pareto distribution fitted to them.

    Pareto-smoothed importance sampling (Vehtari et al. 2024, algorithm 1), the fit by Zhang & Stephens
    (2009, Technometrics 51, 316).

    Parameters
    ----------
    log_weight : array, shape (draws, lanes)
        Logarithms of the weights; -inf is a weight of 0.

    Returns
    -------
    log_weight : array, shape (draws, lanes)
        Smoothed, and such that the weights sum to 1.
    k : array, shape (lanes,)
        Shape of the tail; NaN where there are no weights.
    """
    draws = log_weight.shape[0]
    count = int(min(0.2 * draws, 3 * np.sqrt(draws)))
    largest = log_weight.max(axis=0)
    out = log_weight - np.where(np.isneginf(largest), 0.0, largest)  # no draw has a weight
    shapes = np.full(log_weight.shape[1], np.nan)
    for lane in np.flatnonzero(np.isfinite(largest)):
        order = np.argsort(out[:, lane])
        threshold = np.exp(out[order[-count - 1], lane])
        excess = np.exp(out[order[-count:], lane]) - threshold
        if excess[0] <= 0:  # hardly any draw has a weight
            shapes[lane] = np.inf
            continue
        k, sigma = _pareto(excess)
        shapes[lane] = k
        place = (np.arange(count) + 0.5) / count
        rise = np.minimum(-k * np.log1p(-place), 700.0)
        grown = sigma * (np.expm1(rise) / k if abs(k) > 1e-8 else -np.log1p(-place))
        out[order[-count:], lane] = np.log(np.minimum(threshold + grown, 1.0))
    total = logsumexp(out, axis=0)
    return out - np.where(np.isneginf(total), 0.0, total), shapes


def _pareto(excess):
    """Shape and scale of a generalised Pareto distribution from excesses in rising order."""
    n = excess.size
    grid = 30 + int(np.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    theta = 1 / excess[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    k = np.log1p(-theta[:, None] * excess).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_l = n * (np.log(-theta / k) - k - 1)
    weight = np.exp(log_l - logsumexp(log_l))
    best = (weight * theta).sum()
    k = np.log1p(-best * excess).mean()
    return (n * k + 5) / (n + 10), -k / best
