"""Is one more peak needed? A likelihood ratio for each spectrum, calibrated by simulation, all at once.

The ratio of a model with and without a peak does not follow a chi2 distribution: the amplitude is at
its boundary and the peak has no frequency where it is not there (Protassov et al. 2002, ApJ 571, 545). So
spectra are drawn from the fitted null model and go through what the data went through: the null is fitted
again, the peak is searched for again over all frequencies, and p is the fraction of the draws that do as well.

Spectra that are plainly not significant need few draws (Besag & Clifford 1991, Biometrika 78, 301), and
those beyond all draws get the tail of a generalised Pareto distribution fitted to the largest ones,
which is said so.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.fit import starts
from pipeline.fit.likelihood import draw
from pipeline.fit.optimize import Code, Engine, Problem, Spectra, component_power
from pipeline.fit.profile import find, one_sided
from pipeline.fit.select import ModelFit, Workshop
from pipeline.models import LORENTZIANS

ROUNDS = 2
"""Each round of draws makes their number so many times what it was."""
LEAST = 64
"""Fewer draws are filled up to so many: few numbers of lanes to compile for."""
TAIL_FRACTION = 0.1
"""Largest draws that the tail is fitted to; and the least number of draws of which it is."""
TAIL_LEAST = 200
LEAST_P = 1e-10
"""Extrapolated probabilities end here."""
BOOTSTRAPS = 200
"""Resamplings behind the error of an extrapolated p-value."""


class Method(StrEnum):
    """How a p-value was found."""

    NONE = "none"
    """It was not: there is no fit under the null."""
    SIMULATED = "simulated"
    """(1 + draws that reached the ratio) / (1 + draws)."""
    SEQUENTIAL = "sequential"
    """Draws ended when enough of them had reached the ratio."""
    EXTRAPOLATED = "extrapolated"
    """No draw reached it: from the tail of the draws. `error_dex` says how well."""
    BELOW = "below"
    """So far beyond the draws that their tail does not tell: p is below `LEAST_P`."""


@dataclass(frozen=True)
class Detection:
    """Tests of many spectra; the last axis is the lane.

    Attributes
    ----------
    ratio : array, shape (lanes,)
        Fall of -2 ln L when the peak joins the null model; NaN where there is no fit.
    p_value : array, shape (lanes,)
        Calibrated: the probability of that fall or more where the null model is true. Never 0.
    error_dex : array, shape (lanes,)
        Standard error of log10 p, from the number of the draws or from resampling the tail.
    draws, reached : int array, shape (lanes,)
        Draws that were fitted, and those that reached the ratio.
    failed : int array, shape (lanes,)
        Draws whose fit did not converge; they are in neither.
    method : list of Method, length lanes
        How p was found.
    """

    ratio: np.ndarray
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
            "lrt_p_value": float(self.p_value[lane]),
            "lrt_p_error": float(self.error_dex[lane]),
            "lrt_draws": int(self.draws[lane]),
            "lrt_reached": int(self.reached[lane]),
            "lrt_failed": int(self.failed[lane]),
            "lrt_method": str(self.method[lane]),
        }


def likelihood_ratio(engine: Engine, spectra: Spectra, widths, start, without, slot, n_starts=4):
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

    Returns
    -------
    ratio : array, shape (lanes,)
        Fall of the deviance, at least 0; NaN where a fit failed.
    null : array, shape (P, lanes)
        The fit without the peak.
    """
    shop = Workshop(engine, spectra, widths)
    with_peak = without.copy()
    with_peak[slot] = True
    problem = Problem(start, shop.lower, shop.upper, shop.free(without), without)
    null = engine.fit(shop.resident, problem)
    proposed = starts.propose(
        engine.model,
        slot,
        engine.likelihood,
        spectra,
        null.u,
        without,
        shop.lower,
        shop.upper,
        n_starts,
    )
    full = shop.best_of(np.arange(shop.lanes), proposed, with_peak)
    done = (null.code == Code.CONVERGED) & (full.code == Code.CONVERGED)
    with np.errstate(invalid="ignore"):
        ratio = np.where(done, np.maximum(null.deviance - full.deviance, 0.0), np.nan)
    return ratio, null.u


def detect_peak(
    engine: Engine,
    spectra: Spectra,
    widths,
    null: ModelFit,
    seeds,
    *,
    slot=None,
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
    lanes, slot, without = spectra.power.shape[1], *_null_of(engine.model, null, slot)
    start = np.zeros((engine.model.size, lanes))
    start[: null.fit.u.shape[0]] = null.fit.u
    usable = np.isfinite(null.fit.deviance) & np.isfinite(null.fit.u).all(axis=0)
    start[:, ~usable] = 0.0
    ratio, u = likelihood_ratio(engine, spectra, widths, start, without, slot, n_starts)
    ratio[~usable] = np.nan
    generators = [np.random.default_rng(seed) for seed in seeds]
    parts = component_power(engine.model, spectra, without, np.asarray(u, float), engine.block_size)
    expected = parts.sum(axis=0)

    def ratios(which, power):
        count = which.size
        some = np.resize(np.arange(count), max(count, LEAST))
        which, drawn = which[some], spectra.take(which[some])._replace(power=power[:, some])
        told = u[:, which], without[:, which], slot, n_starts
        return likelihood_ratio(engine, drawn, widths[:, which], *told)[0][:count]

    found = [np.empty(0)] * lanes
    total = min(draws, max(2 * enough, 50))
    while True:
        todo = [
            k for k in range(lanes) if _wants(ratio[k], found[k], enough) and found[k].size < total
        ]
        jobs = [(k, total - found[k].size) for k in todo]
        for block in _blocks(jobs, batch_size):
            which = np.repeat([k for k, _ in block], [count for _, count in block])
            power = [
                # a draw after the other: they are the same however they fall into blocks
                draw(
                    engine.likelihood,
                    expected[:, k],
                    spectra.weight[:, k],
                    (count, len(expected)),
                    generators[k],
                ).T
                for k, count in block
            ]
            values = ratios(which, np.hstack(power))
            ends = np.cumsum([count for _, count in block])[:-1]
            for (k, _), more in zip(block, np.split(values, ends), strict=True):
                found[k] = np.concatenate([found[k], more])
        if total >= draws or not todo:
            break
        total = min(draws, ROUNDS * total)
    judged = [_judge(ratio[k], found[k], enough, generators[k]) for k in range(lanes)]
    *numbers, method = zip(*judged, strict=True)
    return Detection(ratio, *(np.array(column) for column in numbers), list(method))


def peak_to_test(result: ModelFit, min_q) -> np.ndarray:
    """Return which Lorentzian of a model with peaks a test asks for.

    The one with the most variance of those with Q > `min_q` that are not at a bound of their frequency, or, where there
    is none, the next that the model may have: so every spectrum is tested, and not only those in which
    something was found.

    Parameters
    ----------
    result : ModelFit
        Fits.
    min_q : float
        Least quality factor.

    Returns
    -------
    int array, shape (lanes,)
        Number of its slot; -1 where there is none.
    """
    model, values = result.model, result.model.to_values(result.fit.u)
    size = np.full(result.active.shape, -np.inf)
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        if slot.component in LORENTZIANS:
            variance, place, last = values[list(index)]
            q = last if slot.component == "lorentzian_numax" else place / last
            narrow = (q > min_q) & ~result.fit.at_bound[index[1]]
            # of those that are not there the first, after all that are
            size[s] = np.where(result.active[s], np.where(narrow, variance, -np.inf), -1.0 - s)
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
    model, count = engine.model, len(places)
    rows = np.array(model.index[-1])
    (amplitude,) = rows[model.is_amplitude[rows]]
    out = np.full((count, spectra.power.shape[1]), np.nan)
    at_once = max(batch_size // count, 1)
    for first in range(0, out.shape[1], at_once):
        lanes = np.arange(first, min(first + at_once, out.shape[1]))
        which = np.tile(lanes, count)
        shop = Workshop(engine, spectra.take(which), widths[:, which])
        start = np.zeros((model.size, which.size))
        start[: null.fit.u.shape[0]] = null.fit.u[:, which]
        told = np.concatenate(list(places[:, :, lanes]), axis=1)
        log = model.is_log[rows][:, None]
        start[rows] = np.where(log, np.log(np.where(log, told, 1.0)), told)
        held = rows[rows != amplitude]
        active = np.ones((len(model.slots), which.size), bool)
        free = shop.free(active)
        free[held] = False
        shop.lower[held] = shop.upper[held] = start[held]
        problem = Problem(start, shop.lower, shop.upper, free, active)
        fit = engine.fit(shop.resident, problem)
        wanted = np.zeros(free.shape, bool)
        wanted[amplitude] = free[amplitude] & np.isfinite(fit.objective)
        tasks = one_sided(wanted, level)
        unknown = np.zeros((model.size, model.size, which.size))
        ends = find(engine, shop.resident, fit, problem, unknown, tasks, batch_size)
        limit = np.full(which.size, np.nan)
        limit[tasks.lane] = np.exp(ends.u) if model.is_log[amplitude] else ends.u
        out[:, lanes] = limit.reshape(count, -1)
    return out


def _wants(ratio, found, enough):
    """Whether a spectrum wants more draws."""
    return np.isfinite(ratio) and np.count_nonzero(found >= ratio) < enough


def _blocks(jobs, batch_size):
    """Split (lane, draws) into blocks of a few sizes: powers of two, and what is left."""
    left = sum(count for _, count in jobs)
    jobs = list(reversed(jobs))
    while left:
        size = min(1 << (left.bit_length() - 1), batch_size) if left > LEAST else left
        left, block = left - size, []
        while size:
            lane, count = jobs.pop()
            some = min(count, size)
            block.append((lane, some))
            size -= some
            if count > some:
                jobs.append((lane, count - some))
        yield block


def _judge(ratio, found, enough, rng):
    """Return p, its error, draws, reached, failed, method."""
    failed = int(np.count_nonzero(~np.isfinite(found)))
    found = found[np.isfinite(found)]
    if not np.isfinite(ratio) or not found.size:
        return np.nan, np.nan, 0, 0, failed, Method.NONE
    reached = found >= ratio
    count = int(reached.sum())
    if count >= enough:
        draws = int(np.searchsorted(np.cumsum(reached), enough)) + 1
        return enough / draws, _dex(enough, draws), draws, enough, failed, Method.SEQUENTIAL
    draws = found.size
    p = (1 + count) / (1 + draws)
    if count == 0 and draws >= TAIL_LEAST:
        p, error = extrapolate(found, ratio, rng)
        if p < LEAST_P:
            return LEAST_P, np.nan, draws, count, failed, Method.BELOW
        return p, error, draws, count, failed, Method.EXTRAPOLATED
    return p, _dex(1 + count, 1 + draws), draws, count, failed, Method.SIMULATED


def _dex(count, draws):
    """Standard error of log10 of count / draws, binomial."""
    return np.sqrt(max(1 - count / draws, 0.0) / count) / np.log(10)


def extrapolate(draws, value, rng):
    """Return the probability to exceed a value beyond all draws, and the standard error of its log10.

    The excesses of the largest draws over a threshold are taken to follow a generalised Pareto
    distribution (Pickands 1975, Ann. Stat. 3, 119), whose shape and scale come from
    probability-weighted moments (Hosking & Wallis 1987, Technometrics 29, 339, eq. 5). A tail with an end is not
    believed: its shape is then that of an exponential one. The error is from resampling the draws.

    Parameters
    ----------
    draws : array, shape (n,)
        Values under the null.
    value : float
        Beyond them.
    rng : numpy.random.Generator
        For the resampling.
    """
    draws = np.asarray(draws, float)
    again = rng.choice(draws, (BOOTSTRAPS, draws.size))
    log_p = _log_tail(np.vstack([draws, again]), value)
    return float(np.exp(log_p[0])), float(np.std(log_p[1:]) / np.log(10))


def _log_tail(samples, value):
    """Logarithm of the tail probability of a value, for each row of samples."""
    ordered = np.sort(samples, axis=1)
    n = ordered.shape[1]
    count = max(int(TAIL_FRACTION * n), 20)
    threshold = ordered[:, n - count - 1][:, None]
    excess = ordered[:, n - count :] - threshold
    mean = excess.mean(axis=1)
    rank = (np.arange(1, count + 1) - 0.35) / count
    moment = (excess * (1 - rank)).mean(axis=1)
    shape = np.maximum(2 - mean / np.maximum(mean - 2 * moment, 1e-300), 0.0)
    scale = np.where(shape > 0, 2 * mean * moment / np.maximum(mean - 2 * moment, 1e-300), mean)
    z = np.maximum(value - threshold[:, 0], 0.0) / np.maximum(scale, 1e-300)
    tail = np.where(shape > 1e-6, np.log1p(shape * z) / np.maximum(shape, 1e-6), z)
    return np.log(count / n) - tail
