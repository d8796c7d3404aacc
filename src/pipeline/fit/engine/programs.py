"""The programs that blocks of lanes run through; each is compiled for an objective, a type and a block's shape.

A program starts from one state of the lanes or from two, and returns one: see `Program`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pipeline.fit.engine.arrays import Tree
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.objective import Objective
from pipeline.fit.engine.packing import Layout, pack_result, unpack
from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.engine.state import DAMPING, State
from pipeline.fit.engine.step import Limits, iterate, loop

Program = Callable[[Objective, Tree, Problem, Sequence[State], Limits], State]
"""A function of the objective, the data of a block as the objective prepared them, and its lanes."""


def score(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Iterate with the information that the objective gives at each place."""
    here = data, problem.active
    evaluate, bend = partial(objective.stepping, *here), partial(objective.bend, *here)
    return loop(evaluate, problem, states[0], limits, bend)


def chords(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Iterate on the gradient alone, correcting the information that the lanes have."""
    return loop(partial(objective.slope, data, problem.active), problem, states[0], limits)


def go_on_near(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Go on from near the optimum, the second state, with the curvature that is known there.

    Lanes in which that is no better than the trial of the first state, as when a narrow peak was lost in the
    coarse data, are returned as they were.
    """
    state, near = states
    start = objective.value(data, problem.active, state.trial)
    evaluate = partial(objective.slope, data, problem.active)
    near = iterate(evaluate, problem, limits, near)
    better = near.value < start
    near = near._replace(code=jnp.where(better, near.code, jnp.int32(Code.NO_DATA)))
    near = loop(evaluate, problem, near, limits._replace(least=limits.least // 2))
    return jax.tree.map(partial(jnp.where, better), near, state)


def relocate(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Set the trial to where the first way of the objective's rescue says, as a new start."""
    return _anew(states[0], objective.rescue(data, problem, states[0].u))


def relocate_otherwise(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Set the trial to where the second way of the objective's rescue says, as a new start."""
    return _anew(states[0], objective.rescue(data, problem, states[0].u, way=1))


def _anew(state, trial):
    """Return a state that begins at a place."""
    return state._replace(
        trial=trial,
        value=jnp.full_like(state.value, jnp.inf),
        damping=jnp.full_like(state.damping, DAMPING),
    )


def compare(
    objective: Objective, data: Tree, problem: Problem, states: Sequence[State], limits: Limits
) -> State:
    """Take the better of the trial of the first state and the u of the second, and its value."""
    state, near = states
    one, other = (objective.value(data, problem.active, u) for u in (state.trial, near.u))
    better = other < one
    return state._replace(
        u=jnp.where(better, near.u, state.trial), value=jnp.where(better, other, one)
    )


@stored(static=4)
def packed(
    function: Program,
    objective: Objective,
    layout: Layout,
    count: int,
    data: Tree,
    packed: Int[Array, "given lanes"],
    limits: Limits,
) -> Int[Array, "returned lanes"]:
    """Call a program with problem and states unpacked, and pack its state."""
    problem, states = unpack(layout, packed, count)
    state = function(objective, objective.prepared(data), problem, states, limits)
    return pack_result(layout, state)
