"""Hamiltonian Monte Carlo from the fit, for many spectra at once.

For posteriors that are too far from normal for importance sampling (`pipeline.fit.uncertainty.importance`), and for
draws to keep. All
chains of all spectra of a block move together. The fitted variables are mapped from between their bounds to
the whole line, and scaled by the fit's own covariance (Neal 2011, arXiv:1206.1901, section 5.4.1): a spectrum
whose posterior is near normal then needs two gradients a draw. Each spectrum has its own length of a step.
Chains that have not mixed go on from their last place, with more and shorter steps and the covariance of the draws so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit

from pipeline.fit.engine.blocks import in_blocks, on_cores
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.devices import devices_of
from pipeline.fit.search.batch import Batch, ModelFit
from pipeline.fit.uncertainty.diagnostics import Diagnosis, diagnose
from pipeline.fit.uncertainty.importance import DEGREES, best_and_covariance, roots

CHAINS = 4
"""Chains of a spectrum."""
FEW = 4
"""Spectra in a block of chains that go on: there are few of them."""
GROUP = 256
"""Spectra whose chains are in memory at a time."""
ACCEPTED = 0.8
"""Fraction of proposals to be accepted that the length of a step aims at."""
TRAJECTORY = np.pi / 2
"""Longest trajectory, in standard deviations: after a quarter turn a normal posterior has forgotten where it
began."""
JITTER = 0.2
"""Fraction by which a step is longer or shorter, at random: a trajectory must not always end where it began."""
WIDEST = 2.0
"""Largest standard deviation to begin with, on the whole line, where that of a flat posterior is 1.8."""


class Plan(NamedTuple):
    """Steps of a trajectory; trajectories that find the length of a step, and draws of a chain after them."""

    steps: int
    warm_up: int
    draws: int


@dataclass(frozen=True)
class Chains:
    """Draws of many posteriors; the last axis is the lane.

    Attributes
    ----------
    u : array, shape (draws, chains, P, lanes)
        Fitted variables, all of equal weight; those that did not move are at their best value. NaN in lanes
        without a posterior.
    diagnosis : Diagnosis
        Of these draws; arrays of shape (P, lanes), NaN for parameters that did not move.
    accepted : array, shape (lanes,)
        Fraction of the proposals that were accepted.
    free : bool array, shape (P, lanes)
        What moved.
    """

    u: Float[np.ndarray, "draws chains P lanes"]
    diagnosis: Diagnosis
    accepted: Float[np.ndarray, " lanes"]
    free: Bool[np.ndarray, "P lanes"]

    @property
    def mixed(self) -> Bool[np.ndarray, " lanes"]:
        """Lanes whose every free parameter has a good R-hat and enough effective draws, shape (lanes,)."""
        return (self.diagnosis.good | ~self.free).all(axis=0) & np.isfinite(self.u[0, 0]).all(
            axis=0
        )

    @property
    def worst(self) -> Diagnosis:
        """Largest R-hat and least effective numbers of the free parameters of each lane, shape (lanes,).

        NaN in lanes in which one of them has none.
        """
        found, free = self.diagnosis, self.free
        return Diagnosis(
            np.where(free, found.r_hat, -np.inf).max(axis=0),
            np.where(free, found.ess_bulk, np.inf).min(axis=0),
            np.where(free, found.ess_tail, np.inf).min(axis=0),
        )

    @property
    def flat(self) -> Float[np.ndarray, "all P lanes"]:
        """All draws, chain after chain, shape (draws * chains, P, lanes)."""
        return np.moveaxis(self.u, 1, 0).reshape(-1, *self.u.shape[2:])


def sample_chains(
    batch: Batch, result: ModelFit, seeds: Sequence[int | Sequence[int]], *, draws: int = 1600
) -> Chains:
    """Draw from the posterior of every lane by Hamiltonian Monte Carlo.

    Parameters
    ----------
    batch, result, seeds
        See `pipeline.fit.uncertainty.importance.sample`.
    draws : int, optional
        Draws a spectrum, of all its chains together.

    Returns
    -------
    Chains
        Draws of every lane. No content of a lane raises an error: see `Chains.mixed`.
    """
    each = max(draws // CHAINS, 8)
    plans = Plan(2, 60, each), Plan(4, 100, 2 * each), Plan(16, 200, 4 * each)
    place, usable = _place(batch, result)
    shape = (each, CHAINS, *result.free.shape)
    u, accepted = np.full(shape, np.nan), np.full(batch.n_lanes, np.nan)
    found = Diagnosis(*(np.full(result.free.shape, np.nan) for _ in Diagnosis._fields))
    words = [np.atleast_1d(seed).tolist() for seed in seeds]
    for first in range(0, usable.size, GROUP):
        some = usable[first : first + GROUP]
        here = place.take(some)
        for number, plan in enumerate(plans):
            keys = [np.random.SeedSequence([*words[k], number]).generate_state(2) for k in some]
            rngs = [np.random.default_rng([*words[k], number]) for k in some]
            v, accepted[some] = _run(batch, result, here, plan, some, np.array(keys).T, rngs)
            new = np.where(result.free[:, some], here.to_u(v), here.held)
            kept = new[:: plan.draws // each]
            known = _diagnose(
                kept
            )  # of the draws that are kept: every second or fourth one is worth less
            u[..., some] = kept
            for whole, part in zip(found, known, strict=True):
                whole[:, some] = np.where(result.free[:, some], part, np.nan)
            again = ~(known.good | ~result.free[:, some]).all(axis=0)
            if not again.any():
                break
            here, some = here.take(again).after(v[..., again]), some[again]
    u = np.moveaxis(batch.model.tied(np.moveaxis(u, 2, 0)), 0, 2)
    return Chains(u, found, accepted, result.free)


class _Place(NamedTuple):
    """Place and scale of the chains of each lane; v is u mapped to the whole line.

    Attributes
    ----------
    lower, span, held, centre : array, shape (P, lanes)
        Lower bound and width of the interval; u of parameters that do not move; the v that belongs to z = 0.
    root : array, shape (P, P, lanes)
        v is centre + root z.
    start : array, shape (P, chains, lanes), or None
        v that the chains go on from.
    """

    lower: np.ndarray
    span: np.ndarray
    held: np.ndarray
    centre: np.ndarray
    root: np.ndarray
    start: np.ndarray | None = None

    def take(self, lanes) -> "_Place":
        """Return the places of some lanes."""
        return jax.tree.map(lambda array: array[..., lanes], self)

    def to_u(self, v):
        """Return u for v of shape (…, P, lanes)."""
        return self.lower + self.span * expit(v)

    def after(self, v) -> "_Place":
        """Return the place that draws, shape (draws, chains, P, lanes), say is a better one."""
        flat = v.reshape(-1, *v.shape[2:])
        mean = flat.mean(axis=0)
        away = flat - mean
        matrix = np.einsum("dpl,dql->pql", away, away) / len(flat)
        root = roots(matrix, np.einsum("iil->il", matrix) > 0)[0]
        return self._replace(centre=mean, root=root, start=np.moveaxis(v[-1], 0, 1))


def _place(batch, result):
    """Return the `_Place` of the fits, and the lanes that have a posterior to draw from."""
    free = result.free
    best, matrix, known = best_and_covariance(batch, result)
    low, high = batch.bounds
    bounded = free & np.isfinite(low) & np.isfinite(high) & (low < high)
    lower = np.where(bounded, low, 0.0)
    span = np.where(bounded, high, 1.0) - lower
    usable = known & (bounded | ~free).all(axis=0)
    variance = np.where(usable & free, np.einsum("iil->il", matrix), 1.0)
    sigma = np.sqrt(np.maximum(variance, 0.0))
    # a parameter at its bound is a standard deviation inside it
    margin = np.minimum(sigma, span / 4)
    inside = np.where(free, np.clip(best, lower + margin, lower + span - margin), 0.5)
    part = (inside - lower) / span
    slope = span * part * (1 - part)
    narrower = np.minimum(1.0, WIDEST * slope / np.where(sigma > 0, sigma, 1.0)) / slope
    matrix = np.where(usable, matrix, 1.0) * narrower[:, None] * narrower[None]
    root, log_root = roots(matrix, free)
    place = _Place(lower, span, best, np.where(free, logit(part), 0.0), root)
    return place, np.flatnonzero(usable & np.isfinite(log_root))


def _run(batch, result, place, plan, lanes, keys, rngs):
    """Run all chains of some lanes; return v, shape (draws, chains, P, lanes), and the accepted fraction."""
    kind, size = batch.engine.dtype, FEW
    if place.start is None:
        size = max(batch.engine.block_size // CHAINS, FEW)
        z = np.stack([_far(rng, len(place.centre)) for rng in rngs], axis=-1)
        start = place.centre[:, None] + np.einsum("pql,qcl->pcl", place.root, z)
        place = place._replace(start=start)
    place = _Place(*(a.astype(kind) for a in place))
    function = _chains.of(batch.objective, plan)
    arrays = (
        batch.spectra.take(lanes).on_device(kind),
        result.active[:, lanes],
        result.free[:, lanes],
        place,
        keys,
    )
    v, accepted = in_blocks(function, arrays, size)
    return np.moveaxis(v.astype(float), 1, 2), accepted


def _far(rng, size):
    """Starts that are spread further than the posterior, shape (size, CHAINS)."""
    scale = np.sqrt(DEGREES / rng.chisquare(DEGREES, CHAINS))
    return rng.standard_normal((size, CHAINS)) * scale


def _diagnose(u, lanes=64):
    """`diagnose`, some lanes at a time on every core."""
    parts = [u[..., k : k + lanes] for k in range(0, u.shape[-1], lanes)]
    found = on_cores(diagnose, parts, devices_of()[:1])
    return Diagnosis(*(np.concatenate(a, axis=-1) for a in zip(*found, strict=True)))


class _State(NamedTuple):
    """Where the chains are, shape (P, chains * lanes), and each lane's length of a step."""

    z: jnp.ndarray
    height: jnp.ndarray
    slope: jnp.ndarray
    log_step: jnp.ndarray
    mean_log_step: jnp.ndarray


@stored(static=2)
def _chains(objective, plan, data, active, free, place, keys):
    """Run the chains of a block; return v, shape (draws, P, chains, lanes), and the accepted fraction."""
    size, lanes = place.centre.shape

    def each_chain(a):
        return jnp.tile(a, CHAINS)

    many = objective.prepared(jax.tree.map(each_chain, data))
    wide = jax.tree.map(each_chain, place._replace(start=None))
    density = partial(_density, objective, many, each_chain(active), each_chain(free), wide)
    kind = place.centre.dtype
    longest = jnp.log(jnp.asarray(TRAJECTORY / plan.steps, kind))

    def by_lane(a):
        return a.reshape(CHAINS, lanes)

    def draw(state, number):
        normal, uniform = _noise(keys, number, size, kind)
        learning = number < plan.warm_up
        log_step = jnp.where(learning, state.log_step, state.mean_log_step)
        step = jnp.exp(log_step) * (1 + JITTER * (2 * uniform[CHAINS] - 1))
        step = each_chain(step)
        end = _trajectory(density, plan.steps, step, state, normal)
        gain = end.height - 0.5 * jnp.sum(end.momentum**2, axis=0)
        gain = gain - state.height + 0.5 * jnp.sum(normal**2, axis=0)
        gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
        taken = jnp.log(uniform[:CHAINS].reshape(-1)) < gain
        accepted = jnp.mean(by_lane(jnp.exp(jnp.minimum(gain, 0.0))), axis=0)
        state = _State(
            jnp.where(taken, end.z, state.z),
            jnp.where(taken, end.height, state.height),
            jnp.where(taken, end.slope, state.slope),
            *_adapted(state, plan, number, accepted, longest),
        )
        return state, (wide.centre + _times(wide.root, state.z), accepted)

    def settle(_, at):
        """Evaluate the starts; where that is not possible, the best fit in their place."""
        height, slope = density(at[0])
        return jnp.where(jnp.isfinite(height), at[0], 0.0), height, slope

    z = _solve(wide.root, place.start.reshape(size, -1) - wide.centre)
    z, height, slope = jax.lax.fori_loop(0, 2, settle, (z, jnp.zeros_like(z[0]), z))
    first = jnp.full(lanes, jnp.minimum(longest, 0.0), kind)
    state = _State(z, height, slope, first, first)
    _, (v, accepted) = jax.lax.scan(draw, state, jnp.arange(plan.warm_up + plan.draws))
    v = v[plan.warm_up :].reshape(plan.draws, size, CHAINS, lanes)
    return v, jnp.mean(accepted[plan.warm_up :], axis=0)


def _adapted(state, plan, number, accepted, longest):
    """Return the logarithm of the length of a step after a draw, and its mean; both stay after the warm-up.

    Stochastic approximation (Robbins & Monro 1951), its second half averaged (Polyak & Juditsky 1992).
    """
    kind, learning = state.log_step.dtype, number < plan.warm_up
    pace = (number + 1.0) ** -0.6
    new = jnp.minimum(state.log_step + (pace * (accepted - ACCEPTED)).astype(kind), longest)
    half = jnp.maximum(number - plan.warm_up // 2 + 1, 1)
    mean = state.mean_log_step + (new - state.mean_log_step) / half.astype(kind)
    return (
        jnp.where(learning, new, state.log_step),
        jnp.where(learning, mean, state.mean_log_step),
    )


class _End(NamedTuple):
    """Where a trajectory is."""

    z: jnp.ndarray
    momentum: jnp.ndarray
    height: jnp.ndarray
    slope: jnp.ndarray


def _trajectory(density, steps, step, state, momentum):
    """Go a number of leapfrog steps."""

    def leap(_, at):
        momentum = at.momentum + 0.5 * step * at.slope
        z = at.z + step * momentum
        height, slope = density(z)
        return _End(z, momentum + 0.5 * step * slope, height, slope)

    return jax.lax.fori_loop(0, steps, leap, _End(state.z, momentum, state.height, state.slope))


def _density(objective, data, active, free, place, z):
    """Logarithm of the posterior density of z, up to a constant, shape (lanes,), and its gradient."""
    v = place.centre + _times(place.root, z)
    part = jax.nn.sigmoid(v)
    u = jnp.where(free, place.lower + place.span * part, place.held)
    value, gradient, _ = objective.slope(data, active, u)
    log_jacobian = jnp.where(free, jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v), 0.0)
    slope = gradient * place.span * part * (1 - part) + 1 - 2 * part
    slope = jnp.sum(place.root * jnp.where(free, slope, 0.0)[:, None], axis=0)
    return jnp.sum(log_jacobian, axis=0) - 0.5 * value, slope


def _times(root, z):
    return jnp.sum(root * z[None], axis=1)


def _solve(root, v):
    """Return z with root z = v, where `root` is lower triangular; 0 in rows that do not move."""
    rows: list[jnp.ndarray] = []
    for k in range(v.shape[0]):
        rest = v[k] - sum(root[k, j] * rows[j] for j in range(k))
        rows.append(jnp.where(root[k, k] > 0, rest / jnp.where(root[k, k] > 0, root[k, k], 1), 0))
    return jnp.stack(rows)


def _noise(keys, number, size, kind):
    """Random numbers of one draw: momenta, shape (P, chains * lanes), and uniform ones, (CHAINS + 1, lanes)."""

    def of_lane(words):
        key = jax.random.fold_in(jax.random.wrap_key_data(words), number)
        first, second = jax.random.split(key)
        normal = jax.random.normal(first, (size, CHAINS), kind)
        return normal, jax.random.uniform(second, (CHAINS + 1,), kind)

    normal, uniform = jax.vmap(of_lane, in_axes=1, out_axes=-1)(keys)
    return normal.reshape(size, -1), uniform
