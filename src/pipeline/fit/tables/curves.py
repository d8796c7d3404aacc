"""Spectra with the model that was chosen for them, into columns of the table CURVES."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.search.batch import ModelFit
from pipeline.fit.tables.models import labels_of
from pipeline.fit.tables.sources import Sources


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
    measured = [np.asarray(row["power"])[mask] for row, mask in zip(rows, masks, strict=True)]
    parts = [power[result.active[:, lane], : own.size, lane] for lane, own in enumerate(measured)]
    return {
        "source_id": sources.source_id,
        "product": sources.product,
        "model": [result.model.name] * len(rows),
        "norm": sources.norm,
        "components": labels_of(result.model, result.active),
        "frequency_lo": [row["frequency_lo"][m] for row, m in zip(rows, masks, strict=True)],
        "frequency_hi": [row["frequency_hi"][m] for row, m in zip(rows, masks, strict=True)],
        "power": measured,
        "power_err": [_errors(row, mask) for row, mask in zip(rows, masks, strict=True)],
        "model_power": [part.sum(axis=0) for part in parts],
        "component_power": [part.ravel() for part in parts],
    }


def _errors(row, mask):
    """Return the errors of the power of the bins that were fitted, power / sqrt(n) where n is known."""
    if len(row["n"]):
        return row["power"][mask] / np.sqrt(row["n"][mask])
    return row["power_err"][mask]
