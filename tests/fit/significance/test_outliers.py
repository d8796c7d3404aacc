"""Tail probabilities of bins and windows are those of the distributions, and the highest is found."""

import numpy as np
import pytest
from scipy import special, stats

from pipeline.fit.significance import outliers


def test_of_single_ordinates_t_r_and_t_sse_are_vaughans():
    rng = np.random.default_rng(1)
    power, model = rng.exponential(size=(300, 4)), np.geomspace(5, 0.5, 300)[:, None]
    n, x = np.ones((300, 1)), power / model
    np.testing.assert_allclose(
        outliers.t_r("gamma", n, x, [1])[0], (2 * power / model).max(axis=0), rtol=1e-12
    )
    np.testing.assert_allclose(
        outliers.t_sse(n, x), (((power - model) / model) ** 2).sum(axis=0), rtol=1e-12
    )


def test_of_single_ordinates_and_a_known_model_t_r_has_vaughans_distribution():
    """1 - (1 - exp(-T / 2))^N of 5,000 spectra is uniform; that is what the trials are counted as."""
    x = np.random.default_rng(2).exponential(size=(80, 5000))
    t_r = outliers.t_r("gamma", np.ones((80, 1)), x, [1])[0]
    p = 1 - (1 - np.exp(-t_r / 2)) ** 80
    np.testing.assert_allclose(outliers.p_of_trials(-t_r / 2, 80), p, rtol=1e-10)
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("n", [0.5, 1.0, 7.3, 400.0])
def test_of_averaged_ordinates_the_tail_is_that_of_a_gamma_distribution(n):
    x = stats.gamma(n).isf(np.geomspace(0.9, 1e-200, 40))
    expected = stats.gamma(n).logsf(x)
    np.testing.assert_allclose(outliers.log_tail("gamma", n, x), expected, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 3, 60])
def test_a_tail_too_small_for_a_number_is_still_right(n):
    """Of whole n it is a sum: exp(-x) (1 + x + x^2 / 2 + ...)."""
    x = n + np.array([600.0, 900.0, 5000.0, 1e6])
    k = np.arange(n)[:, None]
    expected = special.logsumexp(k * np.log(x) - special.gammaln(k + 1), axis=0) - x
    np.testing.assert_allclose(outliers.log_tail("gamma", n, x), expected, rtol=1e-12)


@pytest.mark.parametrize("likelihood", ["gamma", "gaussian"])
def test_bins_and_windows_of_any_n_are_on_one_scale(likelihood):
    """The tail probability of each window of a spectrum with different n is uniform."""
    rng = np.random.default_rng(3)
    n = np.geomspace(0.5, 900, 30)[:, None]
    x = (
        rng.gamma(n, size=(30, 4000))
        if likelihood == "gamma"
        else rng.normal(n, n**0.5, (30, 4000))
    )
    for scale in (1, 2, 5):
        for first in (0, 13, 30 - scale):
            window = slice(first, first + scale)
            tail = outliers.log_tail(likelihood, n[window].sum(), x[window].sum(axis=0))
            assert stats.kstest(np.exp(tail), "uniform").pvalue > 0.001
    expected = outliers.t_sse(n, x).mean()
    assert abs(expected - 30) < 1.0  # each bin adds 1


@pytest.mark.parametrize("likelihood", ["gamma", "gaussian"])
def test_the_highest_window_is_that_of_all_windows(likelihood):
    rng = np.random.default_rng(4)
    n = rng.choice([1.0, 2.0, 50.0], (40, 1))
    x = rng.gamma(n, size=(40, 6))
    scales = [1, 3, 8, 64]
    got = outliers.t_r(likelihood, n, x, scales)
    for k in range(6):
        tails = {
            (first, scale): outliers.log_tail(
                likelihood, n[first : first + scale].sum(), x[first : first + scale, k].sum()
            )
            for scale in scales
            for first in range(41 - scale)
        }
        for s, scale in enumerate(scales):
            best = [-2 * t for (_, of), t in tails.items() if of == scale]
            np.testing.assert_allclose(got[s, k], max(best, default=0.0), rtol=1e-10)
        found = outliers.highest_window(likelihood, n[:, 0], x[:, k], scales)
        assert (found.first, found.bins) == min(tails, key=tails.get)
        assert found.trials == len(tails)


def test_counts_of_a_light_curve_are_refused():
    with pytest.raises(ValueError, match="counts"):
        outliers.ordinates("poisson", np.ones((3, 1)), np.ones((3, 1)))
