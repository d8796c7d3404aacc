"""Priors by name, from numpyro.distributions, as densities of the fitted variable u."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from pipeline.priors import PRIORS


class Prior(NamedTuple):
    """A prior by name.

    Attributes
    ----------
    name : str
        A key of `pipeline.priors.PRIORS`.
    arguments : tuple of float
        Those of the distribution, in the order of `PRIORS`.
    """

    name: str
    arguments: tuple[float, ...]


def distribution(name: str, arguments: Sequence[float]) -> Any:
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


def is_flat(prior: Prior | None, is_log: bool) -> bool:
    """Whether a prior is flat in the fitted variable: its support is part of the bounds."""
    flat = "loguniform" if is_log else "uniform"
    return prior is None or prior.name == flat


def log_prior(
    prior: Prior | None, is_log: bool
) -> Callable[[Float[Array, " lanes"]], Float[Array, " lanes"]]:
    """Return a function from u to the logarithm of the prior's density in u.

    Parameters
    ----------
    prior : Prior or None
        None: flat in u.
    is_log : bool
        Whether u is the logarithm of the parameter, whose density is then p(exp(u)) exp(u).
    """
    if prior is None or is_flat(prior, is_log):
        return jnp.zeros_like
    density = distribution(*prior)
    density._validate_args = False  # the bounds see to it; a value cannot be checked while tracing
    if is_log:
        return lambda u: density.log_prob(jnp.exp(u)) + u
    return density.log_prob


def support(prior: Prior | None) -> tuple[float, float]:
    """Return the lower and upper end of the values that a prior allows, for the parameter itself."""
    if prior is None:
        return -jnp.inf, jnp.inf
    allowed = distribution(*prior).support
    ends = getattr(allowed, "lower_bound", -jnp.inf), getattr(allowed, "upper_bound", jnp.inf)
    return float(ends[0]), float(ends[1])
