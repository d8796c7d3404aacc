"""Fits of one model into columns of the table PARAMETERS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from pipeline.fit.search.batch import ModelFit
from pipeline.fit.tables.derived import Quantity, derived_quantities, units_of
from pipeline.fit.tables.errors import PROFILE, ParameterErrors, parameter_errors
from pipeline.fit.tables.sources import Sources


@dataclass(frozen=True)
class ParameterRows:
    """Rows of PARAMETERS, one a parameter or derived quantity.

    Attributes
    ----------
    columns : dict of str to array or list
        Cells by name of the column.
    lane : int array, shape (rows,)
        Lane of each row: they are in order.
    """

    columns: dict[str, Any]
    lane: Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class _Part:
    """Rows of one parameter, or one quantity, in the lanes that have it.

    Attributes
    ----------
    slot : int
        Place of its component in the model; that of a blend is after the last one.
    lane : int array, shape (rows,)
        The lanes.
    columns : dict of str to array or list
        Cells of these rows.
    """

    slot: int
    lane: np.ndarray
    columns: dict[str, Any]


def parameter_rows(
    sources: Sources, result: ModelFit, best: Bool[np.ndarray, " lanes"]
) -> ParameterRows:
    """Return the rows of PARAMETERS of the fits of one model, derived quantities included.

    Parameters
    ----------
    sources : Sources
        The spectra, one a lane.
    result : ModelFit
        Their fits.
    best : bool array, shape (lanes,)
        Lanes in which the model is chosen.
    """
    model, errors = result.model, parameter_errors(result)
    values = model.to_values(result.fit.u)
    parts = []
    for s, index in enumerate(model.index):
        lanes = np.flatnonzero(result.active[s])
        parts += [_of_parameter(sources, result, values, errors, p, s, lanes) for p in index]
    places = {slot.label: s for s, slot in enumerate(model.slots)}
    for quantity in derived_quantities(result, sources.products):
        parts.append(_of_quantity(quantity, places.get(quantity.component, len(places))))
    return _joined(parts, sources, model.name, best)


def _of_parameter(
    sources: Sources,
    result: ModelFit,
    values: np.ndarray,
    errors: ParameterErrors,
    p: int,
    s: int,
    lanes: np.ndarray,
) -> _Part:
    """Return the rows of one parameter in the lanes that have its component."""
    slot = result.model.slots[s]
    parameter = slot.parameters[p - result.model.index[s][0]]
    free = result.free[p, lanes]
    columns = {
        "component": [slot.label] * lanes.size,
        "parameter": [parameter.name] * lanes.size,
        "value": values[p, lanes],
        "err_lo": errors.err_lo[p, lanes],
        "err_hi": errors.err_hi[p, lanes],
        "error_method": errors.method[p, lanes],
        "open_lo": errors.open_lo[p, lanes],
        "open_hi": errors.open_hi[p, lanes],
        "upper_limit": errors.upper_limit[p, lanes],
        "lower_limit": errors.lower_limit[p, lanes],
        "unit": units_of(parameter, sources.norm[lanes]),
        "free": free,
        "at_bound": result.fit.at_bound[p, lanes] & free,
        "derived": np.zeros(lanes.size, bool),
    }
    if len(errors.interval_lo):  # there are further levels
        profiled = errors.method[p, lanes] == PROFILE
        for name in ("interval_lo", "interval_hi"):
            ends = getattr(errors, name)[:, p, lanes].T
            columns[name] = [
                own if there else [] for own, there in zip(ends, profiled, strict=True)
            ]
    return _Part(s, lanes, columns)


def _of_quantity(quantity: Quantity, slot: int) -> _Part:
    """Return the rows of one derived quantity."""
    count, known = quantity.lanes.size, quantity.intervals
    columns = {
        "component": [quantity.component] * count,
        "parameter": [quantity.name] * count,
        "value": quantity.value,
        "err_lo": known.err_lo,
        "err_hi": known.err_hi,
        "error_method": quantity.method,
        "open_lo": known.open_lo,
        "open_hi": known.open_hi,
        "upper_limit": known.upper_limit,
        "lower_limit": known.lower_limit,
        "unit": quantity.unit,
        "free": np.zeros(count, bool),
        "at_bound": np.zeros(count, bool),
        "derived": np.ones(count, bool),
    }
    return _Part(slot, quantity.lanes, columns)


def _joined(parts: Sequence[_Part], sources: Sources, model: str, best) -> ParameterRows:
    """Put the rows of all parts in order: lane by lane, component by component, in the order they came in."""
    lane = np.concatenate([part.lane for part in parts])
    slot = np.repeat([part.slot for part in parts], [part.lane.size for part in parts])
    order = np.lexsort((slot, lane))
    names = {name: None for part in parts for name in part.columns}
    columns: dict[str, Any] = {}
    for name in names:
        columns[name] = _column([(part, part.columns.get(name)) for part in parts])[order]
    lane = lane[order]
    columns |= {
        "source_id": sources.source_id[lane],
        "product": sources.product[lane],
        "model": [model] * lane.size,
        "best": best[lane],
    }
    return ParameterRows(columns, lane)


def _column(cells: Sequence[tuple[_Part, Any]]) -> np.ndarray:
    """Return one column of all parts; of lists and texts, or where a part has none, an array of objects."""
    if all(isinstance(own, np.ndarray) and own.dtype != object for _, own in cells):
        return np.concatenate([own for _, own in cells])
    rows = [
        one for part, own in cells for one in (own if own is not None else [None] * part.lane.size)
    ]
    out = np.empty(len(rows), object)
    out[:] = rows
    return out
