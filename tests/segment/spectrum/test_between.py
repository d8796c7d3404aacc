"""Observations that are averaged are compared, and what their average is worth is known."""

import numpy as np
import pytest
from scipy.stats import gamma, kstest

from pipeline.segment.spectrum import between
from pipeline.segment.spectrum.stationarity import NOT_COMPARED


def _observations(rng, m, amplitude, slope=1.0):
    """Averaged periodograms of observations of unequal noise, from gamma distributions."""
    frequency, noise = np.arange(1, 513), rng.uniform(0.5, 2, len(m))
    density = np.reshape(amplitude, (-1, 1)) * frequency**-slope + noise[:, None]
    return density * rng.gamma(m[:, None], 1 / m[:, None], (len(m), 512)), noise, m


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("count", [2, 8])
def test_p_values_between_stationary_observations_are_uniform(slope, count, monkeypatch):
    """600 sources, however little it matters; 3 binomial sigmas."""
    monkeypatch.setattr(between, "_MATTERS", -1.0)
    rng = np.random.default_rng([count, int(slope)])
    p = []
    for _ in range(600):
        m = rng.integers(2, 20, count).astype(float)
        p.append(between.scatter(*_observations(rng, m, 100.0, slope)).p_value)
    p = np.array(p)[~np.isnan(p)]  # NaN: no band stands out of the noise
    assert len(p) > 300
    for level in (0.5, 0.1, 0.02):
        assert abs(np.mean(p < level) - level) < 3 * np.sqrt(level * (1 - level) / len(p))


def test_a_difference_that_changes_no_p_value_is_ignored():
    """Of 20 %: the variance of an average of both is 1 % larger."""
    rng, m = np.random.default_rng(4), np.full(2, 100.0)
    observations = _observations(rng, m, np.array([100.0, 120.0]))
    assert between.scatter(*observations) == NOT_COMPARED


def test_observations_of_another_power_are_found_and_noise_alone_says_nothing():
    rng, m = np.random.default_rng(3), np.full(6, 10.0)
    found = between.scatter(*_observations(rng, m, np.array([100.0, 100, 100, 100, 100, 400])))
    assert found.p_value < 1e-6
    assert between.scatter(*_observations(rng, m, 0.0)).dof == 0
    power, noise, _ = _observations(rng, m, 100.0)
    assert between.scatter(power, noise * np.nan, m) == NOT_COMPARED
    assert between.scatter(power[:1], noise[:1], m[:1]) == NOT_COMPARED


def test_alike_observations_are_worth_all_their_segments():
    rng, m = np.random.default_rng(5), np.array([5.0, 10, 20])
    power, _, _ = _observations(rng, m, 100.0)
    np.testing.assert_allclose(between.effective_segments(power, np.ones(3), m), 35, rtol=1e-9)
    np.testing.assert_array_equal(between.effective_segments(power[:1], np.ones(1), m[:1]), 5)


def test_the_average_of_unlike_ones_scatters_as_the_segments_that_it_is_worth():
    """One of four observations is faint: ten times the noise. Its average follows a gamma distribution."""
    rng, m, noise = np.random.default_rng(6), np.full(4, 10.0), np.array([1.0, 1, 1, 30])
    density = 5 / np.arange(1, 513) + noise[:, None]
    p = []
    for _ in range(40):
        power = density * rng.gamma(10, 1 / 10, density.shape)
        n = between.effective_segments(power, noise, m)
        p.append(gamma.sf(n * power.mean(axis=0) / density.mean(axis=0), n))
        assert n[-1] == pytest.approx(40 * 33**2 / (4 * 903), rel=0.1)
    assert kstest(np.concatenate(p), "uniform").pvalue > 1e-3
    assert np.mean(np.concatenate(p) < 1e-3) < 2e-3  # 1e-2 with n = 40
