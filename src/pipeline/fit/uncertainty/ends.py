"""Where the profile of the likelihood has risen by a given amount, for many parameters at once.

The profile of a parameter is the least objective that the others reach while it is held (Wilks 1938,
Ann. Math. Stat. 9, 60; Pawitan 2001, In All Likelihood, OUP, section 3.4). The end of an interval
is where its root sqrt(rise), which is nearly linear, passes a given value. Each end is one task;
all tasks take a step of the search together, each step one call of the engine.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import erfinv

from pipeline.fit.engine.covariance import expected_diagonal
from pipeline.fit.engine.problem import Code, Fit, Problem
from pipeline.fit.search.batch import Batch, End

MAX_REFITS = 16
"""Refits a task may use."""
ITERATIONS = 60
"""Iterations of a refit. One that needs more crawls along a flat valley, where its objective is within
1e-3 of the least: it is used as it is."""
CLOSE = 0.02
"""Relative distance from the wanted root at which interpolation finishes the search."""
BETTER = 0.01
"""Fall of the objective below that of the fit by which a refit counts as a better optimum."""


@dataclass(frozen=True)
class Tasks:
    """Ends to look for.

    Attributes
    ----------
    lane, row : int array, shape (tasks,)
        Which parameter of which lane.
    side : int array, shape (tasks,)
        -1: below the best value; 1: above.
    rise : array, shape (tasks,)
        By how much the objective, -2 ln L - 2 ln prior, is to rise.
    """

    lane: Int[np.ndarray, " tasks"]
    row: Int[np.ndarray, " tasks"]
    side: Int[np.ndarray, " tasks"]
    rise: Float[np.ndarray, " tasks"]

    def take(self, some: Int[np.ndarray, " some"] | slice) -> "Tasks":
        """Return some of the tasks."""
        return Tasks(*(getattr(self, f.name)[some] for f in fields(self)))

    @staticmethod
    def joined(parts: "list[Tasks]") -> "Tasks":
        """Return the tasks of several lists in one."""
        return Tasks(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Tasks)))


@dataclass(frozen=True)
class Ends:
    """Where the profiles end; the first axis is the task.

    Attributes
    ----------
    u : array, shape (tasks,)
        Value of the fitted variable; NaN unless the code is FOUND.
    at : array, shape (tasks, P)
        Values of all fitted variables there.
    code : int array, shape (tasks,)
        `End`.
    better : array, shape (tasks, P)
        The better optimum, NaN unless the code is BETTER.
    objective : array, shape (tasks,)
        Its objective; infinite where there is none.
    refits : int array, shape (tasks,)
        Refits used.
    """

    u: Float[np.ndarray, " tasks"]
    at: Float[np.ndarray, "tasks P"]
    code: Int[np.ndarray, " tasks"]
    better: Float[np.ndarray, "tasks P"]
    objective: Float[np.ndarray, " tasks"]
    refits: Int[np.ndarray, " tasks"]


def chi2_quantile(level: float) -> float:
    """Return the quantile of chi2 with one degree of freedom."""
    return float(2 * erfinv(level) ** 2)


def two_sided(wanted: Bool[np.ndarray, "P lanes"], level: float = 0.6827) -> Tasks:
    """Return the tasks of central intervals.

    Parameters
    ----------
    wanted : bool array, shape (P, lanes)
        Parameters to have one.
    level : float, optional
        Coverage: the objective rises by the quantile of chi2 with one degree of freedom (Cash 1976,
        A&A 52, 307; Lampton, Margon & Bowyer 1976, ApJ 208, 177).
    """
    row, lane = np.nonzero(wanted)
    side = np.repeat([-1, 1], row.size)
    rise = np.full(side.size, chi2_quantile(level))
    return Tasks(np.tile(lane, 2), np.tile(row, 2), side, rise)


def one_sided(wanted: Bool[np.ndarray, "P lanes"], level: float = 0.95, side: int = 1) -> Tasks:
    """Return the tasks of upper limits, or of lower ones where the side is -1: 2.706 for 95 %.

    For a parameter at its lower bound, zero, the rise over the bound has half the weight of the
    two-sided one and this limit is the same (Chernoff 1954, Ann. Math. Stat. 25, 573).
    """
    row, lane = np.nonzero(wanted)
    rise = np.full(row.size, chi2_quantile(2 * level - 1))
    return Tasks(lane, row, np.full(row.size, side), rise)


def find_ends(
    batch: Batch,
    fit: Fit,
    problem: Problem,
    covariance: Float[np.ndarray, "P P lanes"],
    tasks: Tasks,
    batch_size: int = 4096,
) -> Ends:
    """Find where the profiles have risen by the amount of each task.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine that fitted.
    fit : Fit
        Best fits, shape (P, lanes).
    problem : Problem
        As fitted: bounds and masks, shapes (P, lanes) and (slots, lanes); its start is not used.
    covariance : array, shape (P, P, lanes)
        Of the fitted variables, zero or NaN where there is none: it says how far to go at first, and how
        the other parameters follow.
    tasks : Tasks
        Ends to look for.
    batch_size : int, optional
        Tasks at a time: each holds a copy of its spectrum.

    Returns
    -------
    Ends
        One a task, in order. No content of a lane raises an error.
    """
    # the root is linear in an amplitude, not in its logarithm, which has no end where there is no component
    linear = batch.model.is_amplitude & batch.model.is_log
    expected = expected_diagonal(
        batch.objective, batch.resident, problem.active, fit.u, batch.engine.block_size
    )
    parts = []
    for start in range(0, max(tasks.lane.size, 1), batch_size):
        part = tasks.take(slice(start, start + batch_size))
        lines = Lines(fit, problem, linear, part)
        first = lines.first(covariance[:, :, part.lane], expected[part.row, part.lane])
        parts.append(_Search(batch, fit, problem, lines, first).run())
    return Ends(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Ends)))


@dataclass(frozen=True)
class First:
    """Where the search of each task begins.

    Attributes
    ----------
    place : array, shape (tasks,)
        First place to go to.
    guess : array, shape (P, tasks)
        Values of all fitted variables there.
    """

    place: Float[np.ndarray, " tasks"]
    guess: Float[np.ndarray, "P tasks"]


class Lines:
    """The line along which each task searches: a place is a distance from the best value on it.

    Distances are in a coordinate in which the root of the rise is nearly linear: of amplitudes the relative
    change, of others the change of the fitted variable.

    Attributes
    ----------
    tasks : Tasks
        What is looked for.
    best : array, shape (P, tasks)
        Best values of the fitted variables.
    limit : array, shape (tasks,)
        Place of the bound.
    """

    def __init__(self, fit: Fit, problem: Problem, linear: Bool[np.ndarray, " P"], tasks: Tasks):
        lane, row = tasks.lane, tasks.row
        self.tasks, self.linear = tasks, linear[row]
        self.best = np.asarray(fit.u, float)[:, lane]
        upper, lower = (np.asarray(e, float)[row, lane] for e in (problem.upper, problem.lower))
        self.bound = np.where(tasks.side > 0, upper, lower)
        with np.errstate(over="ignore"):
            change = self.bound - self.best[row, np.arange(row.size)]
            self.limit = tasks.side * np.where(self.linear, np.expm1(change), change)

    def first(
        self, matrix: Float[np.ndarray, "P P tasks"], expected: Float[np.ndarray, " tasks"]
    ) -> First:
        """Choose the first places from the covariance, along whose regression the other variables follow.

        Where there is no covariance, the expected information of the parameter alone says how far to go.
        """
        row, count = self.tasks.row, np.arange(self.tasks.row.size)
        goal = np.sqrt(self.tasks.rise)
        variance = matrix[row, row, count]
        known = variance > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.sqrt(np.where(known, variance, 1.0 / expected))
            follow = np.where(known, matrix[:, row, count] / variance, 0.0)
        place = np.minimum(goal * np.where(sigma > 0, sigma, np.inf), self.limit)
        return First(place, self.best + follow * np.where(known, self.tasks.side * place, 0.0))

    def value(
        self, place: Float[np.ndarray, " some"], some: Int[np.ndarray, " some"]
    ) -> Float[np.ndarray, " some"]:
        """Return the fitted variable at places of some tasks, inside the bounds."""
        side = self.tasks.side[some]
        signed = side * place
        with np.errstate(divide="ignore"):
            change = np.where(self.linear[some], np.log1p(np.maximum(signed, -1.0)), signed)
        u, bound = self.best[self.tasks.row[some], some] + change, self.bound[some]
        return np.where(side > 0, np.minimum(u, bound), np.maximum(u, bound))


class Brackets:
    """The two refits of each task that are kept, between which, or beyond which, the wanted root lies.

    The near one is the farthest below the wanted root; the other one is the nearest above it or, while there is
    none above, the one before the near one.

    Attributes
    ----------
    place, root : array, shape (2, tasks)
        Where they are, and their roots of the rise.
    u : array, shape (2, P, tasks)
        All fitted variables there.
    """

    def __init__(self, best: Float[np.ndarray, "P tasks"], goal: Float[np.ndarray, " tasks"]):
        count = goal.size
        self.goal = goal
        self.place, self.root = np.zeros((2, count)), np.zeros((2, count))
        self.u = np.stack([best, best])
        self.weight, self.last = np.ones((2, count)), np.full(count, -1)

    def learn(
        self,
        some: Int[np.ndarray, " some"],
        place: Float[np.ndarray, " some"],
        root: Float[np.ndarray, " some"],
        u: Float[np.ndarray, "P some"],
    ) -> None:
        """Narrow the brackets of some tasks by a refit at a place, with its root and its variables."""
        above = root >= self.goal[some]
        unbracketed = some[~above & ~self.closed(some)]
        for kept in (self.place, self.root, self.u):
            kept[1][..., unbracketed] = kept[0][..., unbracketed]
        for side, mask in ((0, ~above), (1, above)):
            at = some[mask]
            self.place[side, at], self.root[side, at] = place[mask], root[mask]
            self.u[side][:, at] = u[:, mask]
            self.weight[side, at] = 1.0
            # an end that stays while the other moves twice counts half (Dowell & Jarratt 1971, BIT 11, 168)
            self.weight[1 - side, at] /= np.where(self.last[at] == side, 2.0, 1.0)
            self.last[at] = side

    def closed(self, some: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Return which of some tasks have a refit above the wanted root."""
        return self.root[1, some] >= self.goal[some]

    def crossing(
        self, some: Int[np.ndarray, " some"], weight: float | Float[np.ndarray, "2 some"]
    ) -> Float[np.ndarray, " some"]:
        """Return where the line through the two refits has the wanted root; NaN if it is flat."""
        (near, other), goal = self.place[:, some], self.goal[some]
        low, high = weight * (self.root[:, some] - goal)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = near - low * (other - near) / (high - low)
        return np.where(np.isfinite(place), place, np.nan)

    def onward(
        self,
        some: Int[np.ndarray, " some"],
        refits: Int[np.ndarray, " some"],
        limit: Float[np.ndarray, " some"],
    ) -> Float[np.ndarray, " some"]:
        """Return the next places: inside the bracket, or a bit beyond the line, farther the longer it takes."""
        place, near = self.crossing(some, self.weight[:, some]), self.place[0, some]
        most = near * 4.0 * 2.0**refits
        outward = np.where(place > near, 1.02 * place, most)
        outward = np.minimum(np.clip(outward, 1.05 * near, most), limit)
        return np.where(self.closed(some), place, outward)

    def along(
        self, place: Float[np.ndarray, " some"], some: Int[np.ndarray, " some"]
    ) -> Float[np.ndarray, "P some"]:
        """Return all variables at places on the line through the two refits, shape (P, some)."""
        near, other = self.place[:, some]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.nan_to_num((place - near) / (other - near))
        at = self.u[:, :, some]
        return at[0] + np.clip(part, -2.0, 2.0) * (at[1] - at[0])


class _Search:
    """Regula falsi on the root of the rise, every task a step at a time."""

    def __init__(self, batch, fit, problem, lines, first):
        tasks, best = lines.tasks, lines.best
        size, count = best.shape
        self.engine, self.spectra, self.problem = batch.engine, batch.resident, problem
        self.lines, self.tasks, self.goal = lines, tasks, np.sqrt(tasks.rise)
        self.objective = np.asarray(fit.objective, float)[tasks.lane]
        self.brackets = Brackets(best, self.goal)
        self.next, self.guess = first.place, first.guess
        usable = np.isfinite(self.objective) & np.isfinite(best).all(axis=0)
        usable &= problem.free[tasks.row, tasks.lane]
        outcomes = [End.FAILED, End.OPEN]
        self.ends = Ends(
            u=np.full(count, np.nan),
            at=np.full((count, size), np.nan),
            code=np.select([~usable, ~(lines.limit > 0)], outcomes, End.NONE),
            better=np.full((count, size), np.nan),
            objective=np.full(count, np.inf),
            refits=np.zeros(count, int),
        )

    def run(self) -> Ends:
        """Step until every task has ended."""
        ends = self.ends
        for _ in range(MAX_REFITS):
            some = np.flatnonzero(ends.code == End.NONE)
            if not some.size:
                break
            self._step(some)
        ends.code[ends.code == End.NONE] = End.FAILED
        ends.u[ends.code != End.FOUND] = np.nan
        ends.at[ends.code != End.FOUND] = np.nan
        return ends

    def _step(self, some):
        """Refit some tasks at their next places; end them or choose the places after."""
        place, ends = self.next[some], self.ends
        fit = self._refit(self.lines.value(place, some), some)
        ends.refits[some] += 1
        objective, u = np.asarray(fit.objective, float), np.asarray(fit.u, float)
        rise = objective - self.objective[some]
        noise = 64 * np.finfo(self.engine.dtype).eps * np.abs(self.objective[some])
        bad = ~np.isfinite(rise) | (fit.code == Code.NO_DATA)
        better = ~bad & (rise < -np.maximum(BETTER, noise))
        ends.code[some[bad]] = End.FAILED
        ends.code[some[better]] = End.BETTER
        ends.better[some[better]], ends.objective[some[better]] = u.T[better], objective[better]
        left = ~bad & ~better
        some, place, root = some[left], place[left], np.sqrt(np.maximum(rise[left], 0.0))
        self.brackets.learn(some, place, root, u[:, left])
        self._judge(some, place, root)
        self.next[some] = self.brackets.onward(some, ends.refits[some], self.lines.limit[some])
        self.guess[:, some] = self.brackets.along(self.next[some], some)

    def _refit(self, u, some):
        """Minimise over the other parameters with one held at `u`."""
        lane, row, count = self.tasks.lane[some], self.tasks.row[some], np.arange(some.size)
        start, lower, upper, free = (
            np.array(a[:, k])
            for a, k in (
                (self.guess, some),
                (self.problem.lower, lane),
                (self.problem.upper, lane),
                (self.problem.free, lane),
            )
        )
        start[row, count] = lower[row, count] = upper[row, count] = u
        free[row, count] = False
        problem = Problem(start, lower, upper, free, self.problem.active[:, lane])
        return self.engine.fit(self.spectra, problem, ITERATIONS, which=lane)

    def _judge(self, some, place, root):
        """End the tasks that have arrived, or can go no further."""
        brackets, goal, limit = self.brackets, self.goal[some], self.lines.limit[some]
        close = np.abs(root - goal) <= CLOSE * goal
        width = brackets.place[1, some] - brackets.place[0, some]
        close |= brackets.closed(some) & (width <= 1e-4 * place)
        stuck = ~close & (root < goal) & (place >= limit * (1 - 1e-9))
        self.ends.code[some[stuck]] = End.OPEN
        done, there = some[close], place[close]
        self.ends.code[done] = End.FOUND
        line = brackets.crossing(done, 1.0)
        line = np.clip(np.where(np.isnan(line), there, line), 0.9 * there, 1.1 * there)
        self.ends.u[done] = self.lines.value(line, done)
        self.ends.at[done] = brackets.along(line, done).T
        self.ends.at[done, self.tasks.row[done]] = self.ends.u[done]
