"""Where a peak would help: trial shapes of the components that are peaks, scored against the residuals.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pipeline.components.base import Component
from pipeline.components.parameters import WIDTHS
from pipeline.fit.engine.problem import Problem
from pipeline.fit.model import special
from pipeline.fit.model.grid import AnyArray, evaluate
from pipeline.fit.model.likelihood import standardised, terms
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.spectra import Spectra

PLACES = 32
"""Frequencies at which a peak is tried that has lost its way."""


@dataclass(frozen=True)
class Reach:
    """Where a peak may be; arrays of shape (lanes,).

    Attributes
    ----------
    low, high : array
        Bounds of the parameter that is its place, Hz; 0 and infinite where it has none.
    narrowest : array
        Least full width at half maximum, Hz; 0 where its width is no parameter.
    """

    low: Float[AnyArray, " lanes"]
    high: Float[AnyArray, " lanes"]
    narrowest: Float[AnyArray, " lanes"]


class Scores(NamedTuple):
    """The best frequency for a peak of each trial shape; shape (shapes, lanes) each.

    Attributes
    ----------
    score : array
        By how much the deviance would fall.
    place : int array
        Number of the frequency.
    variance : array
        Variance of the peak.
    """

    score: Float[AnyArray, "shapes lanes"]
    place: Int[AnyArray, "shapes lanes"]
    variance: Float[AnyArray, "shapes lanes"]


def reach_of(
    model: Model,
    slot: SupportsIndex,
    lower: Float[AnyArray, "P lanes"],
    upper: Float[AnyArray, "P lanes"],
    xp: ModuleType,
) -> Reach:
    """Return where the bounds of a model allow a peak.

    Parameters
    ----------
    model : Model
        With the peak.
    slot : int
        Its number.
    lower, upper : array, shape (P, lanes)
        Bounds of the fitted variables.
    xp : module
        Functions of arrays: `numpy`, or `jax.numpy` while a function is traced.
    """
    declared, rows = model.slots[slot].declared, model.rows_of(slot)

    def bound(which: Any, name: str) -> Any:
        """Values of a bound of a parameter, in its own unit."""
        row = rows[name]
        return xp.exp(which[row]) if model.is_log[row] else which[row]

    nothing = xp.zeros_like(lower[0])
    centre, width = declared.centre, declared.width
    return Reach(
        nothing if centre is None else bound(lower, centre),
        nothing + xp.inf if centre is None else bound(upper, centre),
        nothing if width is None else WIDTHS[width] * bound(lower, width),
    )


def scores(
    model: Model,
    likelihood: str,
    declared: Component,
    tried: tuple[float, ...],
    spectra: Spectra,
    u: Float[Array, "P lanes"],
    active: Bool[Array, "slots lanes"],
    frequencies: Float[Array, "candidates lanes"],
    narrowest: Float[Array, " lanes"],
) -> Scores:
    """Score a peak of each trial shape at each candidate frequency.

    For the standardised residual r and the standardised shape t of a peak of unit variance, the best
    variance is (r.t)/(t.t) and the deviance falls by (r.t)^2/(t.t), the other components held.

    Parameters
    ----------
    model, likelihood
        As fitted.
    declared : Component
        The peak.
    tried : tuple of float
        Its shapes: see `pipeline.components.base.Component.trials`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The other components.
    frequencies : array, shape (candidates, lanes)
        Hz.
    narrowest : array, shape (lanes,)
        Least width of a peak, Hz.
    """
    grid = spectra.grid
    power = model.power(u, grid, active)
    total = jnp.sum(spectra.weight, axis=0)
    flat, size = (
        jnp.sum(p * spectra.weight, axis=0) for p in (spectra.power, jnp.abs(spectra.power))
    )
    flat = jnp.maximum(flat, 1e-3 * size) / total  # powers without their noise may be negative
    power = jnp.where(jnp.any(active, axis=0), power, flat)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    root, residual = standardised(at.score, at.fisher)
    scale = root / power

    def one(k: Any, state: Scores) -> Scores:
        best, place, variance = (jnp.asarray(array) for array in state)
        centre = frequencies[k]
        for q, trial in enumerate(tried):
            values = declared.peak_at(jnp.ones_like(centre), centre, trial, narrowest, special)
            shape = scale * evaluate(declared, grid, values)
            along = jnp.sum(residual * shape, axis=0)
            norm = jnp.sum(shape**2, axis=0)
            score = jnp.where(along > 0, along**2 / norm, 0.0)
            better = score > best[q]
            best = best.at[q].set(jnp.where(better, score, best[q]))
            place = place.at[q].set(jnp.where(better, k, place[q]))
            variance = variance.at[q].set(jnp.where(better, along / norm, variance[q]))
        return Scores(best, place, variance)

    shape = (len(tried), u.shape[1])
    nothing = jnp.zeros(shape, u.dtype)
    state = Scores(nothing, jnp.zeros(shape, jnp.int32), nothing)
    return jax.lax.fori_loop(0, frequencies.shape[0], one, state)


def movable(model: Model) -> tuple[int, ...]:
    """Return the numbers of the slots of peaks that have a place."""
    return tuple(
        s
        for s, slot in enumerate(model.slots)
        if slot.declared.peak and slot.declared.centre is not None
    )


def relocated(
    model: Model, likelihood: str, spectra: Spectra, problem: Problem, u: Float[AnyArray, "P lanes"]
) -> Float[Array, "P lanes"]:
    """Move the peak whose absence costs least to where the residuals call most for one.

    Parameters
    ----------
    model, likelihood
        As fitted; some peak of the model is `movable`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    problem : Problem
        Bounds and masks.
    u : array, shape (P, lanes)
        Where a fit got stuck.

    Returns
    -------
    array, shape (P, lanes)
        `u` with one peak of each lane moved; as it was where no peak may move.
    """
    slots, free = movable(model), problem.free
    weakest = _weakest(model, likelihood, spectra, problem, u)
    chosen = {s: weakest == k for k, s in enumerate(slots)}
    off = jnp.stack([chosen.get(s, weakest < -1) for s in range(len(model.slots))])
    others = problem.active & ~off
    best = jnp.asarray(u)
    for declared in dict.fromkeys(model.slots[s].declared for s in slots):
        same = {s: chosen[s] for s in slots if model.slots[s].declared == declared}
        values = _best_peak(model, likelihood, declared, spectra, problem, u, others, same)
        for s, here in same.items():
            for row, value in zip(model.index[s], values, strict=True):
                value = jnp.log(value) if model.is_log[row] else value
                best = best.at[row].set(jnp.where(here & free[row], value, best[row]))
    return jnp.clip(best, problem.lower, problem.upper)


def ways(model: Model) -> int:
    """Return how many ways there are to move a peak of a model: `relocated`, then `divided`."""
    return 1 + bool(_divisible(model)) if movable(model) else 0


def _divisible(model):
    """Return the slots of the movable peaks that may be halves of one, a tuple for each kind."""
    slots = movable(model)
    kinds = dict.fromkeys(model.slots[s].declared for s in slots)
    alike = (tuple(s for s in slots if model.slots[s].declared == kind) for kind in kinds)
    return [
        same
        for same in alike
        if len(same) > 1
        and model.slots[same[0]].declared.width
        and "variance" in model.rows_of(same[0])
    ]


def divided(
    model: Model, likelihood: str, spectra: Spectra, problem: Problem, u: Float[AnyArray, "P lanes"]
) -> Float[Array, "P lanes"]:
    """Move the peak whose absence costs least beside the largest one of its kind, half of which it becomes.

    One broad peak may stand for two that overlap. Each half has half of the variance and of the width; one stays in
    the middle, the other one is half of the former width above.

    Parameters
    ----------
    model, likelihood, spectra, problem, u
        See `relocated`.

    Returns
    -------
    array, shape (P, lanes)
        `u` with two peaks of each lane changed; as it was where no peak has another one of its kind.
    """
    slots = movable(model)
    weakest = _weakest(model, likelihood, spectra, problem, u)
    best = jnp.asarray(u)
    for same in _divisible(model):
        declared, rows = model.slots[same[0]].declared, [model.rows_of(s) for s in same]
        weak = [weakest == slots.index(s) for s in same]
        mine = {name: _own(model, u, [r[name] for r in rows]) for name in declared.names}
        there = jnp.stack([problem.active[s] & ~w for s, w in zip(same, weak, strict=True)])
        largest = jnp.argmax(jnp.where(there, mine["variance"], -jnp.inf), axis=0)
        halves = {name: jnp.take_along_axis(v, largest[None], 0)[0] for name, v in mine.items()}
        width = WIDTHS[declared.width] * halves[declared.width]
        halves["variance"], halves[declared.width] = (
            halves["variance"] / 2,
            halves[declared.width] / 2,
        )
        possible = jnp.any(jnp.stack(weak), axis=0) & jnp.any(there, axis=0)
        for k, row in enumerate(rows):
            for name, value in halves.items():
                value = value + jnp.where(weak[k] & (name == declared.centre), width / 2, 0.0)
                value = jnp.log(value) if model.is_log[row[name]] else value
                here = possible & (weak[k] | (largest == k)) & problem.free[row[name]]
                best = best.at[row[name]].set(jnp.where(here, value, best[row[name]]))
    return jnp.clip(best, problem.lower, problem.upper)


def _own(model, u, rows):
    """Return rows of u in their own units, shape (rows, lanes); all have one scale."""
    values = jnp.stack([u[row] for row in rows])
    return jnp.exp(values) if model.is_log[rows[0]] else values


def _weakest(model, likelihood, spectra, problem, u):
    """Return which of the movable peaks costs least if it goes, shape (lanes,); -1 where none may move."""
    powers = model.component_power(u, spectra.grid, problem.active)
    total = sum(powers)
    costs = []
    for s in movable(model):
        centre = model.rows_of(s)[model.slots[s].declared.centre]
        rest = jnp.maximum(total - powers[s], 1e-3 * total)
        cost = jnp.sum(terms(likelihood, spectra.power, spectra.weight, rest).deviance, axis=0)
        costs.append(jnp.where(problem.active[s] & problem.free[centre], cost, jnp.inf))
    cost = jnp.stack(costs)
    return jnp.where(jnp.isfinite(jnp.min(cost, axis=0)), jnp.argmin(cost, axis=0), -1)


def _best_peak(model, likelihood, declared, spectra, problem, u, others, chosen):
    """Return the values of the parameters of the peak that helps most beside the other components."""
    frequencies, narrowest = _places(model, spectra, problem, chosen)
    tried = declared.broad_trials
    found = scores(model, likelihood, declared, tried, spectra, u, others, frequencies, narrowest)
    shape = jnp.argmax(found.score, axis=0)
    place, variance = (
        jnp.take_along_axis(array, shape[None], axis=0)[0]
        for array in (found.place, found.variance)
    )
    centre = jnp.take_along_axis(frequencies, place[None], axis=0)[0]
    variance = jnp.maximum(variance, jnp.finfo(u.dtype).tiny)
    trial = jnp.asarray(tried, u.dtype)[shape]
    return declared.peak_at(variance, centre, trial, narrowest, special)


def _places(model, spectra, problem, chosen):
    """Frequencies at which to try a peak, shape (PLACES, lanes), and its least width, shape (lanes,).

    Both are within the bounds of the slot that is chosen in each lane; `chosen` has a mask of lanes for each
    slot of one kind of component.
    """
    low: Any = 0.0
    high: Any = 0.0
    narrowest: Any = 0.0
    for s, here in chosen.items():
        reach = reach_of(model, s, problem.lower, problem.upper, jnp)
        low, high = jnp.where(here, reach.low, low), jnp.where(here, reach.high, high)
        narrowest = jnp.where(here, reach.narrowest, narrowest)
    used = spectra.weight > 0
    lowest = jnp.min(jnp.where(used, spectra.frequency, jnp.inf), axis=0)
    highest = jnp.max(jnp.where(used, spectra.frequency, 0.0), axis=0)
    low, high = (jnp.log(jnp.clip(end, lowest, highest)) for end in (low, high))
    part = (jnp.arange(PLACES, dtype=low.dtype)[:, None] + 0.5) / PLACES
    return jnp.exp(low + part * (high - low)), narrowest
