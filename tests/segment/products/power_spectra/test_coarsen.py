"""Spectra with more bins than are allowed: what is averaged, and what is kept."""

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.coarsen import averaged, coarsen
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.segment.spectrum.rebin import Spectrum
from pipeline.status import Flag

N, DF = 50_000, 1e-3


def _spectrum(seed=1, gaussian=False, n=1.0, frequency=None):
    rng = np.random.default_rng(seed)
    frequency = np.arange(1, N + 1) * DF if frequency is None else frequency
    mean = 2 + 0.1 / frequency
    number = np.full(len(frequency), n)
    nothing = np.zeros(0)
    width = np.gradient(frequency)
    return Spectrum(
        *(frequency, frequency - width / 2, frequency + width / 2),
        mean * (1 + rng.standard_normal(len(mean)) * 0.1)
        if gaussian
        else mean * rng.gamma(n, 1 / n, len(mean)),
        *((nothing, 0.1 * mean) if gaussian else (number, nothing)),
    )


def test_a_short_spectrum_is_left_alone():
    spectrum = _spectrum()
    assert coarsen(spectrum, N) is spectrum


@pytest.mark.parametrize("most", [64, 1000, 8192])
@pytest.mark.parametrize("n", [1.0, 40.0])
def test_no_more_bins_than_allowed_and_no_ordinate_lost(most, n):
    spectrum = _spectrum(n=n)
    less = coarsen(spectrum, most)
    assert most / 3 < len(less.power) <= most
    assert less.n.sum() == pytest.approx(spectrum.n.sum())
    assert less.n @ less.power == pytest.approx(spectrum.n @ spectrum.power)
    assert np.all(np.diff(less.frequency) > 0)
    assert np.all((less.frequency > less.frequency_lo) & (less.frequency < less.frequency_hi))
    np.testing.assert_allclose(less.frequency_lo[1:], less.frequency_hi[:-1])


def test_low_frequencies_keep_their_bins():
    less = coarsen(_spectrum(), 8192)
    np.testing.assert_array_equal(less.n[:500], 1)
    relative = (less.frequency_hi - less.frequency_lo) / less.frequency
    assert relative[1000:].max() < 2e-3


def test_powers_are_those_of_their_n():
    """Over 40 spectra the variance of the average of n ordinates is S^2 / n, within 5 %."""
    parts = []
    for seed in range(40):
        less = coarsen(_spectrum(seed), 1000)
        mean = 2 + 0.1 / less.frequency
        parts.append(((less.power / mean - 1) * np.sqrt(less.n))[less.n > 20])
    parts = np.concatenate(parts)
    assert parts.var() == pytest.approx(1, rel=0.05)
    assert abs(parts.mean()) < 5 / np.sqrt(parts.size)


@pytest.mark.parametrize("gaussian", [False, True])
def test_an_unresolved_line_is_not_lost(gaussian):
    """40 times the noise in one bin of a group of some dozens: it stays a bin of its own."""
    spectrum = _spectrum(gaussian=gaussian)
    spectrum.power[43_210] = 80.0
    less = coarsen(spectrum, 1000)
    k = int(np.argmax(np.where(less.frequency > 1, less.power, 0)))
    assert less.power[k] == 80.0
    assert less.frequency[k] == pytest.approx(spectrum.frequency[43_210])
    assert less.frequency_hi[k] - less.frequency_lo[k] == pytest.approx(DF)


def test_noise_alone_keeps_few_bins_apart():
    """A thousandth of the spectra have an outlier by chance: of 40 no more than one."""
    kept = 0
    for seed in range(40):
        less = coarsen(_spectrum(seed), 1000)
        kept += bool(np.any(less.n[len(less.n) // 2 :] < 5))
    assert kept <= 1


def test_gaussian_errors_are_averaged_by_widths():
    spectrum = _spectrum(gaussian=True)
    less = averaged(spectrum, np.arange(0, N, 100))
    assert less.power_err == pytest.approx(
        np.sqrt((spectrum.power_err.reshape(-1, 100) ** 2).sum(axis=1)) / 100
    )
    assert less.power == pytest.approx(spectrum.power.reshape(-1, 100).mean(axis=1))
    assert len(less.n) == 0


def test_bins_are_not_averaged_across_a_hole():
    frequency = np.concatenate([np.arange(1, 20_000), np.arange(30_000, 60_000)]) * DF
    spectrum = _spectrum(frequency=frequency)
    spectrum.frequency_hi[19_998] = frequency[19_998] + DF / 2
    spectrum.frequency_lo[19_999] = frequency[19_999] - DF / 2
    less = coarsen(spectrum, 1000)
    across = (less.frequency_lo < 21) & (less.frequency_hi > 29)
    assert not across.any()


def test_bins_that_are_already_logarithmic_are_averaged_too():
    frequency = np.geomspace(1e-3, 1e2, 20_000)
    less = coarsen(_spectrum(frequency=frequency), 1000)
    assert 300 < len(less.power) <= 1000


def test_the_row_says_so(observation):
    spectrum = _spectrum()
    row = observation(
        "spectrum",
        frequency_lo=spectrum.frequency_lo,
        frequency_hi=spectrum.frequency_hi,
        power=spectrum.power,
        n=spectrum.n,
        noise=2.0,
        norm="leahy",
    )
    (whole,) = product_rows(Observations.held([row]), SegmentOptions(max_frequencies=N))
    (less,) = product_rows(Observations.held([row]), SegmentOptions())
    assert not whole["flags"] & Flag.COARSENED
    assert less["flags"] & Flag.COARSENED
    assert len(whole["power"]) == N
    assert len(less["power"]) <= SegmentOptions().max_frequencies
