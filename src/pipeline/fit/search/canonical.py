"""Of two descriptions of the same power, the one that is published."""

from dataclasses import replace

import numpy as np

from pipeline.fit.engine.problem import Fit
from pipeline.fit.search.batch import Batch


def in_canonical_form(batch: Batch, fit: Fit) -> Fit:
    """Rewrite components that can be written in two ways, where the bounds allow it.

    Which components these are, and which way is preferred, they know themselves
    (`pipeline.components.base.Component.rewritten`). One whose parameters have priors, other scales than
    declared or ties is left as it is.

    Parameters
    ----------
    batch : Batch
        Model and bounds.
    fit : Fit
        Its fits.
    """
    u, at_bound, at_lower = fit.u.copy(), fit.at_bound.copy(), fit.at_lower.copy()
    for slot, index in zip(batch.model.slots, batch.model.index, strict=True):
        rows = list(index)
        other = slot.declared.rewritten(u[rows])
        restricted = any(slot.priors) or any(slot.scales) or _in_a_tie(batch.model, index)
        if other is None or restricted:
            continue
        inside = (other.u >= batch.bounds.lower[rows]) & (other.u <= batch.bounds.upper[rows])
        changed, order = list(other.changed), list(other.order)
        held = batch.held[rows][changed].any()
        rewrite = other.preferred & inside[changed].all(axis=0) & ~held
        u[rows] = np.where(rewrite, other.u, u[rows])
        for at in (at_bound, at_lower):
            at[rows] = np.where(rewrite, at[rows][order], at[rows])
    return replace(fit, u=u, at_bound=at_bound, at_lower=at_lower)


def _in_a_tie(model, rows) -> bool:
    """Whether one of these parameters is tied to another, or another to it."""
    return any(tie.row in rows or tie.target in rows for tie in model.ties)
