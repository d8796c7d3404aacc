"""How far the lanes are: on the host all of them (`Progress`), in a program those of a block (`State`)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pipeline.fit.engine.problem import Code, Problem

DAMPING, NEAR_DAMPING = 0.1, 1e-3
"""Damping of a lane at its start, and of one that starts near its optimum."""


class State(NamedTuple):
    """The iteration of the lanes of a block, inside a program.

    Attributes
    ----------
    u : array, shape (P, lanes)
        The best place so far.
    value, gradient, information : array, shape (lanes,), (P, lanes), (P, P, lanes)
        Of the objective, at u; the value is infinite before the first evaluation.
    damping : array, shape (lanes,)
        Part of the information's diagonal that is added to it for a step.
    trial : array, shape (P, lanes)
        The place to evaluate next.
    promised : array, shape (lanes,)
        Fall of the objective that the step to the trial promises (half of it, to first order).
    iterations, code : int array, shape (lanes,)
        Evaluations after that of the start, and `Code`.
    """

    u: Float[Array, "P lanes"]
    value: Float[Array, " lanes"]
    gradient: Float[Array, "P lanes"]
    information: Float[Array, "P P lanes"]
    damping: Float[Array, " lanes"]
    trial: Float[Array, "P lanes"]
    promised: Float[Array, " lanes"]
    iterations: Int[Array, " lanes"]
    code: Int[Array, " lanes"]


@dataclass
class Progress:
    """The iteration of all lanes, on the host: the fields of `State`, changed in place."""

    u: Float[np.ndarray, "P lanes"]
    value: Float[np.ndarray, " lanes"]
    gradient: Float[np.ndarray, "P lanes"]
    information: Float[np.ndarray, "P P lanes"]
    damping: Float[np.ndarray, " lanes"]
    trial: Float[np.ndarray, "P lanes"]
    promised: Float[np.ndarray, " lanes"]
    iterations: Int[np.ndarray, " lanes"]
    code: Int[np.ndarray, " lanes"]

    @classmethod
    def at(cls, u: Float[np.ndarray, "P lanes"]) -> "Progress":
        """Return lanes at u, shape (P, lanes), that have not been evaluated: the first iteration does it."""
        size, lanes = u.shape
        return cls(
            u=u.copy(),
            value=np.full(lanes, np.inf, u.dtype),
            gradient=np.zeros_like(u),
            information=np.repeat(np.eye(size, dtype=u.dtype)[:, :, None], lanes, axis=2),
            damping=np.full(lanes, DAMPING, u.dtype),
            trial=u.copy(),
            promised=np.full(lanes, np.inf, u.dtype),
            iterations=np.full(lanes, -1, np.int32),
            code=np.full(lanes, Code.RUNNING, np.int32),
        )

    @classmethod
    def near(cls, problem: Problem, found: "Progress") -> "Progress":
        """Return lanes at optima that were found otherwise, with the curvature there, not evaluated."""
        kind = problem.u.dtype
        u = np.where(problem.free, found.u.astype(kind), problem.u)
        near = cls.at(np.clip(u, problem.lower, problem.upper))
        near.information = found.information.astype(kind)
        near.damping = np.full_like(near.damping, NEAR_DAMPING)
        return near

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays, in the order of `State`."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Progress":
        """Return a copy of some lanes."""
        return Progress(*(np.take(array, lanes, axis=-1) for array in self.arrays))

    def put(self, lanes: Int[np.ndarray, " some"], part: Sequence[np.ndarray]) -> None:
        """Replace some lanes by the arrays of others, in the order of `State`."""
        for whole, array in zip(self.arrays, part, strict=True):
            whole[..., lanes] = array

    def where(self, mask: Bool[np.ndarray, " lanes"], other: "Progress") -> "Progress":
        """Return these lanes where a mask of shape (lanes,) is true, and the others elsewhere."""
        pairs = zip(self.arrays, other.arrays, strict=True)
        return Progress(*(np.where(mask, mine, theirs) for mine, theirs in pairs))

    def pending(
        self, allowed: int, among: Bool[np.ndarray, " lanes"] | bool = True
    ) -> Int[np.ndarray, " some"]:
        """Return the numbers of the lanes that run and have iterations left, among some."""
        running = (self.code == Code.RUNNING) & (self.iterations < allowed)
        return np.flatnonzero(running & among)

    def begin_again(self, lanes: Bool[np.ndarray, " lanes"]) -> None:
        """Let lanes forget their curvature: it may be that of another place."""
        self.value[lanes], self.code[lanes] = np.inf, Code.RUNNING
        self.damping[lanes] = DAMPING
        self.trial[:, lanes] = self.u[:, lanes]
