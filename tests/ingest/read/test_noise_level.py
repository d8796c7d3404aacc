"""What was subtracted from powers, by their errors."""

import itertools

import numpy as np
import pytest

from pipeline.ingest.read.noise_level import estimate


def _spectrum(seed, level, segments=8, sample=False, source=50.0):
    """Average exponential powers in logarithmic bins; return powers without noise, errors, widths."""
    rng = np.random.default_rng(seed)
    frequency = np.arange(1, 8193) / 16
    expected = source * level / (1 + frequency**2) + level
    raw = expected * rng.exponential(size=(segments, len(frequency)))
    edges = np.unique(np.round(np.geomspace(1, 8193, 200)).astype(int)) - 1
    power, error = [], []
    for start, stop in itertools.pairwise(edges):
        part = raw[:, start:stop]
        spread = part.std(ddof=1) if sample else part.mean()
        power.append(part.mean() - level)
        error.append(spread / np.sqrt(part.size))
    return np.array(power), np.array(error), np.diff(edges) / 16


@pytest.mark.parametrize("level", [2.0, 3e-4, 1e7])
def test_errors_that_follow_the_power_give_back_level_and_ordinates(level):
    power, error, width = _spectrum(1, level)
    found = estimate(power, error, width)
    assert found.level == pytest.approx(level, rel=1e-3)
    np.testing.assert_allclose(found.n, 8 * 16 * width, rtol=3e-3)


def test_errors_from_the_scatter_of_ordinates_give_the_level_within_its_error():
    pulls, density = [], []
    for seed in range(40):
        power, error, width = _spectrum(seed, 2.0, sample=True)
        found = estimate(power, error, width)
        pulls.append((found.level - 2) / found.level_err)
        density.append(np.median(found.n / width) / 128)
    assert abs(np.mean(pulls)) < 0.6
    assert 0.6 < np.std(pulls) < 1.6
    assert np.mean(density) == pytest.approx(1, abs=0.05)


def test_powers_that_include_the_noise_need_none():
    power, error, width = _spectrum(3, 2.0)
    found = estimate(power + 2.0, error, width)
    assert found.level == 0
    np.testing.assert_allclose(found.n, 8 * 16 * width, rtol=1e-6)


def test_pairs_of_single_ordinates_tell_the_level_whatever_the_widths_are():
    power, error, width = _spectrum(6, 2e-4, segments=1)
    rng = np.random.default_rng(6)
    few = width < 0.2
    width = np.where(few, width * rng.uniform(0.8, 1.2, len(width)), width)
    error = np.where(few, error, error * rng.lognormal(0, 0.2, len(error)))
    found = estimate(power.astype("f4").astype(float), error.astype("f4").astype(float), width)
    assert found.level == pytest.approx(2e-4, rel=1e-3)


def test_nothing_is_told_by_few_bins_or_errors_of_another_sort():
    power, error, width = _spectrum(4, 2.0)
    assert estimate(power[:8], error[:8], width[:8]) is None
    assert estimate(power, np.full(len(power), 0.1), width) is None


def test_chance_is_no_agreement_among_very_many_bins():
    rng = np.random.default_rng(9)
    expected = 2 + 60 / (1 + (np.arange(40000) / 4000) ** 2)
    power = expected * rng.gamma(30, 1 / 30, 40000)
    error = expected * rng.lognormal(0, 0.1, 40000) / np.sqrt(30)
    found = estimate(power - 2, error, np.full(40000, 0.01))
    assert found is None or found.level == pytest.approx(2, abs=0.5)
