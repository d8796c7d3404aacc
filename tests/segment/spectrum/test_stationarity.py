"""A stationary source is not flagged, however steep its spectrum; one that changes is."""

import numpy as np
import pytest
from scipy import stats

from pipeline.segment.spectrum.periodogram import Block, average
from pipeline.segment.spectrum.stationarity import NOT_COMPARED
from pipeline.simulate.timmer_koenig import series

DT, N_BIN = 1 / 64, 256


def _p(rate, m):
    found = average([Block(rate.reshape(m, N_BIN))], N_BIN, DT)
    return found.scatter.p_value


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("m", [8, 32])
def test_p_values_of_stationary_noise_are_nearly_uniform(slope, m):
    """300 light curves with white noise under red noise; the statistic is chi2 to some per cent."""
    p = []
    for seed in range(300):
        rng = np.random.default_rng([seed, m])
        red = series(lambda f: 0.01 * np.maximum(f, 1e-9) ** -slope, m * N_BIN, DT, rng)
        p.append(_p(red + 0.3 * rng.standard_normal(m * N_BIN), m))
    p = np.array(p)
    assert stats.binomtest(int((p < 0.1).sum()), 300, 0.1).pvalue > 1e-3
    assert (p < 1e-3).mean() <= 0.01


def test_a_source_that_changes_is_found():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(32 * N_BIN)
    brighter = np.repeat([1.0, 1.3], 16 * N_BIN)
    assert _p(noise, 32) > 1e-3
    assert _p(noise * brighter, 32) < 1e-6


def test_few_or_short_segments_say_nothing():
    rng = np.random.default_rng(2)
    assert np.isnan(_p(rng.standard_normal(3 * N_BIN), 3))
    short = average([Block(rng.standard_normal((20, 16)))], 16, DT)
    assert short.scatter == NOT_COMPARED
    constant = average([Block(np.ones((8, 64)))], 64, DT)
    assert constant.scatter == NOT_COMPARED


def test_the_noise_of_counts_follows_the_rate_and_is_no_change_of_the_source():
    """Red noise moves the mean of a segment by tens of per cent, and with it its Poisson noise."""
    p = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 3])
        red = series(lambda f: 0.02 * np.maximum(f, 1e-9) ** -2.0, 16 * N_BIN, DT, rng)
        rate = 100 * np.maximum(1 + 0.2 * (red - red.mean()) / red.std(), 0)
        counts = rng.poisson(rate * DT) / DT
        found = average([Block(counts.reshape(16, N_BIN))], N_BIN, DT, counting=True)
        p.append(found.scatter.p_value)
    p = np.array(p)
    assert (p < 0.1).mean() < 0.25  # a brighter segment's noise also scatters more
    assert (p < 1e-3).mean() <= 0.02
