"""A mean lost in its error has no fraction; power below the noise level is told from chance."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pipeline.config.segment import SegmentOptions
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.segment.spectrum import average, periodogram
from pipeline.status import Flag, Status

OPTIONS = SegmentOptions(max_bins=1024, rebin=0.0)


def _row(*observations, **options):
    options = OPTIONS.model_copy(update=options)
    (row,) = product_rows(Observations.held(observations), options)
    return row


def _white(lightcurve, mean, seed=1, n=4096, error=1.0, scatter=1.0, **columns):
    rate = np.random.default_rng(seed).normal(0, scatter, n)
    rate += mean - rate.mean()
    return lightcurve(rate, counting=False, rate_err=np.full(n, error), **columns)


@pytest.mark.parametrize("errors", [-3.0, 0.5, 2.0, 4.9, 5.1, 50.0])
@pytest.mark.parametrize("norm", ["frac", "leahy"])
def test_a_mean_within_five_of_its_errors_has_no_fraction(lightcurve, errors, norm):
    row = _row(_white(lightcurve, errors / np.sqrt(4096)), norm=norm)
    assert row["status"] == Status.OK
    weak = errors < 5
    assert row["norm"] == ("abs" if weak else "frac")
    assert bool(row["flags"] & Flag.INSIGNIFICANT_MEAN) == weak
    if weak:
        assert np.isnan([row["rms"], row["rms_err_hi"], row["excess_variance"]]).all()
        assert row["noise"] == pytest.approx(2.0)


def test_without_errors_the_scatter_says_what_a_mean_is_worth(lightcurve):
    rate = np.random.default_rng(2).normal(0.01, 1, 4096)
    row = _row(lightcurve(rate, counting=False))
    assert row["flags"] & Flag.INSIGNIFICANT_MEAN


def test_a_few_counts_are_positive_for_certain(events):
    row = _row(events(rate=0.3, gti=((0.0, 64.0),)), dt=1.0)
    assert row["counts"] < 25
    assert row["norm"] == "frac"
    assert not row["flags"] & Flag.INSIGNIFICANT_MEAN


def test_an_observation_lost_in_noise_is_left_out_of_a_fraction(lightcurve):
    """It would be all of the average: its power over the square of next to nothing."""
    good = _white(lightcurve, 10.0)
    weak = _white(lightcurve, 1e-4, seed=2, observation_id="2", file="weak.lc")
    row, alone = (_row(*o, segment_size=512.0) for o in ((good, weak), (good,)))
    assert (row["norm"], row["n_observations"]) == ("frac", 1)
    assert row["power"] == pytest.approx(alone["power"])
    assert row["flags"] & Flag.PARTIAL
    assert "weak.lc: its mean net rate is less than 5 of its errors" in row["reason"]


def test_a_background_of_corrected_rates_is_taken_off_the_mean(lightcurve):
    """Gross rates that are no counts any more, as they are multiplied by 1.5."""
    rate = 1.5 * np.random.default_rng(3).poisson(20, 4096)
    row = _row(
        lightcurve(rate, counting=False, rate_err=np.sqrt(1.5 * rate), background_rate=15.0),
    )
    assert row["flags"] & Flag.BACKGROUND
    assert row["noise"] == pytest.approx(2 * 1.5 * 30 / 15**2, rel=0.02)


@pytest.mark.parametrize(("error", "flagged"), [(1.0, False), (1.3, True), (0.7, False)])
def test_errors_that_are_too_large_are_flagged(lightcurve, error, flagged):
    row = _row(_white(lightcurve, 100.0, error=error))
    assert bool(row["flags"] & Flag.NOISE_TOO_HIGH) == flagged


def test_interpolated_gaps_are_not_taken_for_errors_that_are_too_large(lightcurve):
    rate = np.random.default_rng(4).normal(100, 1, 8192)
    columns = {"counting": False, "rate_err": np.full(8192, 1.0)}
    row = _row(lightcurve(rate, missing=np.arange(5, 8192, 14), **columns))
    assert row["flags"] & Flag.GAPS_FILLED
    assert not row["flags"] & Flag.NOISE_TOO_HIGH


def test_errors_twice_too_large_are_seen_beside_filled_gaps(lightcurve):
    rate = np.random.default_rng(4).normal(100, 1, 8192)
    columns = {"counting": False, "rate_err": np.full(8192, 1.4)}
    row = _row(lightcurve(rate, missing=np.arange(5, 8192, 14), **columns))
    assert row["flags"] & Flag.GAPS_FILLED
    assert row["flags"] & Flag.NOISE_TOO_HIGH


def test_a_burst_of_few_counts_is_not_judged(lightcurve):
    """All counts in one of many segments: their power scatters like that of one segment."""
    for seed in range(20):
        counts = np.zeros(4096)
        counts[700:760] = np.random.default_rng(seed).poisson(1.0, 60)
        row = _row(lightcurve(counts), segment_size=128.0)
        assert not row["flags"] & Flag.NOISE_TOO_HIGH


def test_chance_of_power_below_the_noise_level_is_uniform():
    """Of white noise of two observations; the level is known, as from errors."""
    rng, found = np.random.default_rng(5), []
    for _ in range(400):
        each = []
        for m, scatter in ((3, 1.0), (5, 7.0)):
            rate = rng.normal(0, scatter, (m, 64))
            missing = np.zeros(rate.shape, bool)
            one = periodogram.average([periodogram.Block(rate, missing)], 64, 0.5)
            each.append(replace(one, noise=2 * 0.5 * scatter**2))
        level = average.below_noise(each)
        assert 0.5 < level.ratio < 1.5
        found.append(level.p_value)
    assert stats.kstest(found, "uniform").pvalue > 0.01


@pytest.mark.parametrize("kind", ["counts", "net", "corrected", "uneven"])
def test_the_excess_of_a_steady_source_scatters_as_its_error(lightcurve, kind):
    """Noise by the rule that ingest has: variance less noise, in errors, has mean 0 and width 1."""
    rng, found = np.random.default_rng(6), []
    for _ in range(150):
        n = rng.poisson(12.0, 1024)
        columns = {"counting": False}
        if kind == "counts":
            rate, columns = n, {"counting": True}
        elif kind == "net":
            background = rng.poisson(10.0, 1024) / 5
            rate, columns["rate_err"] = n - background, np.sqrt(n + background / 5)
        elif kind == "corrected":
            rate, columns["rate_err"] = 1.5 * n, 1.5 * np.sqrt(n)
        else:
            part = rng.uniform(0.5, 1.0, 1024)
            n = rng.poisson(12 * part)
            rate, columns["rate_err"] = n / part, np.sqrt(n) / part
        row = _row(lightcurve(rate.astype(float), **columns))
        found.append(row["excess_variance"] / row["excess_variance_err"])
    assert abs(np.mean(found)) < 4 / np.sqrt(len(found))
    assert np.std(found) == pytest.approx(1, abs=0.25)
