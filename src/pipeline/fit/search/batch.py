"""Spectra with the engine that fits one model to them, and their fits; the last axis is the lane."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.problem import Fit, Problem, put
from pipeline.fit.model.likelihood import sample_size
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.search import starts

TRIAL_ITERATIONS = 12
"""Iterations after which only the best of several starts goes on."""
_BY_LANE = ("active", "free", "covariance", "sound", "statistic", "aic", "bic")
"""Arrays of a `ModelFit` that change when a lane is fitted again with the same components."""


class End(IntEnum):
    """How the search for one end of an interval ended."""

    NONE = 0
    """It was not looked for."""
    FOUND = 1
    """The objective rises by the wanted amount."""
    OPEN = 2
    """The objective rises by less up to the parameter's bound: the interval is open there."""
    BETTER = 3
    """A refit found a better optimum than the fit, from which to start again."""
    FAILED = 4
    """A refit was not finite, or the search used all its refits."""


@dataclass(frozen=True)
class Profiles:
    """Intervals and limits of many parameters from the profile of the likelihood.

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

    levels: tuple[float, ...]
    limit_sigma: float
    lower: Float[np.ndarray, "levels P lanes"]
    upper: Float[np.ndarray, "levels P lanes"]
    lower_code: Int[np.ndarray, "levels P lanes"]
    upper_code: Int[np.ndarray, "levels P lanes"]
    limit: Float[np.ndarray, "P lanes"]
    limit_code: Int[np.ndarray, "P lanes"]
    least: Float[np.ndarray, "P lanes"]
    least_code: Int[np.ndarray, "P lanes"]
    paths: Float[np.ndarray, "4 P P lanes"]
    better: Float[np.ndarray, "P lanes"]

    def has_better(self) -> Bool[np.ndarray, " lanes"]:
        """Return in which lanes a refit found a better optimum than the fit."""
        return np.isfinite(self.better).all(axis=0)

    def put(self, lanes: Int[np.ndarray, " some"], other: "Profiles") -> "Profiles":
        """Return a copy in which some lanes are those of another."""
        arrays = [f.name for f in fields(self) if f.name not in ("levels", "limit_sigma")]
        merged: dict[str, Any] = {
            name: put(getattr(self, name), lanes, getattr(other, name)) for name in arrays
        }
        return replace(self, **merged)


@dataclass(frozen=True)
class ModelFit:
    """One model fitted to many spectra.

    Attributes
    ----------
    model : Model
        What was fitted.
    fit : Fit
        Best values, and how the fit of each lane ended.
    active : bool array, shape (slots, lanes)
        Components that are in the fit.
    free : bool array, shape (P, lanes)
        Parameters that were free.
    covariance : array, shape (P, P, lanes)
        Of the fitted variables; zero rows where there is no error.
    sound : bool array, shape (lanes,)
        Whether the covariance exists.
    statistic, aic, bic : array, shape (lanes,)
        -2 ln L and the criteria.
    kind : {"observed", "fisher", "sandwich"}
        Of the covariance.
    rival : bool array, shape (slots, lanes)
        Components of the decomposition that came closest and lost; none where there was none.
    rival_bic : array, shape (lanes,)
        Its BIC; infinite where there was none.
    profiles : Profiles or None
        Intervals and limits from the profile of the likelihood, if they were made.
    """

    model: Model
    fit: Fit
    active: Bool[np.ndarray, "slots lanes"]
    free: Bool[np.ndarray, "P lanes"]
    covariance: Float[np.ndarray, "P P lanes"]
    sound: Bool[np.ndarray, " lanes"]
    statistic: Float[np.ndarray, " lanes"]
    aic: Float[np.ndarray, " lanes"]
    bic: Float[np.ndarray, " lanes"]
    rival: Bool[np.ndarray, "slots lanes"]
    rival_bic: Float[np.ndarray, " lanes"]
    kind: str = "observed"
    profiles: Profiles | None = None

    def put(self, lanes: Int[np.ndarray, " some"], other: "ModelFit") -> "ModelFit":
        """Return a copy in which some lanes are fitted anew, with the same components."""
        merged: dict[str, Any] = {
            name: put(getattr(self, name), lanes, getattr(other, name)) for name in _BY_LANE
        }
        return replace(self, fit=self.fit.put(lanes, other.fit), **merged)

    def take(self, lanes: Int[np.ndarray, " some"]) -> "ModelFit":
        """Return the fits of some lanes, without profiles."""
        arrays: dict[str, Any] = {
            name: getattr(self, name)[..., lanes] for name in (*_BY_LANE, "rival", "rival_bic")
        }
        return replace(self, fit=self.fit.take(lanes), profiles=None, **arrays)

    @property
    def found(self) -> Bool[np.ndarray, " lanes"]:
        """Which lanes have a fit at all, sound or not."""
        return np.isfinite(self.fit.deviance) & np.isfinite(self.fit.u).all(axis=0)

    @property
    def undetermined(self) -> Bool[np.ndarray, "P lanes"]:
        """Which free parameters the data say nothing of."""
        known = np.einsum("iil->il", self.covariance) > 0
        return self.free & self.sound & ~self.fit.at_bound & ~known

    @property
    def n_free(self) -> Int[np.ndarray, " lanes"]:
        """Number of free parameters of each lane."""
        return self.free.sum(axis=0)


class Bounds(NamedTuple):
    """Bounds of the fitted variables.

    Attributes
    ----------
    lower, upper : array, shape (P, lanes)
        Equal where a parameter is held.
    """

    lower: Float[np.ndarray, "P lanes"]
    upper: Float[np.ndarray, "P lanes"]

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Bounds":
        """Return the bounds of some lanes."""
        return Bounds(self.lower[:, lanes], self.upper[:, lanes])

    def clip(self, u: Float[np.ndarray, "P lanes"]) -> Float[np.ndarray, "P lanes"]:
        """Return values of the fitted variables moved inside the bounds."""
        return np.clip(u, self.lower, self.upper)


class Batch:
    """Spectra of one padded length, and the engine that fits one model to them.

    Parameters
    ----------
    engine : Engine
        Of the model.
    spectra : Spectra
        Arrays of shape (bins, lanes); weight 0 marks padding.
    widths : array, shape (bins, lanes)
        Widths of the bins, Hz. The spectra themselves have them only where the model is to be averaged over its
        bins.
    bounds : Bounds, optional
        Of the fitted variables; by default those of the model, narrowed to the range of the data.
    """

    def __init__(
        self,
        engine: Engine,
        spectra: Spectra,
        widths: Float[np.ndarray, "bins lanes"],
        bounds: Bounds | None = None,
    ):
        self.engine, self.spectra, self.widths = engine, spectra, widths
        if not isinstance(engine.objective, PowerSpectrum):
            raise TypeError(
                f"a batch is of power spectra, not of a {type(engine.objective).__name__}"
            )
        self.objective = engine.objective
        self.model, self.likelihood = self.objective.model, self.objective.likelihood
        self.n_lanes: int = spectra.power.shape[1]
        if bounds is not None:
            self.bounds = bounds

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds of the fitted variables; those of parameters that are held have no width."""
        lower, upper = starts.data_bounds(self.model, self.spectra, self.widths)
        for row, value in self._held.items():
            lower[row] = upper[row] = np.log(value) if self.model.is_log[row] else value
        return Bounds(lower, upper)

    @cached_property
    def resident(self) -> Spectra:
        """The spectra in the memory of the device."""
        return self.spectra.on_device(self.engine.dtype)

    @cached_property
    def n_bins(self) -> Int[np.ndarray, " lanes"]:
        """Number of bins of each spectrum, the padding not counted."""
        return (np.asarray(self.spectra.weight) > 0).sum(axis=0)

    @cached_property
    def sample_size(self) -> Float[np.ndarray, " lanes"]:
        """Number of data of each spectrum, as the BIC counts them."""
        return np.asarray(sample_size(self.likelihood, self.spectra.power, self.spectra.weight))

    @cached_property
    def _held(self) -> dict[int, float]:
        """Values of the parameters that the model holds, by their rows of u."""
        values = [value for slot in self.model.slots for value in slot.fixed]
        return {row: value for row, value in enumerate(values) if value is not None}

    @property
    def held(self) -> Bool[np.ndarray, " P"]:
        """Which parameters the model holds."""
        return np.isin(np.arange(self.model.size), list(self._held))

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Batch":
        """Return some of the spectra, repeated as `lanes` says, within the same bounds."""
        some = self.spectra.take(lanes)
        return Batch(self.engine, some, self.widths[:, lanes], self.bounds.take(lanes))

    def cut(self, length: int) -> "Batch":
        """Return the spectra with less padding: none may have more bins."""
        some = self.spectra.each(lambda array: array[:length])
        return Batch(self.engine, some, self.widths[:length], self.bounds)

    def on(self, engine: Engine) -> "Batch":
        """Return the same spectra with another engine, of this model or of another one."""
        return Batch(engine, self.spectra, self.widths)

    def within(self, bounds: Bounds) -> "Batch":
        """Return the same spectra with other bounds."""
        return Batch(self.engine, self.spectra, self.widths, bounds)

    def drawn(
        self, power: Float[np.ndarray, "bins some"], lanes: Int[np.ndarray, " some"]
    ) -> "Batch":
        """Return spectra like those of some lanes with simulated powers; their bounds follow from these powers."""
        some = self.spectra.take(lanes)._replace(power=power)
        return Batch(self.engine, some, self.widths[:, lanes])

    def free(self, active: Bool[np.ndarray, "slots some"]) -> Bool[np.ndarray, "P some"]:
        """Return which parameters are free in lanes that have these components."""
        return self.model.free(active) & ~self.held[:, None]

    def problem(
        self,
        u: Float[np.ndarray, "P some"],
        active: Bool[np.ndarray, "slots some"],
        lanes: Int[np.ndarray, " some"] | None = None,
    ) -> Problem:
        """Return the problem of fitting components from u, in some lanes or in all."""
        bounds = self.bounds if lanes is None else self.bounds.take(lanes)
        return Problem(u, bounds.lower, bounds.upper, self.free(active), active)

    def best_of(
        self,
        lanes: Int[np.ndarray, " some"],
        candidates: Float[np.ndarray, "count P some"],
        active: Bool[np.ndarray, "slots some"],
        worth: Bool[np.ndarray, "count some"] | None = None,
    ) -> Fit:
        """Fit the spectra of some lanes from several starts each, and keep the best fit of each.

        With `worth`, only from those that are worth it; the first of each is.
        """
        start = candidates[0].copy()
        tried = np.ones(candidates.shape[::2], bool) if worth is None else worth
        number, own = np.nonzero(tried & (tried.sum(axis=0) > 1))
        if own.size:  # a few iterations tell which start leads to the best optimum
            problem = self.problem(candidates[number, :, own].T, active[:, own], lanes[own])
            found = self.engine.try_starts(self.resident, problem, TRIAL_ITERATIONS, lanes[own])
            objective = np.full(tried.shape, np.inf)
            objective[number, own] = np.where(np.isfinite(found.value), found.value, np.inf)
            best = number == np.argmin(objective, axis=0)[own]
            start[:, own[best]] = found.u[:, best]
        return self.engine.fit(self.resident, self.problem(start, active, lanes), which=lanes)

    def bic(
        self,
        deviance: Float[np.ndarray, " some"],
        active: Bool[np.ndarray, "slots some"],
        lanes: Int[np.ndarray, " some"] | None = None,
    ) -> Float[np.ndarray, " some"]:
        """Return the BIC of fits of some lanes, or of all, up to the constant of the data."""
        size = self.sample_size if lanes is None else self.sample_size[lanes]
        return deviance + self.free(active).sum(axis=0) * np.log(np.maximum(size, 1))
