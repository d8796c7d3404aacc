"""What the engine is given and what it returns: problems and fits; the last axis is the lane."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np


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

    u: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    free: np.ndarray
    active: np.ndarray


def put(whole, lanes, part) -> np.ndarray:
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

    u: np.ndarray
    deviance: np.ndarray
    objective: np.ndarray
    iterations: np.ndarray
    code: np.ndarray
    at_bound: np.ndarray
    at_lower: np.ndarray

    def take(self, lanes) -> "Fit":
        """Return the fits of some lanes."""
        return Fit(*(np.take(getattr(self, f), lanes, axis=-1) for f in self.__dataclass_fields__))

    def put(self, lanes, other) -> "Fit":
        """Return a copy in which some lanes are those of another fit."""
        names = self.__dataclass_fields__
        return Fit(*(put(getattr(self, f), lanes, getattr(other, f)) for f in names))
