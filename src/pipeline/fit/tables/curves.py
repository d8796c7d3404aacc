"""Spectra with the model that was chosen for them, into columns of the table CURVES."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.search.batch import ModelFit
from pipeline.fit.tables.models import labels_of
from pipeline.fit.tables.sources import Sources
from pipeline.tables import Lists


def curve_columns(
    sources: Sources,
    masks: Sequence[Bool[np.ndarray, " _"]],
    result: ModelFit,
    power: Float[np.ndarray, "slots bins lanes"],
) -> dict[str, Any]:
    """Return the columns of CURVES: the fitted bins of each spectrum with the model and its components.

    Parameters
    ----------
    sources : Sources
        The spectra, one a lane.
    masks : sequence of bool array, length lanes
        Their bins that were fitted.
    result : ModelFit
        Their fits.
    power : array, shape (slots, bins, lanes)
        Power of the components: see `pipeline.fit.objectives.curves.component_power`.
    """
    rows = sources.rows
    bins = np.array([mask.sum() for mask in masks])
    of_model = np.moveaxis(power, -1, 0)
    active = result.active.T[:, :, None]
    inside = (np.arange(power.shape[1]) < bins[:, None])[:, None]

    def fitted(name: str) -> Lists:
        """Return an array of the spectra, at the bins that are fitted."""
        own = [row[name][mask] for row, mask in zip(rows, masks, strict=True)]
        return Lists(np.concatenate(own), bins)

    measured = fitted("power")
    errors = [_errors(row, mask) for row, mask in zip(rows, masks, strict=True)]
    return {
        "source_id": sources.source_id,
        "product": sources.product,
        "model": [result.model.name] * len(rows),
        "norm": sources.norm,
        "components": labels_of(result.model, result.active),
        "frequency_lo": fitted("frequency_lo"),
        "frequency_hi": fitted("frequency_hi"),
        "power": measured,
        "power_err": Lists(np.concatenate(errors), bins),
        "model_power": Lists(np.where(active, of_model, 0.0).sum(axis=1)[inside[:, 0]], bins),
        "component_power": Lists(of_model[active & inside], bins * result.active.sum(axis=0)),
    }


def _errors(row, mask):
    """Return the errors of the power of the bins that were fitted, power / sqrt(n) where n is known."""
    if len(row["n"]):
        return row["power"][mask] / np.sqrt(row["n"][mask])
    return row["power_err"][mask]
