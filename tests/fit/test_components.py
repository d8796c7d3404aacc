"""The formulas are the ones that the papers give."""

import inspect

import numpy as np
import pytest
from scipy.integrate import quad

from pipeline.fit.components import FUNCTIONS, Grid, positive_fraction
from pipeline.models import COMPONENTS


def test_every_declared_component_is_implemented_with_its_parameters_in_order():
    assert set(FUNCTIONS) == set(COMPONENTS)
    for name, component in COMPONENTS.items():
        arguments = list(inspect.signature(FUNCTIONS[name]).parameters)[1:]
        declared = [p.name for p in component.parameters]
        assert [a.replace("centroid", "frequency") for a in arguments] == declared


def _integral(name, *parameters, start):
    def density(f):
        return float(FUNCTIONS[name](Grid.of(np.array(f, dtype=float)), *parameters))

    return quad(density, start, 3.0, limit=200)[0] + quad(density, 3.0, np.inf, limit=200)[0]


def test_lorentzian_integrates_to_its_variance_over_all_frequencies():
    assert _integral("lorentzian", 0.3, 3.0, 1.4, start=-np.inf) == pytest.approx(0.3, rel=1e-6)
    assert _integral("zero_lorentzian", 0.3, 1.4, start=0.0) == pytest.approx(0.15, rel=1e-6)


def test_lorentzian_over_positive_frequencies_is_the_fraction_of_belloni():
    """rms^2 over 0..infinity = r^2 [1/2 + atan(nu0/Delta)/pi] (Belloni et al. 2002)."""
    expected = 0.3 * (0.5 + np.arctan(3.0 / 0.7) / np.pi)
    assert _integral("lorentzian", 0.3, 3.0, 1.4, start=0.0) == pytest.approx(expected, rel=1e-6)
    assert 0.3 * float(positive_fraction(3.0, 1.4)) == pytest.approx(expected, rel=1e-12)


def test_xspec_lorentz_integrates_to_its_variance_over_positive_frequencies():
    assert _integral("lorentz", 0.3, 3.0, 4.0, start=0.0) == pytest.approx(0.3, rel=1e-6)


def test_lorentzian_has_half_its_peak_half_a_width_away():
    f = np.array([5.0, 5.0 - 0.4, 5.0 + 0.4])
    peak, left, right = np.asarray(FUNCTIONS["lorentzian"](Grid.of(f), 1.0, 5.0, 0.8))
    assert left == pytest.approx(peak / 2)
    assert right == pytest.approx(peak / 2)


def test_bending_power_law_has_both_slopes_and_half_the_low_power_at_the_bend():
    f = np.array([1e-4, 1e-3, 1.0, 1e3, 1e4])
    p = np.asarray(FUNCTIONS["bending_power_law"](Grid.of(f), 2.0, 0.9, 2.4, 1.0))
    assert np.log10(p[0] / p[1]) == pytest.approx(0.9, abs=1e-3)
    assert np.log10(p[3] / p[4]) == pytest.approx(2.4, abs=1e-3)
    assert p[2] == pytest.approx(1.0)
