"""One iteration of damped scoring, for the lanes of a block at once: evaluate the trial, judge it, aim anew."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pipeline.fit.engine import linear
from pipeline.fit.engine.arrays import AnyArray, Scalar
from pipeline.fit.engine.objective import Evaluation
from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.engine.state import State

Evaluate = Callable[[Float[Array, "P lanes"]], Evaluation]
Bend = Callable[[Float[Array, "P lanes"], Float[Array, "P lanes"]], Float[Array, "P lanes"] | None]

MAX_STEP = 1.0
"""Longest step in any row of u: a factor e in a parameter on a log scale."""
MAX_DAMPING = 1e10
MOST_BEND = 0.75
"""Longest correction of a step for the curvature of the valley, over the step itself."""


class Limits(NamedTuple):
    """When a block stops.

    Attributes
    ----------
    tolerance : float
        Promised change of the objective at which a lane has converged.
    allowed : int
        Iterations a lane may use.
    least : int
        The block stops when at most this many lanes run: they go on in a block of their own.
    """

    tolerance: Scalar
    allowed: Scalar
    least: Scalar


def movable(
    problem: Problem, u: Float[AnyArray, "P lanes"], gradient: Float[AnyArray, "P lanes"]
) -> Bool[AnyArray, "P lanes"]:
    """Return the free variables that the gradient does not push against a bound."""
    outward = ((u <= problem.lower) & (gradient < 0)) | ((u >= problem.upper) & (gradient > 0))
    return problem.free & ~outward


def _rounding(value):
    return 8 * jnp.finfo(value.dtype).eps * jnp.abs(value)


def aim(problem: Problem, tolerance: Scalar, state: State, bend: Bend | None = None) -> State:
    """Set where each running lane goes next, or say that it has converged.

    With `bend`, see `pipeline.fit.engine.objective.Objective.bend`, the step follows the valley where it curves
    (geodesic acceleration: Transtrum & Sethna 2012, arXiv:1201.5885, eq. 11).
    """
    move = movable(problem, state.u, state.gradient)
    gradient = jnp.where(move, state.gradient, 0.0)
    factors, scale = _damped(state, move)
    step = linear.solve(factors, gradient)
    sound = (factors.pivot > 0) & jnp.all(jnp.isfinite(step), axis=0)
    step = jnp.where(sound, step, gradient / (scale * (1 + state.damping)))
    promised = jnp.sum(step * gradient, axis=0)
    turn = None if bend is None else bend(state.u, step)
    if turn is not None:
        aside = -0.5 * linear.solve(factors, jnp.where(move, turn, 0.0))
        along, across = (jnp.sum(scale * move * x**2, axis=0) for x in (step, aside))
        step = step + jnp.where(sound & (across <= MOST_BEND**2 * along), aside, 0.0)
    longest = jnp.max(jnp.abs(step), axis=0)
    step = step * jnp.minimum(1.0, MAX_STEP / jnp.maximum(longest, 1e-30))
    small = promised <= tolerance + 0.01 * _rounding(state.value)
    done = small & sound & (state.damping <= 1.0) & (state.code == Code.RUNNING)
    trial = jnp.clip(state.u + step, problem.lower, problem.upper)
    return state._replace(
        # the last step is taken unseen: it changes next to nothing
        u=jnp.where(done, trial, state.u),
        value=jnp.where(done, state.value - promised, state.value),
        trial=trial,
        promised=promised,
        code=jnp.where(done, jnp.int32(Code.CONVERGED), state.code),
    )


def _damped(state, move):
    """Factorise the damped information of the variables that move; return the scale of the damping too."""
    both = move[:, None] & move[None]
    eye = jnp.eye(state.u.shape[0], dtype=bool)[:, :, None]
    diagonal = jnp.einsum("iil->il", state.information)
    floor = 1e-12 * jnp.max(jnp.where(move, diagonal, 0.0), axis=0) + jnp.finfo(diagonal.dtype).tiny
    scale = jnp.maximum(diagonal, floor)
    damped = state.information + jnp.where(eye, (state.damping * scale)[:, None], 0.0)
    matrix = jnp.where(both, damped, jnp.where(eye, 1.0, 0.0))
    return linear.factor(matrix), scale


def iterate(
    evaluate: Evaluate,
    problem: Problem,
    limits: Limits,
    state: State,
    bend: Bend | None = None,
) -> State:
    """Evaluate the trial of every lane that runs and has iterations left, keep it or not, and aim anew.

    Where `evaluate` gives no information, that of the state is corrected by the gradients (`secant_update`).
    """
    running = _running(state, limits)
    value, gradient, information = evaluate(state.trial)
    fresh = jnp.isinf(state.value)  # its trial is the start
    rounding = _rounding(jnp.where(fresh, 0.0, state.value))
    better = jnp.where(fresh, jnp.isfinite(value), value <= state.value + rounding)
    gain = (state.value - value) / jnp.maximum(state.promised, 1e-30)
    shrink = jnp.clip(1 - (2 * gain - 1) ** 3, 0.2, 2.0)  # Nielsen 1999, IMM-REP-1999-05
    damping = jnp.where(better, state.damping * shrink, jnp.maximum(state.damping, 1e-2) * 5)
    damping = jnp.where(running & ~fresh, damping, state.damping)
    stalled, no_data = jnp.int32(Code.STALLED), jnp.int32(Code.NO_DATA)
    code = jnp.where(running & (damping > MAX_DAMPING), stalled, state.code)
    code = jnp.where(running & fresh & ~better, no_data, code)
    new = running & better
    if information is None:
        information = secant_update(state, gradient, fresh)
    state = state._replace(
        u=jnp.where(new, state.trial, state.u),
        value=jnp.where(new, value, state.value),
        gradient=jnp.where(new, gradient, state.gradient),
        information=jnp.where(new, information, state.information),
        damping=damping,
        iterations=state.iterations + running,
        code=code,
    )
    return aim(problem, limits.tolerance, state, bend)


def _running(state, limits):
    return (state.code == Code.RUNNING) & (state.iterations < limits.allowed)


def secant_update(
    state: State, gradient: Float[Array, "P lanes"], fresh: Bool[Array, " lanes"]
) -> Float[Array, "P P lanes"]:
    """Correct the information by the change of the gradient along the last step (BFGS).

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


def loop(
    evaluate: Evaluate, problem: Problem, state: State, limits: Limits, bend: Bend | None = None
) -> State:
    """Iterate until at most `limits.least` lanes are running that have iterations left."""

    def more(state):
        return jnp.sum(_running(state, limits)) > limits.least

    def once(state):
        return iterate(evaluate, problem, limits, state, bend)

    return jax.lax.while_loop(more, once, state)
