"""Fits from Python: arrays and Stingray's spectra give the same, and nothing in a spectrum raises."""

import warnings

import numpy as np
import pytest

from pipeline.fit import Model, fit_spectra
from pipeline.status import Status

GRID = np.linspace(0.05, 12, 240)
TRUTH = {"power_law.1.slope": 1.4, "lorentzian.1.frequency": 5.0, "lorentzian.1.fwhm": 0.5}
MODEL = ["power_law", "lorentzian", "constant"]


@pytest.fixture(scope="module")
def drawn():
    """Powers of 60 spectra, shape (spectra, bins), of 30 averaged ordinates a bin."""
    expected = 0.3 * GRID**-1.4 + 2 + 1.5 * 0.25 / np.pi / (0.25**2 + (GRID - 5) ** 2)
    return np.random.default_rng(1).gamma(30, expected / 30, (60, GRID.size))


@pytest.fixture(scope="module")
def result(drawn):
    """Their fit."""
    return fit_spectra(MODEL, drawn, GRID, n=30)


def test_parameters_have_names_and_errors_that_fit_their_scatter(result):
    assert len(result) == 60
    assert result.ok.all()
    assert set(result.status) == {Status.OK}
    for name, truth in TRUTH.items():
        value, lower, upper = result[name]
        pulls = (value - truth) / np.where(value > truth, lower, upper)
        assert abs(pulls.mean()) < 4 / np.sqrt(60), name
        # the standard deviation of 60 draws has a relative error of 9 %
        assert 0.64 < pulls.std() < 1.36, name
    with pytest.raises(KeyError, match=r"no parameter 'slope'; there are power_law\.1\.amplitude"):
        result["slope"]


def test_the_covariance_is_that_of_the_errors(result):
    sigma = np.sqrt(np.einsum("sii->si", result.covariance))
    upper = np.where(result.model.is_log, result.values * np.expm1(sigma), sigma)
    np.testing.assert_allclose(result.err_hi, upper, rtol=1e-12)
    np.testing.assert_allclose(result.aic, result.statistic + 12)
    np.testing.assert_allclose(result.bic, result.statistic + 6 * np.log(GRID.size))


def test_a_spectrum_of_stingray_is_fitted_as_its_arrays_are(drawn, result):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says on import of packages that it can do without
        from stingray import Powerspectrum
    spectra = []
    for power in drawn[:3]:
        spectrum = Powerspectrum()
        spectrum.freq, spectrum.power, spectrum.m, spectrum.df = GRID, power, 30, GRID[1] - GRID[0]
        spectra.append(spectrum)
    several, one = fit_spectra(MODEL, spectra), fit_spectra(MODEL, spectra[1])
    np.testing.assert_allclose(several.values, result.values[:3], rtol=1e-4)
    np.testing.assert_allclose(one.values[0], several.values[1], rtol=1e-4)
    with pytest.raises(ValueError, match="bring their own"):
        fit_spectra(MODEL, spectra, n=30)


def test_bad_spectra_have_a_reason_and_the_others_do_not_notice(drawn, result):
    power = drawn[:4].copy()
    power[1] = np.nan
    power[2, 5:] = -1.0
    n = np.full(power.shape, 30.0)
    n[3] = 0
    some = fit_spectra(MODEL, power, GRID, n=n)
    assert some.status == (Status.OK, *[Status.BAD_SPECTRUM] * 3)
    assert some.reason == (
        "",
        "0 usable frequency bins, 8 are needed",
        "5 usable frequency bins, 8 are needed",
        "0 usable frequency bins, 8 are needed",
    )
    np.testing.assert_allclose(some.values[0], result.values[0], rtol=1e-4)
    assert np.isnan(some.values[1:]).all()
    assert np.isnan(some.statistic[1:]).all()


def test_zero_frequency_and_gaps_are_left_out(drawn, result):
    gap = np.insert(drawn[:2], [0, 100], [7.0, np.nan], axis=1)
    frequency = np.insert(GRID, [0, 100], [0.0, GRID[99]])
    some = fit_spectra(MODEL, gap, frequency, n=30, width=GRID[1] - GRID[0])
    np.testing.assert_allclose(some.values, result.values[:2], rtol=1e-4)


def test_errors_alone_take_the_gaussian_likelihood_and_counts_poissons(drawn):
    model = Model.from_components("noise", ["constant"])
    weighted = fit_spectra(model, drawn[:3], GRID, error=0.5)
    np.testing.assert_allclose(
        weighted["constant.1.level"].value, drawn[:3].mean(axis=1), rtol=1e-7
    )
    expected = np.full(3, 0.5 / np.sqrt(GRID.size))
    lower, upper = weighted["constant.1.level"][1:]
    np.testing.assert_allclose((lower + upper) / 2, expected, rtol=1e-3)
    counts = np.random.default_rng(2).poisson(0.7, (3, GRID.size))
    rate = fit_spectra(model, counts / 10.0, GRID, n=10.0, likelihood="poisson")
    level = rate["constant.1.level"]
    np.testing.assert_allclose(level.value, counts.mean(axis=1) / 10, rtol=1e-4)
    relative = 1 / np.sqrt(counts.sum(axis=1))
    np.testing.assert_allclose((level.err_lo + level.err_hi) / 2 / level.value, relative, rtol=1e-2)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"frequency": GRID}, "give either n"),
        ({"frequency": GRID, "n": 3, "error": 1.0}, "give either n"),
        ({"n": 3}, "give the frequency"),
        ({"frequency": GRID[:-1], "n": 3}, r"frequency has shape \(239,\), power .* \(60, 240\)"),
        ({"frequency": GRID, "n": 3, "likelihood": "whittle"}, "no likelihood 'whittle'"),
    ],
)
def test_what_does_not_go_together_is_said(drawn, told, message):
    with pytest.raises(ValueError, match=message):
        fit_spectra(MODEL, drawn, **told)


@pytest.mark.slow
def test_wide_bins_want_the_mean_over_them():
    """A QPO two bins wide, and red noise: ordinates averaged ten at a time."""
    fine = 0.3 + 0.01 * np.arange(1200)
    expected = 0.3 * fine**-1.4 + 2 + 6 * 0.1 / np.pi / (0.1**2 + (fine - 5.03) ** 2)
    power = np.random.default_rng(5).gamma(200, expected / 200, (60, fine.size))
    grid, power = (a.reshape(*a.shape[:-1], -1, 10).mean(axis=-1) for a in (fine, power))
    told = {"frequency": grid, "n": 2000, "width": 0.1}
    pulls = {}
    for average in (False, True):
        fitted = fit_spectra(MODEL, power, **told, bin_average=average)
        value, lower, upper = fitted["power_law.1.slope"]
        pulls["slope", average] = ((value - 1.4) / np.where(value > 1.4, lower, upper)).mean()
        value, lower, upper = fitted["lorentzian.1.fwhm"]
        pulls["fwhm", average] = ((value - 0.2) / np.where(value > 0.2, lower, upper)).mean()
    assert abs(pulls["slope", True]) < 4 / np.sqrt(60), pulls
    assert abs(pulls["fwhm", True]) < 4 / np.sqrt(60), pulls
    assert pulls["fwhm", False] > 1, pulls
