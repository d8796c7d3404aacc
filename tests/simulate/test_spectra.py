"""Claims about the injected power spectra."""

import numpy as np
import pytest
from scipy import integrate

from pipeline.simulate.spectra import PowerSpectrum


def test_a_power_law_is_straight_above_its_floor_and_flat_below():
    spectrum = PowerSpectrum(0.01, 1.4, floor_frequency=0.1)
    np.testing.assert_allclose(spectrum([0.1, 1.0, 10.0]), 0.01 * np.array([0.1, 1, 10]) ** -1.4)
    assert np.all(spectrum([1e-6, 0.05]) == spectrum(0.1))


def test_a_bending_power_law_has_its_two_slopes():
    spectrum = PowerSpectrum(0.01, 2.4, 0.5, 1.0)
    for low, high, slope in ((1e-6, 1e-5, 0.5), (1e5, 1e6, 2.4)):
        measured = np.log10(spectrum(low) / spectrum(high))
        assert measured == pytest.approx(slope, abs=1e-3)
    assert spectrum(1.0) == pytest.approx(0.005)


def test_the_rms_of_a_qpo_is_the_integral_over_positive_frequencies():
    spectrum = PowerSpectrum(qpo_frequency=3.0, qpo_fwhm=0.75, qpo_rms=0.12)
    parts = [integrate.quad(spectrum, a, b)[0] for a, b in ((0, 3), (3, 30), (30, np.inf))]
    assert np.sqrt(sum(parts)) == pytest.approx(0.12, rel=1e-6)
    assert spectrum(3.0 + 0.375) == pytest.approx(0.5 * spectrum(3.0))


def test_scaling_multiplies_the_power():
    spectrum = PowerSpectrum(0.01, 1.0, qpo_frequency=3.0, qpo_fwhm=0.75, qpo_rms=0.12)
    f = np.geomspace(0.01, 100.0, 50)
    np.testing.assert_allclose(spectrum.scaled(3.0)(f), 3.0 * spectrum(f))
    assert spectrum.variance(0.1, 10.0) == pytest.approx(
        integrate.quad(spectrum, 0.1, 10.0)[0], 1e-4
    )


def test_nothing_varies_in_white_noise():
    assert PowerSpectrum().is_white
    assert not PowerSpectrum().has_qpo
    assert np.all(PowerSpectrum()(np.geomspace(0.01, 10.0, 5)) == 0.0)
