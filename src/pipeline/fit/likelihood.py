"""Likelihoods of an averaged power spectrum, and what the optimiser needs of them.

With l = ln S the logarithm of the model, each likelihood is a sum over bins of -phi(l); its score
and information follow from phi' and phi''. The *weight* is n, the number of raw periodogram
ordinates averaged in a bin (gamma), or 1 / sigma^2 (Gaussian); 0 marks padding, which adds nothing.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaln

LIKELIHOODS = ("gamma", "gaussian")


class Terms(NamedTuple):
    """A likelihood at a model, bin by bin; all of shape (bins, lanes).

    Attributes
    ----------
    deviance : array
        2 phi less its value where the model equals the data.
    score : array
        -phi'.
    fisher : array
        The expectation of phi''.
    observed : array
        phi''.
    stepping : array
        The curvature to step with: phi' over the distance from l to the l of the data. It is `fisher`
        where the model is right, and from a far start it neither overshoots nor crawls.
    """

    deviance: jnp.ndarray
    score: jnp.ndarray
    fisher: jnp.ndarray
    observed: jnp.ndarray
    stepping: jnp.ndarray


def terms(likelihood, power, weight, model):
    """Return the `Terms` of a likelihood.

    Parameters
    ----------
    likelihood : {"gamma", "gaussian"}
        ``gamma``: power ~ Gamma(shape n, mean S) (Barret & Vaughan 2012, ApJ 746, 131, eq. 2, for
        n = 1; the average of n ordinates otherwise). ``gaussian``: power ~ N(S, sigma^2).
    power, weight, model : array, shape (bins, lanes)
        Measured power, weight, and model power S > 0.
    """
    if likelihood == "gaussian":
        residual, fisher = power - model, weight * model**2
        return Terms(
            deviance=weight * residual**2,
            score=weight * residual * model,
            fisher=fisher,
            observed=weight * (model - residual) * model,
            stepping=fisher,
        )
    ratio = power / model
    distance = jnp.log(ratio)
    near = jnp.abs(distance) < 1e-3
    secant = jnp.where(near, 1 + distance / 2, (ratio - 1) / jnp.where(near, 1.0, distance))
    return Terms(
        # the deviance, not n (I/S + ln S): that one loses the convergence test in single precision
        deviance=2 * weight * (ratio - 1 - distance),
        score=weight * (ratio - 1),
        fisher=jnp.broadcast_to(weight, ratio.shape),
        observed=weight * ratio,
        stepping=weight * secant,
    )


def standardised(score, curvature):
    """Return the square root of a curvature and the score in units of it, 0 in the padding."""
    root = jnp.sqrt(curvature)
    return root, jnp.where(root > 0, score / jnp.where(root > 0, root, 1.0), 0.0)


def saturated(likelihood, power, weight):
    """Return -2 ln L of the model that equals the data, summed over bins, shape (lanes,).

    Added to the deviance it gives -2 ln L with every constant, as `scipy.stats` has it.
    """
    used = weight > 0
    n = jnp.where(used, weight, 1.0)
    if likelihood == "gaussian":
        return jnp.sum(jnp.where(used, jnp.log(2 * jnp.pi / n), 0.0), axis=0)
    log_power = jnp.log(jnp.where(used, power, 1.0))
    each = -2 * (n * jnp.log(n) - gammaln(n) - log_power - n)
    return jnp.sum(jnp.where(used, each, 0.0), axis=0)
