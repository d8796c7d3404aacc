"""Is one more peak needed? A likelihood ratio for each spectrum, calibrated by simulation, all at once.

The ratio of a model with and without a peak does not follow a chi2 distribution: the amplitude is at
its boundary and the peak has no frequency where it is not there (Protassov et al. 2002, ApJ 571, 545). So
spectra are drawn from the fitted null model and go through what the data went through: the null is fitted
again, the peak is searched for again over all frequencies, and p is the fraction of the draws that do as well.
How many draws, and what is beyond them: `pipeline.fit.significance.montecarlo`.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.model.likelihood import draw
from pipeline.fit.objectives.curves import model_power
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.search import starts
from pipeline.fit.search.fit_model import Batch, ModelFit
from pipeline.fit.significance.montecarlo import filled, p_values, simulated
from pipeline.fit.uncertainty.profile import find, one_sided
from pipeline.fit.uncertainty.resolution import (
    between,
    near,
    of_spectra,
    places,
    prominences,
    quality_errors,
)
from pipeline.prominence import is_narrow


@dataclass(frozen=True)
class Detection:
    """Tests of many spectra; the last axis is the lane.

    Attributes
    ----------
    ratio : array, shape (lanes,)
        Fall of -2 ln L when the peak joins the null model; NaN where there is no fit.
    frequency, fwhm : array, shape (lanes,)
        Of the peak that joined, Hz; NaN where there is no fit, or the component has none.
    p_value, error_dex, draws, reached, failed, method
        Of the ratio: see `pipeline.fit.significance.montecarlo.PValues`.
    """

    ratio: np.ndarray
    frequency: np.ndarray
    fwhm: np.ndarray
    p_value: np.ndarray
    error_dex: np.ndarray
    draws: np.ndarray
    reached: np.ndarray
    failed: np.ndarray
    method: list

    def columns(self, lane) -> dict:
        """Return the columns of the table MODELS of one lane."""
        return {
            "lrt_ratio": float(self.ratio[lane]),
            "lrt_frequency": float(self.frequency[lane]),
            "lrt_fwhm": float(self.fwhm[lane]),
            "lrt_p_value": float(self.p_value[lane]),
            "lrt_p_error": float(self.error_dex[lane]),
            "lrt_draws": int(self.draws[lane]),
            "lrt_reached": int(self.reached[lane]),
            "lrt_failed": int(self.failed[lane]),
            "lrt_method": str(self.method[lane]),
        }


def likelihood_ratio(
    engine: Engine,
    spectra: Spectra,
    widths,
    start,
    without,
    slot,
    n_starts=4,
    places_of=None,
    around=None,
):
    """Fit without and with one of the components of a model, a peak.

    Parameters
    ----------
    engine : Engine
        Of the model with the peak.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    widths : array, shape (bins, lanes)
        Widths of the bins, Hz.
    start : array, shape (P, lanes)
        Where the fit without the peak starts; rows of the peak are not used.
    without : bool array, shape (slots, lanes)
        Components of the fit without the peak.
    slot : int
        Number of the peak.
    n_starts : int, optional
        Starts tried for the peak.
    places_of : array, shape (P, lanes), optional
        Where the other peaks are, and stay in both fits (`pipeline.fit.uncertainty.resolution.near`); by default they are
        free.
    around : pair of array, shape (lanes,), optional
        Between which frequencies the peak is looked for, Hz; NaN, and by default, everywhere.

    Returns
    -------
    ratio : array, shape (lanes,)
        Fall of the deviance, at least 0; NaN where a fit failed.
    null, full : array, shape (P, lanes)
        The fits without and with the peak.
    """
    batch = Batch(engine, spectra, widths)
    if places_of is not None:
        others = engine.objective.model, without, places_of
        batch.lower, batch.upper = near(*others, batch.lower, batch.upper)
        start = np.clip(start, batch.lower, batch.upper)
    if around is not None:
        batch.lower, batch.upper = between(
            engine.objective.model, slot, *around, batch.lower, batch.upper
        )
    with_peak = without.copy()
    with_peak[slot] = True
    problem = Problem(start, batch.lower, batch.upper, batch.free(without), without)
    null = engine.fit(batch.resident, problem)
    proposed = starts.propose(
        engine.objective.model,
        slot,
        engine.objective.likelihood,
        spectra,
        null.u,
        without,
        batch.lower,
        batch.upper,
        n_starts,
    )
    full = batch.best_of(np.arange(batch.lanes), proposed, with_peak)
    done = (null.code == Code.CONVERGED) & (full.code == Code.CONVERGED)
    with np.errstate(invalid="ignore"):
        ratio = np.where(done, np.maximum(null.deviance - full.deviance, 0.0), np.nan)
    return ratio, null.u, full.u


def detect_peak(
    engine: Engine,
    spectra: Spectra,
    widths,
    null: ModelFit,
    seeds,
    *,
    slot=None,
    keep_places=False,
    around=None,
    n_starts=4,
    draws=1000,
    enough=20,
    batch_size=4096,
) -> Detection:
    """Test in every lane whether a peak is needed beside what is fitted.

    Parameters
    ----------
    engine : Engine
        Of the model with the peak.
    spectra, widths
        The data, shapes (bins, lanes).
    null : ModelFit
        Fits without the peak: of a model of the same components less the last one, or of the same
        model.
    seeds : sequence of int, length lanes
        One a spectrum: its draws do not depend on what else is in the batch.
    slot : int, optional
        Number of the peak, where `null` is of the same model, without it; the last one by default.
    keep_places : bool, optional
        Whether the other peaks stay where `null` has them, in the data and in the draws. If they are free, one
        of them takes the place of the peak that was left out, and what is tested is something else.
    around : pair of array, shape (lanes,), optional
        Frequencies, Hz, between which the peak lies that is tested; NaN, and by default, it is the one that
        helps most. In the draws it is looked for everywhere.
    n_starts : int, optional
        Starts tried for the peak, in the data and in the draws.
    draws : int, optional
        Draws a spectrum, at most.
    enough : int, optional
        Draws that have reached the ratio when they end.
    batch_size : int, optional
        Draws that are in memory at a time.

    Returns
    -------
    Detection
        One test a lane. Never raises for what is in a lane.
    """
    lanes, slot, without = spectra.power.shape[1], *_null_of(engine.objective.model, null, slot)
    start = np.zeros((engine.objective.model.size, lanes))
    start[: null.fit.u.shape[0]] = null.fit.u
    usable = np.isfinite(null.fit.deviance) & np.isfinite(null.fit.u).all(axis=0)
    start[:, ~usable] = 0.0
    kept = start.copy() if keep_places else None
    told = start, without, slot, n_starts, kept, around
    ratio, u, full = likelihood_ratio(engine, spectra, widths, *told)
    ratio[~usable] = np.nan
    found_at = [
        np.where(np.isfinite(ratio), of[slot], np.nan)
        for of in places(engine.objective.model, full)
    ]
    generators = [np.random.default_rng(seed) for seed in seeds]
    expected = model_power(
        engine.objective.model, spectra, without, np.asarray(u, float), engine.block_size
    )

    def simulate(block):
        which = np.repeat([k for k, _ in block], [count for _, count in block])
        power = [
            # a draw after the other: they are the same however they fall into blocks
            draw(
                engine.objective.likelihood,
                expected[:, k],
                spectra.weight[:, k],
                (count, len(expected)),
                generators[k],
            ).T
            for k, count in block
        ]
        count, some = which.size, filled(which.size)
        which, power = which[some], np.hstack(power)[:, some]
        drawn = spectra.take(which)._replace(power=power), widths[:, which]
        told = u[:, which], without[:, which], slot, n_starts
        told += (None if kept is None else kept[:, which],)
        return likelihood_ratio(engine, *drawn, *told)[0][None, :count]

    told = {"draws": draws, "enough": enough, "batch_size": batch_size}
    found = simulated(ratio[None], simulate, **told)
    p = p_values(ratio, [f[0] for f in found], enough, generators)
    return Detection(ratio, *found_at, *p)


def peak_to_test(result: ModelFit, spectra: Spectra, widths, min_q) -> np.ndarray:
    """Return which Lorentzian of a model is its QPO, and a test asks for.

    The most prominent of those that are narrow (`pipeline.prominence`) and whose frequency and variance are
    not at a bound: as the catalogue has it.

    Parameters
    ----------
    result : ModelFit
        Fits.
    spectra, widths
        The data, shapes (bins, lanes).
    min_q : float
        Least quality factor.

    Returns
    -------
    int array, shape (lanes,)
        Number of its slot; -1 where there is none.
    """
    model, u = result.model, np.asarray(result.fit.u, float)
    q, q_err = quality_errors(model, result.fit, result.covariance)
    q_err = np.where(result.sound, q_err, np.nan)
    size = prominences(model, u, *of_spectra(spectra, widths))
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        held = result.fit.at_bound[list(index[:2])].any(axis=0)
        with np.errstate(invalid="ignore"):
            narrow = result.active[s] & is_narrow(q[s], q_err[s], min_q) & ~held
        may_be = narrow & np.isfinite(size[s]) & slot.declared.may_be_qpo
        size[s] = np.where(may_be, size[s], -np.inf)
    return np.where(np.isfinite(size.max(axis=0)), np.argmax(size, axis=0), -1)


def _null_of(model, null, slot):
    """Number of the peak, and the components of a null model in terms of the model that has it."""
    slot = len(model.slots) - 1 if slot is None else slot
    without = np.zeros((len(model.slots), null.active.shape[1]), bool)
    without[: len(null.active)] = null.active
    without[slot] = False
    return slot, without


def amplitude_limits(
    engine: Engine, spectra: Spectra, widths, null: ModelFit, places, *, level=0.95, batch_size=4096
):
    """Return upper limits of the amplitude of a peak that was not found, at given places and shapes.

    Each is from the profile of the likelihood, everything else but the place and shape free.

    Parameters
    ----------
    engine, spectra, widths, null
        As for `detect_peak`.
    places : array, shape (places, p, lanes)
        Values of the parameters of the peak; of its amplitude, where the fit starts.
    level : float, optional
        Confidence, one-sided.
    batch_size : int, optional
        Fits that are in memory at a time.

    Returns
    -------
    array, shape (places, lanes)
        Limits; NaN where there is none.
    """
    model, count = engine.objective.model, len(places)
    rows = np.array(model.index[-1])
    (amplitude,) = rows[model.is_amplitude[rows]]
    out = np.full((count, spectra.power.shape[1]), np.nan)
    at_once = max(batch_size // count, 1)
    for first in range(0, out.shape[1], at_once):
        lanes = np.arange(first, min(first + at_once, out.shape[1]))
        which = np.tile(lanes, count)
        batch = Batch(engine, spectra.take(which), widths[:, which])
        start = np.zeros((model.size, which.size))
        start[: null.fit.u.shape[0]] = null.fit.u[:, which]
        told = np.concatenate(list(places[:, :, lanes]), axis=1)
        log = model.is_log[rows][:, None]
        start[rows] = np.where(log, np.log(np.where(log, told, 1.0)), told)
        held = rows[rows != amplitude]
        active = _null_of(model, null.take(which), None)[1]
        active[-1] = True
        free = batch.free(active)
        free[held] = False
        batch.lower[held] = batch.upper[held] = start[held]
        problem = Problem(start, batch.lower, batch.upper, free, active)
        fit = engine.fit(batch.resident, problem)
        wanted = np.zeros(free.shape, bool)
        wanted[amplitude] = free[amplitude] & np.isfinite(fit.objective)
        tasks = one_sided(wanted, level)
        unknown = np.zeros((model.size, model.size, which.size))
        ends = find(engine, batch.resident, fit, problem, unknown, tasks, batch_size)
        limit = np.full(which.size, np.nan)
        limit[tasks.lane] = np.exp(ends.u) if model.is_log[amplitude] else ends.u
        out[:, lanes] = limit.reshape(count, -1)
    return out
