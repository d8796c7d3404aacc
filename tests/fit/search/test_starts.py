"""Bounds and starts of powers without their noise, which may be negative, and their sum too."""

import numpy as np
import pytest

from pipeline.components import COMPONENTS
from pipeline.fit import Model, Spectra, fit_spectra
from pipeline.fit.search.proposals import propose
from pipeline.fit.search.starts import base_starts, data_bounds, peaks_along

EDGES = np.geomspace(0.1, 1000, 201)
GRID, WIDTHS = (EDGES[:-1] + EDGES[1:]) / 2, np.diff(EDGES)


def _spectra(seed):
    """A QPO at 5.03 Hz under noise that was subtracted: the sum over all bins is negative."""
    rng = np.random.default_rng(seed)
    qpo = 0.01 * 0.25 / np.pi / (0.25**2 + (GRID - 5.03) ** 2)
    error = (qpo + 0.004) / np.sqrt(300 * WIDTHS)
    return rng.normal(qpo, error) - np.where(GRID > 200, 1e-4, 0.0), error


def test_bounds_and_starts_are_finite_and_in_order_where_the_sum_is_negative():
    power, error = _spectra(1)
    assert power @ WIDTHS < 0
    model = Model.from_components("m", ["constant", "power_law", "lorentzian"])
    spectra = Spectra(GRID[:, None], power[:, None], error[:, None] ** -2.0)
    lower, upper = data_bounds(model, spectra, WIDTHS[:, None])
    assert (lower < upper).all()
    level, variance = (model.names.index(n) for n in ("constant.1.level", "lorentzian.1.variance"))
    assert (np.exp(lower[[level, variance]]) > 1e-15).all()  # on the scale of the powers
    starts = base_starts(model, spectra, 4)
    assert np.isfinite(starts).all()
    assert (np.abs(starts) < 100).all()
    assert (peaks_along(COMPONENTS["lorentzian"], spectra, 3, 10.0)[1] > 0).all()


def test_a_spectrum_of_zeros_has_bounds():
    model = Model.from_components("m", ["constant", "lorentzian"])
    spectra = Spectra(GRID[:, None], np.zeros((200, 1)), np.ones((200, 1)))
    lower, upper = data_bounds(model, spectra, WIDTHS[:, None])
    assert np.isfinite([lower, upper]).all()


def test_the_peak_is_found_where_the_sum_of_the_powers_is_negative():
    powers, errors = zip(*map(_spectra, range(8)), strict=True)
    assert (np.array(powers) @ WIDTHS < 0).all()
    found = fit_spectra(
        ["constant", "lorentzian"],
        np.array(powers),
        GRID,
        error=np.array(errors),
        width=WIDTHS,
        likelihood="gaussian",
    )
    frequency = found["lorentzian.1.frequency"]
    np.testing.assert_allclose(frequency.value, 5.03, atol=0.06)
    assert found["lorentzian.1.variance"].value == pytest.approx(0.01, rel=0.3)
    assert {str(s) for s in found.status} == {
        "ok"
    }  # no white noise is left: a level of zero is no fault


def _fine(lanes=3):
    """A power law, noise and a peak at 5 Hz, of high signal."""
    rng = np.random.default_rng(4)
    grid = np.repeat(GRID[:, None], lanes, axis=1)
    expected = 0.01 + 0.3 * grid**-1.5 + 0.02 * 0.4 / np.pi / (0.4**2 + (grid - 5.0) ** 2)
    n = np.full(grid.shape, 300.0)
    return Spectra(grid, rng.gamma(n, expected / n), n), np.repeat(WIDTHS[:, None], lanes, axis=1)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_every_component_starts_inside_its_bounds(name):
    spectra, widths = _fine()
    model = Model.from_components("m", ["constant", name])
    lower, upper = data_bounds(model, spectra, widths)
    assert (lower < upper).all()
    starts = base_starts(model, spectra, 4)
    peak = COMPONENTS[name].peak
    base = list(model.index[0]) if peak else list(range(model.size))
    assert (lower[base] <= starts[:, base]).all()
    assert (starts[:, base] <= upper[base]).all()
    if peak:
        active = np.array([[True] * 3, [False] * 3])
        found = propose(model, 1, "gamma", spectra, starts[0], active, lower, upper, 6).u
        assert found.shape == (6, model.size, 3)
        assert ((lower <= found) & (found <= upper)).all()
        assert (found[:, base] == np.clip(starts[0][base], lower[base], upper[base])).all()


def test_given_starts_and_bounds_come_first_and_priors_bound_what_they_allow():
    spectra, widths = _fine()
    told = {"power_law": {"slope": {"start": 0.7}, "amplitude": {"uniform": [0.1, 0.2]}}}
    model = Model.from_components("m", [told, {"lorentzian": {"frequency": {"bounds": [2, 4]}}}])
    starts = base_starts(model, spectra, 2)
    assert (starts[0, 1] == 0.7).all()
    assert (starts[1, 1] != 0.7).all()
    lower, upper = data_bounds(model, spectra, widths)
    np.testing.assert_allclose(np.exp([lower[0], upper[0]]), [[0.1] * 3, [0.2] * 3])
    np.testing.assert_allclose(np.exp([lower[3], upper[3]]), [[2.0] * 3, [4.0] * 3])
