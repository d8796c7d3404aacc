"""Profile errors and upper limits of components that are too weak for errors from the curvature at the best fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from pipeline.fit.search.batch import Batch, ModelFit, Profiles
from pipeline.fit.search.fit_model import finish
from pipeline.fit.uncertainty.profile import profiles
from pipeline.fit.uncertainty.resolution import of_spectra, unresolved, width_rows

WEAK_SIGMA = 0.5
"""Error of ln amplitude above which a component is weak: less than two sigma from zero."""
RESTARTS = 2
"""Times a lane is fitted again from a better optimum that its profiles found."""


def is_weak(result: ModelFit) -> Bool[np.ndarray, "slots lanes"]:
    """Return which components of a fit are weak, shape (slots, lanes).

    A component is weak where the error of the logarithm of its amplitude is above `WEAK_SIGMA`, where one
    of its parameters is at a bound or is not determined by the data, or where the lane has no covariance.
    """
    weak = np.zeros(result.active.shape, bool)
    sigma = np.sqrt(np.maximum(np.einsum("iil->il", result.covariance), 0.0))
    bound = result.fit.at_bound & result.free
    strength, lost = result.model.is_amplitude, result.undetermined
    for s, index in enumerate(result.model.index):
        rows = list(index)
        poor = (sigma[rows] > WEAK_SIGMA) & strength[rows, None] & result.free[rows]
        open_ = bound[rows] | lost[rows] | poor
        weak[s] = result.active[s] & (open_.any(axis=0) | ~result.sound)
    return weak


@dataclass(frozen=True)
class _Asked:
    """Levels of the intervals, confidence of the limits, and refits at a time: see `add_profiles`."""

    which: str
    levels: tuple[float, ...]
    limit_level: float
    batch_size: int


def add_profiles(
    batch: Batch,
    result: ModelFit,
    *,
    which: str = "weak",
    chosen: Bool[np.ndarray, " lanes"] | None = None,
    levels: Sequence[float] = (),
    limit_level: float = 0.95,
    batch_size: int = 4096,
) -> ModelFit:
    """Give a fit the profile errors and upper limits that it needs.

    Amplitudes of weak components get an upper limit; parameters of weak components get errors from
    their profiles. So do those of peaks narrower than their bin, with an upper limit of the width. Where a
    profile finds a better optimum the lane is fitted again from there.

    Profiles follow the peak that was fitted: where a weak one was searched for over many frequencies, its
    interval does not say that another bump of the noise might be it. And limits hold for all spectra
    together, not for those alone in which the component comes out weak (Feldman & Cousins 1998,
    Phys. Rev. D 57, 3873, call that flip-flopping); ``all`` gives every amplitude one.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine of the model.
    result : ModelFit
        Their fits.
    which : {"weak", "all", "none"}, optional
        Which components get errors from the profile and limits of their amplitude.
    chosen : bool array, shape (lanes,), optional
        Lanes that get errors under ``weak``; the others get upper limits only. All by default.
    levels : sequence of float, optional
        Coverage of further intervals, in addition to 68.3 %.
    limit_level : float, optional
        Confidence of the upper limits.
    batch_size : int, optional
        Refits at a time.
    """
    if which == "none":
        return result
    lanes = np.arange(batch.n_lanes)
    chosen = np.ones(lanes.size, bool) if chosen is None else chosen
    asked = _Asked(which, (0.6827, *levels), limit_level, batch_size)
    found = None
    for _ in range(RESTARTS + 1):
        some = batch.take(lanes)
        part = _profiled(some, result.take(lanes), chosen[lanes], asked)
        found = part if found is None else found.put(lanes, part)
        again = np.flatnonzero(part.has_better())
        if not again.size:
            break
        lanes = lanes[again]
        refitted = _again(batch.take(lanes), result.take(lanes), part.better[:, again])
        result = result.put(lanes, refitted)
    return replace(result, profiles=found)


def _profiled(batch, result, chosen, asked) -> Profiles:
    """Return the profiles of the parameters of a fit that need them."""
    bins = of_spectra(batch.spectra, batch.widths)
    thin = unresolved(batch.model, result.active, result.fit.u, *bins)
    weak = (is_weak(result) | thin)[batch.model.slot_of()] & result.free
    everything = asked.which == "all"
    wanted = result.free if everything else weak & chosen
    limited = (result.free if everything else weak) & batch.model.is_amplitude[:, None]
    for s, row in width_rows(batch.model).items():
        limited[row] |= thin[s] & result.free[row] & chosen
    return profiles(
        batch,
        result.fit,
        batch.problem(result.fit.u, result.active)._replace(free=result.free),
        np.where(result.sound, result.covariance, 0.0),
        wanted,
        limited,
        levels=asked.levels,
        limit_level=asked.limit_level,
        batch_size=asked.batch_size,
    )


def _again(batch, result, u) -> ModelFit:
    """Fit lanes again from a better optimum."""
    problem = batch.problem(u, result.active)._replace(free=result.free)
    fit = batch.engine.fit(batch.resident, problem)
    fit = replace(fit, iterations=fit.iterations + result.fit.iterations)
    return finish(batch, fit, result.active, result.kind)
