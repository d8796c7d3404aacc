"""Priors are the distributions they are named after, as densities of the fitted variable."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.integrate import quad

from pipeline.components import COMPONENTS
from pipeline.config.models import ParameterOptions
from pipeline.fit import Model
from pipeline.fit.model.priors import Prior, distribution, log_prior, support
from pipeline.fit.model.slots import make_slot
from pipeline.priors import POSITIVE_ARGUMENTS, PRIORS, scaled_prior

CASES = {
    "uniform": ([0.5, 3.0], stats.uniform(0.5, 2.5)),
    "loguniform": ([0.5, 3.0], stats.loguniform(0.5, 3.0)),
    "normal": ([1.5, 0.4], stats.norm(1.5, 0.4)),
    "lognormal": ([0.3, 0.5], stats.lognorm(0.5, scale=np.exp(0.3))),
    "truncated_normal": ([1.0, 2.0, 0.5, 4.0], stats.truncnorm(-0.25, 1.5, loc=1.0, scale=2.0)),
    "gamma": ([2.0, 3.0], stats.gamma(2.0, scale=1 / 3)),
    "inverse_gamma": ([3.0, 2.0], stats.invgamma(3.0, scale=2.0)),
    "beta": ([2.0, 3.0], stats.beta(2.0, 3.0)),
    "half_normal": ([1.5], stats.halfnorm(scale=1.5)),
    "exponential": ([0.7], stats.expon(scale=1 / 0.7)),
    "cauchy": ([1.0, 0.5], stats.cauchy(1.0, 0.5)),
    "half_cauchy": ([0.5], stats.halfcauchy(scale=0.5)),
    "truncated_cauchy": ([1.0, 0.5, 0.2, 4.0], None),
    "student_t": ([4.0, 1.0, 0.5], stats.t(4.0, 1.0, 0.5)),
    "laplace": ([1.0, 0.5], stats.laplace(1.0, 0.5)),
    "asymmetric_laplace": ([1.0, 0.5, 1.3], stats.laplace_asymmetric(1.3, 1.0, 0.5)),
    "logistic": ([1.0, 0.5], stats.logistic(1.0, 0.5)),
    "gumbel": ([1.0, 0.5], stats.gumbel_r(1.0, 0.5)),
    "levy": ([0.2, 0.5], stats.levy(0.2, 0.5)),
    "weibull": ([1.5, 2.0], stats.weibull_min(2.0, scale=1.5)),
    "pareto": ([0.5, 3.0], stats.pareto(3.0, scale=0.5)),
    "gompertz": ([0.4, 1.2], stats.gompertz(0.4, scale=1 / 1.2)),
    "kumaraswamy": ([2.0, 3.0], None),
    "chi2": ([3.0], stats.chi2(3.0)),
    "dagum": ([2.0, 3.0, 1.5], stats.burr(3.0, 2.0, scale=1.5)),
}
X = np.array([0.55, 0.7, 0.93])
"""Values that all of them allow."""


def test_every_prior_that_may_be_named_is_tested():
    assert CASES.keys() == PRIORS.keys()


@pytest.mark.parametrize("name", PRIORS)
def test_the_table_is_in_step_with_numpyro(name):
    made = distribution(name, CASES[name][0])
    assert made.batch_shape == made.event_shape == ()
    assert not made.is_discrete
    if name.startswith("truncated"):  # a function of numpyro, not a class
        return
    constraints = type(made).arg_constraints
    assert list(constraints) == list(PRIORS[name])
    for argument, constraint in constraints.items():
        if argument not in ("low", "high"):
            positive = constraint is dist.constraints.positive
            assert positive == (argument in POSITIVE_ARGUMENTS)


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("is_log", [True, False])
def test_the_density_of_the_fitted_variable_integrates_to_the_probability(name, is_log):
    """Between two values of the parameter there is as much of it as of the fitted variable."""
    arguments, expected = CASES[name]
    if (name, is_log) in (("loguniform", True), ("uniform", False)):
        assert not np.any(log_prior(Prior(name, tuple(arguments)), is_log)(jnp.asarray(X)))
        return  # flat, and not normalised
    density = jax.jit(log_prior(Prior(name, tuple(arguments)), is_log))
    ends = np.log(X[[0, 2]]) if is_log else X[[0, 2]]
    found = quad(lambda u: float(jnp.exp(density(u))), *ends, epsabs=1e-9)[0]
    probability = (
        expected.cdf(X[2]) - expected.cdf(X[0])
        if expected
        else _between(distribution(name, arguments), X[0], X[2])
    )
    assert found == pytest.approx(probability, rel=1e-5)


def _between(made, lo, hi):
    return quad(lambda t: float(jnp.exp(made.log_prob(t))), lo, hi, epsabs=1e-9)[0]


@pytest.mark.parametrize("name", [n for n, (_, expected) in CASES.items() if expected])
def test_the_density_is_scipys(name):
    arguments, expected = CASES[name]
    found = distribution(name, arguments).log_prob(X)
    np.testing.assert_allclose(found, expected.logpdf(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", PRIORS)
def test_the_support_is_where_the_density_is(name):
    arguments, expected = CASES[name]
    lo, hi = support(Prior(name, tuple(arguments)))
    if expected:
        np.testing.assert_allclose([lo, hi], expected.support(), rtol=1e-7)
    elif name == "kumaraswamy":
        assert (lo, hi) == (0.0, 1.0)
    else:
        assert (lo, hi) == tuple(arguments[-2:])


def test_without_a_prior_everything_is_allowed_and_flat():
    assert support(None) == (-np.inf, np.inf)
    assert not np.any(log_prior(None, True)(jnp.asarray(X)))


@pytest.mark.parametrize("name", [n for n in PRIORS if any(PRIORS[n].values())])
def test_a_prior_in_another_unit_is_the_same_prior(name):
    """p(x) dx is the same: in a unit 1000 times larger the density is 1000 times larger."""
    arguments, _ = CASES[name]
    large = distribution(name, arguments)
    small = distribution(name, scaled_prior(name, arguments, 1e3))
    np.testing.assert_allclose(
        small.log_prob(1e3 * X), np.asarray(large.log_prob(X)) - np.log(1e3), rtol=1e-6
    )


def test_a_prior_without_a_unit_cannot_be_scaled():
    for name in ("beta", "kumaraswamy", "chi2"):
        with pytest.raises(ValueError, match=f"prior {name} has no unit"):
            scaled_prior(name, CASES[name][0], 1e3)


def test_arguments_that_a_distribution_does_not_take_are_refused():
    with pytest.raises(ValueError, match="scale"):
        distribution("normal", [0.0, -1.0])


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_the_scale_of_the_configuration_decides_what_is_fitted(scale):
    told = {"level": ParameterOptions(prior={"gamma": [2.0, 3.0]}, scale=scale)}
    model = Model("m", (make_slot(COMPONENTS["constant"], 1, told, optional=False),))
    u = np.array([[0.4, 0.9]])
    x = np.exp(u) if scale == "log" else u
    np.testing.assert_allclose(model.to_values(u), x)
    expected = stats.gamma(2.0, scale=1 / 3).logpdf(x) + (u if scale == "log" else 0)
    value, first, second = model.log_prior(jnp.asarray(u))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    slope = 2 - 3 * x if scale == "log" else 1 / x - 3
    np.testing.assert_allclose(first, slope, rtol=1e-6)
    np.testing.assert_allclose(second, -3 * x if scale == "log" else -1 / x**2, rtol=1e-6)
