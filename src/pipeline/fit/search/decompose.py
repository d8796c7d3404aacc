"""From a spectrum to a sum of components: add a peak, refit all, keep it or not; then take away again.

All spectra advance together, each with the components that it has. A criterion decides whether the larger
of two fits stays; whatever loses is remembered where it came closest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.fit.engine.problem import Fit, Problem, put
from pipeline.fit.search import starts
from pipeline.fit.uncertainty.covariance import covariance


@dataclass(frozen=True)
class Step:
    """Two fits of the same spectra, one with a component more; the last axis is the lane.

    Attributes
    ----------
    batch : pipeline.fit.search.fit_model.Batch
        Spectra and engine.
    lanes : int array, shape (lanes,)
        Which of its spectra.
    slot : int
        The component that makes the difference.
    small, large : Fit
        Without and with it.
    without, having : bool array, shape (slots, lanes)
        Components of the two.
    """

    batch: object
    lanes: np.ndarray
    slot: int
    small: Fit
    large: Fit
    without: np.ndarray
    having: np.ndarray

    @property
    def delta_bic(self) -> np.ndarray:
        """BIC of the smaller fit less that of the larger, shape (lanes,)."""
        small = self.batch.bic(self.small.deviance, self.without, self.lanes)
        return small - self.batch.bic(self.large.deviance, self.having, self.lanes)

    def take(self, some) -> "Step":
        """Return the step in some of its lanes."""
        return Step(
            self.batch,
            self.lanes[some],
            self.slot,
            self.small.take(some),
            self.large.take(some),
            self.without[:, some],
            self.having[:, some],
        )


Criterion = Callable[[Step], np.ndarray]
"""Says in which lanes of a step the larger fit stays, bool array of shape (lanes,)."""


def by_bic(least=0.0) -> Criterion:
    """Return the criterion by which a component stays that lowers the BIC by more than `least`."""

    def stays(step):
        return step.delta_bic > max(least, 1e-9)

    return stays


class Rivals:
    """Of each spectrum the components that lost, and lost by the least."""

    def __init__(self, slots, lanes):
        self.active = np.zeros((slots, lanes), bool)
        self.bic = np.full(lanes, np.inf)

    def judge(self, step, stays):
        """Take note of the losers of a step."""
        batch, lanes = step.batch, step.lanes
        loser = np.where(stays, step.without, step.having)
        deviance = np.where(stays, step.small.deviance, step.large.deviance)
        bic = batch.bic(deviance, loser, lanes)
        # what has lost may have won by now: then it is the larger one that lost to it
        won = (self.active[:, lanes] == np.where(stays, step.having, step.without)).all(axis=0)
        closer = (bic < self.bic[lanes]) | won
        self.active[:, lanes[closer]] = loser[:, closer]
        self.bic[lanes[closer]] = bic[closer]


def add(batch, fit, active, slot, lanes, n_starts, criterion, rivals):
    """Add a peak in some lanes, where it looks most promising, and fit everything again.

    Parameters
    ----------
    batch : pipeline.fit.search.fit_model.Batch
        Spectra and engine.
    fit, active
        What there is, `Fit` and bool array of shape (slots, lanes).
    slot : int
        The peak; where it is optional the criterion decides.
    lanes : int array
        Lanes that get it.
    n_starts : int
        Starts tried.
    criterion : Criterion
        See there.
    rivals : Rivals
        Told what loses.

    Returns
    -------
    fit, active
        As given, with the peak where it stays.
    stays : bool array, shape (lanes,)
        Where it does.
    """
    model = batch.model
    without = active[:, lanes]
    having = without.copy()
    having[slot] = True
    proposed = starts.propose(
        model,
        slot,
        batch.likelihood,
        batch.spectra.take(lanes),
        fit.u[:, lanes],
        without,
        batch.lower[:, lanes],
        batch.upper[:, lanes],
        n_starts,
    )
    large = batch.best_of(lanes, proposed, having)
    stays = np.ones(lanes.size, bool)
    if model.slots[slot].optional:
        step = Step(batch, lanes, slot, fit.take(lanes), large, without, having)
        stays = criterion(step)
        rivals.judge(step, stays)
    iterations = fit.iterations.copy()
    iterations[lanes] += large.iterations
    fit, active = _merged(fit, active, lanes, large, having, stays)
    fit.iterations[:] = iterations
    return fit, active, stays


def prune(batch, fit, active, criterion, rivals):
    """Take away the weakest optional component of every lane, and go on while the criterion allows it.

    A peak that was needed at its time may not be needed once others have come. The weakest is that whose
    amplitude is the fewest of its errors from zero: its square is about what the deviance rises by.

    Parameters
    ----------
    batch, fit, active, criterion, rivals
        See `add`.

    Returns
    -------
    fit, active
        As given, less what is not needed.
    """
    optional = np.array([slot.optional for slot in batch.model.slots])
    lanes = np.flatnonzero(np.isfinite(fit.deviance))
    while True:
        lanes = lanes[active[:, lanes][optional].any(axis=0)]
        if not lanes.size:
            return fit, active
        having, large = active[:, lanes], fit.take(lanes)
        weakest = _weakest(batch, large, having, lanes, optional)
        without = having.copy()
        without[weakest, np.arange(lanes.size)] = False
        problem = Problem(
            large.u, batch.lower[:, lanes], batch.upper[:, lanes], batch.free(without), without
        )
        small = batch.engine.fit(batch.resident, problem, which=lanes)
        stays = np.ones(lanes.size, bool)
        for slot in np.unique(weakest):
            some = np.flatnonzero(weakest == slot)
            step = Step(batch, lanes, slot, small, large, without, having).take(some)
            stays[some] = criterion(step) | ~np.isfinite(step.small.deviance)
            rivals.judge(step, stays[some])
        fit, active = _merged(fit, active, lanes, small, without, ~stays)
        lanes = lanes[~stays]


def _weakest(batch, fit, active, lanes, optional):
    """Number of the optional component with the least amplitude over its error, shape (lanes,)."""
    model = batch.model
    free = batch.free(active) & ~fit.at_bound
    spectra = batch.spectra.take(lanes)
    matrix = covariance(batch.objective, spectra, active, fit.u, free).matrix
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.einsum("iil->il", matrix))
        strength = np.where(model.is_log[:, None], 1.0, np.abs(fit.u)) / sigma
    strength = np.where(np.isfinite(strength), strength, 0.0)  # at a bound: of no use
    out = np.full((len(model.slots), lanes.size), np.inf)
    for s in np.flatnonzero(optional):
        rows = [row for row in model.index[s] if model.is_amplitude[row]]
        out[s] = np.where(active[s], strength[rows].min(axis=0, initial=1e300), np.inf)
    return np.argmin(out, axis=0)


def _merged(fit, active, lanes, part, components, where):
    """Copies of fits and components in which some lanes are replaced, where it is said."""
    to, some = lanes[where], part.take(np.flatnonzero(where))
    return fit.put(to, some), put(active, to, components[:, where])
