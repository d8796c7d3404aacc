"""The formulas are the ones that the papers give."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from pipeline.components import COMPONENTS
from pipeline.components.base import centroid_and_fwhm
from pipeline.components.lorentzians import positive_fraction
from pipeline.fit.model.grid import Grid, evaluate


def density(name, frequency, *values):
    """Power density of a built-in component at frequencies."""
    grid = Grid.of(np.asarray(frequency, dtype=float))
    return np.asarray(evaluate(COMPONENTS[name], grid, values))


def _integral(name, *parameters, start):
    def at(f):
        return float(density(name, f, *parameters))

    return quad(at, start, 3.0, limit=200)[0] + quad(at, 3.0, np.inf, limit=200)[0]


def test_lorentzian_integrates_to_its_variance_over_all_frequencies():
    assert _integral("lorentzian", 0.3, 3.0, 1.4, start=-np.inf) == pytest.approx(0.3, rel=1e-6)
    assert _integral("zero_lorentzian", 0.3, 1.4, start=0.0) == pytest.approx(0.15, rel=1e-6)


def test_lorentzian_over_positive_frequencies_is_the_fraction_of_belloni():
    """rms^2 over 0..infinity = r^2 [1/2 + atan(nu0/Delta)/pi] (Belloni et al. 2002)."""
    expected = 0.3 * (0.5 + np.arctan(3.0 / 0.7) / np.pi)
    assert _integral("lorentzian", 0.3, 3.0, 1.4, start=0.0) == pytest.approx(expected, rel=1e-6)
    assert 0.3 * float(positive_fraction(3.0, 1.4, np)) == pytest.approx(expected, rel=1e-12)


def test_xspec_lorentz_integrates_to_its_variance_over_positive_frequencies():
    assert _integral("lorentz", 0.3, 3.0, 4.0, start=0.0) == pytest.approx(0.3, rel=1e-6)


def test_lorentzian_has_half_its_peak_half_a_width_away():
    f = np.array([5.0, 5.0 - 0.4, 5.0 + 0.4])
    peak, left, right = density("lorentzian", f, 1.0, 5.0, 0.8)
    assert left == pytest.approx(peak / 2)
    assert right == pytest.approx(peak / 2)


def test_bending_power_law_has_both_slopes_and_half_the_low_power_at_the_bend():
    f = np.array([1e-4, 1e-3, 1.0, 1e3, 1e4])
    p = density("bending_power_law", f, 2.0, 0.9, 2.4, 1.0)
    assert np.log10(p[0] / p[1]) == pytest.approx(0.9, abs=1e-3)
    assert np.log10(p[3] / p[4]) == pytest.approx(2.4, abs=1e-3)
    assert p[2] == pytest.approx(1.0)


def test_lorentzian_by_nu_max_and_q_is_the_one_of_belloni():
    """nu_max^2 = nu0^2 + Delta^2 is where f P(f) is largest, and Q = nu0 / (2 Delta)."""
    nu0, delta = 3.0, 0.8
    nu_max, q = np.hypot(nu0, delta), nu0 / (2 * delta)
    f = np.linspace(0.5, 6.0, 20_001)
    power = density("lorentzian_numax", f, 0.3, nu_max, q)
    expected = 0.3 * delta / np.pi / (delta**2 + (f - nu0) ** 2)
    np.testing.assert_allclose(power, expected, rtol=1e-12)
    assert f[np.argmax(f * power)] == pytest.approx(nu_max, abs=2e-3)
    np.testing.assert_allclose(centroid_and_fwhm(nu_max, q), [nu0, 2 * delta], rtol=1e-12)


def test_gaussian_envelope_is_a_normal_density_times_its_variance():
    f = np.linspace(0.1, 9.0, 50)
    power = density("gaussian", f, 0.7, 4.0, 0.9)
    np.testing.assert_allclose(power, 0.7 * stats.norm(4.0, 0.9).pdf(f), rtol=1e-12)


@pytest.mark.parametrize("exponent", [1.7, 2.0, 4.0, 6.3])
def test_harvey_integrates_to_its_variance_over_positive_frequencies(exponent):
    found = _integral("harvey", 0.3, 1.4, exponent, start=0.0)
    assert found == pytest.approx(0.3, rel=1e-5)


@pytest.mark.parametrize(("exponent", "norm"), [(2.0, 2 / np.pi), (4.0, 2 * np.sqrt(2) / np.pi)])
def test_harvey_is_normalised_as_kallinger_does(exponent, norm):
    """P(f) = norm a^2 / b / (1 + (f / b)^c) with 2 / pi for c = 2 and 2 sqrt(2) / pi for c = 4."""
    f = np.geomspace(1e-3, 1e3, 40)
    power = density("harvey", f, 0.09, 20.0, exponent)
    expected = norm * 0.09 / 20.0 / (1 + (f / 20.0) ** exponent)
    np.testing.assert_allclose(power, expected, rtol=1e-12)


def test_a_harvey_term_with_exponent_2_is_a_lorentzian_at_zero_frequency():
    f = np.geomspace(1e-2, 1e2, 30)
    harvey = density("harvey", f, 0.15, 0.7, 2.0)
    np.testing.assert_allclose(harvey, density("zero_lorentzian", f, 0.3, 1.4), rtol=1e-12)


AVERAGED = {
    "constant": (2.0,),
    "power_law": (3.0, 2.2),
    "bending_power_law": (3.0, 0.8, 2.6, 1.3),
    "lorentzian": (0.4, 2.1, 0.02),
    "lorentzian_numax": (0.4, 2.1, 30.0),
    "zero_lorentzian": (0.4, 0.9),
    "lorentz": (0.4, 2.1, 0.3),
    "gaussian": (0.4, 2.1, 0.05),
    "envelope": (0.4, 2.1, 8.0),
    "harvey": (0.4, 1.2, 3.0),
}
"""Every component, its peaks narrower than a bin."""


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_the_mean_over_a_bin_is_the_integral_over_it(name):
    edges = np.geomspace(0.3, 8.0, 9)  # of a factor 1.5
    low, high = edges[:-1], edges[1:]
    component, values = COMPONENTS[name], AVERAGED[name]

    def at(f):
        return float(evaluate(component, Grid.of(np.array(f)), values))

    expected = [
        quad(at, a, b, points=[2.1] if a < 2.1 < b else None, limit=200)[0] / (b - a)
        for a, b in zip(low, high, strict=True)
    ]
    found = evaluate(component, Grid.of((low + high) / 2, high - low), values)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_the_mean_of_a_lorentzian_far_away_keeps_its_digits_in_single_precision():
    f, width = np.array([2000.0, 2010.0]), np.array([0.5, 0.5])
    at = evaluate(COMPONENTS["lorentzian"], Grid.of(f), (1.0, 1.0, 0.01))
    single = Grid.of(f.astype(np.float32), width.astype(np.float32))
    values = [np.float32(v) for v in (1.0, 1.0, 0.01)]
    mean = evaluate(COMPONENTS["lorentzian"], single, values)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, at, rtol=1e-5)


def test_the_mean_over_a_bin_from_zero_frequency_is_finite():
    grid = Grid.of(np.array([0.5]), np.array([1.0]))
    assert 0.5 < float(evaluate(COMPONENTS["power_law"], grid, (1.0, 3.0))[0] * 0.5**3) < 100


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_single_precision_stays_single(name, average):
    f = np.linspace(1, 2, 5, dtype=np.float32)
    grid = Grid.of(f, np.full_like(f, 0.1) if average else None)
    values = [np.full(1, v, np.float32) for v in AVERAGED[name]]
    assert evaluate(COMPONENTS[name], grid, values).dtype == np.float32
