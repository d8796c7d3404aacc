"""Kept draws of many fits into columns of the table SAMPLES."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from pipeline.fit.model.model import Model
from pipeline.fit.uncertainty.hmc import CHAINS, Chains


@dataclass(frozen=True)
class SampleColumns:
    """Rows of SAMPLES, one a free parameter.

    Attributes
    ----------
    columns : dict of str to list
        Cells by name of the column.
    lane : int array, shape (rows,)
        Lane of each row.
    """

    columns: dict[str, list]
    lane: Int[np.ndarray, " rows"]


def sample_columns(rows: Sequence[Mapping], model: Model, chains: Chains) -> SampleColumns:
    """Return the rows of SAMPLES of fits of one model, lane after lane.

    Parameters
    ----------
    rows : sequence of mapping, length lanes
        Their rows of SPECTRA.
    model : Model
        What was fitted.
    chains : Chains
        What was drawn. A lane without a posterior has rows without draws.
    """
    parameters = [(slot, parameter) for slot in model.slots for parameter in slot.parameters]
    of_lane, of_parameter = np.nonzero(chains.free.T)
    lanes, which = of_lane.tolist(), of_parameter.tolist()
    values = np.moveaxis(model.to_values(np.moveaxis(chains.flat, 1, 0)), 1, 0)
    drawn = np.isfinite(values).all(axis=(0, 1))
    columns: dict[str, list[Any]] = {
        "source_id": [rows[lane]["source_id"] for lane in lanes],
        "product": [rows[lane]["product"] for lane in lanes],
        "model": [model.name] * len(lanes),
        "component": [parameters[p][0].label for p in which],
        "parameter": [parameters[p][1].name for p in which],
        "unit": [
            parameters[p][1].unit_in(rows[lane]["norm"])
            for lane, p in zip(lanes, which, strict=True)
        ],
        "scale": ["log" if model.is_log[p] else "linear" for p in which],
        "n_chains": [CHAINS if drawn[lane] else 0 for lane in lanes],
        "value": [
            values[:, p, lane] if drawn[lane] else [] for lane, p in zip(lanes, which, strict=True)
        ],
    }
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        columns[name] = getattr(chains.diagnosis, name)[of_parameter, of_lane].tolist()
    return SampleColumns(columns, of_lane)
