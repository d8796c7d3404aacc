"""Fitted lanes into rows of the tables MODELS, PARAMETERS and CURVES."""

import math

import numpy as np

from pipeline.components import LORENTZIANS
from pipeline.fit.engine.optimize import Code
from pipeline.fit.model.components import FWHM_OF_GAUSSIAN, centroid_and_fwhm
from pipeline.fit.tables import blends
from pipeline.fit.uncertainty.covariance import interval
from pipeline.fit.uncertainty.profile import End
from pipeline.fit.uncertainty.propagation import follow
from pipeline.fit.uncertainty.resolution import bin_widths, limits_of_data, unresolved
from pipeline.prominence import prominence
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
    matrix = result.covariance[:, :, lane]
    values = model.to_values(u)[:, 0]
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
        at = list(index)
        block = _of_logs(matrix[np.ix_(at, at)], values[at], model.is_log[at])
        if not result.sound[lane] or result.undetermined[at, lane].any():
            block = np.full_like(block, math.nan)
        quantities = list(derived(slot.component, values[at], block, row))
        told = _follow_component(row, result, slot.component, at, lane) if quantities else {}
        if slot.component in LORENTZIANS:
            peak, slopes = lorentzian_of(slot.component, values[at])
            error = _error(slopes @ block @ slopes.T, (1, 1, -1))
            unit = slot.parameters[0].unit_in(row["norm"])
            quantities.append(_peak_power(row, *peak, error, unit))
        for quantity in quantities:
            more = _derived_row(*quantity, kind=result.kind) | told.get(quantity[0], {})
            out.append({**common, "component": slot.label, **more})
    for label, quantity, told in _blends(row, result, lane):
        more = _derived_row(*quantity, kind=result.kind) | told
        out.append({**common, "component": label, **more})
    return out


def _follow_component(row, result, component, index, lane) -> dict[str, dict]:
    """Columns of the derived quantities of a component that its profiles and bounds decide."""
    is_log, nothing = result.model.is_log[index], np.zeros((len(index), len(index)))

    def quantities(u):
        values = np.where(is_log, np.exp(np.where(is_log, u[index], 0.0)), u[index])
        return {found[0]: found[1] for found in derived(component, values, nothing, row)}

    found = follow(quantities, result, index, lane, upper_limits=("rms",))
    return {name: _followed(interval) for name, interval in found.items()}


def _followed(interval) -> dict:
    """Columns of a `pipeline.fit.uncertainty.propagation.Interval`."""
    if interval.limit_only:
        return {"upper_limit": interval.upper_limit}
    out = {k: v for k, v in vars(interval).items() if k != "limit_only"}
    known = interval.open_lo or interval.open_hi or math.isfinite(interval.err_lo + interval.err_hi)
    return out | {"error_method": "profile" if known else "none"}


def _of_logs(covariance, values, is_log):
    """Covariance of the logarithms of parameters, from that of the fitted variables."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(is_log, 1.0, 1.0 / values)
        slopes[np.diag(covariance) == 0] = 0.0  # held, at zero maybe
        return slopes[:, None] * covariance * slopes


def lorentzian_of(component, values):
    """Return variance, frequency and FWHM of a Lorentzian, and how they change with its parameters.

    Parameters
    ----------
    component : str
        One of `pipeline.components.LORENTZIANS`.
    values : array, shape (3,)
        Its parameters.

    Returns
    -------
    array, shape (3,)
        Variance, centroid frequency and FWHM.
    array, shape (3, 3)
        Derivatives of their logarithms by the logarithms of the parameters.

    Notes
    -----
    With nu0 = 2 Q Delta and Delta = nu_max (1 + 4 Q^2)^-1/2 (Belloni, Psaltis & van der Klis 2002),
    d ln nu0 / d ln Q = 1 / (1 + 4 Q^2) and d ln Delta / d ln Q = -4 Q^2 / (1 + 4 Q^2).
    """
    if component != "lorentzian_numax":
        return np.array(values, float), np.eye(3)
    variance, nu_max, q = values
    share = 1 / (1 + 4 * q**2)
    slopes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, share], [0.0, 1.0, share - 1]])
    return np.array([variance, *centroid_and_fwhm(nu_max, q)]), slopes


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


def derived(component, values, covariance, row):
    """Yield name, value and error of the logarithm of what follows from a component's parameters.

    Parameters
    ----------
    component : str
        Kind of component; those that are not built in have no derived quantities.
    values : array, shape (p,)
        Its parameters.
    covariance : array, shape (p, p)
        Covariance of their logarithms; NaN where there are no errors, zero rows where held.
    row : mapping
        SPECTRA row: ``norm``, ``mean_rate`` and ``dt``.

    Notes
    -----
    rms^2 is the variance over positive frequencies, divided by what turns the normalisation into a
    fraction of the mean rate squared, and for a peak by what the averaging over time bins leaves of it at
    its centroid (`_binning`). For the others: `lorentzian_of`, `_of_lorentzian`, `_of_gaussian`,
    `_of_envelope`.
    """
    to_fraction = _to_fraction(row)
    if component in LORENTZIANS:
        yield from _of_lorentzian(component, values, covariance, row, to_fraction)
    elif component == "gaussian":
        yield from _of_gaussian(values, covariance, row, to_fraction)
    elif component == "envelope":
        yield from _of_envelope(values, covariance, row, to_fraction)
    elif component == "zero_lorentzian":
        yield "nu_max", values[1] / 2, _root(covariance[1, 1])
        if to_fraction:
            yield "rms", math.sqrt(values[0] / 2 * to_fraction), 0.5 * _root(covariance[0, 0])
    elif component == "harvey":
        yield "timescale", 1 / (2 * math.pi * values[1]), _root(covariance[1, 1])
        if to_fraction:
            yield "rms", math.sqrt(values[0] * to_fraction), 0.5 * _root(covariance[0, 0])


def _of_lorentzian(component, values, covariance, row, to_fraction):
    """Q = nu0 / 2 Delta, nu_max^2 = nu0^2 + Delta^2 and rms of a Lorentzian, and what is not fitted of it.

    Of the variance, 1/2 + atan(2 Q) / pi is at positive frequencies (Belloni, Psaltis & van der Klis
    2002).
    """
    (_, frequency, fwhm), slopes = lorentzian_of(component, values)
    errors = slopes @ covariance @ slopes.T
    q = frequency / fwhm
    share = 1 / (1 + 4 * q**2)
    if component == "lorentzian_numax":
        yield "frequency", frequency, _root(errors[1, 1])
        yield "fwhm", fwhm, _root(errors[2, 2])
    else:
        yield "q", q, _error(errors, (0, 1, -1))
        yield "nu_max", math.hypot(frequency, fwhm / 2), _error(errors, (0, 1 - share, share))
    if to_fraction:
        slope = 0.0 if component == "lorentz" else 2 * q * share / math.pi / _positive(component, q)
        error = _error(errors, (0.5, 0.5 * slope, -0.5 * slope))
        yield "rms", rms_of_lorentzian(component, values, row), error


def _peak_power(row, variance, frequency, fwhm, error, unit):
    """Frequency times power at the centroid of a peak, by which the QPO is chosen, with its unit."""
    middle, width = _bins(row)
    width = bin_widths(np.array([[frequency]]), middle, width)[0, 0] if middle.size else 0.0
    return "peak_power", float(prominence(variance, frequency, fwhm, width)), error, unit


def rms_of_lorentzian(component, values, row) -> float:
    """Return the fractional rms over positive frequencies; NaN where the mean rate is not known.

    ``component``, ``values`` and ``row`` are those of `derived`.
    """
    to_fraction = _to_fraction(row)
    if not to_fraction:
        return math.nan
    (variance, frequency, fwhm), _ = lorentzian_of(component, values)
    fraction = _positive(component, frequency / fwhm)
    return math.sqrt(variance * fraction * to_fraction / _binning(row, frequency))


def _positive(component, q) -> float:
    """Fraction of the variance of a Lorentzian that is at positive frequencies."""
    return 1.0 if component == "lorentz" else 0.5 + math.atan(2 * q) / math.pi


def _of_gaussian(values, covariance, row, to_fraction):
    """FWHM, Q and rms of a Gaussian; Phi(frequency / width) of its variance is at positive frequencies."""
    variance, frequency, width = values
    x = frequency / width
    fwhm = FWHM_OF_GAUSSIAN * width
    yield "fwhm", fwhm, _root(covariance[2, 2])
    yield "q", frequency / fwhm, _error(covariance, (0, 1, -1))
    if to_fraction:
        fraction = 0.5 * math.erfc(-x / math.sqrt(2))
        slope = x * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) / fraction
        error = _error(covariance, (0.5, 0.5 * slope, -0.5 * slope))
        kept = _binning(row, frequency)
        yield "rms", math.sqrt(variance * fraction * to_fraction / kept), error


def _of_envelope(values, covariance, row, to_fraction):
    """FWHM and rms of an envelope, which is a Gaussian by its frequency and Q."""
    variance, nu_max, q = values
    slopes = np.array([[1, 0, 0], [0, 1, 0], [0, 1, -1]])
    width = nu_max / (FWHM_OF_GAUSSIAN * q)
    errors = slopes @ covariance @ slopes.T
    for name, value, error in _of_gaussian((variance, nu_max, width), errors, row, to_fraction):
        if name != "q":
            yield name, value, error


_DERIVED_UNITS = {"frequency": "Hz", "fwhm": "Hz", "nu_max": "Hz", "timescale": "s"}


def _derived_row(name, value, error, unit=None, *, kind) -> dict:
    """Columns of a derived quantity, given the error of its logarithm."""
    return {
        "parameter": name,
        "value": value,
        "err_lo": -value * math.expm1(-error),
        "err_hi": value * math.expm1(min(error, 700.0)),
        "error_method": kind if math.isfinite(error) else "none",
        "upper_limit": math.nan,
        "unit": _DERIVED_UNITS.get(name, "") if unit is None else unit,
        "derived": True,
    }


def _blends(row, result, lane):
    """Yield name and quantities of each blend of narrow Lorentzians: see `pipeline.fit.tables.blends`.

    With each quantity come the columns that profiles and bounds of its members decide.
    """
    model, matrix = result.model, result.covariance[:, :, lane]
    lost = result.undetermined[:, lane] | ~result.sound[lane]
    matrix = np.where(lost[:, None] | lost, math.nan, matrix)
    slots = [
        s
        for s, slot in enumerate(model.slots)
        if slot.component in LORENTZIANS and result.active[s, lane]
    ]
    if len(slots) < 2:
        return
    values = model.to_values(result.fit.u[:, [lane]])[:, 0]
    peaks, slopes = [], np.eye(model.size)
    for s in slots:
        index = list(model.index[s])
        peak, slope = _over_all_frequencies(model.slots[s].component, values[index])
        slopes[np.ix_(index, index)] = slope
        peaks.append(peak)
    matrix = slopes @ _of_logs(matrix, values, model.is_log) @ slopes.T
    to_fraction = _to_fraction(row)
    for group in blends.find(peaks):
        members = [slots[k] for k in group]
        label = "+".join(model.slots[s].label for s in members)
        index = [i for s in members for i in model.index[s]]
        logs, errors = blends.covariance(
            np.log(np.concatenate([peaks[k] for k in group])), matrix[np.ix_(index, index)]
        )
        variance, frequency, fwhm, positive = np.exp(logs)
        if all(model.slots[s].component == "lorentz" for s in members):
            variance, errors[0, 0] = positive, errors[3, 3]  # as the peaks' own is
        unit = model.slots[members[0]].parameters[0].unit_in(row["norm"])
        rms = math.sqrt(positive * to_fraction / _binning(row, frequency)) if to_fraction else None
        told = _follow_blend(row, result, members, index, lane)
        error = _error(errors, (1, 1, -1, 0))
        for quantity in (
            ("variance", variance, _root(errors[0, 0]), unit),
            ("frequency", frequency, _root(errors[1, 1])),
            ("fwhm", fwhm, _root(errors[2, 2])),
            ("q", frequency / fwhm, _error(errors, (0, 1, -1, 0))),
            ("rms", rms, 0.5 * _root(errors[3, 3])),
            _peak_power(row, variance, frequency, fwhm, error, unit),
        ):
            if quantity[1] is not None:
                yield label, quantity, told.get(quantity[0], {})


def _follow_blend(row, result, members, index, lane) -> dict[str, dict]:
    """Columns of the quantities of a blend that profiles and bounds of its members decide."""
    model, to_fraction = result.model, _to_fraction(row)

    def quantities(u):
        values = np.where(model.is_log, np.exp(np.where(model.is_log, u, 0.0)), u)
        peaks = [
            _over_all_frequencies(model.slots[s].component, values[list(model.index[s])])[0]
            for s in members
        ]
        variance, frequency, fwhm, positive = np.exp(blends.measure(np.log(np.concatenate(peaks))))
        if all(model.slots[s].component == "lorentz" for s in members):
            variance = positive
        out = {"variance": variance, "frequency": frequency, "fwhm": fwhm, "q": frequency / fwhm}
        if to_fraction:
            out["rms"] = math.sqrt(positive * to_fraction / _binning(row, frequency))
        return out

    return {n: _followed(i) for n, i in follow(quantities, result, index, lane).items()}


def _over_all_frequencies(component, values):
    """`lorentzian_of`, with the variance over all frequencies, negative ones included."""
    peak, slopes = lorentzian_of(component, values)
    if component == "lorentz":  # of which the variance is that over positive ones
        _, frequency, fwhm = peak
        q = frequency / fwhm
        share = 0.5 + math.atan(2 * q) / math.pi
        peak[0] /= share
        slope = 2 * q / (1 + 4 * q**2) / math.pi / share
        slopes[0] += [0.0, -slope, slope]
    return peak, slopes


def _to_fraction(row) -> float:
    """What a variance is multiplied by to be a fraction of the mean squared; 0 if not known."""
    if row["norm"] == "frac":
        return 1.0
    rate = row["mean_rate"]
    if not (math.isfinite(rate) and rate > 0):
        return 0.0
    background = row["background_rate"] if math.isfinite(row["background_rate"]) else 0.0
    source = max(rate - background, 0.0)
    if source == 0:
        return 0.0
    return (rate if row["norm"] == "leahy" else 1.0) / source**2


def _binning(row, frequency) -> float:
    """Fraction of the power at a frequency that is left after averaging over bins of dt.

    The square of sin(x) / x with x = pi frequency dt (van der Klis 1989, NATO ASI C 262, 27); 1 where dt
    is not known, as of ready-made spectra.
    """
    dt = row["dt"]
    return float(np.sinc(frequency * dt)) ** 2 if math.isfinite(dt) else 1.0


def _error(covariance, weights) -> float:
    weights = np.asarray(weights)
    variance = weights @ covariance @ weights
    terms = np.abs(weights) @ np.abs(covariance) @ np.abs(weights)
    return _root(variance) if variance > 1e-12 * terms else math.nan  # tied parameters cancel


def _root(variance) -> float:
    return math.sqrt(variance) if variance > 0 else math.nan


def curve_row(row, mask, result, lane, power_of) -> dict:
    """Return the CURVES row of one lane: its usable bins with the model and its components.

    `power_of` is what `pipeline.fit.engine.optimize.component_power` returns for the result.
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
