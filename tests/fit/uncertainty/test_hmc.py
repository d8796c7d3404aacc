"""Chains have the distribution that they are to have, whatever its shape, and say where they have not."""

import numpy as np
import pytest
from scipy import stats

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Grid, Model, PowerSpectrum, Spectra, fit_model
from pipeline.fit.uncertainty import hmc, importance

GRID = np.linspace(0.1, 12.8, 128)
PRIORS = [
    {"power_law": {"amplitude": {"loguniform": [0.2, 20]}, "slope": {"uniform": [0.5, 2.5]}}},
    {"constant": {"level": {"lognormal": [0.7, 0.3]}}},
]


def _model(told=PRIORS):
    components = [t if isinstance(t, str) else ComponentOptions.model_validate(t) for t in told]
    return Model.from_components("red", components)


def _sample(model, spectra, seed=0, **options):
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    batch = Batch(Engine(PowerSpectrum(model)), spectra, widths)
    result = fit_model(batch)
    seeds = [[seed, k] for k in range(spectra.power.shape[1])]
    told = batch, result, seeds
    return told, hmc.sample_chains(*told, **options)


def test_quantiles_are_those_of_importance_sampling(draw):
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 12, 12, seed=80)
    told, found = _sample(model, spectra)
    assert found.mixed.all()
    assert found.u.shape == (400, 4, 3, 12)
    other = importance.sample(*told, draws=2048)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    sigma = found.flat.std(axis=0)
    away = (np.quantile(found.flat, levels, axis=0) - other.quantiles(levels)) / sigma
    assert np.abs(away).max() < 0.35
    assert np.sqrt((away**2).mean()) < 0.1
    assert np.abs(away.mean(axis=-1)).max() < 0.08


@pytest.mark.slow
def test_a_parameter_at_its_bound_has_its_distribution(draw):
    """A red noise that is not there: the posterior of two parameters by quadrature, 20 spectra."""
    told = [
        {"power_law": {"amplitude": {"loguniform": [1e-3, 10]}, "slope": {"fixed": 1.4}}},
        "constant",
    ]
    model = _model(told)
    spectra, _ = draw(model, [1e-3, 1.4, 2.0], GRID, 20, 20, seed=81)
    _, found = _sample(model, spectra)
    assert found.mixed.all()
    amplitude = np.linspace(np.log(1e-3), np.log(10), 150)
    level = np.linspace(np.log(1.8), np.log(2.2), 60)
    u = np.stack([a.ravel() for a in np.meshgrid(amplitude, level, indexing="ij")])
    u = np.insert(u, 1, 1.4, axis=0)
    power = np.asarray(model.power(u, Grid.of(GRID[:, None]), np.ones((2, u.shape[1]), bool)))
    ranks = []
    for lane in range(20):
        log_l = -20 * (np.log(power) + spectra.power[:, [lane]] / power).sum(axis=0)
        density = np.exp(log_l - log_l.max()).reshape(150, 60).sum(axis=1)
        below = np.cumsum(density) / density.sum()
        below -= density / density.sum() / 2
        ranks.append(np.interp(found.flat[:, 0, lane], amplitude, below))
    ranks = np.array(ranks)
    np.testing.assert_allclose(ranks.mean(axis=1), 0.5, atol=0.05)
    np.testing.assert_allclose(ranks.var(axis=1), 1 / 12, atol=0.012)
    assert found.u[:, :, 0].min() > np.log(1e-3)
    assert (found.u[:, :, 1] == 1.4).all()


def test_a_lane_has_the_same_draws_whatever_is_beside_it(draw):
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 12, 5, seed=82)
    (batch, result, seeds), found = _sample(model, spectra)
    lanes = np.array([3, 1])
    again = hmc.sample_chains(
        batch.take(lanes), result.take(lanes), [seeds[lane] for lane in lanes]
    )
    np.testing.assert_allclose(again.u, found.u[..., lanes], rtol=1e-9)


def test_lanes_that_cannot_be_fitted_have_no_draws(draw):
    model = _model()
    spectra, _ = draw(model, [2.0, 1.4, 2.0], GRID, 20, 3, seed=84)
    spectra.power[3, 1] = np.nan
    _, found = _sample(model, spectra)
    assert np.isnan(found.u[..., 1]).all()
    assert not found.mixed[1]
    assert np.isfinite(found.u[..., [0, 2]]).all()


def test_a_tied_parameter_follows_in_every_draw(draw):
    tied = {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}
    model = _model(["constant", "lorentzian", {"lorentzian": tied}])
    spectra, _ = draw(model, [2.0, 3.0, 3.0, 0.5, 2.0, 6.0, 0.8], GRID, 50, 3, seed=85)
    _, found = _sample(model, spectra)
    one, two = (model.names.index(f"lorentzian.{k}.frequency") for k in (1, 2))
    np.testing.assert_allclose(found.flat[:, two], found.flat[:, one] + np.log(2), rtol=1e-12)
    assert (found.flat[:, one].std(axis=0) > 0).all()
    assert not found.free[two].any()
    assert np.isnan(found.diagnosis.r_hat[two]).all()


def test_what_the_draws_are_worth_is_said_of_those_that_are_kept(draw):
    """A weak peak that has to go on with longer trajectories, of which every second or fourth draw is kept."""
    model = _model(["constant", "lorentzian"])
    spectra, _ = draw(model, [2.0, 0.6, 6.0, 0.8], GRID, 20, 8, seed=87)
    _, found = _sample(model, spectra)
    again = hmc.diagnose(found.u)
    for given, own in zip(found.diagnosis, again, strict=True):
        np.testing.assert_allclose(given[found.free], own[found.free], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 40])
def test_ranks_of_the_truth_are_uniform(n):
    """Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): 2,000 draws from the prior."""
    model, rng, lanes = _model(), np.random.default_rng(86), 2000
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
    _, found = _sample(model, spectra)
    there = np.isfinite(found.flat[0]).all(axis=0)
    assert there.mean() > 0.98
    assert found.mixed[there].mean() > 0.97
    ranks = (found.flat < u).mean(axis=0)[:, there]
    for row, name in enumerate(model.names):
        counts = np.histogram(ranks[row], np.linspace(0, 1, 21))[0]
        p_values = stats.kstest(ranks[row], "uniform").pvalue, stats.chisquare(counts).pvalue
        print(f"n = {n} {name}: p = {p_values[0]:.3f} (KS), {p_values[1]:.3f} (chi2)")
        assert min(p_values) > 0.01, name
