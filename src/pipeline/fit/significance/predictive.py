"""Does a model describe its spectrum, and how unlikely is the highest outlier? Posterior-predictive checks.

Vaughan (2010, MNRAS 402, 307): parameters are drawn from the posterior and a spectrum around each; each is
fitted again as the data were, and p is the fraction of the draws whose statistic, at their own best fit, is at least
that of the data. The statistics are those of `pipeline.fit.significance.outliers`: T_R of single bins, T_SSE, and
T_R over windows of several bins, whose p-value counts all windows, since the draws are searched as
the data are. How many draws are made, and how p is found beyond all of them: `pipeline.fit.significance.montecarlo`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum

import numpy as np
from jaxtyping import Float, Int, Shaped

from pipeline.fit.engine.problem import Code
from pipeline.fit.model.likelihood import draw
from pipeline.fit.objectives.curves import model_power
from pipeline.fit.search.batch import Batch, ModelFit
from pipeline.fit.significance import outliers
from pipeline.fit.significance.montecarlo import Block, PValues, filled, p_values, simulated
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


class Statistic(IntEnum):
    """Rows of an array of statistics."""

    T_R = 0
    """-2 ln of the smallest tail probability of a single bin."""
    T_SSE = 1
    """Sum of the squared residuals."""
    OUTLIER = 2
    """T_R over windows of several bins."""
    MINUS_T_SSE = 3
    """T_SSE with the other sign: a small T_SSE is judged by it."""


@dataclass(frozen=True)
class Outliers:
    """The highest window of bins of many spectra; the last axis is the lane.

    Attributes
    ----------
    frequency, width : array, shape (lanes,)
        Middle and width of the window, Hz; NaN where there is no fit.
    bins : int array, shape (lanes,)
        Number of its bins.
    trials : int array, shape (lanes,)
        Windows that were searched.
    p_trials : array, shape (lanes,)
        The p-value that it would have if the model were known and the windows were independent.
    """

    frequency: Float[np.ndarray, " lanes"]
    width: Float[np.ndarray, " lanes"]
    bins: Int[np.ndarray, " lanes"]
    trials: Int[np.ndarray, " lanes"]
    p_trials: Float[np.ndarray, " lanes"]


@dataclass(frozen=True)
class Check:
    """Checks of many spectra; the last axis is the lane.

    Attributes
    ----------
    t_r, t_sse : array, shape (lanes,)
        See `pipeline.fit.significance.outliers`; NaN where there is no fit.
    outlier : array, shape (lanes,)
        T_R of the highest window of bins.
    window : Outliers
        That window.
    draws, failed : int array, shape (lanes,)
        Draws that were fitted, and those whose fit did not converge.
    origin : array of Origin, shape (lanes,)
        Where their parameters come from.
    p_t_r, p_t_sse, p_outlier, p_low : PValues
        Of the three statistics, from the same draws; and of a T_SSE as small as that.
    """

    t_r: Float[np.ndarray, " lanes"]
    t_sse: Float[np.ndarray, " lanes"]
    outlier: Float[np.ndarray, " lanes"]
    window: Outliers
    draws: Int[np.ndarray, " lanes"]
    failed: Int[np.ndarray, " lanes"]
    origin: Shaped[np.ndarray, " lanes"]
    p_t_r: PValues
    p_t_sse: PValues
    p_outlier: PValues
    p_low: PValues

    @staticmethod
    def joined(parts: "Sequence[Check]") -> "Check":
        """Return the checks of several batches in one."""
        return _joined(parts)


def _joined(parts):
    """Join dataclasses whose fields are arrays by lane, or such dataclasses."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    columns = ([getattr(part, f.name) for part in parts] for f in fields(parts[0]))
    return type(parts[0])(*map(_joined, columns))


def check(
    batch: Batch,
    result: ModelFit,
    seeds: Sequence[int | Sequence[int]],
    *,
    scales: Sequence[int] = SCALES,
    draws: int = 1000,
    enough: int = 20,
    batch_size: int = 4096,
) -> Check:
    """Check the fit of every lane against draws from its posterior.

    Parameters
    ----------
    batch : Batch
        Spectra, and an engine of the model that was fitted; single precision will do.
    result : ModelFit
        Their fits. The components of a lane stay: peaks are fitted again, not searched for.
    seeds : sequence, length lanes
        One a spectrum, as `numpy.random.SeedSequence` takes it: its draws do not depend on the other
        spectra of the batch.
    scales : sequence of int, optional
        Bins of the windows that are searched; single bins always are.
    draws : int, optional
        Draws a spectrum, at most.
    enough : int, optional
        The draws of a spectrum end when this number of them has reached each of its statistics.
    batch_size : int, optional
        Draws that are in memory at a time.

    Returns
    -------
    Check
        One check a lane. No content of a lane raises an error.

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
        own = seeds[first : first + LANES]
        streams = [np.random.SeedSequence(seed).spawn(2) for seed in own]
        judge = _Checker(batch.take(some), result.take(some), streams, scales)
        parts.append(judge.run(draws, enough, batch_size))
    return Check.joined(parts)


class _Checker:
    """Draws spectra around the fits of a few lanes, fits them again, and takes their statistics.

    Parameters
    ----------
    batch, result, scales
        See `check`.
    streams : sequence of pair of numpy.random.SeedSequence, length lanes
        For the posterior, and for the draws.
    """

    def __init__(self, batch: Batch, result: ModelFit, streams, scales: list[int]):
        self.batch, self.result, self.scales = batch, result, scales
        self.for_posterior = [posterior for posterior, _ in streams]
        self.generators = [np.random.default_rng(own) for _, own in streams]

    def run(self, draws: int, enough: int, batch_size: int) -> Check:
        """Return the checks."""
        sampled = importance.sample(
            self.batch, self.result, self.for_posterior, draws=POSTERIOR_DRAWS
        )
        parameters = _parameters(self.batch, self.result, sampled, self.generators, draws)
        observed, window = self._observed()
        done = np.zeros(self.batch.n_lanes, int)

        def simulate(block: Block) -> Float[np.ndarray, "statistics draws"]:
            starts = []
            for k, count in block:
                starts.append(parameters.u[done[k] : done[k] + count, :, k].T)
                done[k] += count
            return self._simulated(block, np.hstack(starts))

        found = simulated(observed, simulate, draws=draws, enough=enough, batch_size=batch_size)
        fitted = np.array([np.isfinite(f[0]).sum() for f in found])

        def judged(statistic):
            values = [f[statistic] for f in found]
            return p_values(observed[statistic], values, enough, self.generators)

        return Check(
            t_r=observed[Statistic.T_R],
            t_sse=observed[Statistic.T_SSE],
            outlier=observed[Statistic.OUTLIER],
            window=window,
            draws=fitted,
            failed=np.array([f.shape[1] for f in found]) - fitted,
            origin=parameters.origin,
            p_t_r=judged(Statistic.T_R),
            p_t_sse=judged(Statistic.T_SSE),
            p_outlier=judged(Statistic.OUTLIER),
            p_low=judged(Statistic.MINUS_T_SSE),
        )

    def _power(self, batch, u, active):
        """Return the power of the model at u, shape (bins, lanes)."""
        return model_power(batch.model, batch.spectra, active, u, batch.engine.block_size)

    def _observed(self):
        """Return the statistics of the data, shape (4, lanes), and their highest windows."""
        batch, lanes = self.batch, self.batch.n_lanes
        likelihood, spectra = batch.likelihood, batch.spectra
        observed = np.full((len(Statistic), lanes), np.nan)
        window = Outliers(
            frequency=np.full(lanes, np.nan),
            width=np.full(lanes, np.nan),
            bins=np.zeros(lanes, int),
            trials=np.zeros(lanes, int),
            p_trials=np.full(lanes, np.nan),
        )
        model = self._power(batch, self.result.fit.u, self.result.active)
        for k in np.flatnonzero(self.result.found):
            weight, power = spectra.weight[:, k], spectra.power[:, [k]]
            observed[:, k] = self._statistics(weight, power, model[:, [k]])[:, 0]
            n, x = _ordinates(likelihood, weight, power, model[:, [k]])
            highest = outliers.highest_window(likelihood, n[:, 0], x[:, 0], self.scales)
            used = np.flatnonzero(weight > 0)
            inside = used[highest.first : highest.first + highest.bins]
            window.frequency[k] = spectra.frequency[inside[[0, -1]], k].mean()
            window.width[k] = batch.widths[inside, k].sum()
            window.bins[k], window.trials[k] = highest.bins, highest.trials
            window.p_trials[k] = outliers.p_of_trials(highest.log_tail, highest.trials)
        return observed, window

    def _simulated(self, block, start):
        """Draw a spectrum around each start, fit it again, and return its statistics, shape (4, draws)."""
        batch, weight = self.batch, np.asarray(self.batch.spectra.weight)
        counts = [count for _, count in block]
        total = sum(counts)
        some = filled(total)
        which, start = np.repeat([k for k, _ in block], counts)[some], start[:, some]
        active = self.result.active[:, which]
        expected = self._power(
            batch.drawn(np.asarray(batch.spectra.power)[:, which], which), start, active
        )
        power = [
            # a draw after the other: they are the same however they fall into blocks
            draw(batch.likelihood, part.T, weight[:, k], part.T.shape, self.generators[k]).T
            for k, part in _of_each_lane(block, expected[:, :total])
        ]
        drawn = batch.drawn(np.hstack(power)[:, some], which)
        fit = batch.engine.fit(drawn.resident, drawn.problem(start, active))
        fitted = self._power(drawn, np.asarray(fit.u, float), active)
        fitted = np.where(fit.code == Code.CONVERGED, fitted, np.nan)
        return np.hstack(
            [
                self._statistics(weight[:, k], power[i], part)
                for i, (k, part) in enumerate(_of_each_lane(block, fitted[:, :total]))
            ]
        )

    def _statistics(self, weight, power, model):
        """Return the statistics of spectra of one source, shape (4, draws)."""
        likelihood = self.batch.likelihood
        n, x = _ordinates(likelihood, weight, power, model)
        t_r, t_sse = outliers.t_r(likelihood, n, x, self.scales), outliers.t_sse(n, x)
        out = np.empty((len(Statistic), t_sse.size))
        out[Statistic.T_R], out[Statistic.T_SSE] = t_r[0], t_sse
        out[Statistic.OUTLIER], out[Statistic.MINUS_T_SSE] = t_r.max(axis=0), -t_sse
        return out


def _of_each_lane(block: Block, array) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each lane of a block with its columns of an array."""
    ends = np.cumsum([count for _, count in block])[:-1]
    yield from zip([k for k, _ in block], np.split(array, ends, axis=1), strict=True)


@dataclass(frozen=True)
class _Parameters:
    """Draws of the fitted variables, shape (draws, P, lanes), and where those of each lane come from."""

    u: np.ndarray
    origin: np.ndarray


def _parameters(batch, result, sampled, generators, draws) -> _Parameters:
    """Draw the parameters of each lane from the best description of its posterior that there is."""
    found = result.found
    u, origin = np.repeat(result.fit.u[None], draws, axis=0), []
    for k, rng in enumerate(generators):
        if not found[k]:
            origin.append(Origin.NONE)
        elif sampled.pareto_k[k] <= importance.GOOD_K:
            origin.append(Origin.POSTERIOR)
            pick = rng.choice(len(sampled.u), draws, p=sampled.weight[:, k])
            u[:, :, k] = sampled.u[pick, :, k]
        elif result.sound[k]:
            origin.append(Origin.GAUSSIAN)
            mean, matrix = result.fit.u[:, k], result.covariance[:, :, k]
            drawn = rng.multivariate_normal(
                mean, matrix, draws, method="eigh", check_valid="ignore"
            )
            u[:, :, k] = np.clip(drawn, batch.bounds.lower[:, k], batch.bounds.upper[:, k])
        else:
            origin.append(Origin.FIT)
    return _Parameters(u, np.array(origin, object))


def _ordinates(likelihood, weight, power, model):
    """Return n and n I / S of the bins of one source that are used, shape (bins, 1 or draws)."""
    used = weight > 0
    n = outliers.ordinates(likelihood, weight[used, None], model[used])
    return n, n * power[used] / model[used]
