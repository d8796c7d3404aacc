"""From a spectrum to parameters without a starting value from anybody."""

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.models import ComponentOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, fit_model
from pipeline.fit.search.fit_model import base_of

GRID = np.geomspace(0.01, 60, 200)
N = np.round(20 * np.maximum(1, GRID / 0.3))


def _components(*told):
    return [ComponentOptions.model_validate(t) for t in told]


def _fit(model, spectra, **options):
    widths = np.gradient(spectra.frequency, axis=0)
    return fit_model(Batch(Engine(PowerSpectrum(model), block_size=32), spectra, widths), **options)


@pytest.fixture
def comb():
    return Model.from_components("comb", _components("constant", {"lorentzian": {"up_to": 4}}))


@pytest.mark.slow
def test_a_qpo_on_red_noise_is_found_wherever_it_is(three, draw):
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.5, 20, 40)
    true = np.array([0.02, 1.2, 0.05, 0.0, 0.0, 0.005])[:, None] * np.ones(40)
    true[3], true[4] = frequency, frequency / 8
    found = []
    for lane in range(40):
        spectra, _ = draw(three, true[:, lane], GRID, N, 1, seed=lane)
        found.append(spectra)
    spectra = type(found[0])(
        *(np.concatenate(a, axis=1) for a in zip(*(s[:3] for s in found), strict=True))
    )
    result = _fit(three, spectra)
    sigma = np.sqrt(np.einsum("iil->il", result.covariance))
    pull = (result.fit.u - np.where(three.is_log[:, None], np.log(true), true)) / sigma
    assert result.sound.all()
    for row in (1, 3):  # slope and QPO frequency
        assert (np.abs(pull[row]) < 3).mean() >= 0.95
        assert 0.7 < pull[row].std() < 1.4


def test_peaks_are_added_to_fits_of_the_other_components_that_are_known(draw):
    """Also where the other components are not the first of the model; their bounds and starts are of them."""
    white, mixed = (
        Model.from_components("m", own) for own in (["constant"], ["lorentzian", "constant"])
    )
    spectra, _ = draw(mixed, [2.0, 30.0, 2.0, 2.0], GRID, N * 4, 20, seed=2)
    base = _fit(white, spectra)
    plain, known = _fit(mixed, spectra), _fit(mixed, spectra, base=base)
    sigma = np.sqrt(np.einsum("iil->il", plain.covariance))
    assert (np.abs(known.fit.u - plain.fit.u) < 1e-3 * sigma).all()
    np.testing.assert_allclose(known.statistic, plain.statistic, atol=1e-5)
    np.testing.assert_array_equal(known.n_free, plain.n_free)
    assert base_of(mixed) == base_of(white)
    bounded = Model.from_components(
        "m", [{"constant": {"level": {"bounds": [1, 3]}}}, "lorentzian"]
    )
    assert base_of(bounded) != base_of(white)


def test_copies_are_added_while_they_lower_the_bic(comb, draw):
    values = [2.0, 30.0, 0.5, 1.2, 20.0, 3.0, 0.4, 10.0, 9.0, 1.0, 1.0, 1.0, 1.0]
    two = Model.from_components("two", ["constant", "lorentzian", "lorentzian"])
    spectra, _ = draw(two, values[:7], GRID, N * 4, 20, seed=2)
    result = _fit(comb, spectra)
    peaks = result.active[1:].sum(axis=0)
    assert np.median(peaks) == 2
    assert (peaks <= 3).all()
    assert (result.n_free == 1 + 3 * peaks).all()


def test_white_noise_gets_no_peak(comb, draw):
    white = Model.from_components("white", ["constant"])
    spectra, _ = draw(white, [2.0], GRID, N, 60, seed=3)
    result = _fit(comb, spectra, min_delta_bic=6.0)
    extra = result.active[2:].sum(axis=0)
    assert (extra == 0).mean() >= 0.95  # the first peak is asked for, a second never is


def test_criteria_are_those_of_the_likelihood(three, draw):
    spectra, _ = draw(three, [2, 1.4, 6, 6, 1, 2], GRID, N, 3, seed=4)
    result = _fit(three, spectra)
    np.testing.assert_allclose(result.aic - result.statistic, 12)
    np.testing.assert_allclose(result.bic - result.statistic, 6 * np.log(N.sum()))


def test_fixed_values_bounds_and_starts_of_the_configuration_are_kept(draw):
    model = Model.from_components(
        "told",
        _components(
            {"constant": {"level": {"fixed": 2.0}}},
            {"power_law": {"slope": {"bounds": [0.0, 1.0]}}},
        ),
    )
    free = Model.from_components("free", ["constant", "power_law"])
    spectra, _ = draw(free, [2.0, 0.1, 1.8], GRID, N, 5, seed=5)
    result = _fit(model, spectra)
    values = model.to_values(result.fit.u)
    np.testing.assert_allclose(values[0], 2.0)
    assert (values[2] <= 1.0).all()
    assert result.fit.at_bound[2].all()
    assert (result.n_free == 2).all()


def test_a_prior_pulls_and_its_support_bounds(draw):
    white = Model.from_components("white", ["constant"])
    spectra, _ = draw(white, [2.0], GRID[:20], 1, 8, seed=6)
    narrow = _components({"constant": {"level": {"prior": {"lognormal": [np.log(3.0), 0.01]}}}})
    pulled = _fit(Model.from_components("pulled", narrow), spectra)
    np.testing.assert_allclose(np.exp(pulled.fit.u[0]), 3.0, rtol=0.02)
    cut = _components({"constant": {"level": {"prior": {"uniform": [4.0, 9.0]}}}})
    inside = _fit(Model.from_components("cut", cut), spectra)
    assert (np.exp(inside.fit.u[0]) >= 4.0 - 1e-9).all()


def test_a_model_of_peaks_alone_needs_no_base(draw):
    one = Model.from_components("one", ["zero_lorentzian"])
    spectra, u = draw(one, [5.0, 2.0], GRID, N, 4, seed=7)
    result = _fit(one, spectra)
    np.testing.assert_allclose(result.fit.u, u, atol=0.2)


def test_a_lorentzian_by_nu_max_and_q_is_found_wherever_it_is(draw):
    model = Model.from_components("by nu_max", ["constant", "lorentzian_numax"])
    true = np.array([0.01, 0.02, 1.0, 5.0])[:, None] * np.ones(16)
    true[2] = np.geomspace(0.3, 20, 16)
    drawn = [draw(model, true[:, k], GRID, 4 * N, 1, seed=80 + k)[0] for k in range(16)]
    spectra = type(drawn[0])(
        *(np.concatenate(a, axis=1) for a in zip(*(s[:3] for s in drawn), strict=True))
    )
    result = _fit(model, spectra)
    sigma = np.sqrt(np.einsum("iil->il", result.covariance))
    pull = (result.fit.u - np.log(true)) / sigma
    assert result.sound.all()
    assert (np.abs(pull[1:]) < 3.5).mean() > 0.95
    assert 0.6 < pull[1:].std() < 1.4


@pytest.mark.slow
def test_the_scale_of_a_parameter_changes_its_interval_and_not_its_optimum(draw):
    linear = {"lorentzian": {"frequency": {"scale": "linear"}, "fwhm": {"scale": "linear"}}}
    log, other = (
        Model.from_components(name, _components("constant", told))
        for name, told in (("log", "lorentzian"), ("linear", linear))
    )
    spectra, _ = draw(log, [0.01, 0.02, 2.0, 0.3], GRID, 4 * N, 8, seed=10)
    one, same = (_fit(model, spectra) for model in (log, other))
    np.testing.assert_allclose(one.fit.deviance, same.fit.deviance, atol=1e-4)
    values = log.to_values(one.fit.u)
    np.testing.assert_allclose(other.to_values(same.fit.u), values, rtol=2e-3)
    np.testing.assert_allclose(same.fit.u[2:], values[2:], rtol=2e-3)
    sigma = np.sqrt(np.einsum("iil->il", one.covariance)) * np.where(
        [[0], [0], [1], [1]], values, 1
    )
    found = np.sqrt(np.einsum("iil->il", same.covariance))
    np.testing.assert_allclose(found, sigma, rtol=0.02)


@pytest.mark.slow
def test_a_lorentzian_of_no_coherence_is_one_at_zero_frequency(draw, parameters_of):
    held = {"lorentzian_numax": {"q": {"scale": "linear", "fixed": 0, "bounds": [0, 50]}}}
    zero = Model.from_components("zero", ["constant", "zero_lorentzian"])
    model = Model.from_components("no coherence", _components("constant", held))
    spectra, _ = draw(zero, [0.01, 0.05, 3.0], GRID, N, 5, seed=12)
    one, same = (_fit(m, spectra) for m in (zero, model))
    np.testing.assert_allclose(one.fit.deviance, same.fit.deviance, atol=1e-4)
    np.testing.assert_allclose(
        np.exp(same.fit.u[2]), np.exp(one.fit.u[2]) / 2, rtol=5e-3
    )  # nu_max is the half width
    row = {"source_id": "s", "product": "p", "norm": "frac", "dt": np.nan}
    found = {p["parameter"]: p for p in parameters_of([row], same)[0]}
    assert found["frequency"]["value"] == 0
    assert found["rms"]["value"] == pytest.approx(np.exp(one.fit.u[1, 0] / 2) / 2**0.5, rel=2e-3)
    assert found["rms"]["err_hi"] > 0


@pytest.mark.slow
def test_a_solar_like_star_is_recovered_from_nothing(draw):
    """Two granulation terms, the power excess and white noise of a red giant (Kallinger et al. 2014)."""
    frequency = np.geomspace(2e-6, 2.8e-4, 240)
    n = np.maximum(1, np.round(np.gradient(frequency) / 1e-8))
    told = [
        {"harvey": {"up_to": 2, "exponent": {"fixed": 4}}},
        {"gaussian": {"frequency": {"bounds": [10, 280], "unit": "uHz"}}},
    ]
    model = Model.from_components("giant", _components("constant", *told))
    values = [3e-5, 3e-8, 2.8e-5, 4.0, 3e-8, 9.5e-5, 4.0, 3e-8, 1e-4, 1.4e-5]
    spectra, u = draw(model, values, frequency, n, 10, seed=9)
    result = _fit(model, spectra)
    assert result.sound.all()
    assert result.active.all()
    granulation = np.sort(result.fit.u[[2, 5]], axis=0)
    np.testing.assert_allclose(np.median(granulation, axis=1), np.log([2.8e-5, 9.5e-5]), atol=0.15)
    sigma = np.sqrt(np.einsum("iil->il", result.covariance))
    rows = [0, 7, 8, 9]  # the noise and the power excess
    pull = (result.fit.u - u)[rows] / sigma[rows]
    assert (np.abs(pull) < 3.5).all()
    assert 0.6 < pull.std() < 1.5


def test_the_default_models_of_the_configuration_can_be_built():
    for name, components in validate({}, FitOptions).models.items():
        assert Model.from_components(name, components).size > 0
