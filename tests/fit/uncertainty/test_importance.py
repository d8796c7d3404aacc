"""Evidences are integrals, and posteriors know how well they know."""

import numpy as np
import pytest
from scipy import stats

from pipeline import tables
from pipeline.columns.fits import MODELS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.config.models import ComponentOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Grid, Model, PowerSpectrum, Spectra, driver, fit_model
from pipeline.fit.uncertainty import importance

GRID = np.linspace(0.1, 12.8, 128)
PRIORS = [
    {"power_law": {"amplitude": {"loguniform": [0.2, 20]}, "slope": {"uniform": [0.5, 2.5]}}},
    {"constant": {"level": {"lognormal": [0.7, 0.3]}}},
]


def _model():
    return Model.from_components("red", [ComponentOptions.model_validate(t) for t in PRIORS])


def _sample(model, spectra, seed=0, **options):
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    engine = Engine(PowerSpectrum(model))
    result = fit_model(Batch(engine, spectra, widths))
    seeds = [[seed, k] for k in range(spectra.power.shape[1])]
    return result, importance.sample(Batch(engine, spectra, widths), result, seeds, **options)


def _log_likelihood(model, spectra, lane, u):
    """By scipy, at many u, shape (P, points)."""
    active = np.ones((len(model.slots), u.shape[1]), bool)
    power = np.asarray(model.power(u, Grid.of(GRID[:, None]), active))
    n = spectra.weight[:, [lane]]
    return stats.gamma.logpdf(spectra.power[:, [lane]], n, scale=power / n).sum(axis=0)


@pytest.mark.slow
def test_evidences_are_those_of_a_quadrature(draw):
    """Ten problems, a sum over 32^3 points, seven standard deviations either way."""
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 12, 10, seed=70)
    result, found = _sample(model, spectra)
    assert (found.pareto_k < 0.5).all()
    for lane in range(10):
        root = np.linalg.cholesky(result.covariance[:, :, lane])
        axis = np.linspace(-7, 7, 32)
        z = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1)
        u = result.fit.u[:, [lane]] + root @ z
        inside = (np.exp(u[0]) > 0.2) & (np.exp(u[0]) < 20) & (u[1] > 0.5) & (u[1] < 2.5)
        log_prior = -np.log(np.log(100)) - np.log(2.0)
        log_prior = log_prior + stats.norm.logpdf(u[2], 0.7, 0.3)
        total = np.where(inside, _log_likelihood(model, spectra, lane, u) + log_prior, -np.inf)
        cell = (axis[1] - axis[0]) ** 3 * np.linalg.det(root)
        expected = np.log(np.exp(total - total.max()).sum() * cell) + total.max()
        assert found.log_evidence[lane] == pytest.approx(expected, abs=0.1)
        assert found.log_evidence_laplace[lane] == pytest.approx(expected, abs=0.2)
    assert (found.log_evidence_error < 0.05).all()


@pytest.mark.parametrize("n", [4, 40])
def test_ranks_of_the_truth_are_uniform(n):
    """Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): 2,000 draws from the prior."""
    model, rng, lanes = _model(), np.random.default_rng(71), 2000
    u = np.stack(
        [
            rng.uniform(np.log(0.2), np.log(20), lanes),
            rng.uniform(0.5, 2.5, lanes),
            rng.normal(0.7, 0.3, lanes),
        ]
    )
    power = np.asarray(model.power(u, Grid.of(GRID[:, None]), np.ones((2, lanes), bool)))
    drawn = rng.gamma(n, power / n)
    frequency = np.repeat(GRID[:, None], lanes, axis=1)
    spectra = Spectra(frequency, drawn, np.full_like(drawn, float(n)))
    _, found = _sample(model, spectra, draws=512)
    there = np.isfinite(found.weight[0])
    ranks = found.below(u)[:, there]
    assert there.mean() > 0.98
    good = found.pareto_k[there] < importance.GOOD_K
    assert good.mean() > 0.95
    for row, name in enumerate(model.names):
        counts = np.histogram(ranks[row], np.linspace(0, 1, 21))[0]
        assert stats.kstest(ranks[row], "uniform").pvalue > 0.01, name
        assert stats.chisquare(counts).pvalue > 0.01, name


def test_quantiles_and_resampled_draws_are_those_of_the_weights(draw):
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 50, 6, seed=72)
    result, found = _sample(model, spectra, draws=4096)
    low, middle, high = found.quantiles([0.15866, 0.5, 0.84134])
    sigma = np.sqrt(np.einsum("iil->il", result.covariance))
    np.testing.assert_allclose((high - low) / 2, sigma, rtol=0.12)
    np.testing.assert_allclose(middle, result.fit.u, atol=0.25 * sigma.max())
    equal = found.resample(4000, seed=1)
    np.testing.assert_allclose(np.median(equal, axis=0), middle, atol=0.1 * sigma.max())
    assert (found.ess > 400).all()


def test_a_model_that_is_needed_is_more_probable_and_one_that_is_not_is_less(draw):
    red = Model.from_components("red", ["constant", "power_law"])
    white = Model.from_components("white", ["constant"])
    for truth, needed in (([2.0, 0.5, 1.4], True), ([2.0, 1e-9, 1.4], False)):
        spectra, _ = draw(red, truth, GRID, 40, 8, seed=73)
        told = {
            "amplitude": {"loguniform": [1e-3, 1e2]},
            "slope": {"uniform": [0, 4]},
        }
        with_prior = Model.from_components(
            "red", ["constant", ComponentOptions.model_validate({"power_law": told})]
        )
        found = [_sample(m, spectra)[1].log_evidence for m in (with_prior, white)]
        there = np.isfinite(found[0])
        assert there.any()
        assert ((found[0] > found[1])[there] == needed).all()


def test_a_tail_that_is_too_heavy_is_said(draw):
    rng = np.random.default_rng(74)
    for shape in (0.2, 0.5, 0.9):
        log_weight = np.log(stats.genpareto(shape).rvs((4000, 40), random_state=rng))
        _, k = importance.smoothed(log_weight)
        assert np.median(k) == pytest.approx(shape, abs=0.1)


def test_smoothing_keeps_the_weights_of_a_good_proposal():
    rng = np.random.default_rng(75)
    log_weight = 0.3 * rng.standard_normal((2000, 5))
    smooth, k = importance.smoothed(log_weight)
    assert (k < 0.5).all()
    np.testing.assert_allclose(np.exp(smooth).sum(axis=0), 1.0, rtol=1e-12)
    raw = log_weight - np.log(np.exp(log_weight).sum(axis=0))
    np.testing.assert_allclose(np.exp(smooth), np.exp(raw), atol=1e-3)
    assert (1 / (np.exp(smooth) ** 2).sum(axis=0) > 1500).all()


def test_lanes_that_cannot_be_fitted_have_no_posterior(draw):
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 20, 3, seed=76)
    spectra.power[3, 1] = np.nan
    _, found = _sample(model, spectra)
    assert np.isnan(found.log_evidence[1])
    assert np.isnan(found.quantiles([0.5])[0][:, 1]).all()
    assert np.isfinite(found.log_evidence[[0, 2]]).all()


def test_probabilities_are_of_the_models_whose_evidence_is_known():
    found = importance.probabilities(
        np.array([[-10.0], [-12.0], [-5.0], [np.nan]]), np.array([[0.1], [0.2], [0.9], [0.1]])
    )[:, 0]
    np.testing.assert_allclose(found[:2], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])
    assert np.isnan(found[2:]).all()
    assert np.isnan(importance.probabilities(np.array([[-3.0]]), np.array([[0.1]]))).all()


def test_the_stage_writes_evidences_and_probabilities(draw):
    red = Model.from_components("red", ["constant", "power_law"])
    spectra, _ = draw(red, [2.0, 1.0, 1.4], GRID, 40, 3, seed=77)
    rows = [
        {
            **tables.empty_row(SPECTRA),
            "source_id": f"s{lane}",
            "product": "p",
            "status": "ok",
            "norm": "leahy",
            "frequency": GRID,
            "frequency_lo": GRID - 0.05,
            "frequency_hi": GRID + 0.05,
            "power": spectra.power[:, lane],
            "n": spectra.weight[:, lane],
        }
        for lane in range(3)
    ]
    told = {"models": {"white": ["constant"], "red": ["constant", "power_law"]}}
    options = validate({**told, "evidence": {"draws": 256}}, FitOptions)
    models = driver.fit_rows(rows, options)[0]
    tables.to_arrow(MODELS, models)
    for white, red in zip(models[::2], models[1::2], strict=True):
        assert (white["model"], red["model"]) == ("white", "red")
        assert red["probability"] > 0.99
        assert red["probability"] + white["probability"] == pytest.approx(1.0)
        assert abs(red["log_evidence"] - red["log_evidence_laplace"]) < 1
    again = driver.fit_rows(rows[1:], options)[0]
    assert again[1]["log_evidence"] == pytest.approx(models[3]["log_evidence"], abs=1e-6)


def test_a_tied_parameter_follows_in_every_draw(draw):
    told = [
        "constant",
        "lorentzian",
        {"lorentzian": {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}},
    ]
    told = [t if isinstance(t, str) else ComponentOptions.model_validate(t) for t in told]
    model = Model.from_components("harmonic", told)
    spectra, _ = draw(model, [2.0, 3.0, 3.0, 0.5, 2.0, 6.0, 0.8], GRID, 50, 3, seed=78)
    _, found = _sample(model, spectra, draws=256)
    one, two = (model.names.index(f"lorentzian.{k}.frequency") for k in (1, 2))
    np.testing.assert_allclose(found.u[:, two], found.u[:, one] + np.log(2), rtol=1e-12)
    assert (found.u[:, one].std(axis=0) > 0).all()


def test_moments_of_hardly_any_draws_are_no_error():
    """One draw with all the weight has no covariance; two have one of rank one."""
    u = np.random.default_rng(79).standard_normal((50, 3, 2))
    log_weight = np.full((50, 2), -np.inf)
    log_weight[0, 0] = 0.0
    log_weight[:2, 1] = np.log(0.5)
    _, matrix = importance._moments(u, log_weight)
    root, log_root = importance.roots(matrix, np.ones((3, 2), bool))
    assert np.isnan(log_root[0])
    np.testing.assert_allclose(root[:, :, 1] @ root[:, :, 1].T, matrix[:, :, 1], atol=1e-6)


def test_a_tail_without_end_is_smoothed_without_overflow():
    log_weight = -np.array([0.5, 7.0]) * np.arange(1000.0)[:, None]
    smooth, k = importance.smoothed(log_weight)
    assert (k > [1.0, 100.0]).all()
    np.testing.assert_allclose(np.exp(smooth).sum(axis=0), 1.0)
