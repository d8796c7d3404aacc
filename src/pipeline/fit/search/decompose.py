"""From a spectrum to a sum of components: add a peak, refit all, keep it or not; then take away again.

All spectra advance together, each with the components that it has. A criterion decides whether the larger
of two fits stays; the loser that came closest is remembered as the rival.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.engine.covariance import covariance
from pipeline.fit.engine.problem import Fit, put
from pipeline.fit.search import proposals
from pipeline.fit.search.batch import Batch


@dataclass(frozen=True)
class Step:
    """Two fits of the same spectra, one with a component more; the last axis is the lane.

    Attributes
    ----------
    batch : Batch
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

    batch: Batch
    lanes: Int[np.ndarray, " lanes"]
    slot: int
    small: Fit
    large: Fit
    without: Bool[np.ndarray, "slots lanes"]
    having: Bool[np.ndarray, "slots lanes"]

    @property
    def delta_bic(self) -> Float[np.ndarray, " lanes"]:
        """BIC of the smaller fit less that of the larger."""
        small = self.batch.bic(self.small.deviance, self.without, self.lanes)
        return small - self.batch.bic(self.large.deviance, self.having, self.lanes)

    def take(self, some: Int[np.ndarray, " some"]) -> "Step":
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


Criterion: TypeAlias = Callable[[Step], Bool[np.ndarray, " lanes"]]
"""Says in which lanes of a step the larger fit stays."""


def by_bic(least: float = 0.0) -> Criterion:
    """Return the criterion by which a component stays that lowers the BIC by more than `least`."""

    def stays(step):
        return step.delta_bic > max(least, 1e-9)

    return stays


class Rivals:
    """The decomposition of each spectrum that lost by the least.

    Attributes
    ----------
    active : bool array, shape (slots, lanes)
        Its components; none where nothing has lost yet.
    bic : array, shape (lanes,)
        Its BIC, up to the constant of the data; infinite where nothing has lost yet.
    """

    def __init__(self, slots: int, lanes: int):
        self.active = np.zeros((slots, lanes), bool)
        self.bic = np.full(lanes, np.inf)

    def judge(self, step: Step, stays: Bool[np.ndarray, " lanes"]) -> None:
        """Remember the losers of a step where they came closer than those before."""
        batch, lanes = step.batch, step.lanes
        loser = np.where(stays, step.without, step.having)
        deviance = np.where(stays, step.small.deviance, step.large.deviance)
        bic = batch.bic(deviance, loser, lanes)
        # the remembered rival may be the one that wins now: then the fit that lost to it is the rival
        won = (self.active[:, lanes] == np.where(stays, step.having, step.without)).all(axis=0)
        closer = (bic < self.bic[lanes]) | won
        self.active[:, lanes[closer]] = loser[:, closer]
        self.bic[lanes[closer]] = bic[closer]


class Decomposition:
    """The fits of a batch while components are added and taken away.

    Parameters
    ----------
    batch : Batch
        Spectra and engine.
    fit : Fit
        Fits to begin with.
    active : bool array, shape (slots, lanes)
        Their components.
    criterion : Criterion
        Decides whether an optional component stays.
    n_starts : int, optional
        Starts tried for each peak.
    rivals : Rivals, optional
        What has lost so far.
    """

    def __init__(
        self,
        batch: Batch,
        fit: Fit,
        active: Bool[np.ndarray, "slots lanes"],
        criterion: Criterion,
        n_starts: int = 4,
        rivals: Rivals | None = None,
    ):
        self.batch, self.fit, self.active = batch, fit, active
        self.criterion, self.n_starts = criterion, n_starts
        self.rivals = Rivals(*active.shape) if rivals is None else rivals

    def add(self, slot: int, lanes: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Add a peak in some lanes where it looks most promising, and fit everything again.

        Returns
        -------
        bool array, shape (some,)
            Where the peak stays: everywhere, unless it is optional and the criterion is against it.
        """
        batch, model = self.batch, self.batch.model
        without = self.active[:, lanes]
        having = without.copy()
        having[slot] = True
        bounds = batch.bounds.take(lanes)
        proposed = proposals.propose(
            model,
            slot,
            batch.likelihood,
            batch.spectra.take(lanes),
            self.fit.u[:, lanes],
            without,
            bounds.lower,
            bounds.upper,
            self.n_starts,
        )
        large = batch.best_of(lanes, proposed.u, having, proposed.worth)
        stays = np.ones(lanes.size, bool)
        if model.slots[slot].optional:
            step = Step(batch, lanes, slot, self.fit.take(lanes), large, without, having)
            stays = self.criterion(step)
            self.rivals.judge(step, stays)
        iterations = self.fit.iterations.copy()
        iterations[lanes] += large.iterations
        self._replace(lanes, large, having, stays)
        self.fit.iterations[:] = iterations
        return stays

    def prune(self) -> None:
        """Take away the weakest optional component of every lane, and go on while the criterion allows it.

        A peak that was needed when it was added may not be needed once others have come. The weakest component
        is the one whose amplitude is the fewest of its errors from zero: the square of that number is about how
        much the deviance rises without it.
        """
        batch = self.batch
        optional = np.array([slot.optional for slot in batch.model.slots])
        lanes = np.flatnonzero(np.isfinite(self.fit.deviance))
        while True:
            lanes = lanes[self.active[:, lanes][optional].any(axis=0)]
            if not lanes.size:
                return
            having, large = self.active[:, lanes], self.fit.take(lanes)
            weakest = _weakest(batch, large, having, lanes, optional)
            without = having.copy()
            without[weakest, np.arange(lanes.size)] = False
            problem = batch.problem(large.u, without, lanes)
            small = batch.engine.fit(batch.resident, problem, which=lanes)
            stays = np.ones(lanes.size, bool)
            for slot in np.unique(weakest):
                some = np.flatnonzero(weakest == slot)
                step = Step(batch, lanes, int(slot), small, large, without, having).take(some)
                stays[some] = self.criterion(step) | ~np.isfinite(step.small.deviance)
                self.rivals.judge(step, stays[some])
            self._replace(lanes, small, without, ~stays)
            lanes = lanes[~stays]

    def _replace(self, lanes, fit, components, where):
        """Let the fits and components of some lanes, where a mask says so, take the place of those before."""
        to = lanes[where]
        self.fit = self.fit.put(to, fit.take(np.flatnonzero(where)))
        self.active = put(self.active, to, components[:, where])


def _weakest(batch, fit, active, lanes, optional):
    """Return the number of the optional component with the least amplitude over its error, shape (lanes,)."""
    model = batch.model
    free = batch.free(active) & ~fit.at_bound
    spectra = batch.spectra.take(lanes)
    matrix = covariance(batch.objective, spectra, active, fit.u, free).matrix
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.einsum("iil->il", matrix))
        strength = np.where(model.is_log[:, None], 1.0, np.abs(fit.u)) / sigma
    strength = np.where(
        np.isfinite(strength), strength, 0.0
    )  # an amplitude at its bound adds nothing
    out = np.full((len(model.slots), lanes.size), np.inf)
    for s in np.flatnonzero(optional):
        rows = [row for row in model.index[s] if model.is_amplitude[row]]
        out[s] = np.where(active[s], strength[rows].min(axis=0, initial=1e300), np.inf)
    return np.argmin(out, axis=0)
