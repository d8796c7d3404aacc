"""How well the parameters of fits are known: errors and limits of all lanes of a model."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pipeline.fit.engine.covariance import interval
from pipeline.fit.search.batch import End, ModelFit

PROFILE, NONE = "profile", "none"
"""Methods other than the kinds of covariance."""


@dataclass(frozen=True)
class ParameterErrors:
    """Errors of the parameters of many fits, in their own units; the last axis is the lane.

    Attributes
    ----------
    err_lo, err_hi : array, shape (P, lanes)
        Distances to the ends of the 68.3 % intervals, both positive; NaN where there is none.
    method : array of str, shape (P, lanes)
        Kind of the covariance, "profile" or "none".
    upper_limit, lower_limit : array, shape (P, lanes)
        Limits from the profile; NaN where there is none.
    open_lo, open_hi : bool array, shape (P, lanes)
        Whether the interval reaches the bound.
    interval_lo, interval_hi : array, shape (levels, P, lanes)
        Ends of the intervals of further levels, of those whose method is "profile".
    """

    err_lo: Float[np.ndarray, "P lanes"]
    err_hi: Float[np.ndarray, "P lanes"]
    method: Shaped[np.ndarray, "P lanes"]
    upper_limit: Float[np.ndarray, "P lanes"]
    lower_limit: Float[np.ndarray, "P lanes"]
    open_lo: Bool[np.ndarray, "P lanes"]
    open_hi: Bool[np.ndarray, "P lanes"]
    interval_lo: Float[np.ndarray, "levels P lanes"]
    interval_hi: Float[np.ndarray, "levels P lanes"]


def parameter_errors(result: ModelFit) -> ParameterErrors:
    """Return the errors of all parameters: from the profile where there is one, else from the covariance."""
    model, u = result.model, result.fit.u
    sigma = np.sqrt(np.maximum(np.einsum("iil->il", result.covariance), 0.0))
    sigma = np.where((sigma > 0) & result.sound, sigma, np.nan)
    err_lo, err_hi = interval(u, sigma, model.is_log)
    out = ParameterErrors(
        err_lo=err_lo,
        err_hi=err_hi,
        method=np.where(np.isfinite(sigma), result.kind, NONE).astype(object),
        upper_limit=np.full(u.shape, np.nan),
        lower_limit=np.full(u.shape, np.nan),
        open_lo=np.zeros(u.shape, bool),
        open_hi=np.zeros(u.shape, bool),
        interval_lo=np.empty((0, *u.shape)),
        interval_hi=np.empty((0, *u.shape)),
    )
    return out if result.profiles is None else _with_profiles(result, out)


def _with_profiles(result: ModelFit, plain: ParameterErrors) -> ParameterErrors:
    """Return errors in which those of parameters with a profile are from it."""
    profiles, is_log = result.profiles, result.model.is_log[:, None]
    assert profiles is not None

    def values(u):
        return np.where(is_log, np.exp(np.where(is_log, u, 0.0)), u)

    low, high = profiles.lower_code[0], profiles.upper_code[0]
    ended = [np.isin(code, (End.FOUND, End.OPEN)) for code in (low, high)]
    # of a parameter at its bound one end is open, whatever became of the search for the other
    at_bound = result.fit.at_bound & ((low == End.OPEN) | (high == End.OPEN))
    known = (ended[0] & ended[1]) | at_bound
    best, lower, upper = values(result.fit.u), values(profiles.lower), values(profiles.upper)
    return ParameterErrors(
        err_lo=np.where(known, best - lower[0], plain.err_lo),
        err_hi=np.where(known, upper[0] - best, plain.err_hi),
        method=np.where(known, PROFILE, plain.method),
        upper_limit=values(profiles.limit),
        lower_limit=values(profiles.least),
        open_lo=known & (low == End.OPEN),
        open_hi=known & (high == End.OPEN),
        interval_lo=lower[1:],
        interval_hi=upper[1:],
    )
