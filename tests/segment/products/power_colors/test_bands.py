"""The interval of a variance covers it in 68 of 100, for weak and strong signals and for a single segment."""

import numpy as np
import pytest
from scipy import stats

from pipeline.segment.products.power_colors.bands import LEAST, LIMIT, ONE_SIGMA, band

LENGTH = 256.0
FREQUENCY = np.arange(1, 4200) / LENGTH
EDGES = FREQUENCY - 0.5 / LENGTH, FREQUENCY + 0.5 / LENGTH
BANDS = ((1 / 256, 1 / 32), (1 / 32, 1 / 4), (1 / 4, 2.0), (2.0, 16.0))
DENSITIES = {
    "flicker": lambda f: 1 / f,
    "hard": lambda f: 1 / (1 + (f / 0.3) ** 2),
    "qpo": lambda f: 1 / (1 + (f / 0.5) ** 2) + 8 / (1 + ((f - 1.5) / 0.05) ** 2),
}
DRAWS = 300
SIGMA = np.sqrt(0.683 * 0.317 / DRAWS)


def _width(lo, hi):
    return np.clip(np.minimum(EDGES[1], hi) - np.maximum(EDGES[0], lo), 0, None)


def _drawn(density, noise, m, seed):
    """Averages of m exponential ordinates, from Gaussian Fourier amplitudes: no gamma function."""
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        parts = rng.standard_normal((2 * m, len(FREQUENCY)))
        yield (density + noise) * np.mean(parts**2, axis=0)


@pytest.mark.parametrize("shape", DENSITIES)
@pytest.mark.parametrize(("m", "noise"), [(1, 0.003), (1, 0.3), (4, 0.03), (4, 3.0)])
def test_intervals_cover_whatever_the_strength_of_the_signal(shape, m, noise):
    """No more than four binomial errors too few, and six too many: the shape is not overestimated."""
    density, n = DENSITIES[shape](FREQUENCY), np.full(len(FREQUENCY), float(m))
    covered = np.zeros((DRAWS, 4))
    for i, power in enumerate(_drawn(density, noise, m, [m, len(shape)])):
        for k, (lo, hi) in enumerate(BANDS):
            found, truth = band(lo, hi, EDGES, power, noise, n), _width(lo, hi) @ density
            if found is None:
                covered[i, k] = np.nan
                continue
            low, high = found.quantile(np.array([ONE_SIGMA, 1 - ONE_SIGMA]))
            covered[i, k] = low <= truth <= high
    share = np.nanmean(covered, axis=0) - 0.683
    assert share.min() > -4 * SIGMA
    assert share.max() < 6 * SIGMA


def test_of_noise_alone_one_in_740_is_measured_and_limits_hold():
    n, density = np.full(len(FREQUENCY), 2.0), 0.002 / FREQUENCY
    truth = [_width(lo, hi) @ density for lo, hi in BANDS]
    measured, below = [], []
    for none, weak in zip(
        _drawn(0 * FREQUENCY, 1.0, 2, 5), _drawn(density, 1.0, 2, 6), strict=True
    ):
        measured += [band(*b, EDGES, none, 1.0, n).is_measured for b in BANDS]
        found = [band(*b, EDGES, weak, 1.0, n) for b in BANDS]
        below += [one.quantile(LIMIT) >= t for one, t in zip(found, truth, strict=True)]
    assert np.mean(measured) < 0.01
    assert np.mean(below) == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / len(below)))


def test_a_flat_spectrum_has_the_interval_of_the_gamma_distribution():
    """Of 1,792 ordinates, each the average of 10: the total over the truth is exactly Gamma(17920)."""
    n = np.full(len(FREQUENCY), 10.0)
    power = np.random.default_rng(7).gamma(10, 0.1, len(FREQUENCY))
    found = band(2.0, 9.0, EDGES, power, 0.0, n)
    assert found.shape == pytest.approx(17920, rel=0.01)
    exact = found.total / stats.gamma(17920, scale=1 / 17920).ppf([1 - ONE_SIGMA, ONE_SIGMA])
    np.testing.assert_allclose(found.quantile([ONE_SIGMA, 1 - ONE_SIGMA]), exact, rtol=1e-4)


def test_variances_equal_stingray(stingray):
    from stingray.fourier import integrate_power_in_frequency_range

    power = np.random.default_rng(8).gamma(5, 0.2, len(FREQUENCY)) / FREQUENCY
    for lo, hi in (*BANDS, (0.1013, 0.7777)):
        theirs, _ = integrate_power_in_frequency_range(
            FREQUENCY, power, [lo, hi], m=5, poisson_power=0.01
        )
        found = band(lo, hi, EDGES, power, 0.01, np.full(len(FREQUENCY), 5.0))
        assert found.variance == pytest.approx(theirs, rel=1e-9)


def test_nothing_is_said_of_fewer_than_three_ordinates():
    power = np.full(len(FREQUENCY), 1e-9)
    power[3] = 1.0  # all of the variance in one ordinate of one segment
    assert band(*BANDS[0], EDGES, power, 0.0, np.ones(len(FREQUENCY))) is None
    assert band(0.1, 0.105, EDGES, np.ones(len(FREQUENCY)), 0.0, np.ones(len(FREQUENCY))) is None
    many = band(*BANDS[0], EDGES, power, 0.0, np.full(len(FREQUENCY), 20.0))
    assert LEAST < many.shape < 21
