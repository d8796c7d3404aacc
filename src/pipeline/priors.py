"""The priors that a configuration may name, and how they change with the unit of their parameter."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

_LOCATION, _FREE, _RANGE = {"loc": 1, "scale": 1}, {"concentration": 0}, {"low": 1, "high": 1}
PRIORS: Mapping[str, Mapping[str, int | Literal["log"]]] = {
    "uniform": _RANGE,
    "loguniform": _RANGE,
    "normal": _LOCATION,
    "lognormal": {"loc": "log", "scale": 0},
    "truncated_normal": {**_LOCATION, **_RANGE},
    "gamma": {**_FREE, "rate": -1},
    "inverse_gamma": {**_FREE, "rate": 1},
    "beta": {"concentration1": 0, "concentration0": 0},
    "half_normal": {"scale": 1},
    "exponential": {"rate": -1},
    "cauchy": _LOCATION,
    "half_cauchy": {"scale": 1},
    "truncated_cauchy": {**_LOCATION, **_RANGE},
    "student_t": {"df": 0, **_LOCATION},
    "laplace": _LOCATION,
    "asymmetric_laplace": {**_LOCATION, "asymmetry": 0},
    "logistic": _LOCATION,
    "gumbel": _LOCATION,
    "levy": _LOCATION,
    "weibull": {"scale": 1, **_FREE},
    "pareto": {"scale": 1, "alpha": 0},
    "gompertz": {**_FREE, "rate": -1},
    "kumaraswamy": {"concentration1": 0, "concentration0": 0},
    "chi2": {"df": 0},
    "dagum": {**_FREE, "sharpness": 0, "scale": 1},
}
"""Priors that may be named: the arguments of the distribution in numpyro, in order, with the power of
the parameter's unit that each carries ("log": it is the logarithm of a value)."""

POSITIVE_ARGUMENTS = frozenset(
    name
    for arguments in PRIORS.values()
    for name in arguments
    if name not in ("loc", "low", "high")
)
"""Arguments of priors that must be positive, but for the logarithmic ``loc`` and the ends of a range."""


def scaled_prior(name: str, arguments: Sequence[float], factor: float) -> list[float]:
    """Return the arguments of a prior for a parameter in a unit that is `factor` times smaller.

    Parameters
    ----------
    name : str
        A key of `PRIORS`.
    arguments : sequence of float
        For the parameter in the larger unit.
    factor : float
        How many smaller units make one larger unit.

    Raises
    ------
    ValueError
        For a distribution on a scale of its own, like that of a fraction.
    """
    powers = PRIORS[name].values()
    if not any(powers):
        raise ValueError(f"prior {name} has no unit: give it without one")
    return [
        a + math.log(factor) if power == "log" else a * factor**power
        for a, power in zip(arguments, powers, strict=True)
    ]
