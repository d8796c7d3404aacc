"""Intervals and upper limits from the profile of the likelihood, for many parameters at once.

The profile of a parameter is the least objective that the others reach while it is held (Wilks 1938,
Ann. Math. Stat. 9, 60; Pawitan 2001, In All Likelihood, OUP, section 3.4). The end of an interval
is where its root sqrt(rise), which is nearly linear, passes a given value. Each end is one task;
all tasks take a step of the search together, each step one call of the engine.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from scipy.special import erfinv

from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.uncertainty.covariance import expected_diagonal

MAX_REFITS = 16
"""Refits a task may use."""
ITERATIONS = 60
"""Iterations of a refit. One that needs more crawls along a flat valley, where its objective is within
1e-3 of the least: it is used as it is."""
CLOSE = 0.02
"""Relative distance from the wanted root at which interpolation finishes the search."""
BETTER = 0.01
"""A refit whose objective is lower than the fit's by more has found a better optimum."""


class End(IntEnum):
    """What became of the search for one end of an interval."""

    NONE = 0
    """It was not looked for."""
    FOUND = 1
    """The objective rises by what was asked."""
    OPEN = 2
    """The objective rises by less up to the parameter's bound: the interval is open there."""
    BETTER = 3
    """A refit found a better optimum than the fit, from which to start again."""
    FAILED = 4
    """A refit was not finite, or the search used all its refits."""


class Tasks(NamedTuple):
    """Ends to look for; all of shape (tasks,).

    Attributes
    ----------
    lane, row : int array
        Which parameter of which lane.
    side : int array
        -1: below the best value; 1: above.
    rise : array
        By how much the objective, -2 ln L - 2 ln prior, is to rise.
    """

    lane: np.ndarray
    row: np.ndarray
    side: np.ndarray
    rise: np.ndarray

    def take(self, some) -> "Tasks":
        """Return some of the tasks."""
        return Tasks(*(a[some] for a in self))


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

    u: np.ndarray
    at: np.ndarray
    code: np.ndarray
    better: np.ndarray
    objective: np.ndarray
    refits: np.ndarray


def _chi2_quantile(level):
    """Quantile of chi2 with one degree of freedom."""
    return 2 * erfinv(level) ** 2


def two_sided(wanted, level=0.6827) -> Tasks:
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
    rise = np.full(side.size, _chi2_quantile(level))
    return Tasks(np.tile(lane, 2), np.tile(row, 2), side, rise)


def one_sided(wanted, level=0.95, side=1) -> Tasks:
    """Return the tasks of upper limits, or of lower ones where the side is -1: 2.706 for 95 %.

    For a parameter at its lower bound, zero, the rise over the bound has half the weight of the
    two-sided one and this limit is the same (Chernoff 1954, Ann. Math. Stat. 25, 573).
    """
    row, lane = np.nonzero(wanted)
    rise = np.full(row.size, _chi2_quantile(2 * level - 1))
    return Tasks(lane, row, np.full(row.size, side), rise)


def find(engine, spectra, fit, problem, covariance, tasks, batch_size=4096) -> Ends:
    """Find where the profiles have risen by what each task asks.

    Parameters
    ----------
    engine : Engine
        That fitted.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    fit : Fit
        Best fits, shape (P, lanes).
    problem : Problem
        As fitted: bounds and masks, shapes (P, lanes) and (slots, lanes); its start is not used.
    covariance : array, shape (P, P, lanes)
        Of the fitted variables, zero or NaN where there is none: how far to go at first, and how
        the other parameters follow.
    tasks : Tasks
        Ends to look for.
    batch_size : int, optional
        Tasks at a time: each holds a copy of its spectrum.

    Returns
    -------
    Ends
        One a task, in order. Never raises for what is in a lane.
    """
    # the root is linear in an amplitude, not in its logarithm, which has no end where there is no component
    model = engine.objective.model
    linear = model.is_amplitude & model.is_log
    expected = expected_diagonal(
        engine.objective, spectra, problem.active, fit.u, engine.block_size
    )
    spectra = spectra.on_device(engine.dtype)
    parts = []
    for start in range(0, max(tasks.lane.size, 1), batch_size):
        part = tasks.take(slice(start, start + batch_size))
        search = _Search(engine, spectra, fit, problem, covariance, expected, linear, part)
        parts.append(search.run())
    return Ends(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in Ends.__dataclass_fields__)
    )


@dataclass(frozen=True)
class Profiles:
    """Intervals and upper limits of many parameters; the last axis is the lane.

    Attributes
    ----------
    levels : tuple of float
        Coverage of the intervals.
    limit_sigma : float
        Standard deviations from the best value to the limits of a normal variable: 1.645 for 95 %.
    lower, upper : array, shape (levels, P, lanes)
        Their ends, values of the fitted variables; NaN where there is none.
    lower_code, upper_code : int array, shape (levels, P, lanes)
        `End`: OPEN where the interval reaches the parameter's bound.
    limit, least : array, shape (P, lanes)
        Upper and lower limits, values of the fitted variables; NaN where there is none.
    limit_code, least_code : int array, shape (P, lanes)
        `End`.
    paths : array, shape (4, P, P, lanes)
        Values of all variables (second) at the lower and upper end of the first level and at the upper and
        lower limit of each (first); NaN where there is none.
    better : array, shape (P, lanes)
        The best of the better optima that the refits of a lane found; NaN where there is none.
    """

    levels: tuple
    limit_sigma: float
    lower: np.ndarray
    upper: np.ndarray
    lower_code: np.ndarray
    upper_code: np.ndarray
    limit: np.ndarray
    limit_code: np.ndarray
    least: np.ndarray
    least_code: np.ndarray
    paths: np.ndarray
    better: np.ndarray

    def has_better(self) -> np.ndarray:
        """Lanes in which a refit found a better optimum than the fit, shape (lanes,)."""
        return np.isfinite(self.better).all(axis=0)

    def put(self, lanes, other) -> "Profiles":
        """Return a copy in which some lanes are those of another."""
        merged = {"levels": self.levels, "limit_sigma": self.limit_sigma}
        for name in [n for n in self.__dataclass_fields__ if n not in merged]:
            merged[name] = getattr(self, name).copy()
            merged[name][..., lanes] = getattr(other, name)
        return Profiles(**merged)


def profiles(
    engine,
    spectra,
    fit,
    problem,
    covariance,
    wanted,
    limited,
    *,
    levels=(0.6827,),
    limit_level=0.95,
    batch_size=4096,
) -> Profiles:
    """Find the intervals and limits of some parameters.

    Where the interval of the first level is open on one side, the parameter has a limit on the other.

    Parameters
    ----------
    engine, spectra, fit, problem, covariance, batch_size
        See `find`.
    wanted, limited : bool array, shape (P, lanes)
        Parameters to have intervals, and upper limits.
    levels : sequence of float, optional
        Coverage of the intervals.
    limit_level : float, optional
        Confidence of the limits, above 0.5.
    """
    told = engine, spectra, fit, problem, covariance
    each = [two_sided(wanted, level) for level in levels] + [one_sided(limited, limit_level)]
    tasks = Tasks(*(np.concatenate(columns) for columns in zip(*each, strict=True)))
    ends = find(*told, tasks, batch_size)
    shape = (len(levels), *fit.u.shape)
    u, code = np.full((2, *shape), np.nan), np.zeros((2, *shape), int)
    level = np.repeat(np.arange(len(levels)), 2 * wanted.sum())
    where = (tasks.side > 0) * 1, level, tasks.row, tasks.lane
    two, one = slice(0, level.size), slice(level.size, None)
    index = tuple(w[: level.size] for w in where)
    u[index], code[index] = ends.u[two], ends.code[two]
    limit, limit_code = np.full((2, *fit.u.shape), np.nan), np.zeros((2, *fit.u.shape), int)
    paths = np.full((4, fit.u.shape[0], *fit.u.shape), np.nan)
    first = np.flatnonzero(level == 0)
    paths[where[0][first], tasks.row[first], :, tasks.lane[first]] = ends.at[first]
    better = np.full(fit.u.shape, np.nan)
    found = np.flatnonzero(ends.code == End.BETTER)
    for task in found[np.argsort(-ends.objective[found])]:  # the lowest comes last and stays
        better[:, tasks.lane[task]] = ends.better[task]
    open_ends = (code[:, 0] == End.OPEN) & (code[::-1, 0] == End.FOUND)
    more = one_sided(open_ends[0] & ~limited, limit_level), one_sided(open_ends[1], limit_level, -1)
    further = Tasks(*(np.concatenate(columns) for columns in zip(*more, strict=True)))
    limits = [(tasks.take(one), ends.u[one], ends.code[one], ends.at[one])]
    if further.lane.size:
        ends = find(*told, further, batch_size)
        limits.append((further, ends.u, ends.code, ends.at))
    for asked, value, what, at in limits:
        side = (asked.side < 0) * 1
        limit[side, asked.row, asked.lane] = value
        limit_code[side, asked.row, asked.lane] = what
        paths[2 + side, asked.row, :, asked.lane] = at
    return Profiles(
        tuple(levels),
        float(np.sqrt(_chi2_quantile(2 * limit_level - 1))),
        *(u[0], u[1], code[0], code[1]),
        *(limit[0], limit_code[0], limit[1], limit_code[1]),
        paths,
        better,
    )


class _Search:
    """Regula falsi on the root of the rise, every task a step at a time.

    Places are distances from the best value in a coordinate in which the root is nearly linear: of
    amplitudes the relative change, of others the change of u. Two places are kept: the farthest below
    the wanted root, and the nearest above it or, while there is none, the one before.
    """

    def __init__(self, engine, spectra, fit, problem, covariance, expected, linear, tasks):
        self.engine, self.spectra, self.problem, self.tasks = engine, spectra, problem, tasks
        lane, row, count = tasks.lane, tasks.row, tasks.lane.size
        self.best = np.asarray(fit.u, float)[:, lane]
        self.objective = np.asarray(fit.objective, float)[lane]
        self.linear, self.goal = linear[row], np.sqrt(tasks.rise)
        ends = (problem.upper, problem.lower)
        self.bound = np.where(tasks.side > 0, *(np.asarray(e, float)[row, lane] for e in ends))
        with np.errstate(over="ignore"):
            change = self.bound - self.best[row, np.arange(count)]
            self.limit = tasks.side * np.where(self.linear, np.expm1(change), change)
        self.place, self.root = np.zeros((2, count)), np.zeros((2, count))
        self.u = np.stack([self.best, self.best])
        self.weight, self.last = np.ones((2, count)), np.full(count, -1)
        self.end = np.full(count, np.nan)
        self.at = np.full((count, self.best.shape[0]), np.nan)
        self.better = np.full((count, self.best.shape[0]), np.nan)
        self.lowest = np.full(count, np.inf)
        self.refits = np.zeros(count, int)
        usable = np.isfinite(self.objective) & np.isfinite(self.best).all(axis=0)
        usable &= problem.free[row, lane]
        outcomes = [End.FAILED, End.OPEN]
        self.code = np.select([~usable, ~(self.limit > 0)], outcomes, End.NONE)
        self._first(covariance[:, :, lane], expected[row, lane])

    def _first(self, matrix, expected):
        """Choose the first places from the covariance, along whose regression the others follow."""
        row, count = self.tasks.row, np.arange(self.goal.size)
        variance = matrix[row, row, count]
        known = variance > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.sqrt(np.where(known, variance, 1.0 / expected))
            follow = np.where(known, matrix[:, row, count] / variance, 0.0)
        self.next = np.minimum(self.goal * np.where(sigma > 0, sigma, np.inf), self.limit)
        self.guess = self.best + follow * np.where(known, self.tasks.side * self.next, 0.0)

    def run(self) -> Ends:
        """Step until every task has ended."""
        for _ in range(MAX_REFITS):
            some = np.flatnonzero(self.code == End.NONE)
            if not some.size:
                break
            self._step(some)
        self.code[self.code == End.NONE] = End.FAILED
        self.end[self.code != End.FOUND] = np.nan
        self.at[self.code != End.FOUND] = np.nan
        return Ends(self.end, self.at, self.code, self.better, self.lowest, self.refits)

    def _step(self, some):
        """Refit some tasks at their next places, and see what that tells."""
        place = self.next[some]
        fit = self._refit(self._value(place, some), some)
        self.refits[some] += 1
        objective, u = np.asarray(fit.objective, float), np.asarray(fit.u, float)
        rise = objective - self.objective[some]
        noise = 64 * np.finfo(self.engine.dtype).eps * np.abs(self.objective[some])
        bad = ~np.isfinite(rise) | (fit.code == Code.NO_DATA)
        better = ~bad & (rise < -np.maximum(BETTER, noise))
        self.code[some[bad]] = End.FAILED
        self.code[some[better]] = End.BETTER
        self.better[some[better]], self.lowest[some[better]] = u.T[better], objective[better]
        left = ~bad & ~better
        root = np.sqrt(np.maximum(rise[left], 0.0))
        self._learn(some[left], place[left], root, u[:, left])

    def _value(self, place, some):
        """Value of the fitted variable at a place, inside the bounds."""
        signed = self.tasks.side[some] * place
        with np.errstate(divide="ignore"):
            change = np.where(self.linear[some], np.log1p(np.maximum(signed, -1.0)), signed)
        u, bound = self.best[self.tasks.row[some], some] + change, self.bound[some]
        return np.where(self.tasks.side[some] > 0, np.minimum(u, bound), np.maximum(u, bound))

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

    def _learn(self, some, place, root, u):
        """Narrow the brackets of some tasks by what a refit gave; end them or choose the next place."""
        above = root >= self.goal[some]
        unbracketed = some[~above & (self.root[1, some] < self.goal[some])]
        for a in (self.place, self.root, self.u):
            a[1][..., unbracketed] = a[0][..., unbracketed]
        for side, mask in ((0, ~above), (1, above)):
            at = some[mask]
            self.place[side, at], self.root[side, at] = place[mask], root[mask]
            self.u[side][:, at] = u[:, mask]
            self.weight[side, at] = 1.0
            # an end that stays while the other moves twice counts half (Dowell & Jarratt 1971, BIT 11, 168)
            self.weight[1 - side, at] /= np.where(self.last[at] == side, 2.0, 1.0)
            self.last[at] = side
        self._judge(some, place, root)
        self.next[some] = self._onward(some)
        self._lead(some)

    def _judge(self, some, place, root):
        """End the tasks that are where they were to go, or can go no further."""
        close = np.abs(root - self.goal[some]) <= CLOSE * self.goal[some]
        width = self.place[1, some] - self.place[0, some]
        close |= (self.root[1, some] >= self.goal[some]) & (width <= 1e-4 * place)
        stuck = ~close & (root < self.goal[some]) & (place >= self.limit[some] * (1 - 1e-9))
        self.code[some[stuck]] = End.OPEN
        done = some[close]
        self.code[done] = End.FOUND
        there, line = place[close], self._line(done, 1.0)
        line = np.clip(np.where(np.isnan(line), there, line), 0.9 * there, 1.1 * there)
        self.end[done] = self._value(line, done)
        self.at[done] = self._along(line, done).T
        self.at[done, self.tasks.row[done]] = self.end[done]

    def _line(self, some, weight):
        """Place where the line through the two kept ones has the wanted root; NaN if it is flat."""
        (near, other), goal = self.place[:, some], self.goal[some]
        low, high = weight * (self.root[:, some] - goal)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = near - low * (other - near) / (high - low)
        return np.where(np.isfinite(place), place, np.nan)

    def _onward(self, some):
        """Next place: inside the bracket, or a bit beyond the line, farther the longer it takes."""
        place, near = self._line(some, self.weight[:, some]), self.place[0, some]
        most = near * 4.0 * 2.0 ** self.refits[some]
        outward = np.where(place > near, 1.02 * place, most)
        outward = np.minimum(np.clip(outward, 1.05 * near, most), self.limit[some])
        return np.where(self.root[1, some] >= self.goal[some], place, outward)

    def _lead(self, some):
        """Let the other parameters follow the line through the two kept refits to the next place."""
        self.guess[:, some] = self._along(self.next[some], some)

    def _along(self, place, some):
        """Return all variables at places on the line through the two kept refits, shape (P, some)."""
        near, other = self.place[:, some]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.nan_to_num((place - near) / (other - near))
        at = self.u[:, :, some]
        return at[0] + np.clip(part, -2.0, 2.0) * (at[1] - at[0])
