"""Values against scipy.stats, derivatives against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from pipeline.components import COMPONENTS
from pipeline.fit import Code, Engine, Grid, Model, Spectra
from pipeline.fit.model import likelihood as likelihoods
from pipeline.fit.model.likelihood import LIKELIHOODS, log, saturated, terms
from pipeline.fit.model.priors import Prior, log_prior
from pipeline.fit.model.slots import make_slot
from pipeline.fit.objectives.power_spectrum import PowerSpectrum


def _minus_two_log(likelihood, power, weight, model):
    at = terms(likelihood, power, weight, model)
    return np.asarray(jnp.sum(at.deviance, axis=0) + saturated(likelihood, power, weight))


def test_gamma_likelihood_is_scipys_with_an_array_of_n():
    rng = np.random.default_rng(1)
    n = rng.uniform(0.5, 80, (40, 3))
    model = rng.uniform(0.1, 9, (40, 3))
    power = rng.gamma(n, model / n)
    expected = -2 * stats.gamma.logpdf(power, n, scale=model / n).sum(axis=0)
    np.testing.assert_allclose(_minus_two_log("gamma", power, n, model), expected, rtol=1e-12)


def test_gaussian_likelihood_is_scipys():
    rng = np.random.default_rng(2)
    sigma = rng.uniform(0.2, 3, (30, 2))
    model = rng.uniform(0.1, 9, (30, 2))
    power = rng.normal(model, sigma)
    expected = -2 * stats.norm.logpdf(power, model, sigma).sum(axis=0)
    got = _minus_two_log("gaussian", power, sigma**-2, model)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_gaussian_likelihood_with_the_models_variance_is_scipys():
    rng = np.random.default_rng(3)
    n, model = rng.uniform(5, 80, (40, 3)), rng.uniform(0.1, 9, (40, 3))
    power = rng.gamma(n, model / n)
    expected = -2 * stats.norm.logpdf(power, model, model / np.sqrt(n)).sum(axis=0)
    got = _minus_two_log("gaussian_model", power, n, model)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_poisson_likelihood_is_scipys_also_without_counts():
    rng = np.random.default_rng(5)
    exposure, rate = rng.uniform(0.5, 3, (60, 3)), rng.uniform(0.1, 4, (60, 3))
    counts = rng.poisson(exposure * rate)
    assert (counts == 0).any()
    expected = -2 * stats.poisson.logpmf(counts, exposure * rate).sum(axis=0)
    got = _minus_two_log("poisson", counts / exposure, exposure, rate)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_ordinate_at_nyquist_has_half_the_weight():
    """m averaged squares of one Gaussian number instead of two: chi2 with m degrees of freedom."""
    m, model, power = 7, 2.3, np.array([[0.4], [1.9], [5.0]])
    expected = -2 * stats.chi2.logpdf(power, m, scale=model / m).sum()
    got = _minus_two_log("gamma", power, np.full((3, 1), m / 2), np.full((3, 1), model))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_expected_information_is_the_mean_of_the_observed_one():
    rng = np.random.default_rng(6)
    model = np.full((200_000, 1), 1.7)
    for likelihood, weight, power in (
        ("gamma", 9.0, rng.gamma(9.0, model / 9.0)),
        ("gaussian", 9.0, rng.normal(model, 1 / 3)),
        ("gaussian_model", 9.0, rng.normal(model, model / 3)),
        ("poisson", 2.5, rng.poisson(2.5 * model) / 2.5),
    ):
        at = terms(likelihood, power, np.full_like(model, weight), model)
        spread = float(at.observed.std()) / np.sqrt(model.size)
        assert abs(float((at.observed - at.fisher).mean())) <= 4 * spread, likelihood
        assert abs(float(at.score.mean())) <= 4 * float(at.score.std()) / np.sqrt(model.size)
        variance = float((at.score**2).mean())  # the second Bartlett identity
        np.testing.assert_allclose(variance, at.fisher.mean(), rtol=0.02)


def test_a_likelihood_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="no likelihood 'whittle'; there are gamma"):
        terms("whittle", *np.ones((3, 2, 1)))


def test_the_logarithm_is_numpys_and_not_a_number_where_there_is_none():
    x = np.exp(np.random.default_rng(4).normal(0, 60, 20_000))
    x = np.concatenate([x, 1 + 1e-9 * x[:100], [1.0, np.nextafter(1, 0), np.nextafter(1, 2)]])
    np.testing.assert_allclose(log(jnp.asarray(x)), np.log(x), rtol=5e-16, atol=0)
    assert np.isnan(log(jnp.array([0.0, -1.0, np.inf, np.nan]))).all()
    single = jnp.asarray(x[(x > 1e-30) & (x < 1e30)], jnp.float32)
    np.testing.assert_allclose(log(single), np.log(single), rtol=1e-6, atol=1e-7)


def test_padding_adds_nothing():
    power, n, model = np.array([[2.0], [1.0]]), np.array([[7.0], [0.0]]), np.array([[1.5], [3.0]])
    for likelihood in LIKELIHOODS:
        both = _minus_two_log(likelihood, power, n, model)
        one = _minus_two_log(likelihood, power[:1], n[:1], model[:1])
        np.testing.assert_array_equal(both, one)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_score_and_information_are_the_derivatives_of_the_likelihood(likelihood):
    power, weight = jnp.array([1.3]), jnp.array([9.0])

    def phi(log_model):
        return jnp.sum(terms(likelihood, power, weight, jnp.exp(log_model)).deviance) / 2

    at = terms(likelihood, power, weight, jnp.exp(jnp.array([0.4])))
    first, second = jax.grad(phi)(jnp.array([0.4])), jax.hessian(phi)(jnp.array([0.4]))
    np.testing.assert_allclose(-at.score, first, rtol=1e-10)
    np.testing.assert_allclose(at.observed, second[0], rtol=1e-10)


def test_the_stepping_curvature_leads_to_the_data_in_one_step_from_anywhere():
    for model in (1e-4, 0.7, 1.2999, 40.0):
        at = terms("gamma", jnp.array(1.3), jnp.array(9.0), jnp.array(model))
        step = at.score / at.stepping
        np.testing.assert_allclose(model * np.exp(step), 1.3, rtol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_observed_information_is_the_hessian(likelihood, three, draw):
    spectra, u = draw(three, [2, 1.4, 3, 6, 1, 2], np.linspace(0.1, 30, 150), 20, 2, seed=3)
    u = jnp.asarray(u + 0.05)
    active = np.ones((3, 2), bool)

    def objective(v, lane):
        model = three.power(v[:, None], Grid.of(spectra.frequency[:, [lane]]), active[:, [lane]])
        at = terms(likelihood, spectra.power[:, [lane]], spectra.weight[:, [lane]], model)
        return jnp.sum(at.deviance) / 2

    fitted = PowerSpectrum(three, likelihood)
    ours = fitted.information("observed", fitted.prepared(spectra), active, u)
    for lane in range(2):
        expected = jax.hessian(objective)(u[:, lane], lane)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(ours[:, :, lane], expected, rtol=1e-8, atol=1e-9 * scale)


def test_power_and_tangents_match_finite_differences(draw):
    model = Model.from_components("all", ["bending_power_law", "lorentz", "zero_lorentzian"])
    spectra, u = draw(
        model, [2, 0.5, 2.0, 3, 1.0, 6, 1, 2, 0.3], np.linspace(0.1, 30, 50), 20, 1, seed=4
    )
    active = np.ones((3, 1), bool)
    _, tangents = model.power_and_tangents(jnp.asarray(u), Grid.of(spectra.frequency), active)
    for p, tangent in enumerate(tangents):
        step = np.zeros_like(u)
        step[p] = 1e-6
        ahead, behind = (
            model.power(u + s, Grid.of(spectra.frequency), active) for s in (step, -step)
        )
        expected = (ahead - behind) / 2e-6
        np.testing.assert_allclose(tangent, expected, rtol=1e-5, atol=1e-7)


def test_priors_are_scipys_carried_to_the_fitted_variable():
    u = jnp.linspace(-1.0, 1.0, 7)
    x = np.exp(u)
    cases = {
        ("lognormal", (0.3, 0.5)): stats.lognorm(0.5, scale=np.exp(0.3)),
        ("normal", (1.0, 2.0)): stats.norm(1.0, 2.0),
        ("gamma", (2.0, 3.0)): stats.gamma(2.0, scale=1 / 3.0),
        ("half_normal", (1.5,)): stats.halfnorm(scale=1.5),
        ("exponential", (0.7,)): stats.expon(scale=1 / 0.7),
        ("uniform", (0.1, 5.0)): stats.uniform(0.1, 4.9),
    }
    for prior, expected in cases.items():
        got = log_prior(Prior(*prior), True)(u)
        np.testing.assert_allclose(got, expected.logpdf(x) + np.asarray(u), rtol=1e-6)


def test_a_log_uniform_prior_is_flat_in_the_logarithm():
    assert not np.any(log_prior(Prior("loguniform", (0.1, 10.0)), True)(jnp.linspace(-2, 2, 5)))


def test_derivatives_of_the_prior_are_those_of_its_density():
    class Told:
        bounds = start = fixed = None
        prior = {"lognormal": [0.3, 0.5]}  # noqa: RUF012

    model = Model("m", (make_slot(COMPONENTS["constant"], 1, {"level": Told}, optional=False),))
    u = jnp.array([[0.2, 0.9]])
    value, first, second = model.log_prior(u)
    expected = stats.norm(0.3, 0.5).logpdf(np.asarray(u))
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(first, -(np.asarray(u) - 0.3) / 0.25, rtol=1e-10)
    np.testing.assert_allclose(second, np.full((1, 2), -1 / 0.25), rtol=1e-10)


def test_spectra_take_repeats_lanes():
    spectra = Spectra(*(np.arange(6.0).reshape(2, 3) for _ in range(3)))
    assert spectra.take([2, 0, 2]).power.tolist() == [[2, 0, 2], [5, 3, 5]]


@pytest.mark.parametrize("likelihood", ["gaussian_model", "poisson"])
def test_every_likelihood_finds_what_scipy_finds(likelihood, problem):
    rng = np.random.default_rng(21)
    model = Model.from_components("red", ["power_law", "constant"])
    grid, weight = np.linspace(0.1, 9, 80)[:, None], np.full((80, 3), 20.0)
    truth = 1 + 2 / grid
    power = rng.poisson(20 * truth, (80, 3)) / 20 if likelihood == "poisson" else None
    power = rng.gamma(20, truth / 20, (80, 3)) if power is None else power
    spectra = Spectra(np.repeat(grid, 3, axis=1), power, weight)
    start = np.zeros((3, 3))
    fit = Engine(PowerSpectrum(model, likelihood), block_size=8, tolerance=1e-10).fit(
        spectra, problem(model, start)
    )
    assert (fit.code == Code.CONVERGED).all()

    def objective(u, lane):
        expected = np.exp(u[0]) * grid[:, 0] ** -u[1] + np.exp(u[2])
        if likelihood == "poisson":
            return -stats.poisson.logpmf(np.round(20 * power[:, lane]), 20 * expected).sum()
        return -stats.norm.logpdf(power[:, lane], expected, expected / np.sqrt(20)).sum()

    for lane in range(3):
        best = optimize.minimize(objective, [0.5, 1.0, 0.1], args=(lane,), tol=1e-10)
        np.testing.assert_allclose(fit.u[:, lane], best.x, atol=2e-4)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_draws_do_not_depend_on_more_padding_than_there_must_be(likelihood):
    found = []
    for length in (128, 384):
        weight, model = np.zeros(length), np.ones(length)
        weight[:100], model[:100] = 40.0, np.linspace(1, 3, 100)
        rng = np.random.default_rng(3)
        found.append(likelihoods.draw(likelihood, model, weight, (5, length), rng))
    short, long = found
    np.testing.assert_array_equal(short, long[:, :128])
    assert (long[:, 100:] == 1).all()
    assert (long[:, :100] != 1).any()
