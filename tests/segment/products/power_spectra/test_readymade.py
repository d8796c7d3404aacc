"""Ready-made power spectra: the number of ordinates from the errors."""

import numpy as np
import pytest

from pipeline.segment.products.power_spectra.readymade import combine, from_errors, from_ordinates

LO, HI = np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 8.0])


def test_errors_of_averages_give_back_the_number_of_ordinates():
    power, n = np.array([5.0, 3.0, 2.0]), np.array([10.0, 40.0, 160.0])
    spectrum = from_errors(LO, HI, power, power / np.sqrt(n), noise_known=True)
    np.testing.assert_allclose(spectrum.n, n)
    assert len(spectrum.power_err) == 0
    assert spectrum.frequency.tolist() == [1.5, 3.0, 6.0]


def test_without_the_noise_level_the_errors_stay_gaussian():
    error = np.array([1.0, 1.0, 2.0])
    one = from_errors(LO, HI, np.array([3.0, -1.0, 1.0]), error, noise_known=False)
    two = combine([one, one])
    assert len(two.n) == 0
    np.testing.assert_allclose(two.power_err, error / np.sqrt(2))
    np.testing.assert_allclose(two.power, one.power)


def test_averages_are_weighted_by_ordinates():
    one = from_errors(LO, HI, np.full(3, 2.0), np.full(3, 1.0), noise_known=True)
    two = from_errors(LO, HI, np.full(3, 4.0), np.full(3, 1.0), noise_known=True)
    both = combine([one, two])
    np.testing.assert_allclose(both.n, 4 + 16)
    np.testing.assert_allclose(both.power, (4 * 2 + 16 * 4) / 20)


@pytest.mark.parametrize("power", [np.nan, -1.0, 0.0])
def test_a_bin_without_power_is_dropped_from_the_average(power):
    bad = from_errors(LO, HI, np.array([2.0, power, 2.0]), np.ones(3), noise_known=True)
    assert combine([bad]).frequency.tolist() == [1.5, 6.0]
    good = from_errors(LO, HI, np.full(3, 2.0), np.ones(3), noise_known=True)
    assert combine([bad, good]).n.tolist() == [8.0, 4.0, 8.0]


def test_an_error_of_nothing_is_no_error():
    edges = np.arange(3.0)
    spectrum = from_errors(edges[:-1], edges[1:], np.full(2, 2.0), np.array([5e-324, 0.5]), True)
    assert spectrum.n.tolist() == [0.0, 16.0]


def test_an_average_of_known_ordinates_is_weighted_by_them():
    one = from_ordinates(LO, HI, np.full(3, 2.0), np.full(3, 10.0))
    two = from_ordinates(LO, HI, np.full(3, 4.0), np.full(3, 30.0))
    both = combine([one, two])
    np.testing.assert_allclose(both.n, 40)
    np.testing.assert_allclose(both.power, (10 * 2 + 30 * 4) / 40)


def many(n, errors, noise_known, seed):
    """Thirty spectra of power 3 in 200 bins, whose exposures, and ordinates in a bin, differ by three."""
    rng, edges = np.random.default_rng(seed), np.arange(201.0) + 1
    ordinates = n * np.tile([1, 2, 3], 10)
    power = rng.gamma(ordinates[:, None], 3 / ordinates[:, None], (30, 200))
    follow = power if errors == "data" else np.full_like(power, 3.0)
    error = follow / np.sqrt(ordinates)[:, None]
    spectra = [
        from_errors(edges[:-1], edges[1:], p, e, noise_known)
        for p, e in zip(power, error, strict=True)
    ]
    return spectra, ordinates


@pytest.mark.parametrize("known", [False, True], ids=["errors", "ordinates"])
@pytest.mark.parametrize("errors", ["data", "model"])
@pytest.mark.parametrize("with_exposures", [False, True])
@pytest.mark.parametrize("n", [2, 10, 100])
def test_an_average_is_not_biased_by_errors_that_follow_the_power(n, with_exposures, errors, known):
    spectra, ordinates = many(n, errors, known, seed=n)
    mean = combine(spectra, 16.0 * ordinates if with_exposures else None)
    scatter = 3 / np.sqrt(ordinates.sum())
    # without exposures the weights of the spectra are known to some per cent: that costs no bias
    assert abs(mean.power.mean() - 3) < 4 * scatter / np.sqrt(200)
    assert mean.power.std() == pytest.approx(scatter, rel=0.25)
    given = mean.power / np.sqrt(mean.n) if known else mean.power_err
    # powers that scatter by 1 / sqrt(n) make the mean of their squares larger by 1 / n
    assert np.mean(given**2) / scatter**2 == pytest.approx(1, abs=0.1 + 1.2 / n)


@pytest.mark.parametrize("missing", [np.nan, 0.0])
def test_one_missing_exposure_leaves_the_weights_to_the_errors(missing):
    spectra, _ = many(10, "data", False, seed=1)
    got = combine(spectra, [missing, *[1.0] * 29])
    np.testing.assert_array_equal(got.power, combine(spectra).power)
