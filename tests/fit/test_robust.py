"""Whatever the start, the scale or the optimiser: the same optimum.

The stress tests of the field: low amplitude, starting values far away, several optimisers.
"""

import numpy as np
import pytest
from scipy.optimize import minimize

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, Problem, fit_model

GRID = np.linspace(1 / 16, 32, 256)
TRUTH = [2.0, 1.4, 6.0, 6.0, 1.0, 2.0]
RANGES = {
    "power_law": {"amplitude": (1e-3, 1e3), "slope": (0.0, 4.0)},
    "lorentzian": {"variance": (1e-2, 1e3), "frequency": (0.07, 32.0), "fwhm": (0.13, 30.0)},
    "constant": {"level": (1e-2, 1e2)},
}
"""Where starts are drawn from: logarithmically, but for the slope."""


def _model(starts):
    """The model with starting values, one a parameter."""
    starts = iter(starts)
    told = [
        {name: {parameter: {"start": float(next(starts))} for parameter in ranges}}
        for name, ranges in RANGES.items()
    ]
    return Model.from_components("told", [ComponentOptions.model_validate(t) for t in told])


def _fit(model, spectra):
    return fit_model(
        Batch(Engine(PowerSpectrum(model)), spectra, np.full_like(spectra.power, GRID[1] - GRID[0]))
    )


def _objective(spectra, lane):
    """-2 ln L of one lane, up to a constant, by NumPy alone."""

    def value(u):
        a, slope, variance, centre, fwhm, level = u
        half = np.exp(fwhm) / 2
        lorentzian = np.exp(variance) * half / np.pi / (half**2 + (GRID - np.exp(centre)) ** 2)
        ratio = spectra.power[:, lane] / (np.exp(a) * GRID**-slope + lorentzian + np.exp(level))
        return np.sum(2 * spectra.weight[:, lane] * (ratio - 1 - np.log(ratio)))

    return value


@pytest.mark.parametrize("n", [pytest.param(4, marks=pytest.mark.slow), 200])
def test_from_a_hundred_random_starts_every_source_reaches_one_optimum(n, three, draw):
    """99 % within 0.01 in ln L, of 100 starts across the ranges of 24 sources."""
    spectra, _ = draw(three, TRUTH, GRID, n, 24, seed=31)
    rng = np.random.default_rng(32)
    lows, highs = np.transpose([r for ranges in RANGES.values() for r in ranges.values()])
    found = []
    for _ in range(100):
        place = rng.uniform(size=lows.size)
        starts = lows + place * (highs - lows)
        log = lows > 0
        starts[log] = lows[log] * (highs[log] / lows[log]) ** place[log]
        found.append(_fit(_model(starts), spectra).fit.objective)
    found = np.array(found)
    assert np.isfinite(found).all()
    same = (found - found.min(axis=0)) / 2 < 0.01
    assert same.mean() >= 0.99, same.mean(axis=0)


@pytest.mark.parametrize("scale", [1e-14, 1e-7, 1e9])
def test_a_low_amplitude_is_fitted_as_a_high_one(scale, three, draw):
    """From the power of a bright source to that of the brightness of a quiet star."""
    spectra, _ = draw(three, TRUTH, GRID, 32, 16, seed=33)
    scaled = spectra._replace(power=spectra.power * scale)
    one, other = _fit(three, spectra), _fit(three, scaled)
    np.testing.assert_allclose(other.fit.deviance, one.fit.deviance, atol=1e-4)
    expected = one.fit.u + np.log(scale) * three.is_amplitude[:, None]
    sigma = np.sqrt(np.einsum("iil->il", one.covariance))
    assert (np.abs(other.fit.u - expected) < 0.01 * sigma).all()
    np.testing.assert_allclose(np.sqrt(np.einsum("iil->il", other.covariance)), sigma, rtol=0.01)


def test_a_start_far_away_leads_where_the_truth_does(three, draw):
    spectra, _ = draw(three, TRUTH, GRID, 32, 16, seed=34)
    near = _fit(_model(TRUTH), spectra)
    far = _fit(_model([2e6, 5.5, 6e-8, 31.0, 60.0, 2e-7]), spectra)
    np.testing.assert_allclose(far.fit.objective, near.fit.objective, atol=0.02)


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "L-BFGS-B", "BFGS"])
def test_no_other_optimiser_does_better(method, three, draw):
    spectra, u = draw(three, TRUTH, GRID, 32, 4, seed=35)
    fit = _fit(three, spectra).fit
    options = {"maxiter": 4000, "maxfev": 20_000} if method in ("Nelder-Mead", "Powell") else {}
    for lane in range(4):
        objective = _objective(spectra, lane)
        assert objective(fit.u[:, lane]) == pytest.approx(fit.objective[lane], abs=1e-6)
        for start in (u[:, lane], fit.u[:, lane]):
            best = minimize(objective, start, method=method, options=options).fun
            assert fit.objective[lane] < best + 1e-3


def test_a_narrow_valley_that_curves_is_followed(draw):
    """A flat power law with no noise, from a fit without the QPO, at a high signal to noise."""
    model = Model.from_components("red", ["power_law", "constant"])
    grid = np.linspace(0.3, 12, 120)
    spectra, u = draw(model, [0.3, 1.4, 2.0], grid, 2000, 20, seed=36)
    start = np.array([np.log(1.4), 0.14, np.log(0.94)])[:, None] * np.ones(20)
    engine = Engine(PowerSpectrum(model))
    shape = np.ones((3, 20))
    problem = {
        "lower": np.array([-30.0, -1.0, -30.0])[:, None] * shape,
        "upper": np.array([30.0, 6.0, 30.0])[:, None] * shape,
        "free": shape > 0,
        "active": np.ones((2, 20), bool),
    }
    far, near = (engine.fit(spectra, Problem(u=v, **problem)) for v in (start, u))
    np.testing.assert_allclose(far.objective, near.objective, atol=1e-4)
    assert np.median(far.iterations) <= 20  # 54 by scoring alone
