"""Damped Fisher scoring of many spectra at once.

`Engine` compiles one program for a model, a number of bins, a likelihood and a floating-point type,
and runs any number of lanes through it in blocks of fixed shape. A block stops when half of its lanes
have; those that have not converged are gathered into new blocks and go on where they were, so that a
few slow ones do not hold the others.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit import linear
from pipeline.fit.components import Grid
from pipeline.fit.likelihood import standardised, terms
from pipeline.fit.model import Model

MAX_STEP = 1.0
"""Longest step in any row of u: a factor e in a parameter on a log scale."""
MAX_DAMPING = 1e10
COARSE_BINS = 128
"""Bins that spectra at least four times as long are averaged to for the first iterations."""
COARSE_ITERATIONS, COARSE_TOLERANCE = 30, 0.1
"""Iterations spent on them, and the promised change of the objective at which they end."""


class Code(IntEnum):
    """What became of a lane."""

    RUNNING = 0
    """It needs more iterations."""
    CONVERGED = 1
    """No step promises a lower objective by more than the tolerance."""
    STALLED = 2
    """No step, however short, lowers the objective: rounding, or a bad spectrum."""
    NO_DATA = 3
    """The objective is not finite at the start: no bins, or values that are not numbers."""


class Spectra(NamedTuple):
    """Spectra for the optimiser; the last axis is the lane.

    Attributes
    ----------
    frequency, power, weight : array, shape (bins, lanes)
        Hz, power, and n or 1/sigma^2; weight 0 marks padding (with frequency and power 1).
    """

    frequency: np.ndarray
    power: np.ndarray
    weight: np.ndarray

    def take(self, lanes) -> "Spectra":
        """Return the spectra of some lanes, repeated as `lanes` says."""
        return Spectra(*(np.take(a, lanes, axis=1) for a in self))


def rebinned(spectra, factor) -> Spectra:
    """Average every `factor` bins of spectra, weighted; the last few are averaged among themselves."""
    missing = -spectra.power.shape[0] % factor

    def total(values):
        padded = np.pad(values, ((0, missing), (0, 0))) if missing else values
        return padded.reshape(-1, factor, values.shape[1]).sum(axis=1)

    weight = total(spectra.weight)
    safe = np.where(weight > 0, weight, 1)

    def mean(values):
        return np.where(weight > 0, total(values * spectra.weight) / safe, 1).astype(values.dtype)

    return Spectra(mean(spectra.frequency), mean(spectra.power), weight)


class Problem(NamedTuple):
    """Where each lane starts and what it may do; shapes (P, lanes) and (slots, lanes).

    Attributes
    ----------
    u, lower, upper : array, shape (P, lanes)
        Start and bounds in the fitted variables.
    free : bool array, shape (P, lanes)
        Which parameters move.
    active : bool array, shape (slots, lanes)
        Which components there are.
    """

    u: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    free: np.ndarray
    active: np.ndarray


class State(NamedTuple):
    """One lane's place in the iteration."""

    u: jnp.ndarray
    objective: jnp.ndarray
    gradient: jnp.ndarray
    information: jnp.ndarray
    damping: jnp.ndarray
    iterations: jnp.ndarray
    code: jnp.ndarray


@dataclass(frozen=True)
class Fit:
    """Fits of one model; the last axis is the lane.

    Attributes
    ----------
    u : array, shape (P, lanes)
        Best values of the fitted variables.
    deviance : array, shape (lanes,)
        -2 ln L less that of the saturated model, without priors.
    objective : array, shape (lanes,)
        Deviance - 2 ln prior: what was made small.
    iterations, code : int array, shape (lanes,)
        Iterations used, those on coarse bins not counted, and `Code`.
    at_bound : bool array, shape (P, lanes)
        Free parameters that ended at a bound.
    """

    u: np.ndarray
    deviance: np.ndarray
    objective: np.ndarray
    iterations: np.ndarray
    code: np.ndarray
    at_bound: np.ndarray

    def take(self, lanes) -> "Fit":
        """Return the fits of some lanes."""
        return Fit(*(np.take(getattr(self, f), lanes, axis=-1) for f in self.__dataclass_fields__))


def _evaluate(model, likelihood, spectra, grid, active, u):
    """Objective, gradient of its half with the sign of ascent, and the curvature to step with."""
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    root, residual = standardised(at.score, at.stepping)
    scale = root / power
    standard = [scale * t for t in tangents]
    gradient = jnp.stack([jnp.sum(residual * r, axis=0) for r in standard])
    # The curvature only shapes the steps: single precision does, and the time goes into reading rows.
    single = jax.lax.optimization_barrier([r.astype(jnp.float32) for r in standard])
    rows = [[jnp.sum(a * b, axis=0) for b in single[: i + 1]] for i, a in enumerate(single)]
    size = len(rows)
    information = jnp.stack(
        [jnp.stack([rows[max(i, j)][min(i, j)] for j in range(size)]) for i in range(size)]
    ).astype(u.dtype)
    log_prior, slope, curvature = model.log_prior(u)
    diagonal = jnp.eye(size, dtype=u.dtype)[:, :, None] * jnp.maximum(-curvature, 0.0)[:, None]
    objective = jnp.sum(at.deviance, axis=0) - 2 * jnp.sum(log_prior, axis=0)
    return objective, gradient + slope, information + diagonal


def _movable(problem, u, gradient):
    """Free parameters that the gradient does not push against a bound."""
    outward = ((u <= problem.lower) & (gradient < 0)) | ((u >= problem.upper) & (gradient > 0))
    return problem.free & ~outward


def _iterate(model, likelihood, spectra, grid, problem, tolerance, state):
    """One step of every lane that is running."""
    move = _movable(problem, state.u, state.gradient)
    gradient = jnp.where(move, state.gradient, 0.0)
    both = move[:, None] & move[None]
    eye = jnp.eye(model.size, dtype=bool)[:, :, None]
    diagonal = jnp.einsum("iil->il", state.information)
    floor = 1e-12 * jnp.max(jnp.where(move, diagonal, 0.0), axis=0) + jnp.finfo(diagonal.dtype).tiny
    scale = jnp.maximum(diagonal, floor)
    damped = state.information + jnp.where(eye, (state.damping * scale)[:, None], 0.0)
    step, pivot = linear.solve(jnp.where(both, damped, jnp.where(eye, 1.0, 0.0)), gradient)
    sound = (pivot > 0) & jnp.all(jnp.isfinite(step), axis=0)
    step = jnp.where(sound, step, gradient / (scale * (1 + state.damping)))
    promised = jnp.sum(step * gradient, axis=0)  # change of the objective, to first order one half
    longest = jnp.max(jnp.abs(step), axis=0)
    step = step * jnp.minimum(1.0, MAX_STEP / jnp.maximum(longest, 1e-30))
    trial = jnp.clip(state.u + step, problem.lower, problem.upper)
    objective, new_gradient, information = _evaluate(
        model, likelihood, spectra, grid, problem.active, trial
    )
    # the first evaluation of a lane: its gradient is zero, its trial the start
    fresh = jnp.isinf(state.objective)
    rounding = 8 * jnp.finfo(objective.dtype).eps * jnp.abs(jnp.where(fresh, 0.0, state.objective))
    better = jnp.where(fresh, jnp.isfinite(objective), objective <= state.objective + rounding)
    gain = (state.objective - objective) / jnp.maximum(promised, 1e-30)
    shrink = jnp.clip(1 - (2 * gain - 1) ** 3, 0.1, 2.0)  # Nielsen 1999, IMM-REP-1999-05
    damping = jnp.where(better, state.damping * shrink, jnp.maximum(state.damping, 1e-2) * 10)
    damping = jnp.where(fresh, state.damping, damping)
    small = (promised <= tolerance + rounding) & sound & (state.damping <= 1.0) & ~fresh
    code = jnp.where(
        small, Code.CONVERGED, jnp.where(damping > MAX_DAMPING, Code.STALLED, Code.RUNNING)
    )
    code = jnp.where(fresh & ~better, Code.NO_DATA, code)
    running = state.code == Code.RUNNING
    new = running & better
    return State(
        u=jnp.where(new, trial, state.u),
        objective=jnp.where(new, objective, state.objective),
        gradient=jnp.where(new, new_gradient, state.gradient),
        information=jnp.where(new, information, state.information),
        damping=jnp.where(running, damping, state.damping),
        iterations=state.iterations + running,
        code=jnp.where(running, code, state.code).astype(jnp.int32),
    )


def _run_block(model, likelihood, spectra, problem, state, tolerance, allowed, least):
    """Iterate a block until at most `least` lanes are running, or have used what they are allowed."""
    grid = Grid.of(spectra.frequency)

    def more(state):
        running = (state.code == Code.RUNNING) & (state.iterations < allowed)
        return jnp.sum(running) > least

    def body(state):
        return _iterate(model, likelihood, spectra, grid, problem, tolerance, state)

    return jax.lax.while_loop(more, body, state)


class Engine:
    """Fits a model to any number of spectra with the same number of bins.

    Parameters
    ----------
    model : Model
        What to fit.
    likelihood : {"gamma", "gaussian"}
        See `pipeline.fit.likelihood`.
    block_size : int, optional
        Lanes that iterate together.
    tolerance : float, optional
        A lane has converged when its next step promises a smaller change of the objective.
    max_iterations : int, optional
        Iterations a lane may use.
    precision : {"float64", "float32"}, optional
        Floating-point type.
    devices : sequence of jax.Device, optional
        Devices the blocks are spread over; all that there are by default.
    """

    def __init__(
        self,
        model: Model,
        likelihood="gamma",
        *,
        block_size=64,
        tolerance=1e-6,
        max_iterations=200,
        precision="float64",
        devices=None,
    ):
        self.model, self.likelihood = model, likelihood
        self.dtype = np.dtype(precision)
        self.max_iterations = max_iterations
        self.tolerance = max(tolerance, 1e-3 if self.dtype == np.float32 else 0.0)
        self.devices = jax.devices() if devices is None else devices
        self.block_size = block_size

    def fit(self, spectra: Spectra, problem: Problem, max_iterations=None) -> Fit:
        """Fit every lane from its start.

        Parameters
        ----------
        spectra : Spectra
            Arrays of shape (bins, lanes).
        problem : Problem
            Starts, bounds and masks.
        max_iterations : int, optional
            Iterations a lane may use, where fewer than the engine's.

        Returns
        -------
        Fit
            One result a lane, in order. Never raises for what is in a lane: see `Code`.
        """
        allowed = min(max_iterations or self.max_iterations, self.max_iterations)
        spectra = Spectra(*(np.asarray(a, self.dtype) for a in spectra))
        kinds = (self.dtype, self.dtype, self.dtype, bool, bool)
        problem = Problem(*(np.asarray(a, k) for a, k in zip(problem, kinds, strict=True)))
        state = self._start(np.clip(problem.u, problem.lower, problem.upper))
        if spectra.power.shape[0] >= COARSE_BINS * 4:
            state = self._from_coarse(spectra, problem, state, allowed)
        self._to_end(spectra, problem, state, allowed, self.tolerance)
        prior = np.asarray(jnp.sum(self.model.log_prior(jnp.asarray(state.u))[0], axis=0))
        held = problem.free & ~np.asarray(_movable(problem, state.u, state.gradient))
        return Fit(
            u=state.u,
            deviance=state.objective + 2 * prior,
            objective=state.objective,
            iterations=state.iterations,
            code=state.code,
            at_bound=held,
        )

    def _from_coarse(self, spectra, problem, state, allowed) -> State:
        """Do the long way on a coarse copy of the spectra, and return the state to go on from.

        Where the coarse optimum is no better than the start, as when a narrow peak is lost in the coarse
        bins, the start stays.
        """
        guess = self._start(state.u)
        coarse = rebinned(spectra, spectra.power.shape[0] // COARSE_BINS)
        self._to_end(coarse, problem, guess, min(COARSE_ITERATIONS, allowed), COARSE_TOLERANCE)
        near = self._start(guess.u)
        near.damping[:] = 1e-3
        for each in (near, state):
            self._to_end(spectra, problem, each, 0, self.tolerance)
        better = near.objective < state.objective
        return State(*(np.where(better, a, b) for a, b in zip(near, state, strict=True)))

    def _to_end(self, spectra, problem, state, allowed, tolerance):
        """Bring every lane of a state to its end, in place."""
        pending = np.arange(state.code.size)
        while pending.size:
            self._advance(spectra, problem, state, pending, allowed, tolerance)
            pending = np.flatnonzero((state.code == Code.RUNNING) & (state.iterations < allowed))

    def _start(self, u) -> State:
        """State of lanes that have not been evaluated, which the first iteration does."""
        size, lanes = u.shape
        return State(
            u=u.copy(),
            objective=np.full(lanes, np.inf, self.dtype),
            gradient=np.zeros_like(u),
            information=np.repeat(np.eye(size, dtype=self.dtype)[:, :, None], lanes, axis=2),
            damping=np.full(lanes, 0.1, self.dtype),
            iterations=np.full(lanes, -1, np.int32),
            code=np.full(lanes, Code.RUNNING, np.int32),
        )

    def _advance(self, spectra, problem, state, pending, allowed, tolerance):
        """Run the pending lanes, block by block, until half of each block has stopped.

        The rest is gathered into new blocks by the next call: few slow lanes do not hold the others. The
        last block runs to its end.
        """
        size = self.block_size
        blocks = [pending[i : i + size] for i in range(0, pending.size, size)]
        least = size // 2 if len(blocks) > 1 else 0

        def run(numbered):
            number, block = numbered
            device = self.devices[number % len(self.devices)]
            numbers = self.dtype.type(tolerance), np.int32(allowed), np.int32(least)
            return self._run(spectra, problem, state, block, numbers, device)

        results = on_cores(run, list(enumerate(blocks)), self.devices)
        for block, result in zip(blocks, results, strict=True):
            for whole, part in zip(state, result, strict=True):
                whole[..., block] = part

    def _run(self, spectra, problem, state, block, numbers, device) -> list:
        """Run one block on a device and return its state as NumPy arrays."""
        lanes = np.resize(block, self.block_size)  # a short block holds its own lanes again
        arguments = jax.tree.map(lambda a: lanes_of(a, lanes), (spectra, problem, state))
        data, start, place = jax.device_put(arguments, device)  # one call: each costs 0.1 ms
        program = compiled_block(self.model, self.likelihood)
        # unlike np.asarray, block_until_ready lets the other threads work while it waits
        result = jax.block_until_ready(program(data, start, place, *numbers))
        return [np.asarray(r)[..., : block.size] for r in result]


def lanes_of(array, lanes):
    """Return the lanes of an array, as a view where they follow each other: gathering is slow."""
    first, last = lanes[0], lanes[-1]
    if last - first + 1 == lanes.size and (np.diff(lanes) == 1).all():
        return array[..., first : last + 1]
    return np.take(array, lanes, axis=-1)


def on_cores(function, items, devices):
    """Call a function on each item and return the results in order, on every core or device at once.

    A block has no parallelism inside that would be worth its threads: on CPUs blocks run side by side, a
    thread a core; on GPUs a thread feeds each device.
    """
    workers = len(devices)
    if devices[0].platform == "cpu":
        workers = max(workers, len(os.sched_getaffinity(0)))
    if min(workers, len(items)) <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def in_blocks(function, arrays, block_size):
    """Call a compiled function on blocks of lanes of one shape, side by side, and join the results.

    Parameters
    ----------
    function : callable
        Takes as many arrays as there are, and returns several; the last axis of each is the lane.
    arrays : sequence of array or of tuple of array
        All with the same number of lanes.
    block_size : int
        Lanes at a time.
    """
    lanes = jax.tree.leaves(arrays)[0].shape[-1]
    blocks = [
        np.arange(start, min(start + block_size, lanes)) for start in range(0, lanes, block_size)
    ]

    def run(block):
        filled = np.resize(block, block_size)
        arguments = jax.tree.map(lambda a: lanes_of(a, filled), arrays)
        results = jax.block_until_ready(function(*arguments))
        return [np.asarray(r)[..., : block.size] for r in results]

    parts = on_cores(run, blocks, jax.devices())
    return [np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)]


_COMPILED = {}


def compiled_block(model, likelihood):
    """Return the compiled program for blocks of a model; JAX keeps one a shape and type."""
    key = model, likelihood
    if key not in _COMPILED:
        _COMPILED[key] = jax.jit(partial(_run_block, *key))
    return _COMPILED[key]
