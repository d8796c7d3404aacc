"""Kept draws of a lane into rows of the table SAMPLES, and what they are worth into columns of MODELS."""

import numpy as np

from pipeline.fit.uncertainty.diagnostics import GOOD_ESS, GOOD_R_HAT
from pipeline.fit.uncertainty.hmc import CHAINS


def sample_rows(row, result, chains, lane) -> list[dict]:
    """Return the SAMPLES rows of one lane, one a free parameter.

    Parameters
    ----------
    row : mapping
        Its row of SPECTRA.
    result : pipeline.fit.search.fit_model.ModelFit
        The fit; `lane` is its lane, and that of `chains`.
    chains : pipeline.fit.uncertainty.hmc.Chains
        What was drawn. A lane without a posterior has rows without draws.
    """
    model, flat = result.model, chains.flat[..., lane]
    values = model.to_values(flat.T)
    drawn = np.isfinite(values).all()
    common = {"source_id": row["source_id"], "product": row["product"], "model": model.name}
    slots = [(slot, p) for slot in model.slots for p in slot.parameters]
    return [
        {
            **common,
            "component": slot.label,
            "parameter": parameter.name,
            "unit": parameter.unit_in(row["norm"]),
            "scale": "log" if model.is_log[p] else "linear",
            **{name: float(value[p, lane]) for name, value in chains.diagnosis._asdict().items()},
            "n_chains": CHAINS if drawn else 0,
            "value": values[p] if drawn else [],
        }
        for p, (slot, parameter) in enumerate(slots)
        if chains.free[p, lane]
    ]


def columns(chains, lane) -> dict:
    """Return the columns of MODELS of one lane: the worst of its free parameters; NaN without a posterior."""
    free, found = chains.free[:, lane], chains.diagnosis
    return {
        "r_hat": float(found.r_hat[free, lane].max()),
        "ess_bulk": float(found.ess_bulk[free, lane].min()),
        "ess_tail": float(found.ess_tail[free, lane].min()),
    }


def good(model) -> bool:
    """Whether the chains of a row of MODELS have mixed."""
    enough = min(model["ess_bulk"], model["ess_tail"]) >= GOOD_ESS
    return bool(enough and model["r_hat"] <= GOOD_R_HAT)
