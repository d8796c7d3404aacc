"""Errors from the curvature of the likelihood at the best fit."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit import linear
from pipeline.fit.components import Grid
from pipeline.fit.likelihood import terms
from pipeline.fit.optimize import Spectra, in_blocks


class Covariance(NamedTuple):
    """Covariances of the fitted variables; the last axis is the lane.

    Attributes
    ----------
    matrix : array, shape (P, P, lanes)
        Inverse of the information; zero in rows of parameters that did not move.
    sound : bool array, shape (lanes,)
        Whether the information is positive definite.
    """

    matrix: np.ndarray
    sound: np.ndarray


def observed_information(model, likelihood, spectra, active, u):
    """Return the second derivatives of -ln L - ln prior by u, shape (P, P, lanes).

    With l = ln S, d2 phi / du_i du_j = (phi'' - phi') l_i l_j + phi' S_ij / S, where l_i = S_i / S.
    """
    grid = Grid.of(spectra.frequency)
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    relative = [t / power for t in tangents]
    both = at.observed + at.score
    second = model.second_tangents(u, grid, active)
    rows = [[None] * model.size for _ in range(model.size)]
    for i in range(model.size):
        for j in range(i, model.size):
            value = jnp.sum(both * relative[i] * relative[j], axis=0)
            if (i, j) in second:
                value -= jnp.sum(at.score * second[i, j] / power, axis=0)
            rows[i][j] = rows[j][i] = value
    curvature = model.log_prior(u)[2]
    eye = jnp.eye(model.size, dtype=u.dtype)[:, :, None]
    return jnp.stack([jnp.stack(row) for row in rows]) - eye * curvature[:, None]


@partial(jax.jit, static_argnums=(0, 1))
def _covariance(model, likelihood, spectra, active, u, moved):
    """Invert the observed information of the parameters that moved, scaled to a unit diagonal."""
    information = observed_information(model, likelihood, spectra, active, u)
    both = moved[:, None] & moved[None]
    eye = jnp.eye(model.size, dtype=bool)[:, :, None]
    kept = jnp.where(both, information, jnp.where(eye, 1.0, 0.0))
    diagonal = jnp.einsum("iil->il", kept)
    scale = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    outer = scale[:, None] * scale[None]
    inverse, pivot = linear.inverse(kept / outer)
    limit = 100 * jnp.finfo(u.dtype).eps
    sound = jnp.all(diagonal > 0, axis=0) & (pivot > limit) & jnp.all(jnp.isfinite(inverse), (0, 1))
    return jnp.where(both, inverse / outer, 0.0), sound


def covariance(model, likelihood, spectra, active, u, moved, block_size=64) -> Covariance:
    """Return the covariance of every lane, computed a block at a time.

    Parameters
    ----------
    model, likelihood
        As fitted.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    active : bool array, shape (slots, lanes)
        Which components there are.
    u : array, shape (P, lanes)
        Best fit.
    moved : bool array, shape (P, lanes)
        Free parameters that are not at a bound; the others get no error.
    block_size : int, optional
        Lanes at a time.
    """
    spectra = Spectra(*(np.asarray(a, u.dtype) for a in spectra))
    function = partial(_covariance, model, likelihood)
    return Covariance(*in_blocks(function, (spectra, active, u, moved), block_size))


def interval(u, sigma, is_log):
    """Return the distances from the value to the ends of its 68.3 % interval.

    Parameters
    ----------
    u, sigma : array, shape (P, lanes)
        Fitted variables and their standard errors.
    is_log : bool array, shape (P,)
        Rows that are logarithms: their interval is symmetric in the logarithm.

    Returns
    -------
    lower, upper : array, shape (P, lanes)
        Errors of the parameters themselves, both positive.
    """
    log = is_log[:, None]
    value = np.where(log, np.exp(np.where(log, u, 0.0)), 1.0)
    lower = np.where(log, -value * np.expm1(-sigma), sigma)
    upper = np.where(log, value * np.expm1(np.minimum(sigma, 700.0)), sigma)
    return lower, upper
