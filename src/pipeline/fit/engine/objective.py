"""What the engine can fit: the protocol of an objective.

An objective describes the posterior density of a few fitted variables u given the data of a lane. All
functions work on a block of lanes at once, with the lane as the last axis of every array, inside a compiled
program: they use `jax.numpy` and no Python branch on values.

An objective states its dimensions and its `value`; what it does not define otherwise follows from the value by
automatic differentiation. Objectives are hashable constants, as frozen dataclasses are: equal ones share
compiled programs.
"""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pipeline.fit.engine.arrays import AnyArray, Tree
from pipeline.fit.engine.problem import Problem

Kind = Literal["observed", "fisher", "scores"]
"""Kind of an information matrix: see `Objective.information`."""


class Evaluation(NamedTuple):
    """An objective at a place.

    Attributes
    ----------
    value : array, shape (lanes,)
        -2 ln of likelihood times prior.
    gradient : array, shape (P, lanes)
        Of ln likelihood + ln prior.
    information : array, shape (P, P, lanes), or None
        To step with; None where the optimiser corrects the one that it has.
    """

    value: Float[Array, " lanes"]
    gradient: Float[Array, "P lanes"]
    information: Float[Array, "P P lanes"] | None = None


@runtime_checkable
class Objective(Protocol):
    """The function that is minimised, -2 ln of likelihood times prior, and its derivatives.

    The value may leave out constants. Gradients are those of ln likelihood + ln prior, so they point
    uphill; an information is minus its matrix of second derivatives, or replaces that.

    Subclasses inherit the defaults. Arguments of the functions:

    - ``data``: what `prepared` returned;
    - ``active``: bool array of shape (parts, lanes), which parts of the model exist in each lane;
    - ``u``: array of shape (P, lanes), the fitted variables.
    """

    size: int
    """Number of fitted variables, P."""
    parts: int = 1
    """Number of parts of the model that may be absent in a lane: rows of ``active``."""
    single: bool = True
    """Whether the objective may be computed in single precision on the way to the optimum."""
    has_prior: bool = False
    """Whether a prior is part of the value, and the objective has a `log_prior`."""
    rescues: int = 0
    """How many ways `rescue` knows."""

    def __hash__(self) -> int:
        """Return a number that is the same for equal objectives, as that of a frozen dataclass is."""
        return object.__hash__(self)

    def prepared(self, data: Tree) -> Tree:
        """Return the data in the form that the other functions take; it is computed once for a block."""
        return data

    def value(
        self, data: Tree, active: Bool[AnyArray, "parts lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Float[Array, " lanes"]:
        """Return the objective, shape (lanes,)."""
        ...

    def slope(
        self, data: Tree, active: Bool[AnyArray, "parts lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Evaluation:
        """Return the objective and the gradient."""
        value, back = jax.vjp(lambda v: self.value(data, active, v), u)
        return Evaluation(value, -0.5 * back(jnp.ones_like(value))[0])

    def stepping(
        self, data: Tree, active: Bool[AnyArray, "parts lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Evaluation:
        """Return the objective, the gradient, and the information to step with.

        The optimiser needs it positive definite far from the optimum too; elsewhere it descends along the
        gradient.
        """
        information = self.information("observed", data, active, u)
        return self.slope(data, active, u)._replace(information=information)

    def bend(
        self,
        data: Tree,
        active: Bool[AnyArray, "parts lanes"],
        u: Float[AnyArray, "P lanes"],
        step: Float[AnyArray, "P lanes"],
    ) -> Float[Array, "P lanes"] | None:
        """Return the second derivative of the residuals along a step, seen by each variable, shape (P, lanes).

        With it a step follows a curved valley (geodesic acceleration). None, the default: steps are straight.
        """
        return None

    def information(
        self,
        kind: Kind,
        data: Tree,
        active: Bool[AnyArray, "parts lanes"],
        u: Float[AnyArray, "P lanes"],
    ) -> Float[Array, "P P lanes"]:
        """Return an information matrix, shape (P, P, lanes).

        ``observed``: minus the second derivatives at u; the default knows this kind only. ``fisher``: its
        expectation where the model is right. ``scores``: the sum over data of the outer products of their
        gradients, without the prior.

        Raises
        ------
        ValueError
            For a kind that the objective does not have.
        """
        if kind != "observed":
            raise ValueError(f"{type(self).__name__} has no information of the kind {kind!r}")

        def gradient(v):
            return self.slope(data, active, v).gradient

        def along(direction):
            return jax.jvp(gradient, (u,), (jnp.broadcast_to(direction[:, None], u.shape),))[1]

        return -jax.vmap(along)(jnp.eye(u.shape[0], dtype=u.dtype))

    def log_prior(self, u: Float[AnyArray, "P lanes"]) -> Float[Array, " lanes"]:
        """Return the logarithm of the prior density that is part of the value, shape (lanes,)."""
        raise NotImplementedError

    def coarse(self, data: Tree) -> Tree | None:
        """Return a smaller version of data, on which a fit is cheap and ends near that of the data.

        None, the default: there is none, or it would not pay. It takes and returns data that are not
        `prepared`, and is called outside compiled programs.
        """
        return None

    def rescue(
        self, data: Tree, problem: Problem, u: Float[Array, "P lanes"], way: int = 0
    ) -> Float[Array, "P lanes"]:
        """Return another place to begin at, shape (P, lanes), for lanes whose fit did not arrive from u.

        Parameters
        ----------
        data, problem
            As prepared; bounds and masks.
        u : array, shape (P, lanes)
            Where the fit ended.
        way : int, optional
            Which way to find the place, from 0 to below `rescues`.
        """
        raise NotImplementedError
