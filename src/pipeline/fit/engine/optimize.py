"""Damped Fisher scoring of many spectra at once.

`Engine` compiles its programs for a model, a number of bins, a likelihood and a floating-point type, and
runs any number of lanes through them in blocks of fixed shape. A block iterates until half of its lanes
have stopped (`_run_block`); the others are gathered into new blocks and go on where they were, so that a
few slow ones do not hold the rest. Long spectra do the way from the start on few, wide bins, where a lane that
does not arrive begins again with a peak moved (`pipeline.fit.search.peaks.relocated`), and the last steps with the
curvature that they found there (`_run_near`): most need the gradient twice and no more.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.engine import linear
from pipeline.fit.engine.blocks import block_of, in_blocks, on_cores, slice_of
from pipeline.fit.engine.devices import devices_of
from pipeline.fit.model.grid import Grid
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import bend_at, objective_at, slope_at, stepping_at
from pipeline.fit.search import peaks

MAX_STEP = 1.0
"""Longest step in any row of u: a factor e in a parameter on a log scale."""
MAX_DAMPING = 1e10
MOST_BEND = 0.75
"""Longest correction of a step for the curvature of the valley, over the step itself."""
COARSE_BINS = 64
"""Spectra of eight times as many bins are first fitted on about that many (see `rebinned`)."""
SINGLE_BINS = 128
"""Spectra of so many bins do the way to the optimum in single precision."""
FINE_HEAD = 16
"""Bins at the low end that stay as they are: there power laws change from bin to bin."""
COARSE_ITERATIONS, COARSE_TOLERANCE = 40, 0.1
"""Iterations spent on coarse bins, and the promised change of the objective at which they end."""
SINGLE_TOLERANCE, HALFWAY_TOLERANCE = 1e-3, 1e-5
"""Least tolerance in single precision, where the objective is known to about the first, and where double
follows: the gradient is known better than the objective."""
DAMPING, NEAR_DAMPING = 0.1, 1e-3
"""Damping of a lane at its start, and of one that starts near its optimum."""
SCORING_ITERATIONS = 14
"""Iterations after which a lane goes on with the curvature that its own gradients show: the expected one
misleads it."""
CHORD_ITERATIONS, AGAIN_ITERATIONS = 26, 4
"""Iterations that a lane then has until it begins again, and scoring iterations that it begins with."""


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
    power : array, shape (bins, lanes)
        Power, 1 in the padding.
    frequency, weight : array, shape (bins, lanes) or (bins, 1)
        Hz, and n or 1/sigma^2; weight 0 marks padding (with frequency 1). Of one lane where all
        spectra have the same: then there is less to read.
    width : array, shape (bins, lanes) or (bins, 1), or None
        Widths of the bins, Hz, where the model is to be averaged over them (1 in the padding).
    """

    frequency: np.ndarray
    power: np.ndarray
    weight: np.ndarray
    width: np.ndarray | None = None

    @property
    def grid(self) -> Grid:
        """Frequencies at which models are evaluated, and over which they are averaged."""
        return Grid.of(self.frequency, self.width)

    def each(self, function) -> "Spectra":
        """Return spectra of whose arrays each went through a function."""
        return Spectra(*(None if a is None else function(a) for a in self))

    def take(self, lanes) -> "Spectra":
        """Return the spectra of some lanes, repeated as `lanes` says."""
        every = self.power.shape[1]
        return self.each(lambda a: np.take(a, lanes, axis=1) if a.shape[1] == every else a)

    def on_device(self, dtype) -> "Spectra":
        """Return the spectra in the memory of the device, where later calls find them."""
        return self.each(lambda a: jnp.asarray(a, dtype))


def rebinned(spectra, xp=jnp) -> Spectra:
    """Average the bins of long spectra in groups, weighted: wider groups at higher frequencies.

    The first `FINE_HEAD` bins stay, the next as many go in pairs, the next in fours, up to groups of
    bins / `COARSE_BINS`: on a linear grid this is a logarithmic one at its low end. `xp` is numpy for
    spectra on the host.
    """
    bins = spectra.power.shape[0]
    widest = 1 << (max(bins // COARSE_BINS, 1).bit_length() - 1)
    edges, width = [0], 1
    while width < widest:
        edges.append(min(FINE_HEAD * width, bins))
        width *= 2
    edges.append(bins)

    def total(values):
        parts = []
        for k in range(len(edges) - 1):
            part = values[edges[k] : edges[k + 1]]
            part = xp.pad(part, ((0, -part.shape[0] % 2**k), (0, 0)))
            parts.append(part.reshape(-1, 2**k, part.shape[1]).sum(axis=1))
        return xp.concatenate(parts)

    weight = total(spectra.weight)
    safe = xp.where(weight > 0, weight, 1)

    def mean(values):
        return xp.where(weight > 0, total(values * spectra.weight) / safe, 1)

    width = None if spectra.width is None else xp.where(weight > 0, total(spectra.width), 1)
    return Spectra(mean(spectra.frequency), mean(spectra.power), weight, width)


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


class Work(NamedTuple):
    """What the lanes of a fit have in common.

    Attributes
    ----------
    data : list of Spectra
        The spectra, once a device.
    which : int array, shape (lanes,)
        The spectrum of each lane.
    problem : Problem
        Starts, bounds and masks.
    tolerance, block_size
        Of `Engine`.
    """

    data: list
    which: np.ndarray
    problem: Problem
    tolerance: float
    block_size: int


class State(NamedTuple):
    """One lane's place in the iteration.

    ``objective``, ``gradient`` and ``information`` belong to ``u``; ``trial`` is where to evaluate next,
    and ``promised`` the fall of the objective that the step there promises (to first order its half).
    """

    u: jnp.ndarray
    objective: jnp.ndarray
    gradient: jnp.ndarray
    information: jnp.ndarray
    damping: jnp.ndarray
    trial: jnp.ndarray
    promised: jnp.ndarray
    iterations: jnp.ndarray
    code: jnp.ndarray


def put(whole, lanes, part) -> np.ndarray:
    """Return a copy of an array with some lanes replaced."""
    whole = whole.copy()
    whole[..., lanes] = part
    return whole


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
        Iterations used, those on coarse bins or in lower precision not counted, and `Code`.
    at_bound, at_lower : bool array, shape (P, lanes)
        Free parameters that ended at a bound, and those of them that did at the lower one.
    """

    u: np.ndarray
    deviance: np.ndarray
    objective: np.ndarray
    iterations: np.ndarray
    code: np.ndarray
    at_bound: np.ndarray
    at_lower: np.ndarray

    def take(self, lanes) -> "Fit":
        """Return the fits of some lanes."""
        return Fit(*(np.take(getattr(self, f), lanes, axis=-1) for f in self.__dataclass_fields__))

    def put(self, lanes, other) -> "Fit":
        """Return a copy in which some lanes are those of another fit."""
        names = self.__dataclass_fields__
        return Fit(*(put(getattr(self, f), lanes, getattr(other, f)) for f in names))


def _movable(problem, u, gradient):
    """Free parameters that the gradient does not push against a bound."""
    outward = ((u <= problem.lower) & (gradient < 0)) | ((u >= problem.upper) & (gradient > 0))
    return problem.free & ~outward


def _rounding(objective):
    return 8 * jnp.finfo(objective.dtype).eps * jnp.abs(objective)


def _aim(problem, tolerance, state, bend=None):
    """Set where each running lane goes next, or say that it has converged.

    With `bend`, see `pipeline.fit.objectives.power_spectrum.bend_at`, the step follows the valley where it curves
    (geodesic acceleration: Transtrum & Sethna 2012, arXiv:1201.5885, eq. 11).
    """
    move = _movable(problem, state.u, state.gradient)
    gradient = jnp.where(move, state.gradient, 0.0)
    both = move[:, None] & move[None]
    eye = jnp.eye(state.u.shape[0], dtype=bool)[:, :, None]
    diagonal = jnp.einsum("iil->il", state.information)
    floor = 1e-12 * jnp.max(jnp.where(move, diagonal, 0.0), axis=0) + jnp.finfo(diagonal.dtype).tiny
    scale = jnp.maximum(diagonal, floor)
    damped = state.information + jnp.where(eye, (state.damping * scale)[:, None], 0.0)
    matrix = jnp.where(both, damped, jnp.where(eye, 1.0, 0.0))
    factors = linear.factor(matrix)
    step = linear.solve(factors, gradient)
    sound = (factors.pivot > 0) & jnp.all(jnp.isfinite(step), axis=0)
    step = jnp.where(sound, step, gradient / (scale * (1 + state.damping)))
    promised = jnp.sum(step * gradient, axis=0)
    if bend is not None:
        aside = -0.5 * linear.solve(factors, jnp.where(move, bend(state.u, step), 0.0))
        length, turn = (jnp.sum(scale * move * x**2, axis=0) for x in (step, aside))
        step = step + jnp.where(sound & (turn <= MOST_BEND**2 * length), aside, 0.0)
    longest = jnp.max(jnp.abs(step), axis=0)
    step = step * jnp.minimum(1.0, MAX_STEP / jnp.maximum(longest, 1e-30))
    small = promised <= tolerance + 0.01 * _rounding(state.objective)
    done = small & sound & (state.damping <= 1.0) & (state.code == Code.RUNNING)
    trial = jnp.clip(state.u + step, problem.lower, problem.upper)
    return state._replace(
        # the last step is taken unseen: it changes next to nothing
        u=jnp.where(done, trial, state.u),
        objective=jnp.where(done, state.objective - promised, state.objective),
        trial=trial,
        promised=promised,
        code=jnp.where(done, Code.CONVERGED, state.code).astype(state.code.dtype),
    )


def _iterate(evaluate, problem, tolerance, state, bend=None):
    """Evaluate the trial of every running lane, keep it or not, and aim anew."""
    running = state.code == Code.RUNNING
    objective, gradient, *information = evaluate(state.trial)
    fresh = jnp.isinf(state.objective)  # its trial is the start
    rounding = _rounding(jnp.where(fresh, 0.0, state.objective))
    better = jnp.where(fresh, jnp.isfinite(objective), objective <= state.objective + rounding)
    gain = (state.objective - objective) / jnp.maximum(state.promised, 1e-30)
    shrink = jnp.clip(1 - (2 * gain - 1) ** 3, 0.2, 2.0)  # Nielsen 1999, IMM-REP-1999-05
    damping = jnp.where(better, state.damping * shrink, jnp.maximum(state.damping, 1e-2) * 5)
    damping = jnp.where(running & ~fresh, damping, state.damping)
    code = jnp.where(running & (damping > MAX_DAMPING), Code.STALLED, state.code)
    code = jnp.where(running & fresh & ~better, Code.NO_DATA, code)
    new = running & better
    after = information[0] if information else _secant_update(state, gradient, fresh)
    state = state._replace(
        u=jnp.where(new, state.trial, state.u),
        objective=jnp.where(new, objective, state.objective),
        gradient=jnp.where(new, gradient, state.gradient),
        information=jnp.where(new, after, state.information),
        damping=damping,
        iterations=state.iterations + running,
        code=code.astype(state.code.dtype),
    )
    return _aim(problem, tolerance, state, bend)


def _secant_update(state, gradient, fresh):
    """Correct the information by what the gradient at the trial says of it (BFGS).

    Nocedal & Wright 2006, Numerical Optimization, eq. 6.19; left as it is where the curvature along the
    step is not positive.
    """
    step = state.trial - state.u
    change = state.gradient - gradient
    along = jnp.sum(state.information * step[None], axis=1)
    expected, found = jnp.sum(along * step, axis=0), jnp.sum(change * step, axis=0)
    sound = (found > 0.1 * expected) & (expected > 0) & ~fresh
    expected, found = jnp.where(sound, expected, 1.0), jnp.where(sound, found, 1.0)
    more = change[:, None] * change[None] / found - along[:, None] * along[None] / expected
    return state.information + jnp.where(sound, more, 0.0)


def _loop(evaluate, problem, state, tolerance, allowed, least, bend=None):
    """Iterate until at most `least` lanes are running that have not used what they are allowed."""

    def more(state):
        running = (state.code == Code.RUNNING) & (state.iterations < allowed)
        return jnp.sum(running) > least

    def iterate(state):
        return _iterate(evaluate, problem, tolerance, state, bend)

    return jax.lax.while_loop(more, iterate, state)


def _run_block(model, likelihood, spectra, problem, state, tolerance, allowed, least):
    """Iterate a block, see `_loop`."""
    here = model, likelihood, spectra, spectra.grid, problem.active
    evaluate, bend = partial(stepping_at, *here), partial(bend_at, *here)
    return _loop(evaluate, problem, state, tolerance, allowed, least, bend)


def _run_chords(model, likelihood, spectra, problem, state, tolerance, allowed, least):
    """Iterate a block on the gradient alone, correcting the information that it has."""
    fine = model, likelihood, spectra, spectra.grid, problem.active
    return _loop(partial(slope_at, *fine), problem, state, tolerance, allowed, least)


def _run_near(model, likelihood, spectra, problem, state, near, tolerance, allowed, least):
    """Go on from near the optimum with the curvature that is known there.

    Lanes in which `near` is no better than the trial of `state`, as when a narrow peak was lost in the
    coarse bins, are given back as they were.
    """
    fine = model, likelihood, spectra, spectra.grid, problem.active
    start = objective_at(*fine, state.trial)
    evaluate = partial(slope_at, *fine)
    near = _iterate(evaluate, problem, tolerance, near)
    better = near.objective < start
    near = near._replace(
        code=jnp.where(better, near.code, jnp.asarray(Code.NO_DATA, near.code.dtype))
    )
    near = _loop(evaluate, problem, near, tolerance, allowed, least // 2)
    return jax.tree.map(partial(jnp.where, better), near, state)


def _relocate(model, likelihood, spectra, problem, state, tolerance, allowed, least):
    """Begin again with a peak moved to where the residuals call most for one."""
    trial = peaks.relocated(model, likelihood, spectra, problem, state.u)
    return state._replace(
        trial=trial,
        objective=jnp.full_like(state.objective, jnp.inf),
        damping=jnp.full_like(state.damping, DAMPING),
    )


def _compare(model, likelihood, spectra, problem, state, near, tolerance, allowed, least):
    """Evaluate the trial of `state` and the u of `near`, and put the better of them into `state`."""
    fine = model, likelihood, spectra, spectra.grid, problem.active
    one, other = objective_at(*fine, state.trial), objective_at(*fine, near.u)
    better = other < one
    return state._replace(
        u=jnp.where(better, near.u, state.trial), objective=jnp.where(better, other, one)
    )


class Engine:
    """Fits a model to any number of spectra with the same number of bins.

    Parameters
    ----------
    model : Model
        What to fit.
    likelihood : {"gamma", "gaussian", "gaussian_model", "poisson"}
        See `pipeline.fit.model.likelihood.terms`.
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
        self.tolerance = max(tolerance, SINGLE_TOLERANCE if self.dtype == np.float32 else 0.0)
        self.devices = devices_of() if devices is None else devices
        self.block_size = block_size

    def fit(self, spectra: Spectra, problem: Problem, max_iterations=None, which=None) -> Fit:
        """Fit every lane from its start.

        Parameters
        ----------
        spectra : Spectra
            Arrays of shape (bins, lanes).
        problem : Problem
            Starts, bounds and masks.
        max_iterations : int, optional
            Iterations a lane may use, where fewer than the engine's.
        which : int array, shape (lanes,), optional
            The spectrum of each lane, where several lanes fit one; by default, one lane a spectrum.

        Returns
        -------
        Fit
            One result a lane, in order. Never raises for what is in a lane: see `Code`.
        """
        allowed = self.max_iterations if max_iterations is None else max_iterations
        allowed = min(allowed, self.max_iterations)
        work = self._work(spectra, problem, which)
        problem = work.problem
        state = self._solve(work, allowed)
        prior = log_prior_of(self.model, state.u)
        free = problem.free > 0
        held = free & ~np.asarray(_movable(problem._replace(free=free), state.u, state.gradient))
        return Fit(
            u=state.u,
            deviance=state.objective + 2 * prior,
            objective=state.objective,
            iterations=state.iterations.astype(np.int32),
            code=state.code.astype(np.int32),
            at_bound=held,
            at_lower=held & (state.u <= problem.lower),
        )

    def try_starts(self, spectra: Spectra, problem: Problem, iterations, which=None):
        """Go a few iterations from every start, to see where it leads: in single precision, on coarse bins.

        Parameters
        ----------
        spectra, problem, which
            See `fit`.
        iterations : int
            Iterations of a lane.

        Returns
        -------
        u : array, shape (P, lanes)
            Where each lane is then.
        objective : array, shape (lanes,)
            Its objective there; infinite or NaN where there is none.
        """
        work = self._in_single(self._work(spectra, problem, which), _single)
        u = np.clip(work.problem.u, work.problem.lower, work.problem.upper)
        state, lanes = self._start(u), np.arange(u.shape[1])
        if is_long(work.data[0]):
            found = self._on_coarse_bins(work, state.u, iterations, relocate=False)
            self._advance(_compare, work, iterations, lanes, state, found)
        else:
            loose = work._replace(tolerance=COARSE_TOLERANCE)
            self._to_end(loose, iterations, state, np.ones(lanes.size, bool))
        return np.where(problem.free, state.u, problem.u).astype(self.dtype), state.objective

    def _work(self, spectra, problem, which) -> Work:
        """What there is to do: spectra on the devices, everything of one type."""
        data = [jax.device_put(spectra.on_device(self.dtype), device) for device in self.devices]
        which = np.arange(problem.u.shape[1]) if which is None else np.asarray(which)
        problem = Problem(*(np.asarray(a, self.dtype) for a in problem))
        return Work(data, which, problem, self.tolerance, self.block_size)

    def _on_coarse_bins(self, work, u, iterations, relocate=True) -> State:
        """Fit the coarse bins of long spectra from u.

        A lane that does not arrive soon has mostly a peak that is far from the one in the data, and is
        held by a bump of the noise or drifts: it begins again with that peak moved, and what it had
        stays if that is better.
        """
        coarse = self._in_single(work, _coarse)
        bins = work.data[0].power.shape[0] // coarse.data[0].power.shape[0]
        coarse = coarse._replace(
            tolerance=COARSE_TOLERANCE, block_size=work.block_size * max(bins // 2, 1)
        )
        found = self._start(u)
        self._score(coarse, min(iterations, SCORING_ITERATIONS), found)
        lost = _pending(found, iterations)
        if relocate and lost.size and peaks.movable(self.model):
            before = State(*(np.take(a, lost, axis=-1) for a in found))
            self._advance(_relocate, coarse, iterations, lost, found)
            self._score(coarse, min(iterations, 2 * SCORING_ITERATIONS), found)
            worse = ~(found.objective[lost] < before.objective)
            for whole, part in zip(found, before, strict=True):
                whole[..., lost[worse]] = part[..., worse]
        self._to_end(coarse, iterations, found, np.zeros(found.code.size, bool))
        return found

    def _score(self, work, allowed, state, among=True):
        """Iterate lanes by scoring until they have stopped or used what they are allowed, in place."""
        while (pending := _pending(state, allowed, among)).size:
            self._advance(_run_block, work, allowed, pending, state)

    def _solve(self, work, allowed) -> State:
        """Bring every lane to its end.

        Double precision goes most of the way in single, from `SINGLE_BINS` bins up; what did not arrive
        there starts again. Long spectra begin on coarse bins.
        """
        problem = work.problem
        state = self._start(np.clip(problem.u, problem.lower, problem.upper))
        if work.data[0].power.shape[0] >= SINGLE_BINS and state.u.dtype == np.float64:
            single = self._in_single(work, _single)
            found = self._solve(single, allowed)
            arrived = np.isfinite(found.objective)
            near = self._near(work, found)
            state = State(*(np.where(arrived, a, b) for a, b in zip(near, state, strict=True)))
        elif is_long(work.data[0]):
            found = self._on_coarse_bins(work, state.u, COARSE_ITERATIONS)
            lanes = np.arange(state.code.size)
            self._advance(_run_near, work, allowed, lanes, state, self._near(work, found))
        self._to_end(
            work, allowed, state, np.isinf(state.objective) & (state.damping > NEAR_DAMPING)
        )
        return state

    def _in_single(self, work, change) -> Work:
        """Return work in single precision, its spectra changed by a function."""
        single = np.dtype(np.float32)
        return work._replace(
            data=[change(data) for data in work.data],
            problem=Problem(*(a.astype(single) for a in work.problem)),
            tolerance=max(work.tolerance, HALFWAY_TOLERANCE),
        )

    def _near(self, work, found) -> State:
        """Return a state at an optimum that was found otherwise, its objective unknown."""
        kind, problem = work.problem.u.dtype, work.problem
        u = np.where(problem.free > 0, found.u.astype(kind), problem.u)
        start = self._start(np.clip(u, problem.lower, problem.upper))
        return start._replace(
            information=found.information.astype(kind),
            damping=np.full_like(start.damping, NEAR_DAMPING),
        )

    def _start(self, u) -> State:
        """State of lanes that have not been evaluated, which the first iteration does."""
        size, lanes = u.shape
        return State(
            u=u,
            objective=np.full(lanes, np.inf, u.dtype),
            gradient=np.zeros_like(u),
            information=np.repeat(np.eye(size, dtype=u.dtype)[:, :, None], lanes, axis=2),
            damping=np.full(lanes, DAMPING, u.dtype),
            trial=u.copy(),
            promised=np.full(lanes, np.inf, u.dtype),
            iterations=np.full(lanes, -1, u.dtype),
            code=np.full(lanes, Code.RUNNING, u.dtype),
        )

    def _to_end(self, work, allowed, state, scoring):
        """Bring every lane of a state to its end, in place.

        The lanes `scoring` begin by scoring; what is not done after a while, and the others, go by their
        own gradients. What is still not done then begins again where it is.
        """
        few = work._replace(block_size=max(work.block_size // 2, 1))
        upto = SCORING_ITERATIONS
        while True:
            some = min(allowed, upto)
            self._score(work, some, state, scoring)
            some = min(allowed, some + CHORD_ITERATIONS)
            while (pending := _pending(state, some)).size:
                self._advance(_run_chords, few, some, pending, state)
            again = (state.code == Code.RUNNING) | (state.code == Code.STALLED)
            again &= state.iterations < allowed
            if some == allowed or not again.any():
                break
            _begin_again(state, again)
            scoring, upto = again, some + AGAIN_ITERATIONS

    def _advance(self, function, work, allowed, pending, state, *more):
        """Run the pending lanes through a program, block by block, and update their state in place.

        A block stops when half of its lanes have. The rest is gathered into new blocks by the next call:
        few slow lanes do not hold the others. The last block runs to its end.
        """
        size = work.block_size
        blocks = [pending[i : i + size] for i in range(0, pending.size, size)]
        least = np.int32(size // 2 if len(blocks) > 1 else 0)
        program = compiled(function, self.model, self.likelihood)
        numbers = state.u.dtype.type(work.tolerance), np.int32(allowed), least
        packed = pack((work.problem, state, *more))

        def run(numbered):
            number, block = numbered
            lanes = np.resize(block, size)  # a short block holds its own lanes again
            device = number % len(self.devices)
            spectra = block_of(work.data[device], work.which[lanes])
            small = jax.device_put(packed[:, slice_of(lanes)], self.devices[device])
            # unlike np.asarray, block_until_ready lets the other threads work while it waits
            return jax.block_until_ready(program(spectra, small, *numbers))

        results = on_cores(run, list(enumerate(blocks)), self.devices)
        for block, result in zip(blocks, results, strict=True):
            result = unpack(self.model, np.asarray(result)[:, : block.size], State)[0]
            for whole, part in zip(state, result, strict=True):
                whole[..., block] = part


def is_long(spectra) -> bool:
    """Whether it pays to begin on coarse bins."""
    return spectra.power.shape[0] >= COARSE_BINS * 8


def _pending(state, allowed, among=True):
    """Lanes that are running and have iterations left."""
    return np.flatnonzero((state.code == Code.RUNNING) & (state.iterations < allowed) & among)


def _begin_again(state, lanes):
    """Let lanes forget, in place, the curvature that they have: it may be that of another place."""
    state.objective[lanes], state.code[lanes] = np.inf, Code.RUNNING
    state.damping[lanes] = DAMPING
    state.trial[:, lanes] = state.u[:, lanes]


def pack(tree):
    """Stack the arrays of problems and states, shape (…, lanes) each, into one of shape (rows, lanes).

    Handing over an array costs 30 us, however small.
    """
    module = np if isinstance(jax.tree.leaves(tree)[0], np.ndarray) else jnp
    rows = [a.reshape(-1, a.shape[-1]) for a in jax.tree.leaves(tree)]
    return module.concatenate(rows)


def unpack(model, packed, *kinds):
    """Return the problems and states of a model that `pack` stacked, given their types in order."""
    size, row, out = model.size, 0, []
    for kind in kinds:
        fields = {}
        for name in kind._fields:
            shape = {
                "information": (size, size),
                "active": (len(model.slots),),
                **dict.fromkeys(("u", "lower", "upper", "free", "gradient", "trial"), (size,)),
            }.get(name, ())
            rows = int(np.prod(shape))
            fields[name] = packed[row : row + rows].reshape(*shape, packed.shape[-1])
            row += rows
        out.append(kind(**fields))
    return out


def log_prior_of(model, u):
    """Return the logarithm of the prior density of u, shape (P, lanes), summed over parameters."""
    lanes = u.shape[1]
    if not any(prior for slot in model.slots for prior in slot.priors):
        return np.zeros(lanes, u.dtype)
    # few shapes to compile
    padded = np.resize(np.arange(lanes), 1 << max(lanes - 1, 63).bit_length())
    return np.asarray(_log_prior(model, u[:, padded]))[:lanes]


@partial(jax.jit, static_argnums=0)
def _log_prior(model, u):
    return jnp.sum(model.log_prior(u)[0], axis=0)


@jax.jit
def _single(spectra):
    """Spectra in single precision."""
    return spectra.each(lambda a: a.astype(jnp.float32))


@jax.jit
def _coarse(spectra):
    """Coarse bins of long spectra, in single precision."""
    return rebinned(spectra).each(lambda a: a.astype(jnp.float32))


def component_power(model, spectra, active, u, block_size=64) -> np.ndarray:
    """Return the power of each component at u, shape (slots, bins, lanes); 0 where it is not active."""
    function = partial(_component_power, model)
    return in_blocks(function, (spectra, active, u), block_size)[0]


def model_power(model, spectra, active, u, block_size=64) -> np.ndarray:
    """Return the power at u, shape (bins, lanes): the sum of `component_power`."""
    function = partial(_model_power, model)
    return in_blocks(function, (spectra, active, u), block_size)[0]


@partial(jax.jit, static_argnums=0)
def _component_power(model, spectra, active, u):
    return (jnp.stack(model.component_power(u, spectra.grid, active)),)


@partial(jax.jit, static_argnums=0)
def _model_power(model, spectra, active, u):
    return (model.power(u, spectra.grid, active),)


@cache
def compiled(function, model, likelihood):
    """Return the compiled program for blocks of a model; JAX keeps one a shape and type."""
    return jax.jit(partial(_packed, function, model, likelihood))


def _packed(function, model, likelihood, spectra, packed, *numbers):
    """Call a program of this module with problem and states unpacked, and pack its state."""
    two = function in (_run_near, _compare)
    kinds = (Problem, State, State) if two else (Problem, State)
    problem, *states = unpack(model, packed, *kinds)
    problem = problem._replace(free=problem.free > 0, active=problem.active > 0)
    return pack(function(model, likelihood, spectra, problem, *states, *numbers))
