"""Rebinning keeps the ordinates and the power."""

import numpy as np
import pytest
from scipy import stats

from pipeline.segment.spectrum.periodogram import frequencies
from pipeline.segment.spectrum.rebin import logarithmic


def _rebinned(fraction, n_bin=1024, m=7, seed=1):
    kept = frequencies(n_bin, 0.1)
    frequency, weight = kept.frequency, kept.weight
    power = np.random.default_rng(seed).gamma(m * weight, 1 / (m * weight))
    df = 1 / (n_bin * 0.1)
    return frequency, weight, power, df, logarithmic(frequency, weight, power, m, df, fraction)


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3])
def test_ordinates_and_integrated_power_are_conserved(fraction):
    _, weight, power, df, spectrum = _rebinned(fraction)
    assert spectrum.n.sum() == pytest.approx(7 * weight.sum())
    width = spectrum.frequency_hi - spectrum.frequency_lo
    assert np.sum(spectrum.power * width) == pytest.approx(np.sum(power * weight) * df)


def test_bins_touch_and_end_at_the_nyquist_frequency():
    frequency, _, _, df, spectrum = _rebinned(0.05)
    np.testing.assert_allclose(spectrum.frequency_lo[1:], spectrum.frequency_hi[:-1])
    assert spectrum.frequency_lo[0] == pytest.approx(df / 2)
    assert spectrum.frequency_hi[-1] == pytest.approx(frequency[-1]) == pytest.approx(5.0)


def test_widths_follow_the_frequency():
    _, _, _, df, spectrum = _rebinned(0.1)
    width = (spectrum.frequency_hi - spectrum.frequency_lo)[:-1]
    start = spectrum.frequency_lo[:-1] + df / 2
    assert np.all(np.abs(width - np.maximum(0.1 * start, df)) <= df / 2 * (1 + 1e-9))


def test_without_rebinning_each_frequency_is_a_bin():
    frequency, weight, power, _, spectrum = _rebinned(0.0)
    np.testing.assert_allclose(spectrum.frequency, frequency)
    np.testing.assert_allclose(spectrum.power, power)
    np.testing.assert_allclose(spectrum.n, 7 * weight)


def test_rebinned_powers_follow_the_gamma_distribution_of_their_n():
    """Also the last bin, with the Nyquist frequency in it; KS p above 1 % with these seeds."""
    last = [_rebinned(0.3, n_bin=64, m=2, seed=s)[-1] for s in range(1500)]
    n = last[0].n[-1]
    assert n == 2 * 5.5
    powers = np.array([s.power[-1] for s in last])
    assert stats.kstest(powers, stats.gamma(n, scale=1 / n).cdf).pvalue > 0.01


def test_nothing_in_nothing_out():
    nothing = np.zeros(0)
    assert len(logarithmic(nothing, nothing, nothing, 3, 0.1, 0.02).power) == 0
