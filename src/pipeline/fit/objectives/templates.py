"""Where a peak would help, for many spectra of the same bins: shapes that all share, as products of matrices.

Arrays follow `pipeline.fit.model.model`: the last axis is the lane.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pipeline.components.base import Component
from pipeline.fit.model import special
from pipeline.fit.model.grid import Grid, evaluate
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.peaks import standardised_residuals
from pipeline.fit.objectives.spectra import Spectra


class Templates(NamedTuple):
    """Peaks of unit variance, each shape at each frequency, divided by their largest value.

    Attributes
    ----------
    peak, square : array, shape (bins, shapes * frequencies)
        Their power, and its square.
    largest : array, shape (shapes, frequencies)
        The value that they were divided by, 1 / Hz.
    """

    peak: Float[Array, "bins peaks"]
    square: Float[Array, "bins peaks"]
    largest: Float[Array, "shapes frequencies"]


class Matches(NamedTuple):
    """The best shape of a peak at each frequency; shape (frequencies, lanes) each.

    Attributes
    ----------
    score : array
        By how much the deviance would fall.
    shape : int array
        Number of the shape.
    variance : array
        Variance of the peak.
    first_score, first_variance : array
        Of the first shape, whichever is the best.
    """

    score: Float[Array, "frequencies lanes"]
    shape: Int[Array, "frequencies lanes"]
    variance: Float[Array, "frequencies lanes"]
    first_score: Float[Array, "frequencies lanes"]
    first_variance: Float[Array, "frequencies lanes"]


def templates(
    declared: Component,
    tried: tuple[float, ...],
    frequency: Float[Array, "bins 1"],
    width: Float[Array, "bins 1"] | None,
    candidates: Float[Array, " frequencies"],
    narrowest: Float[Array, " 1"],
) -> Templates:
    """Return the templates of a peak on some bins.

    Parameters
    ----------
    declared : Component
        The peak.
    tried : tuple of float
        Its shapes: see `pipeline.components.base.Component.trials`.
    frequency, width : array, shape (bins, 1)
        The bins, Hz; None as the width: peaks are not averaged over them.
    candidates : array, shape (frequencies,)
        Where it is tried, Hz.
    narrowest : array, shape (1,)
        Least width of a peak, Hz.
    """
    grid, one = Grid.of(frequency, width), jnp.ones_like(candidates)
    peaks = jnp.stack(
        [
            evaluate(declared, grid, declared.peak_at(one, candidates, trial, narrowest, special))
            for trial in tried
        ],
        axis=1,
    )
    # so that squares neither overflow nor vanish in single precision
    largest = jnp.maximum(jnp.max(peaks, axis=0), jnp.finfo(peaks.dtype).tiny)
    peak = (peaks / largest).reshape(peaks.shape[0], -1)
    return Templates(peak, peak**2, largest)


def matches(
    model: Model,
    likelihood: str,
    known: Templates,
    spectra: Spectra,
    u: Float[Array, "P lanes"],
    active: Bool[Array, "slots lanes"],
) -> Matches:
    """Score the templates in every lane, the other components held.

    For the standardised residual r and the standardised shape t of a peak of unit variance, the best variance is
    (r.t)/(t.t) and the deviance falls by (r.t)^2/(t.t) (`pipeline.fit.objectives.peaks.scores`).

    Parameters
    ----------
    model, likelihood
        As fitted.
    known : Templates
        On the bins of the spectra.
    spectra : Spectra
        Frequencies and widths of shape (bins, 1), powers and weights of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The other components.
    """
    scale, residual = standardised_residuals(model, likelihood, spectra, u, active)
    largest = jnp.max(scale, axis=0)
    scale = scale / jnp.where(largest > 0, largest, 1.0)
    along, norm = _times(scale * residual, known.peak), _times(scale**2, known.square)
    lanes, frequencies = u.shape[1], known.largest.shape[1]
    best = jnp.zeros((lanes, frequencies), along.dtype)
    shape, variance = jnp.zeros(best.shape, jnp.int32), best
    first = best, best
    for k in range(known.largest.shape[0]):
        mine = slice(k * frequencies, (k + 1) * frequencies)
        here = (along[:, mine] > 0) & (norm[:, mine] > 0)
        size = jnp.where(here, along[:, mine] / jnp.where(here, norm[:, mine], 1.0), 0.0)
        score = size * along[:, mine]
        better = score > best
        best = jnp.where(better, score, best)
        shape = jnp.where(better, k, shape)
        variance = jnp.where(better, size / known.largest[k], variance)
        first = (best, variance) if k == 0 else first
    per = 1 / jnp.where(largest > 0, largest, 1.0)[:, None]
    return Matches(best.T, shape.T, (variance * per).T, first[0].T, (first[1] * per).T)


def _times(lanes, peaks):
    """Sums over bins of lanes, shape (bins, lanes), times peaks, shape (bins, peaks); shape (lanes, peaks).

    In this order what a lane gets does not depend on how many there are.
    """
    over_bins = ((0,), (0,)), ((), ())
    return jax.lax.dot_general(lanes, peaks, over_bins, precision=jax.lax.Precision.HIGHEST)
