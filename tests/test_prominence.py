"""A peak is prominent and narrow as the eye and the errors say."""

import numpy as np
import pytest

from pipeline.prominence import SIGMAS, is_narrow, prominence


def test_a_peak_is_narrow_when_its_error_leaves_no_doubt():
    assert is_narrow(4.0, 0.5, 2.0)
    assert not is_narrow(2.2, 0.5, 2.0)  # 2 within its error
    assert is_narrow([2.2, 1.9], [np.nan, np.inf], 2.0).tolist() == [True, False]


def test_the_least_quality_factor_that_a_peak_exceeds_follows_from_its_logarithmic_error():
    q, q_err = 5.0, 1.0
    least = q * (1 - q_err / q) ** SIGMAS  # the lower end of the interval of log q
    assert is_narrow(q, q_err, 0.999 * least)
    assert not is_narrow(q, q_err, 1.001 * least)


def test_prominence_is_frequency_times_the_density_at_the_centroid():
    variance, frequency, fwhm = 0.02, 5.0, 0.5
    f = frequency + np.array([-0.05, 0.0, 0.05])
    density = variance * fwhm / 2 / np.pi / ((f - frequency) ** 2 + (fwhm / 2) ** 2)
    assert prominence(variance, frequency, fwhm) == pytest.approx(frequency * density[1])
    averaged = prominence(variance, frequency, fwhm, bin_width=0.1)
    assert frequency * density[0] < averaged < frequency * density[1]


def test_a_peak_within_a_bin_is_not_higher_for_being_narrow():
    narrow, narrower = prominence(0.02, 5.0, np.array([1e-4, 1e-6]), bin_width=0.1)
    assert narrow == pytest.approx(narrower, rel=1e-3)
    assert narrow == pytest.approx(0.02 * 5.0 / 0.1, rel=1e-3)
