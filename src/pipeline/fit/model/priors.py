"""Priors by name, from numpyro.distributions, as densities of the fitted variable u."""

import jax.numpy as jnp

from pipeline.priors import PRIORS


def distribution(name, arguments):
    """Return the distribution of numpyro with a name in `pipeline.priors.PRIORS`.

    Parameters
    ----------
    name : str
        Its name in numpyro, in small letters: ``half_normal``.
    arguments : sequence of float
        In the order of `PRIORS`.

    Raises
    ------
    ValueError
        When an argument is not allowed.
    """
    from numpyro import distributions  # not before it is wanted: it takes 0.3 s

    classes = {known.lower(): known for known in distributions.__all__}
    made = getattr(distributions, classes[name.replace("_", "")])
    return made(**dict(zip(PRIORS[name], arguments, strict=True)), validate_args=True)


def is_flat(prior, is_log) -> bool:
    """Whether a prior is flat in the fitted variable: its support is part of the bounds."""
    flat = "loguniform" if is_log else "uniform"
    return prior is None or prior[0] == flat


def log_prior(prior, is_log):
    """Return a function from u to the logarithm of the prior's density in u.

    Parameters
    ----------
    prior : (str, tuple of float) or None
        Name and arguments; None: flat in u.
    is_log : bool
        Whether u is the logarithm of the parameter, whose density is then p(exp(u)) exp(u).
    """
    if is_flat(prior, is_log):
        return jnp.zeros_like
    density = distribution(*prior)
    density._validate_args = False  # the bounds see to it; a value cannot be checked while tracing
    if is_log:
        return lambda u: density.log_prob(jnp.exp(u)) + u
    return density.log_prob


def support(prior):
    """Return the lower and upper end of what a prior allows, for the parameter itself."""
    if prior is None:
        return -jnp.inf, jnp.inf
    allowed = distribution(*prior).support
    ends = getattr(allowed, "lower_bound", -jnp.inf), getattr(allowed, "upper_bound", jnp.inf)
    return tuple(float(end) for end in ends)
