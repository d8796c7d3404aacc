"""Priors by name, from numpyro.distributions, as densities of the fitted variable u."""

import jax.numpy as jnp
import numpyro.distributions as dist

DISTRIBUTIONS = {
    "uniform": dist.Uniform,
    "loguniform": dist.LogUniform,
    "normal": dist.Normal,
    "lognormal": dist.LogNormal,
    "truncated_normal": lambda loc, scale, low, high: dist.TruncatedNormal(
        loc, scale, low=low, high=high
    ),
    "gamma": dist.Gamma,
    "beta": dist.Beta,
    "half_normal": dist.HalfNormal,
    "exponential": dist.Exponential,
}


def log_prior(prior, is_log):
    """Return a function from u to the logarithm of the prior's density in u.

    Parameters
    ----------
    prior : (str, tuple of float) or None
        Name and arguments; None: flat in u.
    is_log : bool
        Whether u is the logarithm of the parameter.
    """
    if prior is None:
        return jnp.zeros_like
    name, arguments = prior
    if (name == "loguniform" and is_log) or (name == "uniform" and not is_log):
        return jnp.zeros_like  # flat in u: the support is part of the bounds
    distribution = DISTRIBUTIONS[name](*arguments)
    if is_log:
        return lambda u: distribution.log_prob(jnp.exp(u)) + u
    return distribution.log_prob


def support(prior):
    """Return the lower and upper end of what a prior allows, for the parameter itself."""
    if prior is None:
        return -jnp.inf, jnp.inf
    name, arguments = prior
    if name in ("uniform", "loguniform"):
        return arguments[0], arguments[1]
    if name == "truncated_normal":
        return arguments[2], arguments[3]
    if name == "beta":
        return 0.0, 1.0
    if name == "normal":
        return -jnp.inf, jnp.inf
    return 0.0, jnp.inf
