"""Fit a model to many spectra from nothing: base components first, then peak after peak.

All spectra advance together. A peak that the model asks for is always added; an optional copy only
while a criterion says so, by default the Bayesian information criterion (`pipeline.fit.search.decompose`).
"""

from collections.abc import Hashable
from dataclasses import fields, replace

import numpy as np
from jaxtyping import Bool

from pipeline.fit.engine.covariance import Covariance, covariance, of_the_determined
from pipeline.fit.engine.problem import Fit
from pipeline.fit.model.likelihood import saturated
from pipeline.fit.model.model import Model
from pipeline.fit.search import starts
from pipeline.fit.search.batch import Batch, ModelFit
from pipeline.fit.search.canonical import in_canonical_form
from pipeline.fit.search.decompose import Criterion, Decomposition, Rivals, by_bic

_OF_A_LANE = ("deviance", "objective", "iterations", "code")
"""Arrays of a `Fit` that have one number a lane."""


def fit_model(
    batch: Batch,
    *,
    n_starts: int = 4,
    min_delta_bic: float = 0.0,
    criterion: Criterion | None = None,
    errors: str = "observed",
    base: ModelFit | None = None,
) -> ModelFit:
    """Fit a model to every lane without a starting value from anybody.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine of the model.
    n_starts : int, optional
        Starts tried for the base components and for each peak.
    min_delta_bic : float, optional
        By how much the BIC must fall for an optional copy to stay.
    criterion : Criterion, optional
        Decides in place of the BIC whether an optional copy stays: see
        `pipeline.fit.significance.criteria`.
    errors : {"observed", "fisher", "sandwich"}, optional
        Kind of covariance: see `pipeline.fit.engine.covariance.covariance`.
    base : ModelFit, optional
        Fits of the model that is the components which are no peaks (`base_of`), if there are any: peaks are
        added to these. By default such components are fitted here.

    Returns
    -------
    ModelFit
        One lane a spectrum.
    """
    model, lanes = batch.model, np.arange(batch.n_lanes)
    stays = np.array([not slot.declared.peak for slot in model.slots])
    active = np.repeat(stays[:, None], batch.n_lanes, axis=1)
    alone = sum(len(i) for i, there in zip(model.index, stays, strict=True) if there) < 2
    known = base is not None
    candidates = starts.base_starts(model, batch.spectra, 1 if alone or known else n_starts)
    if base is not None:
        fit = _within(batch, candidates[0], base)
    elif stays.any():
        fit = batch.best_of(lanes, candidates, active)
    else:
        fit = _nothing(batch, candidates[0])
    state = Decomposition(batch, fit, active, criterion or by_bic(min_delta_bic), n_starts)
    growing = np.ones(batch.n_lanes, bool)
    for slot in np.flatnonzero(~stays):
        optional = model.slots[slot].optional
        growing |= not optional
        some = np.flatnonzero(growing) if optional else lanes
        if some.size:
            growing[some] = state.add(int(slot), some)
    if any(slot.optional for slot in model.slots):
        state.prune()
    return finish(batch, state.fit, state.active, errors, state.rivals)


def base_of(model: Model) -> Hashable:
    """Return what is equal for models that begin with the same fit: their components that are no peaks."""
    base = [slot for slot in model.slots if not slot.declared.peak]
    # equal slots may have other bounds, starts and fixed values
    return tuple(tuple(getattr(slot, field.name) for field in fields(slot)) for slot in base)


def _within(batch, start, base: ModelFit) -> Fit:
    """Return fits of the components that are no peaks as fits of the whole model, from a start of all its rows."""
    model, own = batch.model, base.fit
    rows = [
        row
        for s, slot in enumerate(model.slots)
        if not slot.declared.peak
        for row in model.index[s]
    ]
    fit = replace(_nothing(batch, start), **{name: getattr(own, name) for name in _OF_A_LANE})
    for name in ("u", "at_bound", "at_lower"):
        getattr(fit, name)[rows] = getattr(own, name)
    return fit


def _nothing(batch, start) -> Fit:
    """Stand in for a fit of a model that is made of peaks alone, before the first peak is added."""
    zeros = np.zeros(batch.n_lanes, np.int32)
    return Fit(
        u=batch.bounds.clip(start),
        deviance=np.full(batch.n_lanes, np.inf),
        objective=np.full(batch.n_lanes, np.inf),
        iterations=zeros,
        code=zeros.copy(),
        at_bound=np.zeros(start.shape, bool),
        at_lower=np.zeros(start.shape, bool),
    )


def _with_the_determined(batch, fit, active, moved, errors) -> Covariance:
    """Give lanes without a covariance the covariance of the parameters that the data determine."""
    lanes = np.flatnonzero(~errors.sound & np.isfinite(fit.deviance))
    if not lanes.size:
        return errors
    found = of_the_determined(
        batch.objective,
        batch.spectra.take(lanes),
        active[:, lanes],
        fit.u[:, lanes],
        moved[:, lanes],
    )
    lanes, good = lanes[found.sound], found.sound
    matrix, sound = np.array(errors.matrix), np.array(errors.sound)
    matrix[:, :, lanes], sound[lanes] = found.matrix[:, :, good], True
    return Covariance(matrix, sound)


def finish(
    batch: Batch,
    fit: Fit,
    active: Bool[np.ndarray, "slots lanes"],
    kind: str = "observed",
    rivals: Rivals | None = None,
) -> ModelFit:
    """Compute covariance and criteria of the final fits of a batch."""
    rivals = rivals or Rivals(*active.shape)
    model, free = batch.model, batch.free(active)
    fit = in_canonical_form(batch, fit)
    fit = replace(fit, u=model.tied(fit.u))
    moved = free & ~fit.at_bound
    errors = covariance(batch.objective, batch.resident, active, fit.u, moved, kind=kind)
    errors = _with_the_determined(batch, fit, active, moved, errors)
    constant = saturated(batch.likelihood, batch.spectra.power, batch.spectra.weight)
    statistic = fit.deviance + constant
    return ModelFit(
        model=model,
        fit=fit,
        active=active,
        free=free,
        covariance=model.tied_covariance(errors.matrix),
        sound=errors.sound & np.isfinite(fit.deviance),
        statistic=statistic,
        aic=statistic + 2 * free.sum(axis=0),
        bic=constant + batch.bic(fit.deviance, active),
        rival=rivals.active,
        rival_bic=constant + rivals.bic,
        kind=kind,
    )
