"""Posterior-predictive p-values: not too small where the model is true, small where it is not."""

import warnings

import numpy as np
import pytest
from scipy import stats

from pipeline.columns.fits import MODELS
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, Spectra, driver, fit_model
from pipeline.fit.significance import predictive
from pipeline.fit.significance.montecarlo import Method
from pipeline.fit.significance.predictive import Origin
from pipeline.fit.uncertainty import importance
from pipeline.status import Flag

GRID = np.linspace(0.1, 12.8, 128)
RED, TRUTH = ["power_law", "constant"], [1.0, 1.4, 2.0]


def _check(spectra, seeds, change=None, **options):
    """Fit a model and check it; `change` may alter the fits between."""
    model = Model.from_components("null", RED)
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    result = fit_model(Batch(Engine(PowerSpectrum(model)), spectra, widths))
    if change:
        result = change(result)
    engine = Engine(PowerSpectrum(model), precision="float32")
    return predictive.check(Batch(engine, spectra, widths), result, seeds, **options)


def _red(draw, n, lanes, seed):
    return draw(Model.from_components("null", RED), TRUTH, GRID, n, lanes, seed)[0]


@pytest.mark.parametrize("n", [1, 50])
def test_p_values_are_uniform_where_the_model_is_true(n, draw, spread):
    """250 sources, the last bin a Nyquist frequency; the benchmark `outliers` has more, and bends."""
    ordinates = np.full(GRID.size, float(n))
    ordinates[-1] /= 2
    found = _check(_red(draw, ordinates, 250, 70 + n), range(250), draws=200, enough=10)
    assert found.failed.sum() <= 0.001 * found.draws.sum()
    for p in (found.p_t_r, found.p_t_sse, found.p_outlier):
        evenly = spread(p, 10, np.random.default_rng(1))
        assert stats.kstest(evenly, "uniform").pvalue > 0.01
        for alpha in (0.01, 0.05):
            alarms = int((p.p_value <= alpha).sum())
            assert stats.binomtest(alarms, 250, alpha, alternative="greater").pvalue > 0.01
    # what is made of windows that overlap, as if they did not, is too large
    assert (found.window.p_trials > found.p_outlier.p_value).mean() > 0.7


def test_a_line_and_a_hump_are_found_where_they_are(draw):
    spectra = _red(draw, 20, 4, 80)
    model = np.asarray(TRUTH[0] * GRID ** -TRUTH[1] + TRUTH[2])
    spectra.power[60, 0] = 3.5 * model[60]
    spectra.power[80:88, 1] *= 1.7
    found = _check(spectra, range(4), draws=250, enough=10)
    assert found.window.frequency[0] == GRID[60]
    assert (found.window.bins[0], found.window.width[0]) == (1, pytest.approx(0.1))
    assert abs(found.window.frequency[1] - GRID[80:88].mean()) < 0.3
    assert found.window.bins[1] in (4, 8, 16)
    assert (found.p_outlier.p_value[:2] < 1e-3).all()
    assert (found.p_outlier.p_value[2:] > 0.01).all()
    assert found.p_t_r.p_value[0] < 1e-3
    assert found.window.trials[0] == sum(129 - scale for scale in predictive.SCALES)
    assert found.origin[0] is Origin.POSTERIOR


def test_a_check_depends_on_its_seed_and_not_on_its_neighbours(draw, monkeypatch):
    spectra, seeds = _red(draw, 20, 5, 82), [[3, k] for k in range(5)]
    told = {"draws": 120, "enough": 15}
    together = _check(spectra, seeds, **told)
    alone = _check(spectra.take([2]), [seeds[2]], **told)
    small_batches = _check(spectra, seeds, batch_size=64, **told)
    monkeypatch.setattr(predictive, "LANES", 2)
    few_at_a_time = _check(spectra, seeds, **told)
    other = _check(spectra, range(5), **told)
    for name in ("p_t_r", "p_t_sse", "p_outlier"):
        p = getattr(together, name).p_value
        assert getattr(alone, name).p_value[0] == p[2]
        np.testing.assert_array_equal(getattr(small_batches, name).p_value, p)
        np.testing.assert_array_equal(getattr(few_at_a_time, name).p_value, p)
        assert (getattr(other, name).p_value != p).any()
    np.testing.assert_array_equal(few_at_a_time.origin, together.origin)


def test_padding_is_no_bin(draw):
    spectra = _red(draw, 20, 3, 83)
    for array, value in zip(spectra[:3], (1.0, 1.0, 0.0), strict=True):
        array[100:] = value
    found = _check(spectra, range(3), draws=60, enough=10)
    assert found.window.trials[0] == sum(101 - scale for scale in predictive.SCALES)
    assert (found.window.frequency <= GRID[99]).all()
    null = Model.from_components("null", RED)
    fit = fit_model(
        Batch(Engine(PowerSpectrum(null)), spectra, np.full_like(spectra.power, 0.1))
    ).fit
    ratio = (
        spectra.power[:100]
        / np.asarray(null.power(fit.u, spectra.grid, np.ones((2, 3), bool)))[:100]
    )
    np.testing.assert_allclose(found.t_sse, (20 * (ratio - 1) ** 2).sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        found.t_r, -2 * stats.gamma(20).logsf(20 * ratio.max(axis=0)), rtol=1e-6
    )


def test_a_spectrum_that_cannot_be_fitted_has_no_p_value(draw):
    spectra = _red(draw, 20, 3, 84)
    spectra.power[4, 1] = np.nan
    found = _check(spectra, range(3), draws=60, enough=10)
    assert [o is Origin.NONE for o in found.origin] == [False, True, False]
    for p in (found.p_t_r, found.p_t_sse, found.p_outlier):
        assert np.isnan(p.p_value[1])
        assert p.method[1] is Method.NONE
        assert np.isfinite(p.p_value[[0, 2]]).all()
    assert np.isnan(found.window.frequency[1])


def test_without_a_posterior_parameters_are_from_the_covariance_or_else_the_fit(draw, monkeypatch):
    monkeypatch.setattr(importance, "GOOD_K", -np.inf)

    def unsound(result):
        result.sound[1:] = False
        return result

    found = _check(_red(draw, 50, 3, 85), range(3), change=unsound, draws=200, enough=20)
    assert found.origin.tolist() == [Origin.GAUSSIAN, Origin.FIT, Origin.FIT]
    monkeypatch.undo()
    usual = _check(_red(draw, 50, 3, 85), range(3), draws=200, enough=20)
    assert usual.origin.tolist() == [Origin.POSTERIOR] * 3
    for name in ("p_t_r", "p_t_sse", "p_outlier"):
        p, other = getattr(found, name), getattr(usual, name)
        error = np.hypot(p.error_dex, other.error_dex)
        assert (np.abs(np.log10(p.p_value / other.p_value)) < 4 * error).all()


@pytest.mark.slow
def test_a_gaussian_spectrum_is_checked_too(spread):
    rng = np.random.default_rng(86)
    sigma = np.repeat(np.geomspace(0.1, 0.3, 64)[:, None], 60, axis=1)
    ones = np.ones_like(sigma)
    spectra = Spectra(ones, rng.normal(2.0, sigma), sigma**-2.0)
    null = Model.from_components("null", ["constant"])
    result = fit_model(Batch(Engine(PowerSpectrum(null, "gaussian")), spectra, ones))
    engine = Engine(PowerSpectrum(null, "gaussian"), precision="float32")
    found = predictive.check(Batch(engine, spectra, ones), result, range(60), draws=100, enough=10)
    for p in (found.p_t_r, found.p_t_sse, found.p_outlier):
        evenly = spread(p, 10, np.random.default_rng(1))
        assert stats.kstest(evenly, "uniform").pvalue > 0.01


def test_the_stage_checks_the_chosen_model_and_flags_one_that_does_not_fit():
    rng = np.random.default_rng(87)
    grid = np.geomspace(0.5, 20, 60)
    rows = [
        {
            "source_id": f"s{k}",
            "product": "p",
            "status": "ok",
            "reason": "",
            "norm": "frac",
            "frequency": grid,
            "frequency_lo": grid * 0.97,
            "frequency_hi": grid * 1.03,
            "power": rng.gamma(60, power / 60),
            "n": np.full(grid.size, 60.0),
            "power_err": np.array([]),
            "mean_rate": np.nan,
            "background_rate": np.nan,
            "dt": np.nan,
        }
        for k, power in enumerate((np.full(60, 0.004), 0.01 * grid**-1.3 + 0.004))
    ]
    told = {"models": {"noise": ["constant"]}, "outliers": {"draws": 200, "enough": 10}}
    models, *_ = driver.fit_rows(rows, validate(told, FitOptions))
    assert set(models[0]) <= set(MODELS.names)
    good, poor = models
    assert good["t_sse_p_value"] > 0.01
    assert not good["flags"] & Flag.POOR_FIT
    assert poor["t_sse_p_value"] < 1e-3
    assert poor["t_sse_method"] in ("extrapolated", "below")
    assert poor["flags"] & Flag.POOR_FIT
    assert poor["outlier_frequency"] < 1.0
    assert poor["outlier_p_value"] < 1e-3
    told["outliers"] = None
    (plain, _), *_ = driver.fit_rows(rows, validate(told, FitOptions))
    assert np.isnan(plain["t_sse"])


def test_a_fit_that_is_better_than_the_data_allow_is_flagged():
    """Powers that were smoothed, or n that is too small: T_SSE near 0, its p near 1."""
    rng, grid, n = np.random.default_rng(9), np.linspace(0.5, 20, 60), 60.0
    rows = [
        {
            "source_id": f"s{k}",
            "product": "p",
            "status": "ok",
            "reason": "",
            "norm": "frac",
            "frequency": grid,
            "frequency_lo": grid - 0.16,
            "frequency_hi": grid + 0.16,
            "power": rng.gamma(true, 0.004 / true, grid.size),
            "n": np.full(grid.size, n),
            "power_err": np.array([]),
            "mean_rate": np.nan,
            "background_rate": np.nan,
            "dt": np.nan,
        }
        for k, true in enumerate((n, 10 * n))
    ]
    told = {"models": {"noise": ["constant"]}, "outliers": {"draws": 250, "enough": 10}}
    right, smooth = driver.fit_rows(rows, validate(told, FitOptions))[0]
    assert right["t_sse_low_p_value"] > 0.01
    assert not right["flags"] & Flag.TOO_GOOD_FIT
    assert smooth["t_sse_low_p_value"] < 1e-3
    assert smooth["t_sse_p_value"] > 0.99
    assert smooth["flags"] & Flag.TOO_GOOD_FIT
    assert not smooth["flags"] & Flag.POOR_FIT


def test_stingrays_highest_outlier_is_ours_where_ordinates_are_single(draw):
    """The same statistic at the same frequency, and the same p-value within the errors of both."""
    with warnings.catch_warnings(), np.errstate():  # Stingray sets NumPy's for good
        warnings.simplefilter("ignore")
        from astropy.modeling.models import Const1D, PowerLaw1D
        from stingray import Powerspectrum
        from stingray.modeling import PSDLogLikelihood, PSDParEst

        truth = [20.0, 1.4, 2.0]
        model = Model.from_components("null", RED)
        spectra, _ = draw(model, truth, GRID, 1, 1, 90)
        spectrum = Powerspectrum()
        spectrum.freq, spectrum.power = GRID, spectra.power[:, 0]
        spectrum.m, spectrum.df, spectrum.n, spectrum.norm = 1, 0.1, GRID.size, "leahy"
        null = PowerLaw1D(amplitude=truth[0], alpha=truth[1]) + Const1D(amplitude=truth[2])
        null.x_0_0.fixed = True
        told = PSDLogLikelihood(GRID, spectra.power[:, 0], null, m=1), truth
        fit = PSDParEst(spectrum, max_post=False)
        best = fit.fit(*told)
        draws = 40
        theirs = fit.calibrate_highest_outlier(*told, nsim=draws, seed=1)
    ours = _check(spectra, [1], draws=400, enough=400, scales=[1])
    assert ours.t_r[0] == ours.outlier[0] == pytest.approx(best.maxpow[0], rel=1e-3)
    assert ours.window.frequency[0] == best.maxfreq[0]
    p = ours.p_t_r.p_value[0]
    assert abs(theirs - p) < 4 * np.sqrt(p * (1 - p) * (1 / draws + 1 / 400))
    assert 0.05 < p < 0.95
