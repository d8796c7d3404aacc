"""Which of several models is chosen for a spectrum."""

import numpy as np
from jaxtyping import Bool, Float, Int


def best_model(
    has_result: Bool[np.ndarray, "models lanes"],
    n_free: Int[np.ndarray, "models lanes"],
    bic: Float[np.ndarray, "models lanes"],
    min_delta_bic: float = 0.0,
) -> Int[np.ndarray, " lanes"]:
    """Return the number of the best model of each lane, -1 where none has a result.

    It is the model with the fewest free parameters among those whose BIC is at most `min_delta_bic` above the
    lowest; of models with as many parameters, the one with the lower BIC. So nothing depends on the order
    of the models, but of equals the first is taken.

    Parameters
    ----------
    has_result : bool array, shape (models, lanes)
        Whether the status of a fit is one of `pipeline.status.HAS_RESULT`.
    n_free : int array, shape (models, lanes)
        Free parameters.
    bic : array, shape (models, lanes)
        NaN or infinite counts as no result.
    min_delta_bic : float, optional
        By how much the BIC of a larger model must be lower.
    """
    bic = np.where(has_result & np.isfinite(bic), bic, np.inf)
    known = np.isfinite(bic).any(axis=0)
    lowest = np.where(known, bic.min(axis=0), 0.0)
    near = np.isfinite(bic) & (bic <= lowest + min_delta_bic)
    fewest = np.where(near, n_free, np.iinfo(int).max).min(axis=0)
    best = np.argmin(np.where(near & (n_free == fewest), bic, np.inf), axis=0)
    return np.where(known, best, -1)
