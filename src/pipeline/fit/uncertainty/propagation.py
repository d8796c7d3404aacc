"""Intervals of derived quantities that follow the profiles of the parameters they are computed from.

A profile is a path through the parameter space: the others follow the one that is held. A quantity g changes
along the path of parameter p by D(p), and by a normal error of variance V(g | p) about it, of which the
covariance knows. For a likelihood that is normal in the fitted variables sqrt(D^2 + V) is the error of g
whatever p is; in general it is closest to the profile of g itself along the path of the parameter that tells
most of g, where V is least (Pawitan 2001, In All Likelihood, OUP, section 3.4, on profiles of functions of
parameters).

Arrays follow `pipeline.fit.model.model`: the last axis is the lane.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.search.batch import End

NEGLIGIBLE = 0.3
"""An open parameter opens the interval of a quantity that changes along its path by more than this part of
its error: what is less adds 5 % to it."""
_STEP = 1e-4
_LOWER, _UPPER = 0, 1
"""Ends of an interval, as they are numbered in the codes and the paths of profiles."""

Quantities = Callable[
    [Float[np.ndarray, "P points"], Int[np.ndarray, " points"]],
    Mapping[str, Float[np.ndarray, " points"]],
]
"""Function of fitted variables and of the lanes that these are of; it returns positive quantities by name."""


@dataclass
class Intervals:
    """The 68.3 % intervals of a quantity and its limits, shape (lanes,) each; NaN where there is none.

    Attributes
    ----------
    decided : bool array
        Whether profiles and bounds decide the errors; where not, they are those of the covariance.
    err_lo, err_hi : array
        Distances from the value to the ends, both positive.
    open_lo, open_hi : bool array
        Whether the interval has no end on that side.
    upper_limit, lower_limit : array
        One-sided limits.
    """

    decided: Bool[np.ndarray, " lanes"]
    err_lo: Float[np.ndarray, " lanes"]
    err_hi: Float[np.ndarray, " lanes"]
    open_lo: Bool[np.ndarray, " lanes"]
    open_hi: Bool[np.ndarray, " lanes"]
    upper_limit: Float[np.ndarray, " lanes"]
    lower_limit: Float[np.ndarray, " lanes"]

    @classmethod
    def nothing(cls, lanes: int) -> "Intervals":
        """Return intervals about which profiles and bounds decide nothing."""
        return cls(
            decided=np.zeros(lanes, bool),
            err_lo=np.full(lanes, nan),
            err_hi=np.full(lanes, nan),
            open_lo=np.zeros(lanes, bool),
            open_hi=np.zeros(lanes, bool),
            upper_limit=np.full(lanes, nan),
            lower_limit=np.full(lanes, nan),
        )

    def clear(self, where: Bool[np.ndarray, " lanes"]) -> None:
        """Forget errors and limits of some lanes."""
        for name in ("err_lo", "err_hi", "upper_limit", "lower_limit"):
            getattr(self, name)[where] = nan
        for name in ("open_lo", "open_hi"):
            getattr(self, name)[where] = False

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Intervals":
        """Return the intervals of some lanes."""
        return Intervals(**{f.name: getattr(self, f.name)[lanes] for f in fields(self)})

    def put(self, lanes: Int[np.ndarray, " some"], other: "Intervals") -> None:
        """Set the intervals of some lanes to those of another."""
        for field in fields(self):
            getattr(self, field.name)[lanes] = getattr(other, field.name)


def follow(
    quantities: Quantities,
    result: Any,
    rows: Sequence[int],
    lanes: Sequence[int] | Int[np.ndarray, " lanes"],
    upper_limits: Sequence[str] = (),
) -> dict[str, Intervals]:
    """Return the intervals of the quantities of a component whose parameters have profiles.

    Parameters
    ----------
    quantities : callable
        See `Quantities`. It is called with numbers of places in `lanes`.
    result : pipeline.fit.search.batch.ModelFit
        With profiles, or without: then quantities that hang on a parameter at its bound have no errors.
    rows : sequence of int
        Parameters that the quantities are computed from.
    lanes : sequence of int
        Lanes of `result`.
    upper_limits : sequence of str, optional
        Quantities that have an upper limit wherever a parameter of theirs has one.

    Returns
    -------
    dict of str to Intervals
        By name of the quantity, for `lanes` in their order; empty where they decide nothing.
    """
    index, lanes = np.asarray(rows), np.asarray(lanes)
    codes = np.zeros((4, index.size, lanes.size), int)
    if result.profiles is not None:
        p = result.profiles
        found = p.lower_code[0], p.upper_code[0], p.limit_code, p.least_code
        codes = np.array([code[np.ix_(index, lanes)] for code in found])
    profiled = np.asarray(np.isin(codes[:2], (End.FOUND, End.OPEN)).any(axis=(0, 1)))
    bound = (result.fit.at_bound & result.free)[np.ix_(index, lanes)]
    some = np.flatnonzero(profiled | bound.any(axis=0) | (codes[2] == End.FOUND).any(axis=0))
    if not some.size:
        return {}
    paths = _Paths(quantities, result, index, lanes[some], some, codes[..., some])
    out = {}
    for name in paths.best:
        intervals = paths.intervals(name)
        unknown = paths.hangs_on(name, bound[:, some])
        plain = ~profiled[some]
        intervals.clear(plain)
        intervals.decided = np.where(plain, unknown, intervals.decided)
        if name in upper_limits:
            limit = paths.limit(name, 1, np.zeros(some.size))
            missing = ~(intervals.decided & np.isfinite(intervals.upper_limit))
            intervals.upper_limit = np.where(missing, limit, intervals.upper_limit)
        out[name] = Intervals.nothing(lanes.size)
        out[name].put(some, intervals)
    return out


class _Paths:
    """How the quantities of a component change along the paths of its parameters, in many lanes."""

    def __init__(self, quantities, result, rows, lanes, numbers, codes):
        self.quantities, self.rows, self.codes = quantities, rows, codes
        self.numbers = numbers
        self.u = result.model.tied(result.fit.u[:, lanes])
        self.best = dict(quantities(self.u, numbers))
        self.slopes = self._slopes()
        matrix = result.covariance[np.ix_(rows, rows, lanes)]
        self.matrix = np.where(result.sound[lanes], matrix, 0.0)
        self.limit_sigma = getattr(result.profiles, "limit_sigma", nan)
        shape = 4, rows.size, lanes.size
        self.changes = {name: np.full(shape, nan) for name in self.best}
        if result.profiles is not None:
            self._walk(result.model, result.profiles.paths[..., lanes][:, rows])

    @property
    def variances(self) -> Float[np.ndarray, "p lanes"]:
        """Variances of the fitted variables."""
        return np.einsum("kkl->kl", self.matrix)

    def _slopes(self) -> dict[str, Float[np.ndarray, "p lanes"]]:
        """Derivatives of the logarithms of the quantities by the fitted variables."""
        each = {name: np.zeros((self.rows.size, self.u.shape[1])) for name in self.best}
        for k, row in enumerate(self.rows):
            below, above = self.u.copy(), self.u.copy()
            below[row] -= _STEP
            above[row] += _STEP
            less, more = (self.quantities(u, self.numbers) for u in (below, above))
            for name, slopes in each.items():
                slopes[k] = np.log(more[name] / less[name]) / (2 * _STEP)
        return each

    def _walk(self, model, paths) -> None:
        """Evaluate the quantities at the ends of the paths; add to the covariance what it leaves out.

        A parameter at its bound, and all where there is no covariance, has no variance but by its path.
        """
        added = np.zeros_like(self.matrix)
        found_ends = (self.codes[:2] == End.FOUND).sum(axis=0)
        variances = self.variances
        for end, k in np.argwhere((self.codes == End.FOUND).any(axis=-1)):
            some = np.flatnonzero(self.codes[end, k] == End.FOUND)
            u = model.tied(paths[end, k][:, some])
            found = self.quantities(u, self.numbers[some])
            for name, change in self.changes.items():
                change[end, k, some] = np.log(found[name] / self.best[name][some])
            if end < 2:
                step = (u - self.u[:, some])[self.rows]
                step = np.where(variances[k, some] <= 0, step, 0.0)
                added[:, :, some] += step[:, None] * step / found_ends[k, some]
        self.matrix = self.matrix + added

    def variance(self, name: str) -> Float[np.ndarray, " lanes"]:
        """Return the variance of the logarithm of a quantity."""
        return np.maximum(self._along(name)[1], 0.0)

    def variance_about(self, name: str) -> Float[np.ndarray, "p lanes"]:
        """Return the variance of the logarithm of a quantity given each of the parameters."""
        along, variance = self._along(name)
        own = self.variances
        known = own > 0
        left = variance - along**2 / np.where(known, own, 1.0)
        left = np.where(left > 1e-9 * variance, left, 0.0)
        return np.maximum(np.where(known, left, variance), 0.0)

    def _along(self, name):
        """Covariances of the logarithm of a quantity with the parameters, and its variance."""
        slopes = self.slopes[name]
        along = np.einsum("jl,jkl->kl", slopes, self.matrix)
        return along, np.einsum("kl,kl->l", along, slopes)

    def leading(self, name: str) -> Int[np.ndarray, " lanes"]:
        """Return the parameter that tells most of a quantity, of those whose path has an end; -1: none."""
        slopes = np.abs(self.slopes[name])
        tells = (self.codes[:2] == End.FOUND).any(axis=0) & (self.variances > 0)
        tells &= slopes + slopes.max(axis=0) > 0
        left = np.where(tells, self.variance_about(name), np.inf)
        return np.where(tells.any(axis=0), np.argmin(left, axis=0), -1)

    def _reaches(self, name: str) -> dict[int, Float[np.ndarray, " lanes"]]:
        """Errors of the logarithm of a quantity below (-1) and above (1)."""
        lead, lanes = self.leading(name), np.arange(self.u.shape[1])
        rest = self.variance_about(name)[lead, lanes]
        reach = {side: np.full(lanes.size, nan) for side in (-1, 1)}
        for end in (_LOWER, _UPPER):
            change = np.where(lead >= 0, self.changes[name][end, lead, lanes], nan)
            for side in (-1, 1):
                here = np.isfinite(change) & ((change > 0) == (side > 0))
                here &= ~(reach[side] > np.abs(change))
                reach[side] = np.where(here, np.sqrt(change**2 + rest), reach[side])
        plain = np.sqrt(self.variance(name))
        return {side: np.where(np.isfinite(r), r, plain) for side, r in reach.items()}

    def intervals(self, name: str) -> Intervals:
        """Return the intervals of a quantity; undecided where it depends on no parameter."""
        value, reach = self.best[name], self._reaches(name)
        largest = np.maximum(reach[-1], reach[1])
        is_open = self._open(name, largest)
        unknown = ~is_open[-1] & ~is_open[1] & self._unknown(name, largest)
        with np.errstate(invalid="ignore"):
            err_lo = np.where(reach[-1] > 0, -value * np.expm1(-reach[-1]), nan)
            above = value * np.expm1(np.minimum(reach[1], 700.0))
            err_hi = np.where(reach[1] > 0, above, nan)
        limits = {
            side: np.where(
                is_open[-side] & ~is_open[side], self.limit(name, side, reach[side]), nan
            )
            for side in (-1, 1)
        }
        found = Intervals(
            decided=(largest > 0) | self.slopes[name].any(axis=0),
            err_lo=np.where(is_open[-1], nan, err_lo),
            err_hi=np.where(is_open[1], nan, err_hi),
            open_lo=is_open[-1],
            open_hi=is_open[1],
            upper_limit=limits[1],
            lower_limit=limits[-1],
        )
        found.clear(unknown | ~found.decided)
        return found

    def _open(self, name, reach) -> dict[int, Bool[np.ndarray, " lanes"]]:
        """Whether the interval of a quantity has no end below (-1) and above (1)."""
        is_open = {side: np.zeros(reach.size, bool) for side in (-1, 1)}
        for end in (_LOWER, _UPPER):
            change = -self.changes[name][1 - end]
            slopes = self.slopes[name] * (1 if end else -1)
            change = np.where(np.isfinite(change), change, slopes)  # else open on both sides
            opens = (self.codes[end] == End.OPEN) & (np.abs(change) > NEGLIGIBLE * reach)
            is_open[1] |= (opens & (change > 0)).any(axis=0)
            is_open[-1] |= (opens & ~(change > 0)).any(axis=0)
        return is_open

    def _unknown(self, name, reach) -> Bool[np.ndarray, " lanes"]:
        """Whether a quantity hangs on a parameter of which neither covariance nor path says anything."""
        lost = np.isin(self.codes[:2], (End.FAILED, End.BETTER)).all(axis=0)
        matters = np.abs(self.slopes[name]) > NEGLIGIBLE * reach
        return ((self.variances <= 0) & lost & matters).any(axis=0)

    def limit(self, name: str, side: int, reach) -> Float[np.ndarray, " lanes"]:
        """Return upper (1) or lower (-1) limits of a quantity.

        A limit is at the end of the path of a limit; where none leads there, it is as far as `reach`, the end
        of the interval, puts that of a normal variable.
        """
        sigma = self.limit_sigma
        best, about = np.full(self.u.shape[1], nan), self.variance_about(name)
        for end, k in np.ndindex(2, self.rows.size):
            change, rest = self.changes[name][2 + end, k], about[k]
            found = (self.codes[2 + end, k] == End.FOUND) & (change * side > 0) & ~(best <= rest)
            best = np.where(found, rest, best)
            far = np.hypot(change, sigma * np.sqrt(rest)) / sigma
            reach = np.where(found, far, reach)
        with np.errstate(invalid="ignore"):
            limit = self.best[name] * np.exp(np.minimum(side * sigma * reach, 700.0))
        return np.where(reach > 0, limit, nan)

    def hangs_on(self, name: str, bound) -> Bool[np.ndarray, " lanes"]:
        """Return whether a quantity hangs on a parameter at its bound, shape (p, lanes)."""
        matters = np.abs(self.slopes[name]) > NEGLIGIBLE * np.sqrt(self.variance(name))
        return (matters & bound).any(axis=0)
