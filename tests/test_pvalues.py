"""p-values of several tests become one that is uniform, or conservative, however they depend."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.pvalues import combine


@pytest.mark.parametrize("count", [2, 3, 6, 12, 40])
@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_false_alarms_are_no_more_frequent_than_the_p_value_says(count, correlation):
    """Normal tests, equally correlated; within 4 binomial sigmas."""
    rng = np.random.default_rng([count, int(10 * correlation)])
    draws = 40_000
    common, own = rng.normal(size=draws), rng.normal(size=(count, draws))
    p = norm.sf(np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own)
    combined = combine(p, axis=0)
    for level in (0.2, 0.05, 0.01):
        sigma = np.sqrt(level * (1 - level) / draws)
        assert np.mean(combined <= level) <= level + 4 * sigma
        assert np.mean(combined <= level) >= 0.5 * level  # and not much less frequent


def test_bands_that_share_their_photons_are_no_trials_of_their_own():
    p = np.full(3, 1e-5)
    assert combine(p) == pytest.approx(1.16e-5, rel=0.01)


def test_one_band_with_a_signal_beside_bands_without_pays_for_the_trials():
    assert combine([1e-4, 0.5, 0.5]) == pytest.approx(3.5e-4, rel=0.02)
    assert combine([1e-4, 1.0, 1.0]) == pytest.approx(3.5e-4, rel=0.02)  # nothing found is no veto


def test_what_was_not_tested_is_no_trial():
    assert combine([0.02, np.nan, np.nan]) == 0.02
    assert np.isnan(combine([np.nan, np.nan]))
    assert np.isnan(combine([]))
    np.testing.assert_array_equal(combine([[0.3, np.nan], [np.nan, np.nan]], axis=1), [0.3, np.nan])


def test_the_ends_of_the_scale_are_kept():
    assert combine([0.0, 0.5]) == 0.0
    assert combine([1.0, 1.0]) == 1.0
    assert 1e-300 <= combine([1e-300, 1e-300]) < 2e-300
    assert combine([1e-10, 1e-10, 1e-10]) >= 1e-10
