"""Starting values and bounds from the data: nobody sets a start by hand.

Arrays follow `pipeline.fit.model`: the last axis is the lane. Components that are peaks are proposed
from the residuals of the model fitted so far; the others start from the level of the power at high
frequencies and its slope at low ones.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.components import PEAKS, Grid
from pipeline.fit.likelihood import standardised, terms
from pipeline.fit.optimize import in_blocks
from pipeline.fit.priors import support

QUALITIES = (0.5, 2.0, 6.0, 18.0)
"""Q of the peaks that are tried at each frequency."""
MAX_CANDIDATES = 160
"""Frequencies at which a peak is tried, at most."""
_SHAPES = ((1.5, 0.5, 2.0, 0.5), (1.0, 0.0, 1.5, 0.3), (2.0, 1.0, 3.0, 0.5), (0.5, 0.5, 1.5, 0.7))
"""Slope of a power law; low slope, high slope and place of the bend (in log f) of a bending one."""


def data_bounds(model, spectra, widths):
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
    used = spectra.weight > 0
    lowest = _extreme(np.min, spectra.frequency, used, np.inf)
    highest = _extreme(np.max, spectra.frequency, used, 0.0)
    finest = _extreme(np.min, widths, used, np.inf)
    total = np.sum(np.where(used, spectra.power * widths, 0.0), axis=0)
    largest = _extreme(np.max, spectra.power, used, 0.0)
    natural = {
        "level": (1e-9 * largest, 1e3 * largest),
        "variance": (1e-9 * total, 1e3 * total),
        "frequency": (lowest, highest),
        "bend_frequency": (lowest, highest),
        "fwhm": (finest, 10 * highest),
    }
    lower = np.empty((model.size, used.shape[1]))
    upper = np.empty_like(lower)
    row = 0
    for slot in model.slots:
        for declared, given, prior in zip(slot.parameters, slot.bounds, slot.priors, strict=True):
            lo, hi = given or natural.get(declared.name, declared.bounds)
            least, most = support(prior)
            lo, hi = np.maximum(lo, least), np.minimum(hi, most)
            if declared.scale == "log":
                lo, hi = np.log(np.maximum(lo, 1e-300)), np.log(np.maximum(hi, 1e-300))
            lower[row], upper[row] = lo, np.maximum(hi, lo)
            row += 1
    return lower, upper


def _extreme(function, values, used, other):
    return function(np.where(used, values, other), axis=0)


def base_starts(model, spectra, count):
    """Return `count` starts for the components that are not peaks, shape (count, P, lanes).

    Rows of peaks hold a neutral value: they are switched off until a peak is proposed.
    """
    used = spectra.weight > 0
    log_f = np.log(np.where(used, spectra.frequency, np.nan))
    first, last = np.nanmin(log_f, axis=0), np.nanmax(log_f, axis=0)
    place = (log_f - first) / np.maximum(last - first, 1e-12)
    level = _mean_where(spectra.power, used & (place > 0.8) | _last_quarter(used))
    starts = np.zeros((count, model.size, used.shape[1]))
    for k in range(count):
        slope, low, high, bend = _SHAPES[k % len(_SHAPES)]
        near = used & (place < (0.35 if k % 2 else 0.6))
        row = 0
        for slot in model.slots:
            values = {
                "level": level,
                "slope": slope,
                "slope_low": low,
                "slope_high": high,
                "bend_frequency": np.exp(first + bend * (last - first)),
                "amplitude": _amplitude(
                    spectra, log_f, level, near, low if "bend" in slot.component else slope
                ),
                "frequency": np.exp(0.5 * (first + last)),
                "fwhm": np.exp(0.5 * (first + last)),
                "variance": level,
            }
            for declared, given in zip(slot.parameters, slot.starts, strict=True):
                value = values[declared.name] if given is None else given
                starts[k, row] = np.log(value) if declared.scale == "log" else value
                row += 1
    return starts


def _last_quarter(used):
    """The last quarter of the used bins, where places in log f may hold too few."""
    rank = np.cumsum(used, axis=0)
    return used & (rank > 0.75 * rank[-1])


def _mean_where(values, mask):
    return np.sum(np.where(mask, values, 0.0), axis=0) / np.maximum(mask.sum(axis=0), 1)


def _amplitude(spectra, log_f, level, near, slope):
    """Power at 1 Hz of a power law through the excess over the level at low frequencies."""
    excess = np.maximum(spectra.power - 0.9 * level, 1e-3 * spectra.power)
    at_one = np.log(np.maximum(excess, 1e-300)) + slope * np.nan_to_num(log_f)
    return np.exp(np.clip(_mean_where(at_one, near), -650, 650))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _scores(model, likelihood, qualities, spectra, u, active, frequencies, narrowest):
    """Score statistic and amplitude of a Lorentzian of each Q at each candidate frequency.

    For the standardised residual r and the standardised shape t of a peak of unit variance, the best
    variance is (r.t)/(t.t) and the deviance falls by (r.t)^2/(t.t), the other components held.
    """
    power = model.power(u, Grid.of(spectra.frequency), active)
    flat = jnp.sum(spectra.power * spectra.weight, axis=0) / jnp.sum(spectra.weight, axis=0)
    power = jnp.where(jnp.any(active, axis=0), power, flat)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    root, residual = standardised(at.score, at.fisher)
    scale = root / power

    def one(k, state):
        best, where, variance = state
        centre = frequencies[k]
        for q, quality in enumerate(qualities):
            half = jnp.maximum(centre / quality, narrowest) / 2
            offset = spectra.frequency - centre
            shape = scale * (half / jnp.pi) / (half**2 + offset**2)
            along = jnp.sum(residual * shape, axis=0)
            norm = jnp.sum(shape**2, axis=0)
            score = jnp.where(along > 0, along**2 / norm, 0.0)
            better = score > best[q]
            best = best.at[q].set(jnp.where(better, score, best[q]))
            where = where.at[q].set(jnp.where(better, k, where[q]))
            variance = variance.at[q].set(jnp.where(better, along / norm, variance[q]))
        return best, where, variance

    shape = (len(qualities), u.shape[1])
    state = jnp.zeros(shape, u.dtype), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, u.dtype)
    return jax.lax.fori_loop(0, frequencies.shape[0], one, state)


def propose(model, slot, likelihood, spectra, u, active, lower, upper, count, block_size=64):
    """Propose `count` starts in which the peak in `slot` joins the components that are active.

    Parameters
    ----------
    model, likelihood
        As fitted.
    slot : int
        Number of the slot; its component is one of `PEAKS`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The fit so far and its components.
    lower, upper : array, shape (P, lanes)
        Bounds; the peak is looked for inside those of its frequency.
    count : int
        Starts to return, the most promising first.

    Returns
    -------
    array, shape (count, P, lanes)
        Starts: `u` with the rows of the slot replaced.
    """
    if model.slots[slot].component not in PEAKS:
        raise ValueError(f"{model.slots[slot].component} is not a peak")
    rows = dict(zip((p.name for p in model.slots[slot].parameters), model.index[slot], strict=True))
    candidates, narrowest = _candidates(spectra, rows, lower, upper)
    qualities = QUALITIES if "frequency" in rows else (2.0,)
    best, where, variance = in_blocks(
        partial(_scores, model, likelihood, qualities),
        (spectra, u, active, candidates, narrowest),
        block_size,
    )
    order = np.argsort(-best, axis=0)
    lanes = np.arange(u.shape[1])
    starts = np.repeat(u[None], count, axis=0)
    for k in range(count):
        pick = order[k % len(qualities)]
        centre = candidates[where[pick, lanes], lanes]
        fwhm = np.maximum(centre / np.asarray(qualities)[pick], narrowest)
        values = {
            "variance": np.maximum(variance[pick, lanes], 1e-300)
            * (1 if k < len(qualities) else 3),
            "frequency": centre,
            "fwhm": fwhm,
        }
        for (name, row), given in zip(rows.items(), model.slots[slot].starts, strict=True):
            starts[k, row] = np.log(values[name] if given is None or k else given)
    return np.clip(starts, lower, upper)


def _candidates(spectra, rows, lower, upper):
    """Frequencies to try, shape (candidates, lanes), and the least width of a peak, shape (lanes,)."""
    bins = spectra.frequency.shape[0]
    used = spectra.weight > 0
    counts = used.sum(axis=0)
    place = np.linspace(0, 1, min(bins, MAX_CANDIDATES))[:, None] * np.maximum(counts - 1, 0)
    picked = np.take_along_axis(
        np.sort(np.where(used, spectra.frequency, np.inf), axis=0), place.astype(int), axis=0
    )
    if "frequency" in rows:
        picked = np.clip(picked, np.exp(lower[rows["frequency"]]), np.exp(upper[rows["frequency"]]))
    return picked, np.exp(lower[rows["fwhm"]])
