"""Intervals of derived quantities that follow the profiles of the parameters they are computed from.

A profile is a path through the parameter space: the others follow the one that is held. A quantity g changes
along the path of parameter p by D(p), and by a normal error of variance V(g | p) about it, of which the
covariance knows. For a likelihood that is normal in the fitted variables sqrt(D^2 + V) is the error of g
whatever p is; in general it is closest to the profile of g itself along the path of the parameter that tells
most of g, where V is least (Pawitan 2001, In All Likelihood, OUP, section 3.4, on profiles of functions of
parameters).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import exp, hypot, isfinite, log, nan, sqrt

import numpy as np

from pipeline.fit.search.batch import End

NEGLIGIBLE = 0.3
"""An open parameter opens the interval of a quantity that changes along its path by more than this part of
its error: what is less adds 5 % to it."""
_STEP = 1e-4

Quantities = Callable[[np.ndarray], Mapping[str, float]]
"""Function of the fitted variables, shape (P,), that returns positive quantities by name."""


@dataclass(frozen=True)
class Interval:
    """The 68.3 % interval of a quantity and its limits; NaN where there is none.

    Attributes
    ----------
    err_lo, err_hi : float
        Distances from the value to its ends, both positive.
    open_lo, open_hi : bool
        Whether it has no end on that side.
    upper_limit, lower_limit : float
        One-sided limits.
    limit_only : bool
        Whether it says nothing of the errors, which are those of the covariance then.
    """

    err_lo: float = nan
    err_hi: float = nan
    open_lo: bool = False
    open_hi: bool = False
    upper_limit: float = nan
    lower_limit: float = nan
    limit_only: bool = False


def follow(quantities: Quantities, result, rows, lane, upper_limits=()) -> dict[str, Interval]:
    """Return the intervals of the quantities of a component whose parameters have profiles.

    Parameters
    ----------
    quantities : callable
        See `Quantities`. It gets values of the fitted variables.
    result : pipeline.fit.search.fit_model.ModelFit
        With profiles, or without: then quantities that hang on a parameter at its bound have no errors.
    rows : sequence of int
        Parameters that the quantities are computed from.
    lane : int
        Of `result`.
    upper_limits : sequence of str, optional
        Those that have an upper limit wherever a parameter of theirs has one.

    Returns
    -------
    dict of str to Interval
        Without the quantities that no profile and no bound says anything about.
    """
    rows = np.asarray(rows)
    found_out = np.zeros((4, rows.size), int)
    if result.profiles is not None:
        p = result.profiles
        codes = p.lower_code[0], p.upper_code[0], p.limit_code, p.least_code
        found_out = np.array([code[rows, lane] for code in codes])
    profiled = np.isin(found_out[:2], (End.FOUND, End.OPEN)).any()
    bound = (result.fit.at_bound & result.free)[rows, lane]
    if not (profiled or bound.any() or (found_out[2] == End.FOUND).any()):
        return {}
    paths = _Paths(quantities, result, rows, lane, found_out)
    out = {}
    for name in paths.best:
        found = paths.interval(name) if profiled else paths.unknown(name, bound)
        if name in upper_limits and not (found and isfinite(found.upper_limit)):
            limit = paths.limit(name, 1, 0.0)
            found = replace(found or Interval(limit_only=True), upper_limit=limit)
        if found is not None:
            out[name] = found
    return out


class _Paths:
    """How the quantities of a component of one lane change along the paths of its parameters."""

    def __init__(self, quantities, result, rows, lane, codes):
        self.quantities, self.rows, self.codes = quantities, rows, codes
        self.u = result.model.tied(result.fit.u[:, [lane]])[:, 0]
        self.best = dict(quantities(self.u))
        self.slopes = self._slopes()
        matrix = result.covariance[np.ix_(rows, rows, [lane])][..., 0]
        self.matrix = matrix if result.sound[lane] else np.zeros_like(matrix)
        self.limit_sigma = getattr(result.profiles, "limit_sigma", nan)
        self.changes = {name: np.full((4, rows.size), nan) for name in self.best}
        if result.profiles is not None:
            self._walk(result, result.profiles.paths[..., lane][:, rows])

    def _slopes(self) -> dict[str, np.ndarray]:
        """Derivatives of the logarithms of the quantities by the parameters, shape (rows,) each."""
        each = {name: np.zeros(self.rows.size) for name in self.best}
        for k, row in enumerate(self.rows):
            ends = []
            for step in (-_STEP, _STEP):
                u = self.u.copy()
                u[row] += step
                ends.append(self.quantities(u))
            for name, slopes in each.items():
                slopes[k] = log(ends[1][name] / ends[0][name]) / (2 * _STEP)
        return each

    def _walk(self, result, paths):
        """Evaluate the quantities at the ends of the paths; add to the covariance what it leaves out.

        A parameter at its bound, and all where there is no covariance, has no variance but by its path.
        """
        added = np.zeros_like(self.matrix)
        for end, k in np.argwhere(self.codes == End.FOUND):
            u = result.model.tied(paths[end, k][:, None])[:, 0]
            found = self.quantities(u)
            for name, change in self.changes.items():
                change[end, k] = log(found[name] / self.best[name])
            if end < 2 and self.matrix[k, k] <= 0:
                step = (u - self.u)[self.rows]
                added += np.outer(step, step) / (self.codes[:2, k] == End.FOUND).sum()
        self.matrix = self.matrix + added

    def variance(self, name, k=None) -> float:
        """Variance of the logarithm of a quantity, all in all or given parameter k."""
        slopes = self.slopes[name]
        along = slopes @ self.matrix
        variance = along @ slopes
        if k is not None and self.matrix[k, k] > 0:
            left = variance - along[k] ** 2 / self.matrix[k, k]
            variance = left if left > 1e-9 * variance else 0.0
        return max(variance, 0.0)

    def leading(self, name) -> int | None:
        """Parameter that tells most of a quantity, of those whose path has an end."""
        ends = np.flatnonzero((self.codes[:2] == End.FOUND).any(axis=0))
        slopes = np.abs(self.slopes[name])
        ends = [k for k in ends if self.matrix[k, k] > 0 and slopes[k] + slopes.max() > 0]
        return min(ends, key=lambda k: self.variance(name, k), default=None)

    def interval(self, name) -> Interval | None:
        """Interval of a quantity; None where it hangs on nothing."""
        value, slopes = self.best[name], self.slopes[name]
        lead = self.leading(name)
        reach = {-1: nan, 1: nan}
        if lead is not None:
            rest = self.variance(name, lead)
            for change in self.changes[name][:2, lead]:
                side = 1 if change > 0 else -1
                if isfinite(change) and not reach[side] > abs(change):
                    reach[side] = sqrt(change**2 + rest)
        plain = sqrt(self.variance(name))
        reach = {s: r if isfinite(r) else plain for s, r in reach.items()}
        if not max(reach.values()) > 0 and not slopes.any():
            return None
        is_open = self._open(name, max(reach.values()))
        if not any(is_open.values()) and self._unknown(name, max(reach.values())):
            return Interval()
        err_lo = -value * np.expm1(-reach[-1]) if reach[-1] > 0 else nan
        err_hi = value * np.expm1(min(reach[1], 700.0)) if reach[1] > 0 else nan
        limits = {
            side: self.limit(name, side, reach[side])
            if is_open[-side] and not is_open[side]
            else nan
            for side in (-1, 1)
        }
        return Interval(
            nan if is_open[-1] else float(err_lo),
            nan if is_open[1] else float(err_hi),
            *(is_open[-1], is_open[1], limits[1], limits[-1]),
        )

    def _open(self, name, reach) -> dict[int, bool]:
        """Whether the interval of a quantity has no end below (-1) and above (1)."""
        is_open = {-1: False, 1: False}
        for k, slope in enumerate(self.slopes[name]):
            for end in np.flatnonzero(self.codes[:2, k] == End.OPEN):
                change = -self.changes[name][1 - end, k]
                if not isfinite(change):  # open on both sides
                    change = slope * (1 if end else -1)
                if abs(change) > NEGLIGIBLE * reach:
                    is_open[1 if change > 0 else -1] = True
        return is_open

    def _unknown(self, name, reach) -> bool:
        """Whether a quantity hangs on a parameter of which neither covariance nor path says anything."""
        nothing = (np.diag(self.matrix) <= 0) & np.isin(
            self.codes[:2], (End.FAILED, End.BETTER)
        ).all(axis=0)
        return bool((np.abs(self.slopes[name])[nothing] > NEGLIGIBLE * reach).any())

    def limit(self, name, side, reach) -> float:
        """Upper (1) or lower (-1) limit of a quantity.

        It is at the end of the path of a limit; where none leads there, as far as `reach`, the end of the
        interval, puts that of a normal variable.
        """
        sigma = self.limit_sigma
        best = nan
        for end, k in np.argwhere(self.codes[2:] == End.FOUND):
            change = self.changes[name][2 + end, k]
            rest = self.variance(name, k)
            if change * side > 0 and not best <= rest:
                best, reach = rest, hypot(change, sigma * sqrt(rest)) / sigma
        if not reach > 0:
            return nan
        return float(self.best[name] * exp(min(side * sigma * reach, 700.0)))

    def unknown(self, name, bound) -> Interval | None:
        """No errors, where a quantity hangs on a parameter at its bound; None where it does not."""
        slopes = np.abs(self.slopes[name])[bound]
        matters = slopes > NEGLIGIBLE * sqrt(self.variance(name))
        return Interval() if matters.any() else None
