"""Covariances are what a dense computation gives, and cover what they say they cover."""

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.fit import Engine, Model, PowerSpectrum, Spectra, fit_spectra
from pipeline.fit.engine.covariance import _determined, covariance, expected_diagonal, interval
from pipeline.status import Status

GRID = np.linspace(0.1, 30, 150)
TRUTH = [2, 1.4, 3, 6, 1, 2]


def _power(u):
    """Power law + Lorentzian + constant in NumPy; u may be complex."""
    amplitude, slope, variance, centre, fwhm, level = u
    half = np.exp(fwhm) / 2
    peak = np.exp(variance) * half / np.pi / (half**2 + (GRID - np.exp(centre)) ** 2)
    return np.exp(amplitude) * GRID**-slope + peak + np.exp(level)


def _log_slopes(u):
    """Derivatives of ln S by complex steps, shape (P, bins)."""
    steps = 1e-20j * np.eye(u.size)
    return np.array([_power(u + step).imag / 1e-20 for step in steps]) / _power(u)


def _dense(kind, u, power, n):
    """The covariance of one spectrum with nothing shared with the pipeline."""

    def scores(v):
        return n * (power / _power(v) - 1) * _log_slopes(v)

    if kind == "fisher":
        slopes = _log_slopes(u)
        return np.linalg.inv(n * slopes @ slopes.T)
    steps = 1e-5 * np.eye(u.size)
    columns = [(scores(u - s) - scores(u + s)).sum(axis=1) / 2e-5 for s in steps]
    bread = np.linalg.inv(np.array(columns))
    return bread if kind == "observed" else bread @ (scores(u) @ scores(u).T) @ bread


@pytest.mark.parametrize("kind", ["observed", "fisher", "sandwich"])
def test_each_covariance_is_what_dense_numpy_gives(kind, three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 20, 4, seed=1)
    fit = Engine(PowerSpectrum(three), block_size=8).fit(spectra, problem(three, u))
    moved, active = np.ones(u.shape, bool), np.ones((3, 4), bool)
    errors = covariance(PowerSpectrum(three), spectra, active, fit.u, moved, 8, kind)
    assert errors.sound.all()
    for lane in range(4):
        expected = _dense(kind, fit.u[:, lane], spectra.power[:, lane], 20)
        scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        np.testing.assert_allclose(errors.matrix[:, :, lane] / scale, expected / scale, atol=1e-6)


@pytest.mark.parametrize("kind", ["observed", "fisher", "sandwich"])
def test_what_did_not_move_has_no_error_and_the_rest_has_that_of_a_smaller_model(kind, three, draw):
    spectra, u = draw(three, TRUTH, GRID, 20, 2, seed=2)
    moved, active = np.ones(u.shape, bool), np.ones((3, 2), bool)
    moved[3] = False
    matrix = covariance(PowerSpectrum(three), spectra, active, u, moved, 8, kind).matrix
    assert not matrix[3].any()
    assert not matrix[:, 3].any()
    assert (np.einsum("iil->il", matrix)[moved[:, 0]] > 0).all()


def test_the_diagonal_of_the_expected_information_is_that_of_the_fisher_matrix(three, draw):
    spectra, u = draw(three, TRUTH, GRID, 20, 3, seed=3)
    slopes = _log_slopes(u[:, 0])
    found = expected_diagonal(PowerSpectrum(three), spectra, np.ones((3, 3), bool), u, 8)
    np.testing.assert_allclose(found[:, 0], 20 * np.sum(slopes**2, axis=1), rtol=1e-9)


@pytest.mark.slow
def test_the_sandwich_covers_where_n_is_wrong_and_the_others_do_not(draw, problem):
    """Data with twice the variance that n says: half as many ordinates were averaged."""
    model = Model.from_components("red", ["power_law", "constant"])
    lanes = 1000
    drawn, u = draw(model, [3.0, 1.5, 1.0], np.linspace(0.02, 5, 250), 10, lanes, seed=4)
    spectra = Spectra(drawn.frequency, drawn.power, 2 * drawn.weight)
    fit = Engine(PowerSpectrum(model)).fit(spectra, problem(model, u))
    moved, active = np.ones(u.shape, bool), np.ones((2, lanes), bool)
    inside = {}
    for kind in ("observed", "fisher", "sandwich"):
        errors = covariance(PowerSpectrum(model), spectra, active, fit.u, moved, kind=kind)
        sigma = np.sqrt(np.einsum("iil->il", errors.matrix))
        lower, upper = interval(fit.u, sigma, model.is_log)
        value, true = model.to_values(fit.u), model.to_values(u)
        inside[kind] = ((true >= value - lower) & (true <= value + upper)).mean(axis=1)
    margin = 4 * binom.std(lanes, 0.6827) / lanes
    np.testing.assert_allclose(inside["sandwich"], 0.6827, atol=margin)
    for kind in (
        "observed",
        "fisher",
    ):  # erf(1/2): the errors are too small by a square root of two
        np.testing.assert_allclose(inside[kind], 0.5205, atol=margin)


def test_a_bad_lane_has_no_covariance_and_its_neighbours_do_not_notice(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 20, 3, seed=5)
    u = Engine(PowerSpectrum(three), block_size=8).fit(spectra, problem(three, u)).u
    moved, active = np.ones(u.shape, bool), np.ones((3, 3), bool)
    for kind in ("observed", "sandwich"):
        spectra.power[4, 1] = 1.0
        clean = covariance(PowerSpectrum(three), spectra, active, u, moved, 8, kind)
        spectra.power[4, 1] = np.nan
        errors = covariance(PowerSpectrum(three), spectra, active, u, moved, 8, kind)
        assert errors.sound.tolist() == [True, False, True]
        np.testing.assert_array_equal(errors.matrix[..., [0, 2]], clean.matrix[..., [0, 2]])


def test_a_lorentzian_and_noise_have_little_bias(draw, problem):
    """Barret & Vaughan 2012: none in frequency and noise, at most 3 % in width and rms, at n = 1."""
    model = Model.from_components("kHz QPO", ["lorentzian", "constant"])
    lanes = 1000
    spectra, u = draw(model, [600.0, 800.0, 20.0, 2.0], np.arange(660, 905, 0.5), 1, lanes, seed=6)
    fit = Engine(PowerSpectrum(model)).fit(spectra, problem(model, u))
    off = fit.u - u
    biases = {"rms": off[0] / 2, "frequency": off[1], "fwhm": off[2], "noise": off[3]}
    for name, largest in {"rms": 0.03, "frequency": 5e-4, "fwhm": 0.03, "noise": 0.015}.items():
        values = np.expm1(biases[name])
        assert 3 * values.std() / np.sqrt(lanes) < largest  # enough spectra to see such a bias
        assert abs(values.mean()) < largest, name


def test_what_the_data_determine_has_errors_beside_what_they_do_not():
    """A power law that is flat beside a constant: of the peak everything is known, of the two nothing."""
    rng = np.random.default_rng(8)
    expected = 2 + 3 * 0.5 / np.pi / (0.5**2 + (GRID - 6) ** 2)
    power = rng.gamma(200, expected / 200, (40, GRID.size))
    least, more = (
        fit_spectra(model, power, GRID, n=200)
        for model in (["constant", "lorentzian"], ["constant", "power_law", "lorentzian"])
    )
    flat = np.isnan(more["power_law.1.amplitude"].err_hi)
    for name in ("variance", "frequency", "fwhm"):
        alone, beside = least[f"lorentzian.1.{name}"], more[f"lorentzian.1.{name}"]
        assert np.isfinite(beside.err_hi).all()
        np.testing.assert_allclose(beside.err_hi[flat], alone.err_hi[flat], rtol=0.15)
    assert set(more.status) <= {Status.OK, Status.AT_BOUND}


def test_a_flat_direction_leaves_the_covariance_of_the_others():
    """The information of a, b in a + b and of c alone, which is a and c's: by hand."""
    matrix = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 25.0]])
    found, sound = _determined(matrix, np.ones(3, bool))
    np.testing.assert_allclose(found, np.diag([0, 0, 1 / 25]), atol=1e-12)
    assert sound
    assert not _determined(np.diag([1.0, -1.0, 1.0]), np.ones(3, bool))[1]  # a saddle
    assert not _determined(np.zeros((3, 3)), np.ones(3, bool))[1]
