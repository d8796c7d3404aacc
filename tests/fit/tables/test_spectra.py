"""Spectra of which only errors are known: which likelihood suits them, and that it does not lean."""

import numpy as np
import pytest

from pipeline.fit import fit_spectra
from pipeline.fit.tables.spectra import Spectrum, weights, with_errors_only

EDGES = np.geomspace(0.1, 50, 151)
RAW = np.maximum(1, np.round(np.diff(EDGES) / 0.03))
"""Raw frequencies in each bin."""


def drawn(n, spectra, seed=1):
    """Powers of red noise above 2, and their ordinates: n of each raw frequency."""
    expected = 2 + 1.5 / ((EDGES[1:] + EDGES[:-1]) / 2)
    ordinates = n * RAW
    return np.random.default_rng(seed).gamma(
        ordinates, expected / ordinates, (spectra, RAW.size)
    ), expected


def row(power, error, n=()):
    low, high = EDGES[:-1], EDGES[1:]
    bins = {"frequency": (low + high) / 2, "frequency_lo": low, "frequency_hi": high}
    return Spectrum.of({**bins, "power": power, "power_err": error, "n": n})


@pytest.mark.parametrize("n", [1, 3, 10])
def test_errors_of_averages_take_the_variance_of_the_model(n):
    power, _ = drawn(n, 1)
    found = with_errors_only(row(power[0], power[0] / np.sqrt(n * RAW)))
    assert found.likelihood == "gaussian_model"
    np.testing.assert_allclose(weights(found), n * RAW)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_errors_with_the_noise_in_them_are_smoothed_where_it_is_not_in_the_power(n):
    power, expected = drawn(n, 1)
    error = power[0] / np.sqrt(n * RAW)
    found = with_errors_only(row(power[0] - 2, error))
    assert found.likelihood is None
    ratio = found.power_err / expected * np.sqrt(n * RAW)
    assert np.std(np.log(ratio)[5:-5]) < 0.6 * np.std(np.log(error / expected * np.sqrt(n * RAW)))


@pytest.mark.parametrize("n", [1, 3, 30, 300])
def test_errors_of_a_model_are_taken_as_they_are(n):
    for seed in range(20):
        power, expected = drawn(n, 1, seed)
        given = row(power[0] - 2, expected / np.sqrt(n * RAW))
        assert with_errors_only(given) is given


def test_an_error_that_is_the_same_everywhere_and_a_spectrum_with_n_are_taken_as_they_are():
    power, _ = drawn(3, 1)
    for given in (row(power[0], np.full(RAW.size, 0.3)), row(power[0], [], 3 * RAW)):
        assert with_errors_only(given) is given
        assert with_errors_only(given, "auto") is given


def test_bins_without_an_error_do_not_count():
    power, _ = drawn(3, 1)
    error = power[0] / np.sqrt(3 * RAW)
    error[::7], power[0, 3::7] = np.inf, np.nan
    assert with_errors_only(row(power[0], error)).likelihood == "gaussian_model"
    assert with_errors_only(row(power[0] - 2, error)).power_err[7] == np.inf


def test_a_likelihood_that_was_asked_for_is_used():
    power, _ = drawn(3, 1)
    given = row(power[0], power[0] / np.sqrt(3 * RAW))
    assert with_errors_only(given, "gaussian").likelihood == "gaussian"
    np.testing.assert_allclose(weights(with_errors_only(given, "gaussian_model")), 3 * RAW)


@pytest.mark.parametrize(("level", "n"), [(0.0, 10), (0.0, 30), (2.0, 10)])
def test_a_fit_does_not_lean_where_errors_follow_the_power(level, n):
    """Weighted by such errors a level is too low by 2 / n: 19 % at n = 10."""
    grid, spectra = np.linspace(0.1, 20, 200), 60
    power = np.random.default_rng(3).gamma(n, 3 / n, (spectra, grid.size))
    told = power - level, grid
    fitted = fit_spectra(["constant"], *told, error=power / np.sqrt(n))
    value, lower, upper = fitted["constant.1.level"]
    error = 3 / np.sqrt(n * grid.size)
    assert abs(value.mean() - (3 - level)) < 4 * error / np.sqrt(spectra)
    assert np.mean((lower + upper) / 2) == pytest.approx(error, rel=0.15)
    leaning = fit_spectra(["constant"], *told, error=power / np.sqrt(n), likelihood="gaussian")
    assert leaning["constant.1.level"].value.mean() < 3 - level - 3 / n
