"""Intervals of coherence and phase cover, for any number of ordinates."""

import numpy as np
import pytest
from scipy.stats import binom, kstest

from pipeline.segment.spectrum import coherence

DRAWS = 4000
GRID = [(n, g) for n in (3, 5, 10, 30, 100, 500) for g in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99)]


def _drawn(n, true):
    """Raw coherence and phase of n pairs of complex normal numbers, the true phase 0."""
    rng = np.random.default_rng([n, round(1000 * true), 17])

    def normal():
        return (rng.normal(size=(DRAWS, n)) + 1j * rng.normal(size=(DRAWS, n))) / np.sqrt(2)

    x, other = normal(), normal()
    y = np.sqrt(true) * x + np.sqrt(1 - true) * other
    c = np.sum(x.conj() * y, axis=1)
    powers = np.sum(np.abs(x) ** 2, axis=1) * np.sum(np.abs(y) ** 2, axis=1)
    return np.abs(c) ** 2 / powers, np.angle(c), np.full(DRAWS, float(n))


def _covers(inside, probability=1 - 2 * coherence.ONE_SIGMA):
    spread = 4 * binom.std(DRAWS, probability) / DRAWS
    assert inside.mean() == pytest.approx(probability, abs=spread)


@pytest.mark.parametrize(("n", "true"), GRID)
def test_intervals_and_limits_of_the_coherence_cover(n, true):
    measured, _, n = _drawn(n, true)
    low, high = (
        coherence.bound(measured, n, p) for p in (1 - coherence.ONE_SIGMA, coherence.ONE_SIGMA)
    )
    _covers((low <= true) & (true <= high))
    _covers(true <= coherence.bound(measured, n, coherence.LIMIT), 1 - coherence.LIMIT)


@pytest.mark.parametrize(("n", "true"), [(n, g) for n, g in GRID if n * g >= 3])
def test_intervals_of_the_phase_cover_where_there_is_coherence(n, true):
    measured, phase, n = _drawn(n, true)
    _covers(np.abs(phase) <= coherence.phase_error(measured, n))


@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_probability_of_chance_is_uniform_without_coherence(n):
    measured, _, n = _drawn(n, 0.0)
    assert kstest(coherence.chance(measured, n), "uniform").pvalue > 1e-3


def test_where_nothing_is_coherent_every_phase_is_possible():
    assert coherence.phase_error(np.array([0.01]), np.array([10.0]))[0] == np.pi
    assert coherence.bound(np.array([0.001]), np.array([10.0]), coherence.LIMIT)[0] == 0
    assert coherence.phase_error(np.array([0.99]), np.array([1000.0]))[0] < 0.01


def test_the_two_forms_of_the_distribution_agree_where_one_takes_over():
    true = np.array([0.3, 0.6])
    n = 59.0 * (1 - true) / true
    measured = np.linspace(0.2, 0.8, 2)
    exact = coherence.cumulative(measured, true, n)
    for one, other in zip(exact, coherence._nearly(measured, true, n), strict=True):
        assert one == pytest.approx(other, abs=0.01)
