"""The errors of rms and excess variance cover what they say."""

import numpy as np
import pytest

from pipeline.segment.spectrum import periodogram, variability

DRAWS = 600
SIGMA = np.sqrt(0.683 * 0.317 / DRAWS)
"""Binomial standard error of a coverage of 68.3 %, 0.019."""


def test_rms_errors_cover_the_true_rms():
    """Averages of 20 segments with a red-noise signal; within 3 standard errors of 68.3 %."""
    rng = np.random.default_rng(11)
    kept = periodogram.frequencies(256, 0.5)
    frequency, width = kept.frequency, kept.weight * kept.frequency[0]
    noise, n = 0.2, 20 * kept.weight
    signal = 2 / (1 + (frequency / 0.05) ** 2)
    truth = np.sqrt(np.sum(signal * width))
    covered = 0
    for _ in range(DRAWS):
        power = (signal + noise) * rng.gamma(n) / n
        rms = variability.rms(power, noise, n, width)
        covered += rms.value - rms.err_lo <= truth <= rms.value + rms.err_hi
    assert abs(covered / DRAWS - 0.683) < 3 * SIGMA


def test_rms_error_tends_to_the_linear_one_for_a_strong_signal():
    n, width = np.full(1000, 50.0), np.full(1000, 0.01)
    power = np.full(1000, 3.0)
    rms = variability.rms(power, 1.0, n, width)
    assert np.isnan(rms.limit)
    assert rms.value == pytest.approx(np.sqrt(2 * 10))
    linear = np.sqrt(np.sum((power * width) ** 2 / n)) / (2 * rms.value)
    assert rms.err_lo == pytest.approx(linear, rel=0.02)
    assert rms.err_hi == pytest.approx(linear, rel=0.02)


def test_there_is_no_rms_of_noise_alone_but_a_limit():
    """A steady source: 1 in 740 gets an rms, and the limit of a true variance holds in 95 %."""
    rng = np.random.default_rng(14)
    n, width = np.full(500, 20.0), np.full(500, 0.01)
    for truth, most in ((0.0, 0.01), (0.02, 0.2)):
        found = []
        for _ in range(DRAWS):
            power = (0.2 + truth / 5) * rng.gamma(n) / n
            found.append(variability.rms(power, 0.2, n, width))
        value, limit = np.transpose([(rms.value, rms.limit) for rms in found])
        assert np.mean(np.isfinite(value)) < most
        assert np.array_equal(np.isnan(value), np.isfinite(limit))
        below = limit[np.isfinite(limit)] ** 2 >= truth
        assert np.mean(below) == pytest.approx(0.95, abs=0.03) or truth == 0


def test_a_signal_of_one_segment_has_an_rms_however_uncertain():
    n, power = np.ones(500), np.full(500, 0.2)
    power[3] = 500.0
    rms = variability.rms(power, 0.2, n, np.full(500, 0.01))
    assert rms.value == pytest.approx(np.sqrt(5), rel=0.01)
    assert rms.err_lo > rms.value / 3
    assert rms.err_hi > rms.value / 4


@pytest.mark.parametrize("amplitude", [0.0, 0.2])
def test_excess_variance_errors_cover_the_truth(amplitude):
    """Poisson counts of a fixed light curve (eq. 11 is of the measurement only), 3 standard errors."""
    rng = np.random.default_rng(12)
    rate = 100 * (1 + amplitude * np.sin(2 * np.pi * np.arange(640) / 64)).reshape(10, 64)
    truth = amplitude**2 / 2 * 64 / 63
    covered = 0
    for _ in range(DRAWS):
        squares = variability.scatter(rng.poisson(rate).astype(float))
        variance = squares.total / (squares.bins - 10)
        excess = variability.excess_variance(variance, 100.0, 100.0, squares.bins)
        covered += abs(excess.value - truth) <= excess.error
    assert abs(covered / DRAWS - 0.683) < 3 * SIGMA


def test_excess_variance_is_negative_half_of_the_time_without_variability():
    rng = np.random.default_rng(13)
    values = []
    for _ in range(DRAWS):
        squares = variability.scatter(rng.normal(10, 1, (4, 64)))
        variance = squares.total / (squares.bins - 4)
        values.append(variability.excess_variance(variance, 1.0, 10.0, squares.bins).value)
    assert np.mean(np.less(values, 0)) == pytest.approx(0.5, abs=0.08)


def test_filled_bins_do_not_enter_the_variance():
    rate = np.array([[1.0, 100.0, 3.0]])
    squares = variability.scatter(rate, np.array([[False, True, False]]))
    assert squares == variability.Squares(2.0, 2)


def test_bins_are_averaged_before_the_variance_of_events():
    squares = variability.scatter(np.array([[0.0, 2.0, 4.0, 6.0, 9.0]]), coarse=2)
    assert squares == variability.Squares(8.0, 2)
