"""Ready-made power spectra: the number of ordinates from the errors."""

import numpy as np
import pytest

from pipeline.segment.observed import combine, from_errors

LO, HI = np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 8.0])


def test_errors_of_averages_give_back_the_number_of_ordinates():
    power, n = np.array([5.0, 3.0, 2.0]), np.array([10.0, 40.0, 160.0])
    spectrum = from_errors(LO, HI, power, power / np.sqrt(n), noise_known=True)
    np.testing.assert_allclose(spectrum.n, n)
    assert len(spectrum.power_err) == 0
    assert spectrum.frequency.tolist() == [1.5, 3.0, 6.0]


def test_without_the_noise_level_the_errors_stay_gaussian():
    error = np.array([1.0, 1.0, 2.0])
    one = from_errors(LO, HI, np.array([3.0, -1.0, 1.0]), error, noise_known=False)
    two = combine([one, one])
    assert len(two.n) == 0
    np.testing.assert_allclose(two.power_err, error / np.sqrt(2))
    np.testing.assert_allclose(two.power, one.power)


def test_averages_are_weighted_by_ordinates():
    one = from_errors(LO, HI, np.full(3, 2.0), np.full(3, 1.0), noise_known=True)
    two = from_errors(LO, HI, np.full(3, 4.0), np.full(3, 1.0), noise_known=True)
    both = combine([one, two])
    np.testing.assert_allclose(both.n, 4 + 16)
    np.testing.assert_allclose(both.power, (4 * 2 + 16 * 4) / 20)


@pytest.mark.parametrize("power", [np.nan, -1.0, 0.0])
def test_a_bin_without_power_is_dropped_from_the_average(power):
    bad = from_errors(LO, HI, np.array([2.0, power, 2.0]), np.ones(3), noise_known=True)
    assert combine([bad]).frequency.tolist() == [1.5, 6.0]
    good = from_errors(LO, HI, np.full(3, 2.0), np.ones(3), noise_known=True)
    assert combine([bad, good]).n.tolist() == [8.0, 4.0, 8.0]


def test_an_error_of_nothing_is_no_error():
    edges = np.arange(3.0)
    spectrum = from_errors(edges[:-1], edges[1:], np.full(2, 2.0), np.array([5e-324, 0.5]), True)
    assert spectrum.n.tolist() == [0.0, 16.0]
