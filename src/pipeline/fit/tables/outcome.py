"""The status and the flags of the fit of every lane of a model."""

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pipeline.fit.engine.problem import Code
from pipeline.fit.search.batch import ModelFit
from pipeline.fit.uncertainty.resolution import limits_of_data
from pipeline.status import HAS_RESULT, Flag, Status

_CODES = {
    Code.RUNNING: Status.NOT_CONVERGED,
    Code.STALLED: Status.NOT_CONVERGED,
    Code.NO_DATA: Status.BAD_SPECTRUM,
    Code.CONVERGED: Status.OK,
}


def statuses(result: ModelFit) -> Shaped[np.ndarray, " lanes"]:
    """Return the `Status` of every lane."""
    out = np.array([_CODES[Code(code)] for code in result.fit.code.tolist()], object)
    fit = result.fit
    at_bound = fit.at_bound & ~limits_of_data(result.model, fit) & result.free
    converged = out == Status.OK
    out[converged & at_bound.any(axis=0)] = Status.AT_BOUND
    out[converged & ~result.sound] = Status.SINGULAR
    return out


def has_result(status: Shaped[np.ndarray, "..."]) -> Bool[np.ndarray, "..."]:
    """Return where a status is one under which fitted values are filled in."""
    return np.isin(status.astype(str), [str(one) for one in HAS_RESULT])


def flags(
    result: ModelFit,
    status: Shaped[np.ndarray, " lanes"],
    unresolved: Bool[np.ndarray, "slots lanes"],
) -> Int[np.ndarray, " lanes"]:
    """Return the flags that the fit of every lane gives it.

    Parameters
    ----------
    result : ModelFit
        The fits.
    status : array of Status, shape (lanes,)
        See `statuses`.
    unresolved : bool array, shape (slots, lanes)
        Peaks narrower than their bin.
    """
    out = np.zeros(status.size, np.int64)
    out[status == Status.AT_BOUND] |= int(Flag.AT_BOUND)
    out[unresolved.any(axis=0)] |= int(Flag.UNRESOLVED)
    out[result.undetermined.any(axis=0)] |= int(Flag.UNDETERMINED)
    return out
