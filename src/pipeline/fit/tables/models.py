"""Fits of one model into columns of the table MODELS."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.fit.model.model import Model
from pipeline.fit.search.batch import ModelFit
from pipeline.fit.tables.outcome import flags
from pipeline.fit.tables.sources import Sources
from pipeline.fit.tables.spectra import too_few_bins
from pipeline.fit.uncertainty.resolution import unresolved
from pipeline.status import Status
from pipeline.tables import Lists


def model_columns(
    sources: Sources, result: ModelFit, status: Shaped[np.ndarray, " lanes"]
) -> dict[str, Any]:
    """Return the columns of MODELS of the fits of one model, without those that compare it with others.

    Parameters
    ----------
    sources : Sources
        The spectra, one a lane.
    result : ModelFit
        Their fits.
    status : array of Status, shape (lanes,)
        See `pipeline.fit.tables.outcome.statuses`.
    """
    model, fit = result.model, result.fit
    thin = unresolved(
        model, result.active, fit.u, sources.products.middles, sources.products.widths
    )
    rivals = np.isfinite(result.rival_bic)
    reasons = {one: "" if one is Status.OK else one.sentence for one in set(status)}
    return {
        "source_id": sources.source_id,
        "product": sources.product,
        "model": [model.name] * status.size,
        "status": status,
        "flags": flags(result, status, thin) | sources.flags,
        "reason": [reasons[one] for one in status],
        "norm": sources.norm,
        "components": labels_of(model, result.active),
        "rival_components": labels_of(model, result.rival & rivals),
        "rival_delta_bic": np.where(rivals, result.rival_bic - result.bic, np.nan),
        "n_bins": sources.n_bins,
        "n_free": result.n_free,
        "statistic": result.statistic,
        "deviance": fit.deviance,
        "aic": result.aic,
        "bic": result.bic,
        "n_iterations": fit.iterations,
        "parameter_names": _chosen(model.names, result.free),
        "covariance": _covariances(result.covariance, result.free),
    }


def best_columns(
    best: Int[np.ndarray, " lanes"], bic: Float[np.ndarray, "models lanes"]
) -> dict[str, np.ndarray]:
    """Return which model is the best one, and the BIC of each less that of the best, (models, lanes) each.

    Parameters
    ----------
    best : int array, shape (lanes,)
        Number of the best model, -1 where there is none.
    bic : array, shape (models, lanes)
        Of all models.
    """
    of_best = np.where(best >= 0, bic[best, np.arange(best.size)], np.nan)
    return {"best": np.arange(len(bic))[:, None] == best, "delta_bic": bic - of_best}


def unfitted_columns(sources: Sources) -> dict[str, Any]:
    """Return the columns of MODELS of spectra that were not fitted, with the reasons."""
    status, reasons = [], []
    for row, bins in zip(sources.rows, sources.n_bins.tolist(), strict=True):
        found, reason = Status(row["status"]), row["reason"]
        if found is Status.OK:
            found = Status.BAD_SPECTRUM
            reason = (
                f"{too_few_bins(bins)}: lengthen segment.segment_size or widen fit.frequency_range"
            )
        status.append(found)
        reasons.append(reason)
    return {
        "source_id": sources.source_id,
        "product": sources.product,
        "status": status,
        "reason": reasons,
        "norm": sources.norm,
        "n_bins": sources.n_bins,
    }


def labels_of(model: Model, active: Bool[np.ndarray, "slots lanes"]) -> Lists:
    """Return the names of the components that are in the fit of each lane."""
    return _chosen([slot.label for slot in model.slots], active)


def _chosen(names: Sequence[str], mask: Bool[np.ndarray, "names lanes"]) -> Lists:
    """Return the names that a mask has in each lane."""
    each = np.broadcast_to(np.array(names, object), mask.T.shape)
    return Lists(each[mask.T], mask.sum(axis=0))


def _covariances(covariance, free) -> Lists:
    """Return the covariance of the free parameters of each lane, row after row."""
    both = np.moveaxis(free[:, None] & free, -1, 0)
    return Lists(np.moveaxis(covariance, -1, 0)[both], both.sum(axis=(1, 2)))
