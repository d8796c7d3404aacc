"""Starting values and bounds from the data: nobody sets a start by hand.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane. What the spectra look like is measured here;
which bounds and starts of its parameters follow from that, a component says. Components that are peaks are proposed
from the residuals of the model fitted so far (`pipeline.fit.search.proposals`); the others start from the level of the
power at high frequencies and its slope at low ones.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.components.base import Component
from pipeline.components.measured import Extent, Sketch
from pipeline.fit.model.model import Model
from pipeline.fit.model.priors import support
from pipeline.fit.objectives.spectra import Spectra, is_long, rebinned


def data_bounds(
    model: Model, spectra: Spectra, widths: Float[np.ndarray, "bins lanes"]
) -> tuple[Float[np.ndarray, "P lanes"], Float[np.ndarray, "P lanes"]]:
    """Return bounds of the fitted variables, shape (P, lanes) each.

    What the configuration gives is kept; a default is narrowed to what the data can tell: a peak lies
    inside the frequencies and is not narrower than the narrowest bin.

    Parameters
    ----------
    model : Model
        Its slots say which bounds and priors are given.
    spectra : Spectra
        Arrays of shape (bins, lanes), weight 0 in the padding.
    widths : array, shape (bins, lanes)
        Widths of the bins, Hz.
    """
    extent = _extent(spectra, widths)
    lower = np.empty((model.size, spectra.power.shape[1]))
    upper = np.empty_like(lower)
    for slot, index in zip(model.slots, model.index, strict=True):
        found = slot.declared.bounds(extent, np)
        for row, default, given, prior in zip(index, found, slot.bounds, slot.priors, strict=True):
            lo, hi = given or default
            least, most = support(prior)
            lo, hi = np.maximum(lo, least), np.minimum(hi, most)
            lower[row], upper[row] = fitted(model, row, lo), fitted(model, row, hi)
    return lower, np.maximum(upper, lower)


def _extent(spectra: Spectra, widths: np.ndarray) -> Extent:
    """Measure the ranges of the frequencies and of the powers."""
    used = spectra.weight > 0
    # of a spectrum without its noise level powers, and their sum, may be negative
    size = np.where(used, np.abs(spectra.power), 0.0)
    return Extent(
        lowest=_extreme(np.min, spectra.frequency, used, np.inf),
        highest=_extreme(np.max, spectra.frequency, used, 0.0),
        finest=_extreme(np.min, widths, used, np.inf),
        total=_positive(np.sum(size * widths, axis=0)),
        largest=_positive(np.max(size, axis=0)),
    )


def fitted(model: Model, row: int, value: Any) -> Any:
    """Turn a value of a parameter into the fitted variable."""
    return np.log(np.maximum(value, 1e-300)) if model.is_log[row] else value


def _positive(size):
    """Replace the size of a spectrum in which all powers are zero by one."""
    return np.where(size > 0, size, 1.0)


def _extreme(function: Callable, values, used, other: float):
    return function(np.where(used, values, other), axis=0)


def base_starts(model: Model, spectra: Spectra, count: int) -> Float[np.ndarray, "count P lanes"]:
    """Return `count` starts for the components that are not peaks, shape (count, P, lanes).

    Rows of peaks hold a neutral value: they are switched off until a peak is proposed.

    Parameters
    ----------
    model : Model
        Its slots say which starting values are given.
    spectra : Spectra
        Arrays of shape (bins, lanes), weight 0 in the padding.
    count : int
        Starts to return.
    """
    spectra = rebinned(spectra, np) if is_long(spectra) else spectra
    used = spectra.weight > 0
    log_f = np.log(np.where(used, spectra.frequency, np.nan))
    first, last = np.nanmin(log_f, axis=0), np.nanmax(log_f, axis=0)
    place = (log_f - first) / np.maximum(last - first, 1e-12)
    level = _level(spectra.power, used & (place > 0.8) | _last_quarter(used))
    starts = np.zeros((count, model.size, used.shape[1]))
    for k in range(count):
        near = used & (place < (0.35 if k % 2 else 0.6))
        amplitude = partial(_amplitude, spectra, log_f, level, near)
        middle = np.exp(0.5 * (last if k else first + last))
        for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True)):
            # only the first start of the first component places its bend between the ends of the spectrum,
            # the others between 1 Hz and its end. With all of them between the ends of the spectrum, 17 of 66 fits
            # of the default survey ended in a worse optimum (BIC higher by up to 54) and 3 in a better one
            log_lowest = first if s == k == 0 else np.zeros_like(first)
            sketch = Sketch(level, middle, log_lowest, last, amplitude, number=k)
            values = slot.declared.starts(sketch, np)
            for row, value, given in zip(index, values, slot.starts, strict=True):
                chosen = value if given is None or k else given
                starts[k, row] = fitted(model, row, chosen)
    return starts


def _last_quarter(used):
    """The last quarter of the used bins, where places in log f may hold too few."""
    rank = np.cumsum(used, axis=0)
    return used & (rank > 0.75 * rank[-1])


def _mean_where(values, mask):
    return np.sum(np.where(mask, values, 0.0), axis=0) / np.maximum(mask.sum(axis=0), 1)


def _level(power, mask):
    """Mean power, or a small part of its size where that is not positive."""
    return np.maximum(_mean_where(power, mask), 1e-3 * _mean_where(np.abs(power), mask))


def _amplitude(spectra, log_f, level, near, slope):
    """Power at 1 Hz of a power law through the excess over the level at low frequencies."""
    excess = np.maximum(spectra.power - 0.9 * level, 1e-3 * np.abs(spectra.power))
    at_one = np.log(np.maximum(excess, 1e-300)) + slope * np.nan_to_num(log_f)
    return np.exp(np.clip(_mean_where(at_one, near), -650, 650))


def peaks_along(
    declared: Component, spectra: Spectra, count: int, quality: float
) -> tuple[Float[np.ndarray, "count lanes"], Float[np.ndarray, "count p lanes"]]:
    """Return peaks of one quality factor at frequencies spread evenly in their logarithm.

    Parameters
    ----------
    declared : pipeline.components.base.Component
        A peak by its quality factor: `trials` are qualities.
    spectra : Spectra
        Arrays of shape (bins, lanes), weight 0 in the padding.
    count : int
        How many.
    quality : float
        Frequency over FWHM.

    Returns
    -------
    frequency : array, shape (count, lanes)
        Hz.
    values : array, shape (count, p, lanes)
        Values of the parameters; the amplitude is a small one.
    """
    used = spectra.weight > 0
    lowest = _extreme(np.min, spectra.frequency, used, np.inf)
    highest = _extreme(np.max, spectra.frequency, used, 0.0)
    centre = np.geomspace(lowest, highest, count + 2)[1:-1]
    variance = 0.1 * _level(spectra.power, used) * centre / quality
    return centre, np.stack(declared.peak_at(variance, centre, quality, 0.0, np), axis=1)
