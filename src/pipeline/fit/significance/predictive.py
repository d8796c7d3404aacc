"""Does a model describe its spectrum, and how unlikely is the highest outlier? Posterior-predictive checks.

Vaughan (2010, MNRAS 402, 307): parameters are drawn from the posterior and a spectrum around each; each is
fitted again as the data were, and p is the fraction of them whose statistic, at its own best fit, is that of
the data or more. The statistics are those of `pipeline.fit.significance.outliers`: T_R of single bins, T_SSE, and
T_R over windows of several bins, whose p-value counts all windows, since the draws are searched as
the data are. How many draws, and what is beyond them: `pipeline.fit.significance.montecarlo`.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import numpy as np

from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.model.likelihood import draw
from pipeline.fit.objectives.curves import model_power
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.search.fit_model import Batch, ModelFit
from pipeline.fit.significance import outliers
from pipeline.fit.significance.montecarlo import PValues, filled, p_values, simulated
from pipeline.fit.uncertainty import importance

SCALES = (1, 2, 4, 8, 16)
"""Bins side by side that are searched together."""
LANES = 256
"""Spectra whose draws of the parameters are in memory at a time."""
POSTERIOR_DRAWS = 1024
"""Draws behind the posterior that parameters are picked from."""


class Origin(StrEnum):
    """Where the parameters of the draws come from."""

    POSTERIOR = "posterior"
    """The posterior, by importance sampling."""
    GAUSSIAN = "gaussian"
    """A normal distribution with the covariance of the fit, within the bounds: the weights had a heavy tail."""
    FIT = "fit"
    """The best fit alone: there is no covariance either."""
    NONE = "none"
    """There is no fit."""


@dataclass(frozen=True)
class Check:
    """Checks of many spectra; the last axis is the lane.

    Attributes
    ----------
    t_r, t_sse : array, shape (lanes,)
        See `pipeline.fit.significance.outliers`; NaN where there is no fit.
    outlier : array, shape (lanes,)
        T_R of the highest window of bins.
    frequency, width : array, shape (lanes,)
        Middle and width of that window, Hz.
    bins : int array, shape (lanes,)
        How many bins it has.
    trials : int array, shape (lanes,)
        Windows that were searched.
    p_trials : array, shape (lanes,)
        What the outlier would be worth if the model were known and the windows were independent.
    draws, failed : int array, shape (lanes,)
        Draws that were fitted, and those whose fit did not converge.
    origin : list of Origin, length lanes
        Where their parameters come from.
    p_t_r, p_t_sse, p_outlier, p_low : PValues
        Of the three statistics, from the same draws; and of so small a T_SSE.
    """

    t_r: np.ndarray
    t_sse: np.ndarray
    outlier: np.ndarray
    frequency: np.ndarray
    width: np.ndarray
    bins: np.ndarray
    trials: np.ndarray
    p_trials: np.ndarray
    draws: np.ndarray
    failed: np.ndarray
    origin: list
    p_t_r: PValues
    p_t_sse: PValues
    p_outlier: PValues
    p_low: PValues

    def columns(self, lane) -> dict:
        """Return the columns of the table MODELS of one lane."""
        out = {
            "t_r": float(self.t_r[lane]),
            "t_sse": float(self.t_sse[lane]),
            "outlier_t_r": float(self.outlier[lane]),
            "outlier_frequency": float(self.frequency[lane]),
            "outlier_width": float(self.width[lane]),
            "outlier_bins": int(self.bins[lane]),
            "outlier_trials": int(self.trials[lane]),
            "outlier_p_trials": float(self.p_trials[lane]),
            "check_draws": int(self.draws[lane]),
            "check_failed": int(self.failed[lane]),
            "check_origin": str(self.origin[lane]),
        }
        for name, p in zip(("t_r", "t_sse", "outlier"), self._p, strict=True):
            out[f"{name}_p_value"] = float(p.p_value[lane])
            out[f"{name}_p_error"] = float(p.error_dex[lane])
            out[f"{name}_method"] = str(p.method[lane])
        return out | {"t_sse_low_p_value": float(self.p_low.p_value[lane])}

    @property
    def _p(self):
        return self.p_t_r, self.p_t_sse, self.p_outlier


def check(
    engine: Engine,
    spectra: Spectra,
    widths,
    result: ModelFit,
    seeds,
    *,
    scales=SCALES,
    draws=1000,
    enough=20,
    batch_size=4096,
) -> Check:
    """Check the fit of every lane against draws from its posterior.

    Parameters
    ----------
    engine : Engine
        Of the model that was fitted; single precision will do.
    spectra, widths
        The data, shapes (bins, lanes).
    result : ModelFit
        Their fits. What is in the model of a lane stays: peaks are fitted again, not searched for.
    seeds : sequence, length lanes
        One a spectrum, as `numpy.random.SeedSequence` takes it: its draws do not depend on what else is in
        the batch.
    scales : sequence of int, optional
        Bins of the windows that are searched; single bins always are.
    draws : int, optional
        Draws a spectrum, at most.
    enough : int, optional
        Draws that have reached each of the statistics when they end.
    batch_size : int, optional
        Draws that are in memory at a time.

    Returns
    -------
    Check
        One check a lane. Never raises for what is in a lane.

    Raises
    ------
    ValueError
        For the likelihood ``poisson``, or a window without bins.
    """
    scales = sorted({1, *scales})
    if scales[0] < 1:
        raise ValueError(f"a window has at least one bin, not {scales[0]}")
    parts = []
    for first in range(0, len(seeds), LANES):
        some = np.arange(first, min(first + LANES, len(seeds)))
        data = spectra.take(some), widths[:, some], result.take(some)
        these = [np.random.SeedSequence(seeds[k]).spawn(2) for k in some]
        parts.append(_check(engine, *data, these, scales, draws, enough, batch_size))
    return Check(*(_joined(column) for column in zip(*parts, strict=True)))


def _joined(parts):
    """Join what some lanes and others have."""
    if isinstance(parts[0], PValues):
        return PValues(*(_joined(column) for column in zip(*parts, strict=True)))
    if isinstance(parts[0], list):
        return list(chain(*parts))
    return np.concatenate(parts)


def _check(engine, spectra, widths, result, seeds, scales, draws, enough, batch_size):
    """Check some lanes; return the fields of a `Check`."""
    for_posterior, for_draws = zip(*seeds, strict=True)
    generators = [np.random.default_rng(seed) for seed in for_draws]
    sampled = importance.sample(
        engine, spectra, widths, result, for_posterior, draws=POSTERIOR_DRAWS
    )
    u, origin = _parameters(Batch(engine, spectra, widths), result, sampled, generators, draws)
    observed, *places = _observed(engine, spectra, widths, result, scales)
    done = np.zeros(len(origin), int)

    def simulate(block):
        starts = []
        for k, count in block:
            starts.append(u[done[k] : done[k] + count, :, k].T)
            done[k] += count
        return _simulated(
            engine, spectra, widths, result, block, np.hstack(starts), generators, scales
        )

    told = {"draws": draws, "enough": enough, "batch_size": batch_size}
    found = simulated(observed, simulate, **told)
    fitted = np.array([np.isfinite(f[0]).sum() for f in found])
    failed = np.array([f.shape[1] for f in found]) - fitted
    judged = [
        p_values(observed[i], [f[i] for f in found], enough, generators)
        for i in range(len(observed))
    ]
    return [*observed[:3], *places, fitted, failed, origin, *judged]


def _parameters(batch, result, sampled, generators, draws):
    """Return draws of the fitted variables, shape (draws, P, lanes), and where they come from."""
    there = _there(result)
    u, origin = np.repeat(result.fit.u[None], draws, axis=0), []
    for k, rng in enumerate(generators):
        if not there[k]:
            origin.append(Origin.NONE)
        elif sampled.pareto_k[k] <= importance.GOOD_K:
            origin.append(Origin.POSTERIOR)
            pick = rng.choice(len(sampled.u), draws, p=sampled.weight[:, k])
            u[:, :, k] = sampled.u[pick, :, k]
        elif result.sound[k]:
            origin.append(Origin.GAUSSIAN)
            told = result.fit.u[:, k], result.covariance[:, :, k], draws
            drawn = rng.multivariate_normal(*told, method="eigh", check_valid="ignore")
            u[:, :, k] = np.clip(drawn, batch.lower[:, k], batch.upper[:, k])
        else:
            origin.append(Origin.FIT)
    return u, origin


def _there(result):
    """Lanes that have a fit."""
    return np.isfinite(result.fit.deviance) & np.isfinite(result.fit.u).all(axis=0)


def _observed(engine, spectra, widths, result, scales):
    """Return the statistics of the data, shape (4, lanes), and the fields of a `Check` on the outlier."""
    lanes, likelihood = spectra.power.shape[1], engine.objective.likelihood
    observed, frequency, width, p = np.full((4, lanes), np.nan), *np.full((3, lanes), np.nan)
    bins, trials = np.zeros((2, lanes), int)
    model = model_power(
        engine.objective.model, spectra, result.active, result.fit.u, engine.block_size
    )
    for k in np.flatnonzero(_there(result)):
        told = likelihood, spectra.weight[:, k], spectra.power[:, [k]], model[:, [k]]
        observed[:, k] = _statistics(*told, scales)[:, 0]
        n, x = _bins(*told)
        highest = outliers.find(likelihood, n[:, 0], x[:, 0], scales)
        used = np.flatnonzero(spectra.weight[:, k] > 0)
        window = used[highest.first : highest.first + highest.bins]
        frequency[k] = spectra.frequency[window[[0, -1]], k].mean()
        width[k] = widths[window, k].sum()
        bins[k], trials[k] = highest.bins, highest.trials
        p[k] = outliers.p_of_trials(highest.log_tail, highest.trials)
    return observed, frequency, width, bins, trials, p


def _simulated(engine, spectra, widths, result, block, start, generators, scales):
    """Draw a spectrum around each start, fit it again, and return its statistics, shape (4, draws)."""
    counts = [count for _, count in block]
    some, ends = filled(sum(counts)), np.cumsum(counts)[:-1]
    which, start = np.repeat([k for k, _ in block], counts)[some], start[:, some]
    drawn, active = spectra.take(which), result.active[:, which]

    def of_each(array):
        """Pairs of a lane and its columns, without those that only fill up."""
        parts = np.split(array[:, : sum(counts)], ends, axis=1)
        return zip([k for k, _ in block], parts, strict=True)

    expected = model_power(engine.objective.model, drawn, active, start, engine.block_size)
    power = [
        # a draw after the other: they are the same however they fall into blocks
        draw(
            engine.objective.likelihood, part.T, spectra.weight[:, k], part.T.shape, generators[k]
        ).T
        for k, part in of_each(expected)
    ]
    drawn = drawn._replace(power=np.hstack(power)[:, some])
    batch = Batch(engine, drawn, widths[:, which])
    problem = Problem(start, batch.lower, batch.upper, batch.free(active), active)
    fit = engine.fit(batch.resident, problem)
    u = np.asarray(fit.u, float)
    fitted = model_power(engine.objective.model, drawn, active, u, engine.block_size)
    fitted = np.where(fit.code == Code.CONVERGED, fitted, np.nan)
    return np.hstack(
        [
            _statistics(engine.objective.likelihood, spectra.weight[:, k], power[i], part, scales)
            for i, (k, part) in enumerate(of_each(fitted))
        ]
    )


def _bins(likelihood, weight, power, model):
    """Return n and n I / S of the bins of one source that are used, shape (bins, 1 or draws)."""
    used = weight > 0
    n = outliers.ordinates(likelihood, weight[used, None], model[used])
    return n, n * power[used] / model[used]


def _statistics(likelihood, weight, power, model, scales):
    """Return T_R, T_SSE, the outlier and -T_SSE of spectra of one source, shape (4, draws)."""
    n, x = _bins(likelihood, weight, power, model)
    t_r, t_sse = outliers.t_r(likelihood, n, x, scales), outliers.t_sse(n, x)
    return np.stack([t_r[0], t_sse, t_r.max(axis=0), -t_sse])
