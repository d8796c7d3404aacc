"""Where a peak would help: trial shapes of the components that are peaks, scored against the residuals.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.model.components import FWHM_OF_GAUSSIAN, evaluate
from pipeline.fit.model.likelihood import standardised, terms

QUALITIES = (0.5, 2.0, 6.0, 18.0)
"""Q of the peaks that are tried at each frequency."""
BROAD = 6.0
"""Q up to which they are looked for on averaged bins, where the spectrum is long."""
EXPONENTS = (2.0, 4.0)
"""Exponents of the Harvey terms that are tried at each frequency."""
CENTRES = ("frequency", "nu_max", "characteristic_frequency")
"""Parameters that are the place of a peak."""
WIDTHS = {"fwhm": 1.0, "width": FWHM_OF_GAUSSIAN}
"""Parameters that are the width of a peak, and its full width at half maximum over each."""
PLACES = 32
"""Frequencies at which a peak is tried that has lost its way."""
_MIDDLES = (0.5, 0.3, 0.7, 0.1)
"""Places within its bounds where a parameter that is not known by name starts."""


def otherwise(declared, k=0):
    """Start of a parameter that is not known by name: as declared, then here and there in its bounds."""
    if declared.start is not None and k == 0:
        return declared.start
    (lo, hi), place = declared.bounds, _MIDDLES[k % len(_MIDDLES)]
    return lo * (hi / lo) ** place if declared.scale == "log" else lo + place * (hi - lo)


def trials(declared) -> tuple[float, ...]:
    """Shapes of a peak that are tried at each frequency: of each Q, or of each exponent."""
    if "exponent" in declared.names:
        return EXPONENTS
    return QUALITIES if {"frequency", "nu_max"} & set(declared.names) else (0.5,)


def on_averaged_bins(declared) -> tuple[float, ...]:
    """Those of the trial shapes that are broad enough to be seen on averaged bins."""
    return tuple(t for t in trials(declared) if t <= BROAD or "exponent" in declared.names)


def peak_values(declared, variance, centre, trial, narrowest, xp=np):
    """Values of the parameters of a peak of one of the trial shapes at a frequency, by name."""
    width = centre / trial
    if not {"frequency", "nu_max"} & set(declared.names):
        width = 2 * centre  # at zero frequency: half its width is where it turns over
    fwhm = xp.maximum(width, narrowest)
    known = {
        "variance": variance,
        "frequency": centre,
        "fwhm": fwhm,
        "width": fwhm / FWHM_OF_GAUSSIAN,
        "nu_max": xp.sqrt(centre**2 + fwhm**2 / 4),
        "q": centre / fwhm,
        "characteristic_frequency": centre,
        "exponent": trial,
    }
    return {p.name: known.get(p.name, otherwise(p)) for p in declared.parameters}


def scores(model, likelihood, declared, tried, spectra, u, active, frequencies, narrowest):
    """Score a peak of each trial shape at each candidate frequency.

    For the standardised residual r and the standardised shape t of a peak of unit variance, the best
    variance is (r.t)/(t.t) and the deviance falls by (r.t)^2/(t.t), the other components held.

    Parameters
    ----------
    model, likelihood
        As fitted.
    declared : pipeline.components.Component
        The peak.
    tried : tuple of float
        Its shapes: see `trials`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The other components.
    frequencies : array, shape (candidates, lanes)
        Hz.
    narrowest : array, shape (lanes,)
        Least width of a peak, Hz.

    Returns
    -------
    score, place, variance : array, shape (shapes, lanes)
        Of the best candidate of each shape; `place` is its number.
    """
    grid = spectra.grid
    power = model.power(u, grid, active)
    total = jnp.sum(spectra.weight, axis=0)
    flat, size = (jnp.sum(p * spectra.weight, axis=0) for p in (spectra.power, abs(spectra.power)))
    flat = jnp.maximum(flat, 1e-3 * size) / total  # powers without their noise may be negative
    power = jnp.where(jnp.any(active, axis=0), power, flat)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    root, residual = standardised(at.score, at.fisher)
    scale = root / power

    def one(k, state):
        best, where, variance = state
        centre = frequencies[k]
        for q, trial in enumerate(tried):
            values = peak_values(declared, jnp.ones_like(centre), centre, trial, narrowest, jnp)
            shape = scale * evaluate(declared, grid, *values.values())
            along = jnp.sum(residual * shape, axis=0)
            norm = jnp.sum(shape**2, axis=0)
            score = jnp.where(along > 0, along**2 / norm, 0.0)
            better = score > best[q]
            best = best.at[q].set(jnp.where(better, score, best[q]))
            where = where.at[q].set(jnp.where(better, k, where[q]))
            variance = variance.at[q].set(jnp.where(better, along / norm, variance[q]))
        return best, where, variance

    shape = (len(tried), u.shape[1])
    state = jnp.zeros(shape, u.dtype), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, u.dtype)
    return jax.lax.fori_loop(0, frequencies.shape[0], one, state)


def movable(model) -> dict[int, dict[str, int]]:
    """Return the slots of peaks that have a place, and the rows of u of their parameters by name."""
    rows = {
        s: dict(zip(slot.declared.names, index, strict=True))
        for s, (slot, index) in enumerate(zip(model.slots, model.index, strict=True))
        if slot.declared.peak
    }
    return {s: of for s, of in rows.items() if _centre(of) is not None}


def relocated(model, likelihood, spectra, problem, u):
    """Move the peak whose absence costs least to where the residuals call most for one.

    Parameters
    ----------
    model, likelihood
        As fitted; some peak of the model is `movable`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    problem : Problem
        Bounds and masks.
    u : array, shape (P, lanes)
        Where a fit got stuck.

    Returns
    -------
    array, shape (P, lanes)
        `u` with one peak of each lane moved; as it was where no peak may move.
    """
    slots, active, free = movable(model), problem.active, problem.free
    powers = model.component_power(u, spectra.grid, active)
    total = sum(powers)
    costs = []
    for s, rows in slots.items():
        rest = jnp.maximum(total - powers[s], 1e-3 * total)
        cost = jnp.sum(terms(likelihood, spectra.power, spectra.weight, rest).deviance, axis=0)
        costs.append(jnp.where(active[s] & free[rows[_centre(rows)]], cost, jnp.inf))
    costs = jnp.stack(costs)
    weakest = jnp.where(jnp.isfinite(jnp.min(costs, axis=0)), jnp.argmin(costs, axis=0), -1)
    chosen = {s: weakest == k for k, s in enumerate(slots)}
    off = jnp.stack([chosen.get(s, weakest < -1) for s in range(len(model.slots))])
    best = u
    for declared in dict.fromkeys(model.slots[s].declared for s in slots):
        same = {s: rows for s, rows in slots.items() if model.slots[s].declared == declared}
        frequencies, narrowest = _places(model, spectra, problem, same, chosen)
        tried = on_averaged_bins(declared)
        found = scores(
            model, likelihood, declared, tried, spectra, u, active & ~off, frequencies, narrowest
        )
        shape = jnp.argmax(found[0], axis=0)
        _, place, variance = (jnp.take_along_axis(a, shape[None], axis=0)[0] for a in found)
        centre = jnp.take_along_axis(frequencies, place[None], axis=0)[0]
        variance = jnp.maximum(variance, jnp.finfo(u.dtype).tiny)
        trial = jnp.asarray(tried, u.dtype)[shape]
        values = peak_values(declared, variance, centre, trial, narrowest, jnp)
        for s, rows in same.items():
            for name, row in rows.items():
                value = jnp.log(values[name]) if model.is_log[row] else values[name]
                best = best.at[row].set(jnp.where(chosen[s] & free[row], value, best[row]))
    return jnp.clip(best, problem.lower, problem.upper)


def _centre(names) -> str | None:
    """Return which of the parameters is the place of a peak, None if it has none."""
    return next((name for name in CENTRES if name in names), None)


def _places(model, spectra, problem, same, chosen):
    """Frequencies at which to try a peak, shape (PLACES, lanes), and its least width, shape (lanes,).

    Both are within the bounds of the slot that is chosen in each lane.
    """

    def bound(which, name):
        """That bound of a parameter, in its own units, in each lane."""
        out = 0.0
        for s, rows in same.items():
            value = which[rows[name]]
            value = jnp.exp(value) if model.is_log[rows[name]] else value
            out = jnp.where(chosen[s], value, out)
        return out

    used = spectra.weight > 0
    names = next(iter(same.values()))
    lowest = jnp.min(jnp.where(used, spectra.frequency, jnp.inf), axis=0)
    highest = jnp.max(jnp.where(used, spectra.frequency, 0.0), axis=0)
    low, high = (
        jnp.log(jnp.clip(bound(limit, _centre(names)), lowest, highest))
        for limit in (problem.lower, problem.upper)
    )
    part = (jnp.arange(PLACES, dtype=low.dtype)[:, None] + 0.5) / PLACES
    narrowest = jnp.zeros_like(low)
    for name, factor in WIDTHS.items():
        if name in names:
            narrowest = factor * bound(problem.lower, name)
    return jnp.exp(low + part * (high - low)), narrowest
