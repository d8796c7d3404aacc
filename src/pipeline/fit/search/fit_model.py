"""Fit a model to many spectra from nothing: base components first, then peak after peak.

All spectra advance together. A peak that the model asks for is always added; an optional copy only
while a criterion says so, by default the Bayesian information criterion (`pipeline.fit.search.decompose`).
"""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.problem import Fit, Problem, put
from pipeline.fit.model.likelihood import sample_size, saturated
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.search import starts
from pipeline.fit.search.canonical import in_canonical_form
from pipeline.fit.search.decompose import Criterion, Rivals, add, by_bic, prune
from pipeline.fit.uncertainty.covariance import Covariance, covariance, of_the_determined
from pipeline.fit.uncertainty.profile import Profiles

TRIAL_ITERATIONS = 12
"""Iterations after which only the best of several starts goes on."""
_BESIDE_FIT = ("active", "free", "covariance", "sound", "statistic", "aic", "bic")
"""Arrays of a `ModelFit` that have a lane, but for those of its `Fit` and its rival's."""


@dataclass(frozen=True)
class ModelFit:
    """One model fitted to many spectra; the last axis is the lane.

    Attributes
    ----------
    model : Model
        What was fitted.
    fit : Fit
        Best values and what became of each lane.
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
        Intervals and limits from the profile of the likelihood, where they were asked for.
    """

    model: Model
    fit: Fit
    active: np.ndarray
    free: np.ndarray
    covariance: np.ndarray
    sound: np.ndarray
    statistic: np.ndarray
    aic: np.ndarray
    bic: np.ndarray
    rival: np.ndarray
    rival_bic: np.ndarray
    kind: str = "observed"
    profiles: Profiles | None = None

    def put(self, lanes, other) -> "ModelFit":
        """Return a copy in which some lanes are fitted anew, with the same components."""
        rest = {n: put(getattr(self, n), lanes, getattr(other, n)) for n in _BESIDE_FIT}
        return replace(self, fit=self.fit.put(lanes, other.fit), **rest)

    def take(self, lanes) -> "ModelFit":
        """Return the fits of some lanes, without profiles."""
        arrays = *_BESIDE_FIT, "rival", "rival_bic"
        rest = {name: getattr(self, name)[..., lanes] for name in arrays}
        return replace(self, fit=self.fit.take(lanes), profiles=None, **rest)

    @property
    def undetermined(self) -> np.ndarray:
        """Free parameters of which the data say nothing, shape (P, lanes)."""
        known = np.einsum("iil->il", self.covariance) > 0
        return self.free & self.sound & ~self.fit.at_bound & ~known

    @property
    def n_free(self) -> np.ndarray:
        """Free parameters of each lane, shape (lanes,)."""
        return self.free.sum(axis=0)


class Batch:
    """Spectra of one bucket, and the engine that fits one model to them."""

    def __init__(self, engine: Engine, spectra: Spectra, widths: np.ndarray):
        self.engine, self.spectra, self.widths = engine, spectra, widths
        self.resident = spectra.on_device(engine.dtype)
        self.objective = engine.objective
        self.model, self.likelihood = engine.objective.model, engine.objective.likelihood
        self.lanes = spectra.power.shape[1]
        self.n_bins = (spectra.weight > 0).sum(axis=0)
        self.sample_size = sample_size(self.likelihood, spectra.power, spectra.weight)
        self.lower, self.upper = starts.data_bounds(self.model, spectra, widths)
        self._fix()

    def _fix(self):
        """Hold fixed parameters by bounds of no width."""
        self.fixed = np.zeros(self.model.size, bool)
        given = [f for slot in self.model.slots for f in slot.fixed]
        for row, value in enumerate(given):
            if value is not None:
                self.fixed[row] = True
                u = np.log(value) if self.model.is_log[row] else value
                self.lower[row] = self.upper[row] = u

    def free(self, active):
        """Free parameters of lanes with these components, shape (P, lanes)."""
        return self.model.free(active) & ~self.fixed[:, None]

    def best_of(self, lanes, candidates, active) -> Fit:
        """Fit candidates, shape (count, P, lanes), and keep the best of each lane."""
        count = candidates.shape[0]
        each = np.tile(lanes, count)
        masks = np.tile(active, (1, count))
        problem = Problem(
            np.concatenate(list(candidates), axis=1),
            self.lower[:, each],
            self.upper[:, each],
            self.free(masks),
            masks,
        )
        if count > 1:  # a few iterations tell which start leads to the best optimum
            u, objective = self.engine.try_starts(self.resident, problem, TRIAL_ITERATIONS, each)
            objective = np.where(np.isfinite(objective), objective, np.inf)
            best = np.argmin(objective.reshape(count, -1), axis=0) * lanes.size
            best += np.arange(lanes.size)
            problem = Problem(*(a[:, best] for a in problem._replace(u=u)))
        return self.engine.fit(self.resident, problem, which=lanes)

    def bic(self, deviance, active, lanes):
        """BIC of some lanes up to the constant of the data, shape (lanes,)."""
        size = np.maximum(self.sample_size[lanes], 1)
        return deviance + self.free(active).sum(axis=0) * np.log(size)


def fit_model(
    engine: Engine,
    spectra: Spectra,
    widths,
    *,
    n_starts=4,
    min_delta_bic=0.0,
    criterion: Criterion | None = None,
    errors="observed",
) -> ModelFit:
    """Fit a model to every lane without a starting value from anybody.

    Parameters
    ----------
    engine : Engine
        Of the model.
    spectra : Spectra
        Arrays of shape (bins, lanes); weight 0 marks padding.
    widths : array, shape (bins, lanes)
        Widths of the frequency bins, Hz.
    n_starts : int, optional
        Starts tried for the base components and for each peak.
    min_delta_bic : float, optional
        By how much the BIC must fall for an optional copy to stay.
    criterion : Criterion, optional
        What decides instead whether it stays: see `pipeline.fit.significance.criteria`.
    errors : {"observed", "fisher", "sandwich"}, optional
        Kind of covariance: see `pipeline.fit.uncertainty.covariance.covariance`.

    Returns
    -------
    ModelFit
        One lane a spectrum.
    """
    batch = Batch(engine, spectra, widths)
    model, lanes = batch.model, np.arange(batch.lanes)
    base = np.array([not slot.declared.peak for slot in model.slots])
    active = np.repeat(base[:, None], batch.lanes, axis=1)
    alone = sum(len(i) for i, there in zip(model.index, base, strict=True) if there) < 2
    candidates = starts.base_starts(model, spectra, 1 if alone else n_starts)
    if base.any():
        fit = batch.best_of(lanes, candidates, active)
    else:
        fit = _flat(batch, candidates[0])
    growing = np.ones(batch.lanes, bool)
    criterion = criterion or by_bic(min_delta_bic)
    rivals = Rivals(*active.shape)
    for s in np.flatnonzero(~base):
        optional = model.slots[s].optional
        who = np.flatnonzero(growing) if optional else lanes
        if not optional:
            growing[:] = True
        if who.size:
            told = s, who, n_starts, criterion, rivals
            fit, active, growing[who] = add(batch, fit, active, *told)
    if any(slot.optional for slot in model.slots):
        fit, active = prune(batch, fit, active, criterion, rivals)
    return finish(batch, fit, active, errors, rivals)


def _flat(batch, start) -> Fit:
    """Stand in for a fit where a model is made of peaks alone: nothing is fitted yet."""
    nothing = np.zeros(batch.lanes)
    return Fit(
        np.clip(start, batch.lower, batch.upper),
        np.full(batch.lanes, np.inf),
        np.full(batch.lanes, np.inf),
        nothing.astype(np.int32),
        nothing.astype(np.int32),
        np.zeros(start.shape, bool),
        np.zeros(start.shape, bool),
    )


def _with_the_determined(batch, fit, active, moved, errors) -> Covariance:
    """Give lanes without a covariance that of the parameters which the data determine."""
    lanes = np.flatnonzero(~errors.sound & np.isfinite(fit.deviance))
    if not lanes.size:
        return errors
    some = batch.spectra.take(lanes), active[:, lanes], fit.u[:, lanes], moved[:, lanes]
    found = of_the_determined(batch.objective, *some)
    lanes, good = lanes[found.sound], found.sound
    matrix, sound = np.array(errors.matrix), np.array(errors.sound)
    matrix[:, :, lanes], sound[lanes] = found.matrix[:, :, good], True
    return Covariance(matrix, sound)


def finish(batch, fit, active, kind="observed", rivals=None) -> ModelFit:
    """Compute covariance and criteria of the final fits of a `Batch`."""
    rivals = rivals or Rivals(*active.shape)
    free = batch.free(active)
    fit = in_canonical_form(batch, fit)
    fit = replace(fit, u=batch.model.tied(fit.u))
    errors = covariance(
        batch.objective,
        batch.resident,
        active,
        fit.u,
        free & ~fit.at_bound,
        kind=kind,
    )
    errors = _with_the_determined(batch, fit, active, free & ~fit.at_bound, errors)
    constant = saturated(batch.likelihood, batch.spectra.power, batch.spectra.weight)
    statistic = fit.deviance + constant
    count = free.sum(axis=0)
    return ModelFit(
        batch.model,
        fit,
        active,
        free,
        batch.model.tied_covariance(errors.matrix),
        errors.sound & np.isfinite(fit.deviance),
        statistic,
        statistic + 2 * count,
        constant + batch.bic(fit.deviance, active, slice(None)),
        rivals.active,
        constant + rivals.bic,
        kind,
    )
