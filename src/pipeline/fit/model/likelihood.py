"""Likelihoods of an averaged power spectrum, and what the optimiser needs of them.

With l = ln S the logarithm of the model, each likelihood is a sum over bins of -phi(l); its score
and information follow from phi' and phi''. The *weight* is n, the number of raw periodogram
ordinates averaged in a bin, 1 / sigma^2, or the exposure; 0 marks padding, which adds nothing.

The ordinate at the Nyquist frequency of an even series has one degree of freedom where the others have
two: an average of m of them has n = m / 2 (van der Klis 1989, section 2.5; Vaughan 2005, A&A 431, 391).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import gammaln

from pipeline.fit.engine.arrays import AnyArray
from pipeline.fit.model.padding import padded_length
from pipeline.fit.model.special import fast_log as log

LIKELIHOODS = ("gamma", "gaussian", "gaussian_model", "poisson")


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

    deviance: Float[AnyArray, "bins lanes"]
    score: Float[AnyArray, "bins lanes"]
    fisher: Float[AnyArray, "bins lanes"]
    observed: Float[AnyArray, "bins lanes"]
    stepping: Float[AnyArray, "bins lanes"]


def terms(
    likelihood: str,
    power: Float[AnyArray, "..."],
    weight: Float[AnyArray, "..."],
    model: Float[AnyArray, "..."],
) -> Terms:
    """Return the `Terms` of a likelihood.

    Parameters
    ----------
    likelihood : {"gamma", "gaussian", "gaussian_model", "poisson"}
        ``gamma``: power ~ Gamma(shape n, mean S) (Barret & Vaughan 2012, ApJ 746, 131, eq. 2, for
        n = 1; the average of n ordinates otherwise). ``gaussian``: power ~ N(S, sigma^2), with sigma
        from the data. ``gaussian_model``: power ~ N(S, S^2 / n), what gamma tends to at large n.
        ``poisson``: weight times power, the counts of an exposure, are Poisson's with mean weight
        times S (Cash 1979, ApJ 228, 939): for light curves.
    power, weight, model : array, shape (bins, lanes)
        Measured power, weight, and model power S > 0.

    Raises
    ------
    ValueError
        For a likelihood that does not exist.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"no likelihood {likelihood!r}; there are {', '.join(LIKELIHOODS)}")
    if likelihood == "gaussian":
        residual, fisher = power - model, weight * model**2
        return Terms(
            deviance=weight * residual**2,
            score=weight * residual * model,
            fisher=fisher,
            observed=weight * (model - residual) * model,
            stepping=fisher,
        )
    if likelihood == "poisson":
        return _poisson(power, weight, model)
    ratio = power / model
    distance = log(ratio)
    near = jnp.abs(distance) < 1e-3
    secant = jnp.where(near, 1 + distance / 2, (ratio - 1) / jnp.where(near, 1.0, distance))
    if likelihood == "gaussian_model":
        used = jnp.where(weight > 0, jnp.ones_like(weight), 0.0)
        away = weight * ratio * (ratio - 1)
        return Terms(
            deviance=weight * (ratio - 1) ** 2 - 2 * used * distance,
            score=away - used,
            fisher=weight + 2 * used,
            observed=2 * away + weight * ratio,
            stepping=weight * ratio * secant + 2 * used,
        )
    return Terms(
        # the deviance, not n (I/S + ln S): that one loses the convergence test in single precision
        deviance=2 * weight * (ratio - 1 - distance),
        score=weight * (ratio - 1),
        fisher=jnp.broadcast_to(weight, ratio.shape),
        observed=weight * ratio,
        stepping=weight * secant,
    )


def _poisson(power, weight, model):
    """Terms of Poisson counts; there may be none in a bin."""
    counted = power > 0
    distance = log(jnp.where(counted, power, model) / model)
    near = jnp.abs(distance) < 1e-3
    secant = (power - model) / jnp.where(near, 1.0, distance)
    return Terms(
        deviance=2 * weight * (power * distance - (power - model)),
        score=weight * (power - model),
        fisher=weight * model,
        observed=weight * model,
        stepping=weight * jnp.where(near | ~counted, model, secant),
    )


def standardised(
    score: Float[AnyArray, "bins lanes"], curvature: Float[AnyArray, "bins lanes"]
) -> tuple[Float[Array, "bins lanes"], Float[Array, "bins lanes"]]:
    """Return the square root of a curvature and the score in units of it, 0 in the padding."""
    root = jnp.sqrt(curvature)
    return root, jnp.where(root > 0, score / jnp.where(root > 0, root, 1.0), 0.0)


def draw(
    likelihood: str,
    model: np.ndarray,
    weight: np.ndarray,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw powers around a model, as a likelihood has them.

    Parameters
    ----------
    likelihood : str
        See `terms`.
    model, weight : array
        Model power, and n, 1 / sigma^2 or the exposure; they broadcast to the shape.
    shape : tuple of int
        Of the result.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    array
        Powers; 1 where the weight is 0, in the padding.
    """
    used = np.asarray(weight) > 0
    length = padded_length(int(np.max(np.flatnonzero(used), initial=0)) + 1)
    if used.shape == shape[-1:] and length < shape[-1]:
        # what is drawn does not depend on more padding than there must be
        short = (*shape[:-1], length)
        model = np.broadcast_to(model, shape)[..., :length]
        out = np.ones(shape)
        out[..., :length] = draw(likelihood, model, weight[:length], short, rng)
        return out
    used = np.broadcast_to(used, shape)
    n = np.where(weight > 0, weight, 1.0)
    if likelihood == "gamma":
        drawn = rng.gamma(n, model / n, shape)
    elif likelihood == "poisson":
        drawn = rng.poisson(n * model, shape) / n
    else:
        sigma = n**-0.5 * (model if likelihood == "gaussian_model" else 1.0)
        drawn = rng.normal(model, sigma, shape)
    return np.where(used, drawn, 1.0)


def sample_size(
    likelihood: str, power: Float[AnyArray, "bins lanes"], weight: Float[AnyArray, " bins #lanes"]
) -> Float[np.ndarray, " lanes"]:
    """Return the number of data that the Bayesian information criterion counts, shape (lanes,).

    It is the number of raw periodogram ordinates, the sum of n, not that of bins: each is a datum of its own,
    the information on a parameter grows with them, and averaging them into fewer bins changes neither (for
    counts in the cells of a table: Raftery 1986, J. R. Stat. Soc. B 48, 249; Kass & Raftery 1995, J. Am.
    Stat. Assoc. 90, 773, section 4.1). Of a spectrum with Gaussian errors it is the sum of (power / error)^2,
    which is the same where the power includes the noise, and at least the number of bins. For light curves,
    ``poisson``, it is the number of bins.

    Parameters
    ----------
    likelihood : str
        See `terms`.
    power, weight : array, shape (bins, lanes)
        Data, and n, 1 / sigma^2 or the exposure; 0 in the padding.
    """
    power, weight = np.asarray(power), np.asarray(weight)
    used = weight > 0
    bins = used.sum(axis=0)
    if likelihood == "poisson":
        return bins.astype(float)
    if likelihood == "gaussian":
        return np.maximum(np.where(used, weight * power**2, 0.0).sum(axis=0), bins)
    return np.where(used, weight, 0.0).sum(axis=0)


@np.errstate(divide="ignore", invalid="ignore")
def saturated(
    likelihood: str, power: Float[AnyArray, "bins lanes"], weight: Float[AnyArray, " bins #lanes"]
) -> Float[np.ndarray, " lanes"]:
    """Return -2 ln L of the model that equals the data, summed over bins, shape (lanes,).

    Added to the deviance it gives -2 ln L with every constant, as `scipy.stats` has it.
    """
    power, weight = np.asarray(power), np.asarray(weight)
    used = weight > 0
    n = np.where(used, weight, 1.0)
    if likelihood == "gaussian":
        return np.sum(np.where(used, np.log(2 * np.pi / n), 0.0), axis=0)
    if likelihood == "poisson":
        counts = np.where(used, n * power, 0.0)
        log_counts = np.log(np.where(counts > 0, counts, 1.0))
        return 2 * np.sum(counts - counts * log_counts + gammaln(counts + 1), axis=0)
    log_power = np.log(np.where(used, power, 1.0))
    if likelihood == "gaussian_model":
        each = np.log(2 * np.pi / n) + 2 * log_power
        return np.sum(np.where(used, each, 0.0), axis=0)
    each = -2 * (n * np.log(n) - gammaln(n) - log_power - n)
    return np.sum(np.where(used, each, 0.0), axis=0)
