"""Quantities that follow from fitted components, and from blends of them, with their errors.

Which quantities a component has it knows itself (`pipeline.components.base.Component.derived`). Here they get
their errors, from the covariance, or where there are profiles and bounds from these. All lanes of a fit go together:
the last axis of arrays is the lane.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.components.base import Component
from pipeline.components.lorentzians import Shape
from pipeline.components.parameters import Parameter
from pipeline.components.quantities import Calibration, Derived
from pipeline.fit.tables import blends
from pipeline.fit.uncertainty.propagation import Intervals, follow
from pipeline.fit.uncertainty.resolution import bin_widths
from pipeline.prominence import prominence

PEAK_POWER = "peak_power"
"""Frequency times power at the centroid of a peak, by which the QPO is chosen."""


@dataclass(frozen=True)
class Products:
    """What the derived quantities take from spectra, beside the fits of them.

    Attributes
    ----------
    norm : array of str, shape (lanes,)
        Normalisation of the power.
    calibration : Calibration
        What turns a variance into a fractional rms.
    middles, widths : array, shape (bins, lanes)
        Middles and widths of all bins, Hz; NaN in the padding.
    """

    norm: np.ndarray
    calibration: Calibration
    middles: Float[np.ndarray, "bins lanes"]
    widths: Float[np.ndarray, "bins lanes"]

    @classmethod
    def of(cls, rows: Sequence[Mapping]) -> "Products":
        """Collect what is needed from rows of SPECTRA, one a lane."""
        bins = max([len(row["frequency_lo"]) for row in rows], default=0)
        low, high = np.full((2, max(bins, 1), len(rows)), math.nan)
        for lane, row in enumerate(rows):
            low[: len(row["frequency_lo"]), lane] = row["frequency_lo"]
            high[: len(row["frequency_hi"]), lane] = row["frequency_hi"]
        norm = np.array([row["norm"] for row in rows])
        return cls(norm, calibration_of(rows), (low + high) / 2, high - low)

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Products":
        """Return those of some lanes."""
        calibration = self.calibration
        return Products(
            self.norm[lanes],
            Calibration(calibration.to_fraction[lanes], calibration.time_bin[lanes]),
            self.middles[:, lanes],
            self.widths[:, lanes],
        )

    def width_at(self, frequency: Float[np.ndarray, " lanes"]) -> Float[np.ndarray, " lanes"]:
        """Return the width of the bin in which a frequency of each lane is, Hz; NaN without bins."""
        return bin_widths(frequency[None], self.middles, self.widths)[0]


@dataclass(frozen=True)
class Quantity:
    """A derived quantity of one component, or one blend, in some lanes of a fit.

    Attributes
    ----------
    component : str
        Label of the component, ``lorentzian.1``, or of the blend, ``lorentzian.1+lorentzian.2``.
    name : str
        Its name.
    unit : sequence of str, length some
        Its unit in each of the lanes.
    lanes : int array, shape (some,)
        Lanes of the fit that have it.
    value : array, shape (some,)
        Its value.
    intervals : Intervals
        Its errors and limits in these lanes.
    method : sequence of str, length some
        Where the errors are from: "profile", the kind of the covariance, or "none".
    """

    component: str
    name: str
    unit: Sequence[str]
    lanes: Int[np.ndarray, " some"]
    value: Float[np.ndarray, " some"]
    intervals: Intervals
    method: Sequence[str]


def derived_quantities(
    result: Any, products: Products, lanes: Int[np.ndarray, " lanes"] | None = None
) -> list[Quantity]:
    """Return the derived quantities of all components of a fit, then those of its blends.

    Parameters
    ----------
    result : pipeline.fit.search.batch.ModelFit
        Fits.
    products : Products
        The spectra of these lanes.
    lanes : int array, optional
        Lanes of the fit that are wanted; by default all.

    Returns
    -------
    list of Quantity
        Components in the order of the model, the quantities of each in their own order.
    """
    lanes = np.arange(result.active.shape[1]) if lanes is None else lanes
    out = []
    for s in range(len(result.model.slots)):
        some = np.flatnonzero(result.active[s, lanes])
        if some.size:
            out += _of_component(result, s, lanes[some], products.take(some))
    for members, some in find_blends(result, lanes).items():
        out += _of_blend(result, members, lanes[some], products.take(some))
    return out


def calibration_of(rows: Sequence[Mapping]) -> Calibration:
    """Return the calibration of spectra from their rows of SPECTRA, one a lane."""
    norm = np.array([row["norm"] for row in rows])
    rate, background = (
        np.array([float(row.get(name, math.nan)) for row in rows])
        for name in ("mean_rate", "background_rate")
    )
    time_bin = np.array([float(row["dt"]) for row in rows])
    return Calibration(to_fraction(norm, rate, background), time_bin)


def to_fraction(
    norm: np.ndarray,
    mean_rate: Float[np.ndarray, " lanes"],
    background_rate: Float[np.ndarray, " lanes"],
) -> Float[np.ndarray, " lanes"]:
    """Return what a variance is multiplied by to be a fraction of the squared mean; NaN if not known.

    Parameters
    ----------
    norm : array of str, shape (lanes,)
        Normalisation of the power.
    mean_rate, background_rate : array, shape (lanes,)
        Counts per second, background included, and of the background, NaN where not known.
    """
    known = np.isfinite(mean_rate) & (mean_rate > 0)
    source = np.where(known, mean_rate, 0.0)
    source = source - np.where(np.isfinite(background_rate), background_rate, 0.0)
    positive = known & (source > 0)
    variance = np.where(
        norm == "leahy", mean_rate, 1.0
    )  # over the power: 1 / rate in units of 1 / Hz
    fraction = np.where(positive, variance / np.where(positive, source, 1.0) ** 2, math.nan)
    return np.where(norm == "frac", 1.0, fraction)


def rms_of(
    component: Component, values: Float[np.ndarray, "p lanes"], calibration: Calibration
) -> Float[np.ndarray, " lanes"]:
    """Return the fractional rms of a component over positive frequencies; NaN where it is not known.

    Parameters
    ----------
    component : Component
        With an rms among its derived quantities.
    values : array, shape (p, lanes)
        Parameters in their own units.
    calibration : Calibration
        Of the spectra.
    """
    return next(d.value for d in component.derived(values, calibration) if d.name == "rms")


def covariance_of_logs(
    covariance: Float[np.ndarray, "p p lanes"],
    values: Float[np.ndarray, "p lanes"],
    is_log: Bool[np.ndarray, " p"],
) -> Float[np.ndarray, "p p lanes"]:
    """Return the covariance of the logarithms of parameters, from that of the fitted variables."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(is_log[:, None], 1.0, 1.0 / values)
        slopes[np.einsum("iil->il", covariance) == 0] = 0.0  # held, at zero maybe
        return slopes[:, None] * covariance * slopes


def log_error(
    covariance: Float[np.ndarray, "p p lanes"], slopes: Float[np.ndarray, "p lanes"]
) -> Float[np.ndarray, " lanes"]:
    """Return the error of the logarithm of a quantity; NaN where there is none.

    Parameters
    ----------
    covariance : array, shape (p, p, lanes)
        Of the logarithms of the parameters.
    slopes : array, shape (p, lanes)
        Derivatives of the logarithm of the quantity by them.
    """
    variance = np.einsum("il,ijl,jl->l", slopes, covariance, slopes)
    terms = np.einsum("il,ijl,jl->l", np.abs(slopes), np.abs(covariance), np.abs(slopes))
    exists = variance > 1e-12 * terms  # where parameters are tied, their errors may cancel
    return np.sqrt(np.where(exists, variance, math.nan))


def _of_component(result, s, lanes, products) -> list[Quantity]:
    """Derived quantities of one component in the lanes that have it."""
    model, slot = result.model, result.model.slots[s]
    declared, index = slot.declared, list(model.index[s])

    def quantities(u, which):
        values = _values(model, index, u)
        found = declared.derived(values, products.take(which).calibration)
        return {quantity.name: quantity.value for quantity in found}

    values = model.to_values(result.fit.u[:, lanes])[index]
    found = declared.derived(values, products.calibration)
    followed = {}
    if found:
        followed = follow(quantities, result, index, lanes, upper_limits=("rms",))
    if declared.may_be_qpo:
        found = [*found, _peak_power(declared, values, products)]
    covariance = covariance_of_logs(
        result.covariance[np.ix_(index, index, lanes)], values, model.is_log[index]
    )
    lost = ~result.sound[lanes] | result.undetermined[np.ix_(index, lanes)].any(axis=0)
    covariance = np.where(lost, math.nan, covariance)
    quantity_of = _Maker(result.kind, slot.label, lanes, covariance, followed)
    units = _variance_units(declared, products)
    return [quantity_of(d, units if d.name == PEAK_POWER else None) for d in found]


def _values(model, index, u):
    """Values of some parameters from fitted variables, shape (P, points), as they are given."""
    is_log = model.is_log[index][:, None]
    return np.where(is_log, np.exp(np.where(is_log, u[index], 0.0)), u[index])


def _peak_power(declared, values, products) -> Derived:
    """Frequency times power at the centroid of a Lorentzian, averaged over its bin."""
    shape = declared.shape(values)
    _, of_frequency, of_fwhm = shape.log_slopes
    of_variance = np.zeros_like(of_fwhm)
    of_variance[0] = 1.0
    width = products.width_at(shape.frequency)
    power = prominence(values[0], shape.frequency, shape.fwhm, width)
    return Derived(PEAK_POWER, power, of_variance + of_frequency - of_fwhm)


def _variance_units(declared, products) -> list[str]:
    """Unit of the variance of a component in each lane."""
    return units_of(declared.parameters[0], products.norm)


def units_of(parameter: Parameter, norm: Shaped[np.ndarray, " lanes"]) -> list[str]:
    """Return the unit of a parameter for spectra in their normalisations, one a lane."""
    units = {one: parameter.unit_in(one) for one in set(norm)}
    return [units[one] for one in norm]


@dataclass(frozen=True)
class _Maker:
    """Puts quantities of one component, or blend, and their errors together."""

    kind: str
    component: str
    lanes: np.ndarray
    covariance: np.ndarray
    followed: Mapping[str, Intervals]

    def __call__(self, derived: Derived, units: Sequence[str] | None = None) -> Quantity:
        """Return a quantity with its errors, in the lanes in which it is known."""
        known = np.arange(self.lanes.size)
        if derived.known is not None:
            known = np.flatnonzero(derived.known)
        error = log_error(self.covariance, derived.log_slopes)
        value = np.asarray(derived.value, float)
        method = np.where(np.isfinite(error), self.kind, "none").astype(object)
        intervals = Intervals.nothing(self.lanes.size)
        with np.errstate(invalid="ignore"):
            intervals.err_lo = -value * np.expm1(-error)
            intervals.err_hi = value * np.expm1(np.minimum(error, 700.0))
        followed = self.followed.get(derived.name)
        if followed is not None:
            intervals.upper_limit = followed.upper_limit
            some = np.flatnonzero(followed.decided)
            intervals.put(some, followed.take(some))
            ends = (
                followed.open_lo | followed.open_hi | np.isfinite(followed.err_lo + followed.err_hi)
            )
            method[some] = np.where(ends, "profile", "none")[some]
        units = [derived.unit] * self.lanes.size if units is None else units
        return Quantity(
            self.component,
            derived.name,
            [units[k] for k in known.tolist()],
            self.lanes[known],
            value[known],
            intervals.take(known),
            list(method[known]),
        )


def find_blends(
    result: Any, lanes: Int[np.ndarray, " lanes"]
) -> dict[tuple[int, ...], Int[np.ndarray, " some"]]:
    """Return the blends of narrow Lorentzians (`pipeline.fit.tables.blends`) and where they are.

    Parameters
    ----------
    result : pipeline.fit.search.batch.ModelFit
        Fits.
    lanes : int array
        Lanes of the fit to look at.

    Returns
    -------
    dict of tuple to int array
        By the slots of the members of each blend, the places in `lanes` that have it.
    """
    slots = [s for s, slot in enumerate(result.model.slots) if slot.declared.may_be_qpo]
    active = result.active[:, lanes]
    several = np.flatnonzero(active[slots].sum(axis=0) > 1)
    if not several.size:
        return {}
    values = result.model.to_values(result.fit.u[:, lanes[several]])
    shapes = {s: _shape(result.model, s, values) for s in slots}
    peaks = {s: np.stack([p.variance, p.frequency, p.fwhm]) for s, p in shapes.items()}
    places: dict[tuple[int, ...], list[int]] = {}
    for k, place in enumerate(several):
        there = [s for s in slots if active[s, place]]
        for group in blends.find([peaks[s][:, k] for s in there]):
            places.setdefault(tuple(there[i] for i in group), []).append(int(place))
    return {members: np.array(some) for members, some in places.items()}


def _shape(model, s, values) -> Shape:
    """Lorentzian over all frequencies of a slot, from the values of all parameters."""
    return model.slots[s].declared.shape(values[list(model.index[s])])


def _of_blend(result, members, lanes, products) -> list[Quantity]:
    """Derived quantities of the blend of some components in the lanes that have it."""
    model = result.model
    index = [row for s in members for row in model.index[s]]

    def quantities(u, which):
        values = np.zeros((model.size, u.shape[1]))
        values[index] = _values(model, index, u)
        return _measured(model, members, values, products.take(which).calibration)

    values = model.to_values(result.fit.u[:, lanes])
    best = _measured(model, members, values, products.calibration)
    width = products.width_at(best["frequency"])
    power = prominence(best["variance"], best["frequency"], best["fwhm"], width)
    quantity_of = _Maker(
        result.kind,
        "+".join(model.slots[s].label for s in members),
        lanes,
        _covariance_of_blend(result, members, index, lanes, values),
        follow(quantities, result, index, lanes),
    )
    of_variance, of_frequency, of_fwhm, of_positive = np.repeat(
        np.eye(4)[:, :, None], lanes.size, axis=2
    )
    units = _variance_units(model.slots[members[0]].declared, products)
    known = products.calibration.known
    return [
        quantity_of(Derived("variance", best["variance"], of_variance), units),
        quantity_of(Derived("frequency", best["frequency"], of_frequency, "Hz")),
        quantity_of(Derived("fwhm", best["fwhm"], of_fwhm, "Hz")),
        quantity_of(Derived("q", best["q"], of_frequency - of_fwhm)),
        quantity_of(Derived("rms", best["rms"], 0.5 * of_positive, known=known)),
        quantity_of(Derived(PEAK_POWER, power, of_variance + of_frequency - of_fwhm), units),
    ]


def _peaks_of(model, members, values) -> Float[np.ndarray, "k lanes"]:
    """Logarithms of variance, frequency and FWHM of the members of a blend in turn."""
    shapes = [_shape(model, s, values) for s in members]
    return np.log(np.concatenate([[p.variance, p.frequency, p.fwhm] for p in shapes]))


def _is_positive_only(model, members) -> bool:
    """Whether the variances of all members of a blend are those over positive frequencies."""
    return all(model.slots[s].declared.variance_is_positive for s in members)


def _measured(model, members, values, calibration: Calibration) -> dict[str, np.ndarray]:
    """Quantities of a blend by name, from the values of all parameters, shape (P, lanes)."""
    measured = np.exp(blends.measure(_peaks_of(model, members, values)))
    variance, frequency, fwhm, positive = measured
    return {
        "variance": positive if _is_positive_only(model, members) else variance,
        "frequency": frequency,
        "fwhm": fwhm,
        "q": frequency / fwhm,
        "rms": np.sqrt(positive * calibration.to_fraction / calibration.kept(frequency)),
    }


def _covariance_of_blend(result, members, index, lanes, values) -> Float[np.ndarray, "4 4 lanes"]:
    """Covariance of the logarithms of variance, frequency, FWHM and positive variance of a blend."""
    shapes = [_shape(result.model, s, values) for s in members]
    of_peaks = _of_peaks(result, index, lanes, values, shapes)
    _, errors = blends.covariance(_peaks_of(result.model, members, values), of_peaks)
    if _is_positive_only(result.model, members):
        own = [3, 1, 2, 3]  # the variance that is published
        errors = errors[np.ix_(own, own)]
    return errors


def _of_peaks(result, index, lanes, values, shapes) -> Float[np.ndarray, "k k lanes"]:
    """Covariance of the logarithms of variance, frequency and FWHM of the members of a blend in turn."""
    matrix = covariance_of_logs(
        result.covariance[np.ix_(index, index, lanes)], values[index], result.model.is_log[index]
    )
    lost = result.undetermined[np.ix_(index, lanes)] | ~result.sound[lanes]
    matrix = np.where(lost[:, None] | lost, math.nan, matrix)
    slopes = np.zeros((3 * len(shapes), len(index), lanes.size))
    start = 0
    for k, shape in enumerate(shapes):
        size = shape.log_slopes.shape[1]
        slopes[3 * k : 3 * k + 3, start : start + size] = shape.log_slopes
        start += size
    return np.einsum("ial,abl,jbl->ijl", slopes, matrix, slopes)
