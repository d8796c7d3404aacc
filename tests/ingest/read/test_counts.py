"""Rates are called counts only where their errors say so; else the errors make the noise."""

import numpy as np
import pytest

from pipeline.ingest.read import counts

EMPTY = np.empty(0)
N = 8192


def _gehrels(n):
    return 1 + np.sqrt(n + 0.75)


def _garwood(n):
    """Half the 68.3 % interval, as Stingray's `poisson_symmetrical_errors`, by Astropy."""
    from astropy.stats import poisson_conf_interval

    low, high = poisson_conf_interval(n, interval="frequentist-confidence", sigma=1)
    return (high - low) / 2


def _single(x):
    return x.astype("f4").astype(float)


@pytest.mark.parametrize("mean", [0.3, 12.0, 3000.0])
@pytest.mark.parametrize("dt", [1.0, 0.064, 48.384])
@pytest.mark.parametrize(
    "form",
    [np.sqrt, _gehrels, _garwood, lambda n: np.sqrt(n + 1), lambda n: np.sqrt(np.maximum(n, 1))],
)
@pytest.mark.parametrize("written", [lambda x: x, _single, lambda x: np.round(x, 5)])
def test_counts_whatever_estimate_of_their_error_is_written(mean, dt, form, written):
    n = np.random.default_rng(1).poisson(mean, N)
    found = counts.of_curve(written(n / dt), written(form(n) / dt), dt, EMPTY)
    assert found.counting
    assert found.gross
    assert np.mean(found.rate_err**2) * dt == pytest.approx(np.mean(n / dt), rel=1e-3)


def test_errors_rounded_to_two_digits():
    n = np.random.default_rng(2).poisson(20.0, N)
    found = counts.of_curve(np.round(n / 10, 2), np.round(np.sqrt(n) / 10, 2), 10.0, EMPTY)
    assert found.counting
    assert np.mean(found.rate_err**2) * 10 == pytest.approx(np.mean(n / 10), rel=1e-3)


@pytest.mark.parametrize("mean", [0.5, 12.0, 400.0])
def test_a_net_rate_is_no_counts_though_nothing_says_that_it_is_net(mean):
    """Right errors, and those that somebody took from the net rate, which equal those of counts."""
    rng = np.random.default_rng(3)
    total, background = rng.poisson(1.2 * mean, N), rng.poisson(mean, N) / 5
    net = total - background
    for error in (np.sqrt(total + background / 5), np.sqrt(np.abs(net))):
        found = counts.of_curve(net, error, 1.0, EMPTY)
        assert not found.counting
        assert not found.gross
        assert found.rate_err is error


@pytest.mark.parametrize("factor", [0.7, 1.02, 1.5, "uneven"])
def test_corrected_counts_are_gross_but_no_counts(factor):
    rng = np.random.default_rng(4)
    n = rng.poisson(10.0, N)
    factor = rng.uniform(1, 1.4, N) if factor == "uneven" else factor
    found = counts.of_curve(factor * n, factor * np.sqrt(n), 1.0, EMPTY)
    assert (found.counting, found.gross) == (False, True)


def test_counts_of_bins_exposed_unevenly_have_the_noise_of_their_errors():
    """HEASoft's lcurve and eROSITA: counts over the exposed part of the bin."""
    rng = np.random.default_rng(5)
    part = rng.uniform(0.5, 1.0, N)
    n = rng.poisson(20 * part)
    for form in (np.sqrt, _gehrels):
        found = counts.of_curve(n / part, form(n) / part, 1.0, part.astype("f4"))
        assert (found.counting, found.gross) == (False, True)
        assert np.mean(found.rate_err**2) == pytest.approx(np.mean(n / part**2), rel=1e-4)


def test_without_errors_or_with_other_ones_rates_are_no_counts():
    n = np.random.default_rng(6).poisson(30.0, 1000).astype(float)
    assert not counts.of_curve(n, EMPTY, 1.0, EMPTY).counting
    assert not counts.of_curve(n, 3 * np.sqrt(n), 1.0, EMPTY).counting
    assert not counts.of_curve(n, np.zeros(1000), 1.0, EMPTY).counting


def test_whole_numbers_are_counts():
    assert counts.are_counts(np.array([0.0, 3.0, np.nan, 2.0]))
    for other in ([0.0, 0.0], [1.0, -1.0], [1.0, 2.5], [np.nan], []):
        assert not counts.are_counts(np.array(other))


@pytest.mark.parametrize("yes", [True, 1, 1.0, "T", " true", "Yes", "1", "1.0"])
def test_keywords_that_say_yes(yes):
    assert counts.is_net({"BACKAPP": yes})


@pytest.mark.parametrize("no", [False, 0, 0.0, "F", "no", "", "none", 2, None])
def test_keywords_that_do_not(no):
    assert not counts.is_net({"BACKAPP": no, "HDUCLAS2": "TOTAL"})


def test_hduclas2_says_that_a_curve_is_net():
    assert counts.is_net({"HDUCLAS2": "net "})


def test_corrected_counts_with_another_estimate_of_their_error():
    """The ratio of a rate to its error tells the counts, whatever both were multiplied by."""
    rng = np.random.default_rng(7)
    for mean in (2.0, 40.0, 900.0):
        factor = rng.uniform(1, 1.5, N)
        n = rng.poisson(mean, N)
        for form in (_gehrels, _garwood):
            found = counts.of_curve(_single(factor * n), _single(factor * form(n)), 1.0, EMPTY)
            assert (found.counting, found.gross) == (False, True)
            expected = np.mean(factor**2 * n)
            assert np.mean(found.rate_err**2) == pytest.approx(expected, rel=0.02)


def test_ratios_that_are_of_no_counts_are_none():
    rng = np.random.default_rng(8)
    rate = rng.uniform(10, 20, N)
    found = counts.of_curve(rate, rng.uniform(1, 2, N), 1.0, EMPTY)
    assert not found.gross
    constant = counts.of_curve(rate, np.full(N, 1.0), 1.0, EMPTY)
    assert not constant.gross


def test_errors_of_whole_counts_that_have_none():
    n = np.random.default_rng(9).poisson(5.0, N)
    part = np.linspace(0.5, 1, N)
    assert counts.errors_of(n / 10, 10.0, EMPTY) == pytest.approx(np.sqrt(n) / 10)
    assert counts.errors_of(n / 10 / part, 10.0, part) == pytest.approx(np.sqrt(n) / 10 / part)
    assert not len(counts.errors_of(n / 10 / part, 10.0, EMPTY))
