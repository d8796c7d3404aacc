"""Claims about what instruments record."""

from itertools import pairwise

import numpy as np
from scipy import stats

from pipeline.simulate import observe
from pipeline.simulate.spectra import PowerSpectrum

SEED = 20260101
RED = PowerSpectrum(2e-3, 1.2, floor_frequency=0.02)
LOUD = PowerSpectrum(2e-3, 1.2, floor_frequency=5e-4)


def test_stretches_hold_the_segments_asked_for_and_leave_gaps():
    pieces = observe.good_bins((2, 3), 100, np.random.default_rng(SEED))
    assert pieces[0, 0] == 0
    assert np.all((pieces[:, 1] - pieces[:, 0]) // 100 == (2, 3))
    assert pieces[1, 0] > pieces[0, 1]


def test_events_are_sorted_inside_the_intervals_and_as_many_as_the_rate_says():
    gti = np.array([[0.0, 40.0], [60.0, 100.0]])
    times = observe.event_times(PowerSpectrum(), 200.0, gti, np.random.default_rng(SEED))
    assert np.all(np.diff(times) >= 0.0)
    assert np.all((times < 40.0) | (times >= 60.0))
    assert times[-1] < 100.0
    assert abs(len(times) - 16_000) < 4.0 * np.sqrt(16_000)


def test_waiting_times_of_a_constant_source_are_exponential():
    times = observe.event_times(
        PowerSpectrum(), 50.0, np.array([[0.0, 200.0]]), np.random.default_rng(SEED)
    )
    assert stats.kstest(np.diff(times) * 50.0, "expon").pvalue > 1e-3


def test_the_rate_is_never_negative():
    wild = PowerSpectrum(1.0, 1.0, floor_frequency=0.01)
    rate = observe.relative_rate(wild, np.ones(2000), 0.1, np.random.default_rng(SEED))
    assert rate.min() == 0.0


def test_the_fractional_rms_does_not_wander_with_the_mean_of_the_observation():
    """The mean scatters by more than a tenth; power over its square does not follow it."""
    rng = np.random.default_rng(SEED)
    exposure = np.repeat([1.0, 0.0, 0.5], [200, 112, 200])
    means, powers = [], []
    for _ in range(400):
        rate = observe.relative_rate(LOUD, exposure, 1.0, rng)
        means.append(np.average(rate, weights=exposure))
        power = np.abs(np.fft.rfft(rate[:200] / means[-1])[16:64]) ** 2
        powers.append(power.mean())
    assert abs(np.mean(means) - 1.0) < 4.0 * np.std(means) / 20.0
    assert np.std(means) > 0.1
    assert abs(np.corrcoef(means, powers)[0, 1]) < 4.0 / 20.0


def test_counts_follow_the_exposed_fraction():
    fracexp = np.repeat([1.0, 0.25, 0.0], 5000)
    counts = observe.binned_counts(PowerSpectrum(), 8.0, 2.0, fracexp, np.random.default_rng(SEED))
    full, quarter, none = np.split(counts, 3)
    assert abs(full.mean() - 16.0) < 4.0 * np.sqrt(16.0 / 5000)
    assert abs(quarter.mean() - 4.0) < 4.0 * np.sqrt(4.0 / 5000)
    assert not none.any()


def test_photometry_scatters_by_its_error():
    flux = observe.photometry(
        PowerSpectrum(), 1000.0, 5.0, 60.0, np.ones(10_000), np.random.default_rng(SEED)
    )
    assert abs(flux.std() / 5.0 - 1.0) < 4.0 / np.sqrt(2 * 10_000)
    assert abs(flux.mean() - 1000.0) < 4.0 * 5.0 / 100.0


def test_bad_bins_stand_alone_inside_the_stretches():
    pieces = np.array([[0, 2000], [2100, 4100]])
    bad = observe.isolated_bins(pieces, 0.01, np.random.default_rng(SEED))
    assert bad.sum() == 40
    assert np.diff(np.flatnonzero(bad)).min() > 2
    assert not bad[2000:2100].any()


def test_logarithmic_bins_take_every_ordinate_once():
    starts = observe.logarithmic_bins(8, 4096, 0.03)
    width = np.diff(starts)
    assert (starts[0], starts[-1]) == (8, 4096)
    assert width.min() == 1
    assert np.all(width <= np.maximum(1, 0.03 * starts[:-1]))


def test_averaged_powers_are_gamma_variates_about_the_spectrum():
    rng = np.random.default_rng(SEED)
    starts = observe.logarithmic_bins(4, 400, 0.05)
    df, rate = 0.01, 300.0
    probability = []
    for _ in range(20):
        power, n = observe.averaged_leahy_powers(RED, rate, df, starts, 5, rng)
        mean = [2.0 + rate * RED(np.arange(a, b) * df).mean() for a, b in pairwise(starts)]
        probability.append(stats.gamma.cdf(power, n, scale=np.array(mean) / n))
    assert np.array_equal(n, 5 * np.diff(starts))
    assert stats.kstest(np.concatenate(probability), "uniform").pvalue > 1e-3
