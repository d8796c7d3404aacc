"""Starting values and bounds from the data: nobody sets a start by hand.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane. What the spectra look like is measured here;
which bounds and starts of its parameters follow from that, a component says. Components that are peaks are proposed
from the residuals of the model fitted so far; the others start from the level of the power at high frequencies and
its slope at low ones.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import SupportsIndex

import jax
import numpy as np
from jaxtyping import Bool, Float

from pipeline.components.base import Component
from pipeline.components.measured import Extent, Sketch
from pipeline.fit.engine.ahead import Foreseen, in_block
from pipeline.fit.engine.blocks import in_blocks
from pipeline.fit.engine.compilation import stored
from pipeline.fit.model.model import Model
from pipeline.fit.model.padding import padded_length
from pipeline.fit.model.priors import support
from pipeline.fit.objectives.peaks import Reach, Scores, reach_of, scores
from pipeline.fit.objectives.spectra import Spectra, is_long, rebinned

_scores = stored(static=4)(scores)

MAX_CANDIDATES = 160
"""Frequencies at which a peak is tried, at most."""


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
            lower[row], upper[row] = _fitted(model, row, lo), _fitted(model, row, hi)
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


def _fitted(model, row, value):
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
    spectra = _smooth(spectra)
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
                starts[k, row] = _fitted(model, row, chosen)
    return starts


def _smooth(spectra):
    """Average the bins of long spectra: what is broad is seen there as well, for less."""
    return rebinned(spectra, np) if is_long(spectra) else spectra


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


def propose(
    model: Model,
    slot: SupportsIndex,
    likelihood: str,
    spectra: Spectra,
    u: Float[np.ndarray, "P lanes"],
    active: Bool[np.ndarray, "slots lanes"],
    lower: Float[np.ndarray, "P lanes"],
    upper: Float[np.ndarray, "P lanes"],
    count: int,
    block_size: int = 64,
) -> Float[np.ndarray, "count P lanes"]:
    """Propose `count` starts in which the peak in `slot` joins the components that are active.

    Parameters
    ----------
    model : Model
        What is fitted.
    slot : int
        Number of the slot; its component is a peak.
    likelihood : str
        See `pipeline.fit.model.likelihood.terms`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The fit so far and its components.
    lower, upper : array, shape (P, lanes)
        Bounds; the peak is looked for inside those of its frequency.
    count : int
        Starts to return, the most promising first.
    block_size : int, optional
        Lanes that are scored at a time.

    Returns
    -------
    array, shape (count, P, lanes)
        Starts: `u` with the rows of the slot replaced.

    Raises
    ------
    ValueError
        If the component is not a peak.
    """
    declared = model.slots[slot].declared
    if not declared.peak:
        raise ValueError(f"{declared.name} is not a peak")
    lower, upper = _pinned(model, slot, u, lower, upper)
    reach = reach_of(model, slot, lower, upper, np)
    candidates = _candidates(spectra, reach)
    tried = np.asarray(declared.trials)
    found = _scored(model, likelihood, declared, spectra, u, active, candidates, reach, block_size)
    variance = found.variance.astype(float)
    order = np.argsort(-found.score, axis=0)
    lanes = np.arange(u.shape[1])
    starts = np.repeat(u[None], count, axis=0)
    for k in range(count):
        pick = order[k % tried.size]
        centre = candidates[found.place[pick, lanes], lanes]
        size = np.maximum(variance[pick, lanes], 1e-300) * (1 if k < tried.size else 3)
        values = declared.peak_at(size, centre, tried[pick], reach.narrowest, np)
        given_starts = model.slots[slot].starts
        for row, value, given in zip(model.index[slot], values, given_starts, strict=True):
            chosen = value if given is None or k else given
            starts[k, row] = _fitted(model, row, chosen)
    return np.clip(starts, lower, upper)


def _scored(
    model, likelihood, declared, spectra, u, active, candidates, reach, block_size
) -> Scores:
    """Score all shapes of a peak: the broad ones on averaged bins, which is cheaper; arrays of NumPy."""
    parts = []
    for some, shapes in _tried(declared, spectra):
        if shapes:
            function = _scores.of(model, likelihood, declared, shapes)
            arrays = some, u, active, candidates, reach.narrowest
            # single precision tells which is best
            arrays = jax.tree.map(lambda a: a if a.dtype == bool else np.float32(a), arrays)
            parts.append(in_blocks(function, arrays, block_size))
    score, place, variance = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Scores(score, place, variance)


def _tried(declared: Component, spectra: Spectra) -> tuple[tuple[Spectra, tuple[float, ...]], ...]:
    """Return the spectra on which the broad and the narrow shapes of a peak are scored."""
    broad = declared.broad_trials
    narrow = tuple(t for t in declared.trials if t not in broad)
    return (_smooth(spectra), broad), (spectra, narrow)


def foreseen(
    model: Model,
    likelihood: str,
    spectra: Spectra,
    device: jax.Device,
    peak: Component | None = None,
    block_size: int = 64,
) -> Iterator[Foreseen]:
    """Yield the programs of `propose` for spectra of `pipeline.fit.engine.ahead.SAMPLE` lanes.

    They are those of one peak of the model, or by default of all.
    """
    peaks = dict.fromkeys(slot.declared for slot in model.slots if slot.declared.peak)

    def lanes(*shape, kind=np.float32):
        return jax.ShapeDtypeStruct((*shape, block_size), kind)

    for declared in peaks if peak is None else (peak,):
        candidates = min(spectra.frequency.shape[0], MAX_CANDIDATES)
        for some, shapes in _tried(declared, spectra):
            if shapes:
                arguments = (
                    in_block(some.each(lambda a: np.asarray(a, np.float32)), block_size),
                    *(lanes(model.size), lanes(len(model.slots), kind=bool)),
                    *(lanes(candidates), lanes()),
                )
                program = _scores.of(model, likelihood, declared, shapes)
                yield Foreseen(program, arguments, device)


def _pinned(model, slot, u, lower, upper):
    """Bounds in which what is tied to another component is held at the value that it has there."""
    lower, upper, held = lower.copy(), upper.copy(), model.tied(u)
    for tie in model.ties:
        if tie.row in model.index[slot] and tie.target not in model.index[slot]:
            lower[tie.row] = upper[tie.row] = held[tie.row]
    return lower, upper


def _candidates(spectra: Spectra, reach: Reach) -> Float[np.ndarray, "candidates lanes"]:
    """Frequencies to try, shape (candidates, lanes): some of the bins, moved into the reach of the peak."""
    bins = spectra.frequency.shape[0]
    used = spectra.weight > 0
    counts = used.sum(axis=0)
    # as many as with the shortest padding; the last one fills what is left
    least = [padded_length(count) for count in counts.tolist()]
    own = np.minimum(np.minimum(least, bins), MAX_CANDIDATES)
    number, last = np.arange(min(bins, MAX_CANDIDATES))[:, None], np.maximum(own - 1, 1)
    place = np.where(number < last, number * (1 / last), 1.0) * np.maximum(counts - 1, 0)
    picked = np.take_along_axis(
        np.sort(np.where(used, spectra.frequency, np.inf), axis=0), place.astype(int), axis=0
    )
    return np.clip(picked, reach.low, reach.high)
