"""Windows and trends: means and variances of the ordinates that are kept, for white and red noise."""

import numpy as np
import pytest
from scipy import signal

from pipeline.segment.spectrum import periodogram, taper
from pipeline.segment.spectrum.taper import Treatment
from pipeline.simulate.timmer_koenig import series

N, SERIES = 512, 2000
TREATED = [(w, d) for w in ("hann", "dpss") for d in ("constant", "linear", "quadratic")]


@pytest.fixture(scope="module")
def noise():
    """Series by slope of their spectrum, cut out of ten times longer ones; density f^-slope."""
    rng = np.random.default_rng(101)

    def density(slope):
        return lambda f: f**-slope

    return {
        slope: np.array([series(density(slope), N, 1.0, rng) for _ in range(SERIES)])
        for slope in (0.0, 1.0, 3.0)
    }


def _over_expected(rates, slope, window, detrend):
    """Power over the true density, shape (series, kept)."""
    treated = Treatment(window, detrend)
    frequency = periodogram.frequencies(N, 1.0, treated).frequency
    return 2 / N * taper.power(rates, treated) / frequency**-slope


@pytest.mark.parametrize("window", ["hann", "dpss"])
def test_a_window_is_that_of_scipy(window):
    """Of the same power, and the transform at the ordinates that are kept that of the product."""
    rates = np.random.default_rng(1).normal(5, 1, (3, N))
    other = signal.windows.hann(N, sym=False) if window == "hann" else signal.windows.dpss(N, 2.5)
    centred = rates - rates.mean(axis=1, keepdims=True)
    _, expected = signal.periodogram(centred, 1.0, other, detrend=False)
    kept = taper.ordinates(N, Treatment(window))
    kept = kept[kept < N // 2]  # there scipy does not double it
    np.testing.assert_allclose(
        2 / N * taper.power(rates, Treatment(window))[:, : len(kept)], expected[:, kept], rtol=1e-9
    )


def test_trends_are_those_of_least_squares():
    rates = np.random.default_rng(2).normal(5, 1, (3, N)) + 1e-4 * np.arange(N) ** 2
    expected = signal.detrend(rates, type="linear")
    np.testing.assert_allclose(taper.detrended(rates, "linear"), expected, atol=1e-9)
    x = np.linspace(-1, 1, N)
    for k, one in enumerate(taper.detrended(rates, "quadratic")):
        fitted = np.polyval(np.polyfit(x, rates[k], 2), x)
        np.testing.assert_allclose(one, rates[k] - fitted, atol=1e-9)


@pytest.mark.parametrize(("window", "detrend"), TREATED)
@pytest.mark.parametrize("slope", [0.0, 1.0, 3.0])
def test_power_under_a_window_has_the_right_mean(noise, window, detrend, slope):
    """In bands of 7 ordinates within 5 errors and 2 %, and the lowest three within 15 %, which is the main lobe.

    For slope 3 the lobe adds 25 % to the lowest, and DPSS, whose side lobes fall slowly, 10 % everywhere.
    """
    ratio = _over_expected(noise[slope], slope, window, detrend).mean(axis=0)
    bands = ratio[8:].reshape(-1, 7).mean(axis=1)
    error = 1 / np.sqrt(SERIES * 7 * taper.TAPERS[window].ordinates)
    steep = slope == 3
    assert np.all(abs(bands - 1) < 5 * error + (0.1 if window == "dpss" and steep else 0.02))
    assert np.all(abs(ratio[:3] - 1) < (0.25 if steep else 0.15))


@pytest.mark.parametrize("slope", [1.0, 3.0])
def test_averages_under_a_window_have_the_variance_of_their_n(noise, slope):
    """Sums of 16 ordinates that are kept: n = 16, less for DPSS; within 4 errors and 10 %."""
    for window in ("hann", "dpss"):
        ratio = _over_expected(noise[slope], slope, window, "constant")[:, 20:116]
        summed = ratio.reshape(SERIES, 6, 16).mean(axis=2)
        n = summed.mean(axis=0) ** 2 / summed.var(axis=0)
        expected = 16 * taper.TAPERS[window].ordinates
        assert abs(n.mean() / expected - 1) < 0.1 + 4 * np.sqrt(2 / SERIES / 6)


def test_single_ordinates_under_a_window_are_exponential(noise):
    ratio = _over_expected(noise[1.0], 1.0, "hann", "linear")[:, 20:120]
    for level in (0.1, 0.5, 0.9, 0.99):
        rate = np.mean(ratio < -np.log1p(-level))
        assert abs(rate - level) < 5 * np.sqrt(level * (1 - level) / ratio.size)


def test_without_a_window_steep_noise_is_biased_by_orders_of_magnitude(noise):
    assert np.median(_over_expected(noise[3.0], 3.0, "none", "constant").mean(axis=0)) > 50


def test_at_nyquist_white_noise_has_half_an_ordinate():
    """Of 16 bins the eighth: a real number, one degree of freedom."""
    rates = np.random.default_rng(3).standard_normal((20_000, 16))
    kept = periodogram.frequencies(16, 1.0, Treatment("hann"))
    assert kept.frequency[-1] == 0.5
    assert kept.weight.tolist() == [1, 1, 0.5]
    power = 2 / 16 * taper.power(rates, Treatment("hann"))[:, -1]
    assert power.mean() == pytest.approx(2, abs=0.1)
    assert power.var() == pytest.approx(8, rel=0.15)  # 2 S^2, not S^2


def test_counting_noise_under_a_window_follows_the_rate():
    """Poisson counts that fall along the segment: the noise is that where the window looks."""
    rng = np.random.default_rng(4)
    rate = np.exp(-np.arange(N) / 60.0) * 400
    counts = rng.poisson(rate, (400, N)).astype(float)
    result = periodogram.average(
        [periodogram.Block(counts)], N, 1.0, 1, True, Treatment("hann", "quadratic")
    )
    high = result.power[len(result.power) // 2 :].mean()
    assert 2 * result.window_rate == pytest.approx(high, rel=0.02)
    assert 2 * result.mean_rate > 1.5 * high


@pytest.mark.parametrize(
    ("window", "detrend", "first"),
    [
        ("none", "constant", 1),
        ("none", "linear", 2),
        ("none", "quadratic", 3),
        ("hann", "linear", 4),
        ("dpss", "constant", 4),
    ],
)
def test_ordinates_that_are_kept(window, detrend, first):
    kept = taper.ordinates(N, Treatment(window, detrend))
    assert kept[0] == first
    assert set(np.diff(kept)) == {1 if window == "none" else 2}
    assert len(taper.ordinates(6, Treatment("hann"))) == 0


@pytest.mark.parametrize(
    ("configured", "leaks", "expected"),
    [
        (("auto", "auto"), False, ("none", "constant")),
        (("auto", "auto"), True, ("hann", "linear")),
        (("none", "auto"), True, ("none", "linear")),
        (("auto", "constant"), True, ("hann", "constant")),
        (("dpss", "quadratic"), False, ("dpss", "quadratic")),
    ],
)
def test_auto_is_a_window_and_a_line_where_power_leaks(configured, leaks, expected):
    assert taper.treatment(*configured, N, leaks) == Treatment(*expected)
