"""The objective and its derivatives at a model: what the optimiser steps with, and what errors come from.

The objective is the deviance - 2 ln prior. Gradients are those of ln L + ln prior, so they point uphill;
informations are second derivatives of -ln L - ln prior or stand in for them. Shapes: u (P, lanes),
spectra (bins, lanes), active (slots, lanes).
"""

import jax
import jax.numpy as jnp

from pipeline.fit.model.likelihood import standardised, terms


def objective_at(model, likelihood, spectra, grid, active, u):
    """Return the objective, shape (lanes,)."""
    at = terms(likelihood, spectra.power, spectra.weight, model.power(u, grid, active))
    return _total(at, model.log_prior(u)[0])


def slope_at(model, likelihood, spectra, grid, active, u):
    """Return the objective, shape (lanes,), and the gradient, shape (P, lanes)."""
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    log_prior, slope, _ = model.log_prior(u)
    each = _materialised(jnp.stack([at.score / power * t for t in tangents]))
    return _total(at, log_prior), jnp.sum(each, axis=1) + slope


def stepping_at(model, likelihood, spectra, grid, active, u):
    """Return objective, gradient, and the information to step with, shape (P, P, lanes).

    Its curvature of a bin is `pipeline.fit.model.likelihood.Terms.stepping`.
    """
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    root, residual = standardised(at.score, at.stepping)
    scale = root / power
    standard, residual = _materialised(([scale * t for t in tangents], residual))
    gradient = jnp.stack([jnp.sum(residual * r, axis=0) for r in standard])
    # it only shapes the steps: single precision does, and the time goes into reading rows
    single = _materialised([r.astype(jnp.float32) for r in standard])
    matrix = _symmetric(lambda i, j: jnp.sum(single[i] * single[j], axis=0), model.size)
    log_prior, slope, curvature = model.log_prior(u)
    diagonal = _diagonal(jnp.maximum(-curvature, 0.0))
    return _total(at, log_prior), gradient + slope, matrix.astype(u.dtype) + diagonal


def bend_at(model, likelihood, spectra, grid, active, u, step):
    """Return how the model bends along a step, seen by each parameter, shape (P, lanes).

    The sum over bins of phi'' l_i d2l / dt2, with l = ln S along u + t step.
    """
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)

    def along(t):
        return model.power(u + t * step, grid, active)

    def slope(t):
        return jax.jvp(along, (t,), (jnp.ones_like(t),))[1]

    zero = jnp.zeros((), u.dtype)
    first, second = jax.jvp(slope, (zero,), (jnp.ones_like(zero),))
    weight = at.stepping * (second / power - (first / power) ** 2) / power
    each = _materialised(jnp.stack([weight * t for t in tangents]))
    return jnp.sum(each, axis=1)


def information(kind, model, likelihood, spectra, active, u):
    """Return a matrix of second order in the model's derivatives, shape (P, P, lanes).

    With l = ln S, l_i = S_i / S and phi the likelihood of a bin (`pipeline.fit.model.likelihood`):

    - ``observed``: d2 / du_i du_j of -ln L - ln prior, the sum over bins of
      (phi'' - phi') l_i l_j + phi' S_ij / S.
    - ``fisher``: its expectation where the model is right, sum E[phi''] l_i l_j.
    - ``scores``: the outer product of the bins' own scores, sum phi'^2 l_i l_j.

    Parameters
    ----------
    kind : {"observed", "fisher", "scores"}
        Which; the prior's curvature is part of the first two.
    model, likelihood, spectra, active, u
        See `covariance`.
    """
    grid = spectra.grid
    power, tangents = model.power_and_tangents(u, grid, active)
    at = terms(likelihood, spectra.power, spectra.weight, power)
    weight = {"observed": at.observed + at.score, "fisher": at.fisher, "scores": at.score**2}[kind]
    relative = [t / power for t in tangents]
    relative, weighted, score = _materialised(
        (relative, [weight * r for r in relative], at.score / power)
    )
    second = model.second_tangents(u, grid, active) if kind == "observed" else {}

    def element(i, j):
        value = jnp.sum(weighted[i] * relative[j], axis=0)
        pair = min(i, j), max(i, j)
        return value - jnp.sum(score * second[pair], axis=0) if pair in second else value

    matrix = _symmetric(element, model.size)
    return matrix if kind == "scores" else matrix - _diagonal(model.log_prior(u)[2])


def _total(at, log_prior):
    return jnp.sum(at.deviance, axis=0) - 2 * jnp.sum(log_prior, axis=0)


def _materialised(arrays):
    """Have arrays computed once: XLA would compute them again in each reduction that reads them."""
    return jax.lax.optimization_barrier(arrays)


def _symmetric(element, size):
    """Stack element(i, j) for j <= i and its mirror image, shape (size, size, lanes)."""
    rows = [[element(i, j) for j in range(i + 1)] for i in range(size)]
    return jnp.stack(
        [jnp.stack([rows[max(i, j)][min(i, j)] for j in range(size)]) for i in range(size)]
    )


def _diagonal(values):
    """Put values of shape (P, lanes) on the diagonal of matrices of shape (P, P, lanes)."""
    return jnp.eye(values.shape[0], dtype=values.dtype)[:, :, None] * values[:, None]
