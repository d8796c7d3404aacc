"""Intervals and limits of parameters from the ends of their profiles: see `pipeline.fit.uncertainty.ends`."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.engine.problem import Fit, Problem
from pipeline.fit.search.batch import Batch, End, Profiles
from pipeline.fit.uncertainty.ends import (
    Ends,
    Tasks,
    chi2_quantile,
    find_ends,
    one_sided,
    two_sided,
)

BELOW, ABOVE = 0, 1
"""Sides of the best value, as the first axis of arrays."""


def profiles(
    batch: Batch,
    fit: Fit,
    problem: Problem,
    covariance: Float[np.ndarray, "P P lanes"],
    wanted: Bool[np.ndarray, "P lanes"],
    limited: Bool[np.ndarray, "P lanes"],
    *,
    levels: Sequence[float] = (0.6827,),
    limit_level: float = 0.95,
    batch_size: int = 4096,
) -> Profiles:
    """Find the intervals and limits of some parameters.

    Where the interval of the first level is open on one side, the parameter has a limit on the other.

    Parameters
    ----------
    batch, fit, problem, covariance, batch_size
        See `pipeline.fit.uncertainty.ends.find_ends`.
    wanted, limited : bool array, shape (P, lanes)
        Parameters to have intervals, and upper limits.
    levels : sequence of float, optional
        Coverage of the intervals.
    limit_level : float, optional
        Confidence of the limits, above 0.5.
    """

    def find(tasks: Tasks) -> Ends:
        return find_ends(batch, fit, problem, covariance, tasks, batch_size)

    intervals = Tasks.joined([two_sided(wanted, level) for level in levels])
    limits = one_sided(limited, limit_level)
    ends = find(Tasks.joined([intervals, limits]))
    found = _Entries(len(levels), *fit.u.shape)
    count = intervals.lane.size
    level = np.repeat(np.arange(len(levels)), 2 * wanted.sum())
    found.enter_intervals(intervals, level, ends, slice(0, count))
    found.enter_limits(limits, ends, slice(count, None))
    open_below, open_above = found.open_on_one_side()
    further = Tasks.joined(
        [one_sided(open_below & ~limited, limit_level), one_sided(open_above, limit_level, -1)]
    )
    if further.lane.size:
        found.enter_limits(further, find(further), slice(None))
    return Profiles(
        levels=tuple(levels),
        limit_sigma=float(np.sqrt(chi2_quantile(2 * limit_level - 1))),
        lower=found.u[BELOW],
        upper=found.u[ABOVE],
        lower_code=found.code[BELOW],
        upper_code=found.code[ABOVE],
        limit=found.limit[ABOVE],
        limit_code=found.limit_code[ABOVE],
        least=found.limit[BELOW],
        least_code=found.limit_code[BELOW],
        paths=found.paths,
        better=_best_of_better(intervals, limits, ends, fit.u.shape),
    )


class _Entries:
    """Arrays of `Profiles` while the ends are entered, those of both sides together, shape (2, …)."""

    def __init__(self, levels, size, lanes):
        self.u = np.full((2, levels, size, lanes), np.nan)
        self.code = np.zeros((2, levels, size, lanes), int)
        self.limit = np.full((2, size, lanes), np.nan)
        self.limit_code = np.zeros((2, size, lanes), int)
        self.paths = np.full((4, size, size, lanes), np.nan)

    def enter_intervals(
        self, tasks: Tasks, level: Int[np.ndarray, " tasks"], ends: Ends, part: slice
    ) -> None:
        """Enter the ends of intervals of some levels; those of the first one are paths."""
        side = np.where(tasks.side > 0, ABOVE, BELOW)
        at = side, level, tasks.row, tasks.lane
        self.u[at], self.code[at] = ends.u[part], ends.code[part]
        first = np.flatnonzero(level == 0)
        self.paths[side[first], tasks.row[first], :, tasks.lane[first]] = ends.at[part][first]

    def enter_limits(self, tasks: Tasks, ends: Ends, part: slice) -> None:
        """Enter limits: in the paths the upper ones come before the lower ones."""
        side = np.where(tasks.side > 0, ABOVE, BELOW)
        at = side, tasks.row, tasks.lane
        self.limit[at], self.limit_code[at] = ends.u[part], ends.code[part]
        self.paths[2 + (ABOVE - side), tasks.row, :, tasks.lane] = ends.at[part]

    def open_on_one_side(self) -> tuple[Bool[np.ndarray, "P lanes"], Bool[np.ndarray, "P lanes"]]:
        """Return which intervals of the first level are open below only, and which above only."""
        below, above = self.code[BELOW, 0], self.code[ABOVE, 0]
        return (below == End.OPEN) & (above == End.FOUND), (above == End.OPEN) & (
            below == End.FOUND
        )


def _best_of_better(intervals, limits, ends, shape):
    """Return the best of the better optima that the refits of a lane found, shape (P, lanes)."""
    better, lane = np.full(shape, np.nan), np.concatenate([intervals.lane, limits.lane])
    found = np.flatnonzero(ends.code == End.BETTER)
    for task in found[np.argsort(-ends.objective[found])]:  # the lowest comes last and stays
        better[:, lane[task]] = ends.better[task]
    return better
