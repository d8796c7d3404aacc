"""The objective of an averaged power spectrum: the deviance of a model, and the priors of its parameters.

Shapes: u (P, lanes), spectra (bins, lanes), active (slots, lanes).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from pipeline.fit.engine.arrays import AnyArray
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.objective import Evaluation, Kind, Objective
from pipeline.fit.engine.problem import Problem
from pipeline.fit.model.grid import Grid
from pipeline.fit.model.likelihood import standardised, terms
from pipeline.fit.model.model import Model
from pipeline.fit.objectives import peaks
from pipeline.fit.objectives.spectra import Spectra, is_long, rebinned

_rebinned = stored()(rebinned)


class Prepared(NamedTuple):
    """Spectra of a block, and the grid of their frequencies with its logarithms."""

    spectra: Spectra
    grid: Grid


@dataclass(frozen=True)
class PowerSpectrum(Objective):
    """The objective of a model of power spectra: deviance - 2 ln prior.

    Data are `pipeline.fit.objectives.spectra.Spectra`; the parts of the model are its slots.

    Attributes
    ----------
    model : Model
        What is fitted.
    likelihood : {"gamma", "gaussian", "gaussian_model", "poisson"}
        See `pipeline.fit.model.likelihood.terms`.
    """

    model: Model
    likelihood: str = "gamma"

    size: int = field(init=False, repr=False, compare=False)
    parts: int = field(init=False, repr=False, compare=False)
    has_prior: bool = field(init=False, repr=False, compare=False)
    rescues: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        of_model = {
            "size": self.model.size,
            "parts": len(self.model.slots),
            "has_prior": any(prior for slot in self.model.slots for prior in slot.priors),
            "rescues": peaks.ways(self.model),
        }
        for name, value in of_model.items():
            object.__setattr__(self, name, value)

    def prepared(self, data: Spectra) -> Prepared:
        """Return the spectra with the logarithms of their frequencies."""
        return Prepared(data, data.grid)

    def value(
        self, data: Prepared, active: Bool[AnyArray, "slots lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Float[Array, " lanes"]:
        """Return the objective, shape (lanes,)."""
        at = self._terms(data, self.model.power(u, data.grid, active))
        return _total(at, self.model.log_prior(u)[0])

    def slope(
        self, data: Prepared, active: Bool[AnyArray, "slots lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Evaluation:
        """Return the objective and the gradient."""
        power, tangents = self.model.power_and_tangents(u, data.grid, active)
        at = self._terms(data, power)
        log_prior, slope, _ = self.model.log_prior(u)
        each = _materialised(jnp.stack([at.score / power * t for t in tangents]))
        return Evaluation(_total(at, log_prior), jnp.sum(each, axis=1) + slope)

    def stepping(
        self, data: Prepared, active: Bool[AnyArray, "slots lanes"], u: Float[AnyArray, "P lanes"]
    ) -> Evaluation:
        """Return the objective, the gradient, and the information to step with.

        The curvature of a bin is `pipeline.fit.model.likelihood.Terms.stepping`.
        """
        power, tangents = self.model.power_and_tangents(u, data.grid, active)
        at = self._terms(data, power)
        root, residual = standardised(at.score, at.stepping)
        scale = root / power
        standard, residual = _materialised(([scale * t for t in tangents], residual))
        gradient = jnp.stack([jnp.sum(residual * r, axis=0) for r in standard])
        # it only shapes the steps: single precision does, and the time goes into reading rows
        single = _materialised([r.astype(jnp.float32) for r in standard])
        matrix = _symmetric(lambda i, j: jnp.sum(single[i] * single[j], axis=0), self.size)
        log_prior, slope, curvature = self.model.log_prior(u)
        information = matrix.astype(u.dtype) + _diagonal(jnp.maximum(-curvature, 0.0))
        return Evaluation(_total(at, log_prior), gradient + slope, information)

    def bend(
        self,
        data: Prepared,
        active: Bool[AnyArray, "slots lanes"],
        u: Float[AnyArray, "P lanes"],
        step: Float[AnyArray, "P lanes"],
    ) -> Float[Array, "P lanes"]:
        """Return how the model bends along a step, seen by each parameter, shape (P, lanes).

        The sum over bins of phi'' l_i d2l / dt2, with l = ln S along u + t step.
        """
        power, tangents = self.model.power_and_tangents(u, data.grid, active)
        at = self._terms(data, power)

        def along(t):
            return self.model.power(u + t * step, data.grid, active)

        def slope(t):
            return jax.jvp(along, (t,), (jnp.ones_like(t),))[1]

        zero = jnp.zeros((), u.dtype)
        first, second = jax.jvp(slope, (zero,), (jnp.ones_like(zero),))
        weight = at.stepping * (second / power - (first / power) ** 2) / power
        each = _materialised(jnp.stack([weight * t for t in tangents]))
        return jnp.sum(each, axis=1)

    def information(
        self,
        kind: Kind,
        data: Prepared,
        active: Bool[AnyArray, "slots lanes"],
        u: Float[AnyArray, "P lanes"],
    ) -> Float[Array, "P P lanes"]:
        """Return a matrix of second order in the model's derivatives, shape (P, P, lanes).

        With l = ln S, l_i = S_i / S and phi the likelihood of a bin (`pipeline.fit.model.likelihood`):

        - ``observed``: d2 / du_i du_j of -ln L - ln prior, the sum over bins of
          (phi'' - phi') l_i l_j + phi' S_ij / S.
        - ``fisher``: its expectation where the model is right, sum E[phi''] l_i l_j.
        - ``scores``: the outer product of the bins' own scores, sum phi'^2 l_i l_j.

        The prior's curvature is part of the first two.
        """
        power, tangents = self.model.power_and_tangents(u, data.grid, active)
        at = self._terms(data, power)
        weights = {"observed": at.observed + at.score, "fisher": at.fisher, "scores": at.score**2}
        weight = weights[kind]
        relative = [t / power for t in tangents]
        relative, weighted, score = _materialised(
            (relative, [weight * r for r in relative], at.score / power)
        )
        observed = kind == "observed"
        second = self.model.second_tangents(u, data.grid, active) if observed else {}

        def element(i, j):
            value = jnp.sum(weighted[i] * relative[j], axis=0)
            pair = min(i, j), max(i, j)
            return value - jnp.sum(score * second[pair], axis=0) if pair in second else value

        matrix = _symmetric(element, self.size)
        return matrix if kind == "scores" else matrix - _diagonal(self.model.log_prior(u)[2])

    def log_prior(self, u: Float[AnyArray, "P lanes"]) -> Float[Array, " lanes"]:
        """Return the logarithm of the prior density, shape (lanes,)."""
        return jnp.sum(self.model.log_prior(u)[0], axis=0)

    def coarse(self, data: Spectra) -> Spectra | None:
        """Return coarse bins of long spectra."""
        if not is_long(data):
            return None
        (device,) = data.power.devices() if isinstance(data.power, jax.Array) else (None,)
        if device is not None and device.platform != "cpu":
            return _rebinned(data)
        # nothing to compile: the program is compiled anew for each number of lanes
        return jax.device_put(rebinned(data.each(np.asarray), np), device)

    def rescue(
        self, data: Prepared, problem: Problem, u: Float[Array, "P lanes"], way: int = 0
    ) -> Float[Array, "P lanes"]:
        """Return u with a peak moved: to where the residuals call most for one, or beside the largest one."""
        move = peaks.divided if way else peaks.relocated
        return move(self.model, self.likelihood, data.spectra, problem, u)

    def _terms(self, data, power):
        return terms(self.likelihood, data.spectra.power, data.spectra.weight, power)


def _total(at, log_prior):
    return jnp.sum(at.deviance, axis=0) - 2 * jnp.sum(log_prior, axis=0)


def _materialised(arrays):
    """Have arrays computed once: XLA would compute them again in each reduction that reads them."""
    return jax.lax.optimization_barrier(arrays)


def _symmetric(element, size):
    """Stack element(i, j) for j <= i and its mirror image, shape (size, size, lanes)."""
    rows = [[element(i, j) for j in range(i + 1)] for i in range(size)]
    return jnp.stack(
        [jnp.stack([rows[max(i, j)][min(i, j)] for j in range(size)]) for i in range(size)]
    )


def _diagonal(values):
    """Put values of shape (P, lanes) on the diagonal of matrices of shape (P, P, lanes)."""
    return jnp.eye(values.shape[0], dtype=values.dtype)[:, :, None] * values[:, None]
