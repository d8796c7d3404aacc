"""Peaks compared with the bins of a spectrum: where they are, and which of them are resolved.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane.
"""

from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.engine.problem import Fit
from pipeline.fit.model.grid import AnyArray
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.spectra import Spectra
from pipeline.prominence import prominence

NARROW = 2.0
"""Q above which a peak is narrow (by convention: van der Klis 2006, CUP)."""
ZERO_CENTRED = 0.5
"""Q below which a Lorentzian at the lowest frequency is as one that is centred on zero."""


class Places(NamedTuple):
    """Where the peaks of a model are, Hz, shape (slots, lanes); NaN for components that are nowhere."""

    frequency: Float[np.ndarray, "slots lanes"]
    fwhm: Float[np.ndarray, "slots lanes"]


def places(model: Model, u: Float[AnyArray, "P lanes"]) -> Places:
    """Return centroid frequency and FWHM of each peak.

    Parameters
    ----------
    model : Model
        With any number of peaks.
    u : array, shape (P, lanes)
        Fitted variables.
    """
    values = model.to_values(np.asarray(u, float))
    frequency, fwhm = np.full((2, len(model.slots), values.shape[1]), np.nan)
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        place = slot.declared.place(values[list(index)])
        if place is not None:
            frequency[s], fwhm[s] = place
    return Places(frequency, fwhm)


def bin_widths(
    frequency: Float[np.ndarray, "slots lanes"],
    grid: Float[np.ndarray, "bins lanes"],
    widths: Float[np.ndarray, "bins lanes"],
) -> Float[np.ndarray, "slots lanes"]:
    """Return the widths of the bins in which frequencies are, shape (slots, lanes).

    Parameters
    ----------
    frequency : array, shape (slots, lanes)
        Hz; NaN stays NaN.
    grid, widths : array, shape (bins, lanes)
        Middles and widths of the bins, Hz; NaN in the padding.
    """
    out = np.full(frequency.shape, np.nan)
    for s, each in enumerate(frequency):
        known = np.isfinite(each)
        if known.any():
            far = np.abs(grid[:, known] - each[known])
            nearest = np.argmin(np.where(np.isfinite(far), far, np.inf), axis=0)
            out[s, known] = widths[nearest, np.flatnonzero(known)]
    return out


def of_spectra(
    spectra: Spectra, widths: Float[np.ndarray, "bins lanes"]
) -> tuple[Float[np.ndarray, "bins lanes"], Float[np.ndarray, "bins lanes"]]:
    """Return middles and widths of the bins, shape (bins, lanes), NaN in the padding."""
    used = np.broadcast_to(spectra.weight > 0, spectra.power.shape)
    return np.where(used, spectra.frequency, np.nan), np.where(used, widths, np.nan)


def prominences(
    model: Model,
    u: Float[AnyArray, "P lanes"],
    grid: Float[np.ndarray, "bins lanes"],
    widths: Float[np.ndarray, "bins lanes"],
) -> Float[np.ndarray, "slots lanes"]:
    """Return `pipeline.prominence.prominence` of each peak, shape (slots, lanes); NaN for what is none."""
    frequency, fwhm = places(model, u)
    values = model.to_values(np.asarray(u, float))
    variance = np.full(frequency.shape, np.nan)
    for s in range(len(model.slots)):
        rows = model.rows_of(s)
        if "variance" in rows:
            variance[s] = values[rows["variance"]]
    return prominence(variance, frequency, fwhm, bin_widths(frequency, grid, widths))


def unresolved(
    model: Model,
    active: Bool[np.ndarray, "slots lanes"],
    u: Float[AnyArray, "P lanes"],
    grid: Float[np.ndarray, "bins lanes"],
    widths: Float[np.ndarray, "bins lanes"],
) -> Bool[np.ndarray, "slots lanes"]:
    """Return which narrow peaks are narrower than the bin that they are in, shape (slots, lanes).

    Parameters
    ----------
    model, active, u
        A fit: bool array of shape (slots, lanes), and array of shape (P, lanes).
    grid, widths
        See `bin_widths`.
    """
    frequency, fwhm = places(model, u)
    with np.errstate(invalid="ignore"):
        narrow = frequency > NARROW * fwhm
        return active & narrow & (fwhm < bin_widths(frequency, grid, widths))


def quality_errors(
    model: Model, fit: Fit, covariance: Float[np.ndarray, "P P lanes"]
) -> tuple[Float[np.ndarray, "slots lanes"], Float[np.ndarray, "slots lanes"]]:
    """Return the quality factor of each Lorentzian and its lower error, shape (slots, lanes) each.

    Parameters
    ----------
    model : Model
        What was fitted.
    fit : Fit
        Its fits.
    covariance : array, shape (P, P, lanes)
        Of the fitted variables; NaN errors where it is not finite.
    """
    frequency, fwhm = places(model, fit.u)
    with np.errstate(invalid="ignore", divide="ignore"):
        q = frequency / fwhm
    error = np.full(q.shape, np.nan)
    for s, slot in enumerate(model.slots):
        rows, exponents = model.rows_of(s), slot.declared.quality_exponents
        if not exponents:
            continue
        variance = sum(
            a * b * covariance[rows[one], rows[other]]
            for one, a in exponents.items()
            for other, b in exponents.items()
        )
        with np.errstate(invalid="ignore"):
            error[s] = -q[s] * np.expm1(-np.sqrt(variance))
    return q, error


def near(
    model: Model,
    active: Bool[np.ndarray, "slots lanes"],
    u: Float[np.ndarray, "P lanes"],
    lower: Float[np.ndarray, "P lanes"],
    upper: Float[np.ndarray, "P lanes"],
) -> tuple[Float[np.ndarray, "P lanes"], Float[np.ndarray, "P lanes"]]:
    """Return bounds within which components keep their places: shape (P, lanes) each.

    The centroid of a peak stays within a quarter of its FWHM, its width and other scales within a factor of
    1.5, so that it does not take the place of one that is left out.

    Parameters
    ----------
    model : Model
        With any number of peaks.
    active : bool array, shape (slots, lanes)
        Those that are to keep their places.
    u, lower, upper : array, shape (P, lanes)
        Where they are, and the bounds so far.
    """
    lower, upper = lower.copy(), upper.copy()
    frequency, fwhm = places(model, u)
    for s, slot in enumerate(model.slots):
        if not slot.declared.peak:
            continue
        rows = model.rows_of(s)
        for name in slot.declared.scale_names:
            row = rows[name]
            if not model.is_log[row]:
                continue
            below = above = np.log(1.5)
            if name == "frequency":
                reach = np.minimum(0.25 * fwhm[s] / frequency[s], 1e3)
                above, below = np.log1p(reach), -np.log1p(-np.minimum(reach, 1 - 1e-9))
            some = active[s]
            lower[row] = np.where(some, np.maximum(lower[row], u[row] - below), lower[row])
            upper[row] = np.where(some, np.minimum(upper[row], u[row] + above), upper[row])
    return lower, np.maximum(upper, lower)


def between(
    model: Model,
    slot: SupportsIndex,
    low: Float[np.ndarray, " lanes"],
    high: Float[np.ndarray, " lanes"],
    lower: Float[np.ndarray, "P lanes"],
    upper: Float[np.ndarray, "P lanes"],
) -> tuple[Float[np.ndarray, "P lanes"], Float[np.ndarray, "P lanes"]]:
    """Return bounds within which a peak has its centroid between two frequencies, shape (P, lanes) each.

    Parameters
    ----------
    model : Model
        With the peak.
    slot : int
        Its number.
    low, high : array, shape (lanes,)
        Hz; NaN: as it was.
    lower, upper : array, shape (P, lanes)
        The bounds so far.
    """
    lower, upper = lower.copy(), upper.copy()
    centre = model.slots[slot].declared.centre
    if centre is not None:
        row = model.rows_of(slot)[centre]
        ends = [np.log(end) if model.is_log[row] else end for end in (low, high)]
        known = np.isfinite(ends).all(axis=0)
        ends = [np.where(known, end, 0.0) for end in ends]
        lower[row], upper[row] = (
            np.where(known, np.clip(end, lower[row], upper[row]), bound[row])
            for end, bound in zip(ends, (lower, upper), strict=True)
        )
    return lower, upper


def width_rows(model: Model) -> dict[int, int]:
    """Return the slots whose width is a parameter, and its row of u."""
    return {
        s: model.rows_of(s)[slot.declared.width]
        for s, slot in enumerate(model.slots)
        if slot.declared.peak and slot.declared.width is not None
    }


def limits_of_data(model: Model, fit: Fit) -> Bool[np.ndarray, "P lanes"]:
    """Return which parameters are at a bound that says nothing against the fit.

    Such bounds follow from the data, nobody has set them: the least width of a narrow peak, which is then not
    resolved; the lowest frequency of a broad peak, which is like one centred on zero; and a noise level of zero,
    where the noise has been subtracted.

    Parameters
    ----------
    model : Model
        What was fitted.
    fit : Fit
        Its fits.
    """
    out = np.zeros(fit.u.shape, bool)
    frequency, fwhm = places(model, fit.u)
    with np.errstate(invalid="ignore"):
        narrow, broad = frequency > NARROW * fwhm, frequency < ZERO_CENTRED * fwhm
    for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
        declared = slot.declared
        options = zip(declared.names, index, slot.bounds, slot.priors, strict=True)
        for name, row, bounds, prior in options:
            if bounds is not None or prior is not None:
                continue
            if declared.peak and name == declared.width:
                out[row] = narrow[s] & fit.at_lower[row]
            elif declared.peak and name == "q":
                out[row] = narrow[s] & ~fit.at_lower[row]
            elif declared.peak and name in ("frequency", "nu_max"):
                out[row] = broad[s] & fit.at_lower[row]
            elif declared.is_white_noise:
                out[row] = fit.at_lower[row]
    return out & fit.at_bound
