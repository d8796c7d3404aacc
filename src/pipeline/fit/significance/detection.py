"""Is one more peak needed? A likelihood ratio for each spectrum, calibrated by simulation, all at once.

The ratio of a model with and without a peak does not follow a chi2 distribution: the amplitude is at
its boundary and the peak has no frequency where it is not there (Protassov et al. 2002, ApJ 571, 545). So
spectra are drawn from the fitted null model and treated as the data were: the null is fitted again, the peak is
searched for again over all frequencies, and p is the fraction of the draws whose ratio is at least that of the data.
How many draws are made, and how p is found beyond all of them: `pipeline.fit.significance.montecarlo`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.engine.problem import Code, Fit, Problem
from pipeline.fit.model.likelihood import draw
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.curves import model_power
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.search import proposals
from pipeline.fit.search.batch import Batch, Bounds, ModelFit
from pipeline.fit.significance.montecarlo import Block, PValues, filled, p_values, simulated
from pipeline.fit.uncertainty.ends import find_ends, one_sided
from pipeline.fit.uncertainty.importance import Seed
from pipeline.fit.uncertainty.resolution import (
    between,
    near,
    of_spectra,
    places,
    prominences,
    quality_errors,
)
from pipeline.prominence import is_narrow

STARTS = 2
"""Places at which the peak is tried, in the data as in the draws. In noise, two find an optimum within 0.1 of the best that
is known in eight of ten spectra, and one in six of ten; the more cost as much as they find."""

AT_ONCE = 1024
"""Draws at a time on CPUs, at most: the powers of more do not stay in the processor's cache."""


@dataclass(frozen=True)
class Range:
    """Frequencies, Hz, between which a peak is searched for, arrays of shape (lanes,); NaN: everywhere."""

    low: Float[np.ndarray, " lanes"]
    high: Float[np.ndarray, " lanes"]


@dataclass(frozen=True)
class Detection:
    """Tests of many spectra; the last axis is the lane.

    Attributes
    ----------
    ratio : array, shape (lanes,)
        Fall of -2 ln L when the peak joins the null model; NaN where there is no fit.
    frequency, fwhm : array, shape (lanes,)
        Of the peak that joined, Hz; NaN where there is no fit, or the component has none.
    p : PValues
        Of the ratio.
    """

    ratio: Float[np.ndarray, " lanes"]
    frequency: Float[np.ndarray, " lanes"]
    fwhm: Float[np.ndarray, " lanes"]
    p: PValues


@dataclass(frozen=True)
class Null:
    """A null model as a part of the model that has the peak.

    Attributes
    ----------
    slot : int
        Number of the peak in that model.
    without : bool array, shape (slots, lanes)
        Components of the null.
    u : array, shape (P, lanes)
        Where the fit of the null starts; rows of the peak are not used.
    kept : array, shape (P, lanes), or None
        Where the other peaks are, and stay in both fits (`pipeline.fit.uncertainty.resolution.near`); None: they are
        free.
    """

    slot: int
    without: Bool[np.ndarray, "slots lanes"]
    u: Float[np.ndarray, "P lanes"]
    kept: Float[np.ndarray, "P lanes"] | None = None

    @classmethod
    def of(cls, model: Model, fit: ModelFit, slot: int | None, keep_places: bool = False) -> "Null":
        """Return the null model that was fitted, in terms of the model that has the peak.

        Parameters
        ----------
        model : Model
            With the peak.
        fit : ModelFit
            Fits of the null: of the same model, or of one of the same components less the last.
        slot : int or None
            Number of the peak; None: it is the last one.
        keep_places : bool, optional
            Whether the other peaks stay where the fit has them.
        """
        slot = len(model.slots) - 1 if slot is None else slot
        lanes = fit.active.shape[1]
        without = np.zeros((len(model.slots), lanes), bool)
        without[: len(fit.active)] = fit.active
        without[slot] = False
        u = np.zeros((model.size, lanes))
        u[: len(fit.fit.u)] = fit.fit.u
        u[:, ~fit.found] = 0.0
        return cls(slot, without, u, u.copy() if keep_places else None)

    def from_u(self, u: Float[np.ndarray, "P lanes"], lanes: Int[np.ndarray, " some"]) -> "Null":
        """Return the null of some lanes, whose fits start from u."""
        kept = None if self.kept is None else self.kept[:, lanes]
        return Null(self.slot, self.without[:, lanes], u[:, lanes], kept)


@dataclass(frozen=True)
class Ratio:
    """Fits without and with a peak.

    Attributes
    ----------
    ratio : array, shape (lanes,)
        Fall of the deviance, at least 0; NaN where a fit failed.
    null, full : array, shape (P, lanes)
        The fitted variables without and with the peak.
    """

    ratio: Float[np.ndarray, " lanes"]
    null: Float[np.ndarray, "P lanes"]
    full: Float[np.ndarray, "P lanes"]


def likelihood_ratio(
    batch: Batch, null: Null, n_starts: int = STARTS, around: Range | None = None
) -> Ratio:
    """Fit without and with one of the components of a model, a peak.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine of the model with the peak.
    null : Null
        The model without it.
    n_starts : int, optional
        Starts tried for the peak.
    around : Range, optional
        Where the peak is searched for; everywhere by default.
    """
    model, bounds, start = batch.model, batch.bounds, null.u
    if null.kept is not None:
        bounds = Bounds(*near(model, null.without, null.kept, bounds.lower, bounds.upper))
        start = bounds.clip(start)
    if around is not None:
        limits = around.low, around.high, bounds.lower, bounds.upper
        bounds = Bounds(*between(model, null.slot, *limits))
    batch = batch.within(bounds)
    with_peak = null.without.copy()
    with_peak[null.slot] = True
    small = _fit_of_null(batch, null, start)
    proposed = proposals.propose(
        model,
        null.slot,
        batch.likelihood,
        batch.spectra,
        small.u,
        null.without,
        bounds.lower,
        bounds.upper,
        n_starts,
    )
    large = batch.best_of(np.arange(batch.n_lanes), proposed.u, with_peak, proposed.worth)
    done = (small.code == Code.CONVERGED) & (large.code == Code.CONVERGED)
    with np.errstate(invalid="ignore"):
        ratio = np.where(done, np.maximum(small.deviance - large.deviance, 0.0), np.nan)
    return Ratio(ratio, small.u, large.u)


def _fit_of_null(batch: Batch, null: Null, start) -> Fit:
    """Fit the null; in a model without the peak where that is one, which has fewer derivatives."""
    model, engine = batch.model, batch.engine
    problem = batch.problem(start, null.without)
    alone = model.without(null.slot)
    if alone is None or not alone.slots:
        return engine.fit(batch.resident, problem)
    rows = np.delete(np.arange(model.size), model.index[null.slot])
    parts = np.delete(np.arange(len(model.slots)), null.slot)
    u, lower, upper, free = (array[rows] for array in problem[:4])
    own = Problem(u, lower, upper, free, problem.active[parts])
    fit = engine.of(PowerSpectrum(alone, batch.likelihood)).fit(batch.resident, own)
    whole = start.astype(fit.u.dtype)
    whole[rows] = fit.u
    at_bound, at_lower = np.zeros(whole.shape, bool), np.zeros(whole.shape, bool)
    at_bound[rows], at_lower[rows] = fit.at_bound, fit.at_lower
    return replace(fit, u=whole, at_bound=at_bound, at_lower=at_lower)


def detect_peak(
    batch: Batch,
    null: ModelFit,
    seeds: Sequence[Seed],
    *,
    slot: int | None = None,
    keep_places: bool = False,
    around: Range | None = None,
    n_starts: int = STARTS,
    draws: int = 1000,
    enough: int = 20,
    batch_size: int = 4096,
) -> Detection:
    """Test in every lane whether a peak is needed in addition to the components that are fitted.

    Parameters
    ----------
    batch : Batch
        Spectra, and the engine of the model with the peak.
    null : ModelFit
        Fits without the peak: of a model of the same components less the last one, or of the same
        model.
    seeds : sequence, length lanes
        One a spectrum: its draws do not depend on the other spectra of the batch.
    slot : int, optional
        Number of the peak, where `null` is of the same model, without it; the last one by default.
    keep_places : bool, optional
        Whether the other peaks stay where `null` has them, in the data and in the draws. If they are free, one
        of them takes the place of the peak that was left out, and something else is tested.
    around : Range, optional
        Where the peak lies that is tested; by default it is the one that helps most. In the draws it is searched
        for everywhere.
    n_starts : int, optional
        Starts tried for the peak, in the data and in the draws.
    draws : int, optional
        Draws a spectrum, at most.
    enough : int, optional
        The draws of a spectrum end when this number of them has reached its ratio.
    batch_size : int, optional
        Draws that are in memory at a time.

    Returns
    -------
    Detection
        One test a lane. No content of a lane raises an error.
    """
    engine, model, spectra = batch.engine, batch.model, batch.spectra
    weight = np.asarray(spectra.weight)
    tested = Null.of(model, null, slot, keep_places)
    data = likelihood_ratio(batch, tested, n_starts, around)
    ratio = np.where(null.found, data.ratio, np.nan)
    generators = [np.random.default_rng(seed) for seed in seeds]
    u = np.asarray(data.null, float)
    expected = model_power(model, spectra, tested.without, u, engine.block_size)

    def simulate(block: Block) -> Float[np.ndarray, "1 draws"]:
        which = np.repeat([k for k, _ in block], [count for _, count in block])
        power = [
            # a draw after the other: they are the same however they fall into blocks
            draw(
                batch.likelihood,
                expected[:, k],
                weight[:, k],
                (count, len(expected)),
                generators[k],
            ).T
            for k, count in block
        ]
        count, some = which.size, filled(which.size)
        lanes = which[some]
        drawn = batch.drawn(np.hstack(power)[:, some], lanes)
        found = likelihood_ratio(drawn, tested.from_u(data.null, lanes), n_starts)
        return found.ratio[None, :count]

    if engine.devices[0].platform == "cpu":
        batch_size = min(batch_size, AT_ONCE)
    found = simulated(ratio[None], simulate, draws=draws, enough=enough, batch_size=batch_size)
    frequency, fwhm = (
        np.where(np.isfinite(ratio), place[tested.slot], np.nan)
        for place in places(model, data.full)
    )
    p = p_values(ratio, [f[0] for f in found], enough, generators)
    return Detection(ratio, frequency, fwhm, p)


def peak_to_test(batch: Batch, result: ModelFit, min_q: float) -> Int[np.ndarray, " lanes"]:
    """Return which Lorentzian of a model is its QPO, the one that a test asks for.

    It is the most prominent of those that are narrow (`pipeline.prominence`) and whose frequency and variance
    are not at a bound, as in the catalogue.

    Parameters
    ----------
    batch : Batch
        Spectra.
    result : ModelFit
        Their fits.
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
    size = prominences(model, u, *of_spectra(batch.spectra, batch.widths))
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        held = result.fit.at_bound[list(index[:2])].any(axis=0)
        with np.errstate(invalid="ignore"):
            narrow = result.active[s] & is_narrow(q[s], q_err[s], min_q) & ~held
        may_be = narrow & np.isfinite(size[s]) & slot.declared.may_be_qpo
        size[s] = np.where(may_be, size[s], -np.inf)
    return np.where(np.isfinite(size.max(axis=0)), np.argmax(size, axis=0), -1)


def amplitude_limits(
    batch: Batch,
    null: ModelFit,
    peaks: Float[np.ndarray, "places p lanes"],
    *,
    level: float = 0.95,
    batch_size: int = 4096,
) -> Float[np.ndarray, "places lanes"]:
    """Return upper limits of the amplitude of a peak that was not found, for given places and shapes of it.

    Each is from the profile of the likelihood; everything but the place and shape of the peak is free.

    Parameters
    ----------
    batch, null
        As for `detect_peak`.
    peaks : array, shape (places, p, lanes)
        Values of the parameters of the peak. The fit starts at the value of its amplitude.
    level : float, optional
        Confidence, one-sided.
    batch_size : int, optional
        Fits that are in memory at a time.

    Returns
    -------
    array, shape (places, lanes)
        Limits; NaN where there is none.
    """
    count, lanes = len(peaks), batch.n_lanes
    out = np.full((count, lanes), np.nan)
    at_once = max(batch_size // count, 1)
    for first in range(0, lanes, at_once):
        some = np.arange(first, min(first + at_once, lanes))
        which, values = np.tile(some, count), np.concatenate(list(peaks[:, :, some]), axis=1)
        found = _limits(batch.take(which), null.take(which), values, level, batch_size)
        out[:, some] = found.reshape(count, -1)
    return out


def _limits(batch, null, values, level, batch_size):
    """Return the limit of the last component in each lane, at the values given of its parameters."""
    model, tested = batch.model, Null.of(batch.model, null, None)
    rows = np.array(model.index[-1])
    (amplitude,) = rows[model.is_amplitude[rows]]
    start = np.zeros((model.size, batch.n_lanes))
    start[: len(null.fit.u)] = null.fit.u
    log = model.is_log[rows][:, None]
    start[rows] = np.where(log, np.log(np.where(log, values, 1.0)), values)
    active = tested.without.copy()
    active[-1] = True
    held = rows[rows != amplitude]
    free = batch.free(active)
    free[held] = False
    lower, upper = (bound.copy() for bound in batch.bounds)
    lower[held] = upper[held] = start[held]
    problem = Problem(start, lower, upper, free, active)
    fit = batch.engine.fit(batch.resident, problem)
    wanted = np.zeros(free.shape, bool)
    wanted[amplitude] = free[amplitude] & np.isfinite(fit.objective)
    tasks = one_sided(wanted, level)
    unknown = np.zeros((model.size, model.size, batch.n_lanes))
    ends = find_ends(batch, fit, problem, unknown, tasks, batch_size)
    limit = np.full(batch.n_lanes, np.nan)
    limit[tasks.lane] = np.exp(ends.u) if model.is_log[amplitude] else ends.u
    return limit
