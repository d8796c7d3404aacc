"""What the engine is given and what it returns: problems and fits; the last axis is the lane."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.engine.arrays import AnyArray


class Code(IntEnum):
    """What became of a lane."""

    RUNNING = 0
    """It needs more iterations."""
    CONVERGED = 1
    """No step promises a lower objective by more than the tolerance."""
    STALLED = 2
    """No step, however short, lowers the objective: rounding, or bad data."""
    NO_DATA = 3
    """The objective is not finite at the start: no data, or values that are not numbers."""


class Problem(NamedTuple):
    """Where each lane starts and what it may do.

    Attributes
    ----------
    u, lower, upper : array, shape (P, lanes)
        Start and bounds of the fitted variables.
    free : bool array, shape (P, lanes)
        Which variables move.
    active : bool array, shape (parts, lanes)
        Which parts of the model exist: the components of a power spectrum.
    """

    u: Float[AnyArray, "P lanes"]
    lower: Float[AnyArray, "P lanes"]
    upper: Float[AnyArray, "P lanes"]
    free: Bool[AnyArray, "P lanes"]
    active: Bool[AnyArray, "parts lanes"]


def put(whole: np.ndarray, lanes: np.ndarray | slice, part: np.ndarray) -> np.ndarray:
    """Return a copy of an array with some lanes replaced."""
    whole = whole.copy()
    whole[..., lanes] = part
    return whole


@dataclass(frozen=True)
class Fit:
    """Fits of one objective; the last axis is the lane.

    Attributes
    ----------
    u : array, shape (P, lanes)
        Best values of the fitted variables.
    deviance : array, shape (lanes,)
        -2 ln L, up to a constant of the data, without priors; of power spectra less that of the saturated
        model.
    objective : array, shape (lanes,)
        Deviance - 2 ln prior: the value that was minimised.
    iterations, code : int array, shape (lanes,)
        Iterations used, without those on coarse data or in lower precision, and `Code`.
    at_bound, at_lower : bool array, shape (P, lanes)
        Free variables that ended at a bound, and those of them that did at the lower one.
    """

    u: Float[np.ndarray, "P lanes"]
    deviance: Float[np.ndarray, " lanes"]
    objective: Float[np.ndarray, " lanes"]
    iterations: Int[np.ndarray, " lanes"]
    code: Int[np.ndarray, " lanes"]
    at_bound: Bool[np.ndarray, "P lanes"]
    at_lower: Bool[np.ndarray, "P lanes"]

    def take(self, lanes: np.ndarray) -> "Fit":
        """Return the fits of some lanes."""
        return Fit(*(np.take(getattr(self, f), lanes, axis=-1) for f in self.__dataclass_fields__))

    def put(self, lanes: np.ndarray, other: "Fit") -> "Fit":
        """Return a copy in which some lanes are those of another fit."""
        names = self.__dataclass_fields__
        return Fit(*(put(getattr(self, f), lanes, getattr(other, f)) for f in names))
