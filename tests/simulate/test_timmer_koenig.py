"""Claims about the noise of Timmer & Koenig (1995)."""

import numpy as np
import pytest
from scipy import stats

from pipeline.simulate.timmer_koenig import fourier_amplitudes, series

SEED = 20260101


def test_powers_are_exponential_about_the_spectrum():
    rng = np.random.default_rng(SEED)
    power = np.linspace(1.0, 50.0, 20_000)
    amplitudes = fourier_amplitudes(power, rng, nyquist=True)
    ratio = np.abs(amplitudes[1:-1]) ** 2 / power[1:-1]
    assert stats.kstest(ratio, "expon").pvalue > 1e-3
    assert abs(ratio.mean() - 1.0) < 4.0 / np.sqrt(len(ratio))
    phase = np.angle(amplitudes[1:-1]) / (2.0 * np.pi) % 1.0
    assert stats.kstest(phase, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("nyquist", "is_real"), [(True, True), (False, False)])
def test_zero_frequency_and_nyquist_are_real_and_carry_all_their_power(nyquist, is_real):
    rng = np.random.default_rng(SEED)
    drawn = np.array(
        [fourier_amplitudes([4.0, 4.0, 4.0], rng, nyquist=nyquist) for _ in range(4000)]
    )
    assert np.all(drawn[:, 0].imag == 0.0)
    assert np.all(drawn[:, 2].imag == 0.0) == is_real
    # The square of a real normal variate scatters by sqrt(2) of its mean, that of a complex one by 1.
    np.testing.assert_allclose(
        np.mean(np.abs(drawn) ** 2, axis=0), 4.0, atol=4 * 4.0 * np.sqrt(2 / 4000)
    )


@pytest.mark.parametrize("n", [1000, 999])
def test_variance_is_the_integral_of_the_density(n):
    rng = np.random.default_rng(SEED)
    # White noise of density 0.02 / Hz up to the Nyquist frequency of 0.5 s bins, 1 Hz.
    x = np.concatenate([series(lambda f: np.full_like(f, 0.02), n, 0.5, rng) for _ in range(40)])
    assert abs(x.var() / 0.02 - 1.0) < 4.0 * np.sqrt(2.0 / len(x))


def test_a_stretch_has_power_below_its_own_lowest_frequency():
    rng = np.random.default_rng(SEED)
    # All power lies at a fifth of the lowest frequency that 100 s resolve: to a stretch, a trend.
    means = [
        series(lambda f: np.where(abs(f - 0.002) < 2e-4, 10.0, 0.0), 100, 1.0, rng).mean()
        for _ in range(50)
    ]
    assert np.std(means) > 0.01


def test_a_bin_averages_the_finer_grid():
    """A density far above the Nyquist frequency of the bins is left by the square of a sinc."""
    rng = np.random.default_rng(SEED)
    density = lambda f: np.where(abs(f - 1.25) < 0.05, 1.0, 0.0)  # noqa: E731
    x = np.concatenate([series(density, 2000, 1.0, rng, finer=16) for _ in range(10)])
    assert x.var() == pytest.approx(0.1 * np.sinc(1.25) ** 2, rel=0.1)
