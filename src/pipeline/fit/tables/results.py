"""Fitted lanes into rows of the tables MODELS, PARAMETERS and CURVES."""

import math

import numpy as np

from pipeline.fit.engine.problem import Code
from pipeline.fit.tables.derived import Products, derived_quantities
from pipeline.fit.uncertainty.covariance import interval
from pipeline.fit.uncertainty.profile import End
from pipeline.fit.uncertainty.resolution import limits_of_data, unresolved
from pipeline.status import Flag, Status

_CODES = {
    Code.RUNNING: Status.NOT_CONVERGED,
    Code.STALLED: Status.NOT_CONVERGED,
    Code.NO_DATA: Status.BAD_SPECTRUM,
    Code.CONVERGED: Status.OK,
}


def lane_status(result, lane) -> Status:
    """Return the status of one lane of a `pipeline.fit.search.fit_model.ModelFit`."""
    status = _CODES[Code(int(result.fit.code[lane]))]
    if status is not Status.OK:
        return status
    if not result.sound[lane]:
        return Status.SINGULAR
    fit = result.fit.take([lane])
    at_bound = fit.at_bound & ~limits_of_data(result.model, fit)
    if (at_bound[:, 0] & result.free[:, lane]).any():
        return Status.AT_BOUND
    return Status.OK


def model_row(row, result, lane) -> dict:
    """Return the MODELS row of one lane; `row` is its SPECTRA row."""
    status = lane_status(result, lane)
    free = np.flatnonzero(result.free[:, lane])
    flags = Flag(0)
    if not len(row["n"]):
        flags |= Flag.GAUSSIAN
    if row.get("errors_follow"):
        flags |= Flag.ERRORS_FOLLOW_POWER
    if status is Status.AT_BOUND:
        flags |= Flag.AT_BOUND
    if unresolved_peaks(row, result, lane).any():
        flags |= Flag.UNRESOLVED
    if result.undetermined[:, lane].any():
        flags |= Flag.UNDETERMINED
    return {
        "source_id": row["source_id"],
        "product": row["product"],
        "model": result.model.name,
        "status": status,
        "flags": int(flags),
        "reason": "" if status is Status.OK else status.sentence,
        "norm": row["norm"],
        "components": _labels(result.model, result.active[:, lane]),
        **_rival(result, lane),
        "n_free": free.size,
        "statistic": float(result.statistic[lane]),
        "deviance": float(result.fit.deviance[lane]),
        "aic": float(result.aic[lane]),
        "bic": float(result.bic[lane]),
        "n_iterations": int(result.fit.iterations[lane]),
        "parameter_names": [result.model.names[p] for p in free],
        "covariance": result.covariance[np.ix_(free, free, [lane])].ravel(),
    }


def unresolved_peaks(row, result, lane) -> np.ndarray:
    """Return which peaks of one lane are narrower than the bins of its SPECTRA row, shape (slots,)."""
    some = result.active[:, [lane]], result.fit.u[:, [lane]]
    return unresolved(result.model, *some, *_bins(row))[:, 0]


def _bins(row):
    """Middles and widths of the bins of a row, Hz, shape (bins, 1)."""
    low, high = (np.asarray(row[name], float)[:, None] for name in ("frequency_lo", "frequency_hi"))
    return (low + high) / 2, high - low


def _labels(model, active) -> list[str]:
    """Names of the components that are in a fit."""
    return [slot.label for slot, there in zip(model.slots, active, strict=True) if there]


def _rival(result, lane) -> dict:
    """Columns of MODELS of the decomposition that came closest; empty where there was none."""
    if not np.isfinite(result.rival_bic[lane]):
        return {}
    return {
        "rival_components": _labels(result.model, result.rival[:, lane]),
        "rival_delta_bic": float(result.rival_bic[lane] - result.bic[lane]),
    }


def parameter_rows(row, result, lane) -> list[dict]:
    """Return the PARAMETERS rows of one lane, derived ones included."""
    model, u = result.model, result.fit.u[:, [lane]]
    values = model.to_values(u)[:, 0]
    quantities = _derived_rows(row, result, lane)
    errors = parameter_errors(result, lane)
    common = {"source_id": row["source_id"], "product": row["product"], "model": model.name}
    out = []
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        if not result.active[s, lane]:
            continue
        for parameter, p in zip(slot.parameters, index, strict=True):
            out.append(
                {
                    **common,
                    "component": slot.label,
                    "parameter": parameter.name,
                    "value": values[p],
                    **errors[p],
                    "unit": parameter.unit_in(row["norm"]),
                    "free": bool(result.free[p, lane]),
                    "at_bound": bool(result.fit.at_bound[p, lane] & result.free[p, lane]),
                }
            )
        out += [{**common, **more} for more in quantities.pop(slot.label, [])]
    for label in quantities:  # blends
        out += [{**common, **more} for more in quantities[label]]
    return out


def _derived_rows(row, result, lane) -> dict[str, list[dict]]:
    """Columns of the derived quantities of one lane by component."""
    out = {}
    for quantity in derived_quantities(result, Products.of([row]), np.array([lane])):
        if not quantity.lanes.size:
            continue
        intervals = quantity.intervals
        out.setdefault(quantity.component, []).append(
            {
                "component": quantity.component,
                "parameter": quantity.name,
                "value": quantity.value[0],
                "err_lo": intervals.err_lo[0],
                "err_hi": intervals.err_hi[0],
                "error_method": quantity.method[0],
                "open_lo": bool(intervals.open_lo[0]),
                "open_hi": bool(intervals.open_hi[0]),
                "upper_limit": intervals.upper_limit[0],
                "lower_limit": intervals.lower_limit[0],
                "unit": quantity.unit[0],
                "derived": True,
            }
        )
    return out


def parameter_errors(result, lane) -> list[dict]:
    """Return for each parameter of one lane the columns that say how well it is known.

    Errors are from the profile of the likelihood where one was made, else from the covariance.
    """
    model, u = result.model, result.fit.u[:, [lane]]
    sigma = np.sqrt(np.maximum(np.diag(result.covariance[:, :, lane]), 0.0))[:, None]
    sigma = np.where((sigma > 0) & result.sound[lane], sigma, math.nan)
    lower, upper = interval(u, sigma, model.is_log)
    out = []
    for p in range(model.size):
        known = math.isfinite(sigma[p, 0])
        out.append(
            {
                "err_lo": lower[p, 0],
                "err_hi": upper[p, 0],
                "error_method": result.kind if known else "none",
                "upper_limit": math.nan,
                "lower_limit": math.nan,
            }
        )
        if result.profiles is not None:
            out[p] |= _profile_errors(result, p, lane)
    return out


def _profile_errors(result, p, lane) -> dict:
    """Columns of a parameter that its profile replaces; empty where it has none."""
    profiles, is_log = result.profiles, result.model.is_log[p]

    def values(u):
        return np.exp(u) if is_log else u

    out = {
        "upper_limit": float(values(profiles.limit[p, lane])),
        "lower_limit": float(values(profiles.least[p, lane])),
    }
    codes = profiles.lower_code[:, p, lane], profiles.upper_code[:, p, lane]
    ends = {codes[0][0], codes[1][0]}
    # of a parameter at its bound one end is open, whatever became of the search for the other
    if not ends <= {End.FOUND, End.OPEN} and not (
        result.fit.at_bound[p, lane] and End.OPEN in ends
    ):
        return out
    best = values(result.fit.u[p, lane])
    lower, upper = values(profiles.lower[:, p, lane]), values(profiles.upper[:, p, lane])
    return out | {
        "err_lo": best - lower[0],
        "err_hi": upper[0] - best,
        "error_method": "profile",
        "open_lo": bool(codes[0][0] == End.OPEN),
        "open_hi": bool(codes[1][0] == End.OPEN),
        "interval_lo": lower[1:],
        "interval_hi": upper[1:],
    }


def curve_row(row, mask, result, lane, power_of) -> dict:
    """Return the CURVES row of one lane: its usable bins with the model and its components.

    `power_of` is what `pipeline.fit.objectives.curves.component_power` returns for the result.
    """
    active = result.active[:, lane]
    power, low, high = (row[name][mask] for name in ("power", "frequency_lo", "frequency_hi"))
    parts = power_of[active, : power.size, lane]
    error = power / np.sqrt(row["n"][mask]) if len(row["n"]) else row["power_err"][mask]
    return {
        "source_id": row["source_id"],
        "product": row["product"],
        "model": result.model.name,
        "norm": row["norm"],
        "components": _labels(result.model, active),
        "frequency_lo": low,
        "frequency_hi": high,
        "power": power,
        "power_err": error,
        "model_power": parts.sum(axis=0),
        "component_power": parts.ravel(),
    }
