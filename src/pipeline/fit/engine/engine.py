"""Damped Fisher scoring of many lanes at once.

`Engine` compiles its programs for an objective, a shape of the data and a floating-point type, and runs any
number of lanes through them in blocks of fixed shape. A block iterates until half of its lanes
have stopped; the others are gathered into new blocks and go on where they were, so that a
few slow ones do not hold the rest. Where the objective has a coarse version of the data, as long power spectra have,
the way from the start is done on it, where a lane that does not arrive begins again elsewhere if the objective has
a rescue; the last steps are done with the curvature that was found there: most need the gradient twice and
no more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from pipeline.fit.engine.arrays import Tree
from pipeline.fit.engine.blocks import on_device
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.devices import devices_of
from pipeline.fit.engine.objective import Objective
from pipeline.fit.engine.problem import Fit, Problem
from pipeline.fit.engine.solve import explore, solve
from pipeline.fit.engine.step import movable
from pipeline.fit.engine.work import Work

SINGLE_TOLERANCE = 1e-3
"""Least tolerance in single precision, where the objective is known to about that."""


class Trials(NamedTuple):
    """Where a few iterations led.

    Attributes
    ----------
    u : array, shape (P, lanes)
        Where each lane is then.
    value : array, shape (lanes,)
        Its objective there, of single precision; infinite or NaN where there is none.
    """

    u: Float[np.ndarray, "P lanes"]
    value: Float[np.ndarray, " lanes"]


class Engine:
    """Minimises an objective for any number of lanes of data of one shape.

    Parameters
    ----------
    objective : Objective
        What to fit: `pipeline.fit.objectives.power_spectrum.PowerSpectrum` of a model, or another one.
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
    rescue : bool, optional
        Whether each fit is also tried from where the objective's rescue says, and the better one kept: for fits
        from one start of models with many peaks.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        block_size: int = 64,
        tolerance: float = 1e-6,
        max_iterations: int = 200,
        precision: str = "float64",
        devices: Sequence[jax.Device] | None = None,
        rescue: bool = False,
    ):
        self.objective = objective
        self.dtype = np.dtype(precision)
        self.max_iterations = max_iterations
        self.tolerance = max(tolerance, SINGLE_TOLERANCE if self.dtype == np.float32 else 0.0)
        self.devices = devices_of() if devices is None else devices
        self.block_size, self.rescue = block_size, rescue

    def of(self, objective: Objective) -> "Engine":
        """Return an engine of another objective that works in the same way."""
        return Engine(
            objective,
            block_size=self.block_size,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            precision=self.dtype.name,
            devices=self.devices,
            rescue=self.rescue,
        )

    def fit(
        self,
        data: Tree,
        problem: Problem,
        max_iterations: int | None = None,
        which: Int[np.ndarray, " lanes"] | None = None,
    ) -> Fit:
        """Fit every lane from its start.

        Parameters
        ----------
        data : pytree of array
            The data as the objective takes them; the last axis is the lane.
        problem : Problem
            Starts, bounds and masks.
        max_iterations : int, optional
            Iterations a lane may use, where fewer than the engine's.
        which : int array, shape (lanes,), optional
            Number of the data of each lane, where several lanes fit the same; by default, each has its own.

        Returns
        -------
        Fit
            One result a lane, in order. Never raises for what is in a lane: see `Code`.
        """
        allowed = self.max_iterations if max_iterations is None else max_iterations
        work = self.work(data, problem, which)
        end = solve(work, min(allowed, self.max_iterations), rescue=self.rescue)
        held = np.asarray(work.problem.free & ~movable(work.problem, end.u, end.gradient))
        return Fit(
            u=end.u,
            deviance=end.value + 2 * log_prior_of(self.objective, end.u),
            objective=end.value,
            iterations=end.iterations,
            code=end.code,
            at_bound=held,
            at_lower=held & np.asarray(end.u <= work.problem.lower),
        )

    def try_starts(
        self,
        data: Tree,
        problem: Problem,
        iterations: int,
        which: Int[np.ndarray, " lanes"] | None = None,
    ) -> Trials:
        """Go a few iterations from every start, in single precision and on coarse data, to see where it leads.

        Parameters
        ----------
        data, problem, which
            See `fit`.
        iterations : int
            Iterations of a lane.

        Returns
        -------
        Trials
            One a lane, in order.
        """
        work = self.work(data, problem, which).in_single()
        end = explore(work, iterations)
        u = np.where(problem.free, end.u, problem.u).astype(self.dtype)
        return Trials(u, end.value)

    def work(
        self, data: Tree, problem: Problem, which: Int[np.ndarray, " lanes"] | None = None
    ) -> Work:
        """Return the work of a fit, see `fit`: data on the devices, everything of one type."""
        parts = [on_device(data, self.dtype, device) for device in self.devices]
        which = np.arange(problem.u.shape[1]) if which is None else np.asarray(which)
        u, lower, upper = (np.asarray(a, self.dtype) for a in problem[:3])
        free, active = (np.asarray(a, bool) for a in problem[3:])
        problem = Problem(u, lower, upper, free, active)
        return Work(
            self.objective, parts, which, problem, self.tolerance, self.block_size, self.devices
        )


def log_prior_of(
    objective: Objective, u: Float[np.ndarray, "P lanes"]
) -> Float[np.ndarray, " lanes"]:
    """Return the logarithm of the prior density of u, shape (P, lanes), in each lane; 0 where there is none."""
    lanes = u.shape[1]
    if not objective.has_prior:
        return np.zeros(lanes, u.dtype)
    # few shapes to compile
    padded = np.resize(np.arange(lanes), 1 << max(lanes - 1, 63).bit_length())
    return np.asarray(_log_prior(objective, u[:, padded]))[:lanes]


@stored(static=1)
def _log_prior(objective, u):
    return objective.log_prior(u)
