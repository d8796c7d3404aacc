"""Averaged periodograms equal Stingray's, and their noise is what the formulas say."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import stats

from pipeline.segment.intervals import frames
from pipeline.segment.intervals.series import Events, LightCurve
from pipeline.segment.spectrum import average, periodogram
from pipeline.segment.spectrum.periodogram import Block

NICER = Path(__file__).parents[4] / "shared" / "data" / "archive" / "nicer"
NORMS = ("leahy", "frac", "abs")


def _stingray_events(stingray, time, gti, dt, segment_size, norm):
    return stingray.AveragedPowerspectrum.from_time_array(
        time, dt=dt, segment_size=segment_size, gti=gti, norm=norm, silent=True
    )


def _agree(ours, norm, theirs, frequency):
    """All frequencies but the Nyquist one, which Stingray leaves out."""
    power = average.combine([ours], norm).power
    np.testing.assert_allclose(frequency[: len(theirs.freq)], theirs.freq, rtol=1e-12)
    np.testing.assert_allclose(power[: len(theirs.freq)], theirs.power, rtol=1e-8)
    assert len(theirs.freq) >= len(power) - 1
    assert ours.m == theirs.m


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("dt", "n_bin"), [(1 / 64, 1024), (0.01, 1001)])
def test_events_equal_stingray(stingray, norm, dt, n_bin):
    rng = np.random.default_rng(3)
    gti = np.array([[0.0, 50.0], [61.3, 100.0], [104.0, 108.0]])
    time = np.sort(rng.uniform(0, 110, 20000))
    ours = Events.cut(time, *gti.T, dt).average(n_bin)
    frequency = periodogram.frequencies(n_bin, dt).frequency
    _agree(ours, norm, _stingray_events(stingray, time, gti, dt, n_bin * dt, norm), frequency)


@pytest.mark.parametrize("norm", NORMS)
def test_nicer_events_equal_stingray(stingray, norm):
    files = sorted(NICER.glob("*")) if NICER.is_dir() else []
    if not files:
        pytest.skip("the shared data are not beside the repository")
    with fits.open(files[0]) as hdus:
        time = np.asarray(hdus["EVENTS"].data["TIME"], float)
        gti = np.column_stack([hdus["GTI"].data[c] for c in ("START", "STOP")]).astype(float)
    time, gti = time - gti[0, 0], gti - gti[0, 0]
    dt, n_bin = 1 / 64, 2048
    ours = Events.cut(time, *gti.T, dt).average(n_bin)
    frequency = periodogram.frequencies(n_bin, dt).frequency
    _agree(ours, norm, _stingray_events(stingray, time, gti, dt, n_bin * dt, norm), frequency)


@pytest.mark.parametrize("norm", NORMS)
def test_light_curves_equal_stingray(stingray, lightcurve, norm):
    rng = np.random.default_rng(4)
    dt, n_bin = 0.5, 128
    time = (np.arange(2000) + 0.5) * dt
    counts = rng.poisson(40, len(time)).astype(float)
    gti = np.array([[0.0, 300.0], [310.0, 420.5], [500.0, 999.0]])
    curve = stingray.Lightcurve(
        time, counts, dt=dt, gti=gti, err_dist="poisson", skip_checks=True, err=np.sqrt(counts)
    )
    theirs = stingray.AveragedPowerspectrum.from_lightcurve(
        curve, segment_size=n_bin * dt, norm=norm, silent=True
    )
    start, stop = gti.T
    one = lightcurve(counts / dt, dt, time=time, gti_start=start, gti_stop=stop)
    ours = LightCurve.cut(one, dt, 2).average(n_bin)
    frequency = periodogram.frequencies(n_bin, dt).frequency
    _agree(ours, norm, theirs, frequency)


def test_power_integrates_to_the_variance():
    """Parseval, with half the width at the Nyquist frequency."""
    rate = np.random.default_rng(5).lognormal(3, 0.3, (6, 256))
    ours = periodogram.average([Block(rate)], 256, 0.1)
    kept = periodogram.frequencies(256, 0.1)
    df = kept.frequency[0]
    assert np.sum(ours.power * kept.weight) * df == pytest.approx(rate.var(axis=1).mean())
    frac = average.combine([ours], "frac").power
    rms = np.sqrt(rate.var(axis=1).mean()) / rate.mean()
    assert np.sqrt(np.sum(frac * kept.weight) * df) == pytest.approx(rms)


@pytest.mark.parametrize("norm", NORMS)
def test_poisson_noise_averages_to_the_noise_level(events, norm):
    """Within 4 standard errors of the mean over 4,096 x 78 ordinates."""
    row = events(seed=6, rate=80, gti=((0.0, 2500.0),))
    ours = Events.cut(row.time, row.gti_start, row.gti_stop, 1 / 256).average(8192)
    combined = average.combine([ours], norm)
    power, noise = combined.power, combined.noise
    error = power.mean() / np.sqrt(ours.m * len(power))
    assert abs(power.mean() - noise) < 4 * error
    expected = {"leahy": 2.0, "frac": 2 / ours.mean_rate, "abs": 2 * ours.mean_rate}
    assert noise == pytest.approx(expected[norm])


def test_powers_follow_the_gamma_distribution_with_half_an_ordinate_at_nyquist():
    """Kolmogorov-Smirnov over 2,000 averages of 3 segments; p above 1 % with this seed."""
    rng = np.random.default_rng(7)
    rate = rng.poisson(1000.0, (2000, 3, 16)).astype(float)
    power = np.array([periodogram.average([Block(r)], 16, 1.0).power for r in rate]) / 2000
    n = 3 * periodogram.frequencies(16, 1.0).weight
    assert n[-1] == 1.5
    for i in (2, -1):
        assert stats.kstest(power[:, i], stats.gamma(n[i], scale=1 / n[i]).cdf).pvalue > 0.01
    assert power[:, -1].var() == pytest.approx(1 / 1.5, rel=0.15)


def test_a_detector_switched_off_is_left_out_but_a_faint_source_is_not(events):
    off = events(rate=50, gti=((0.0, 64.0),), gti_stop=np.array([128.0]))
    series = Events.cut(off.time, off.gti_start, off.gti_stop, 1.0)
    assert series.average(64).m == 1
    faint = events(seed=2, rate=0.02, gti=((0.0, 64 * 400.0),))
    ours = Events.cut(faint.time, faint.gti_start, faint.gti_stop, 1.0).average(64)
    assert ours.m == 400
    assert ours.mean_rate == pytest.approx(0.02, rel=0.15)


def test_blocks_do_not_change_the_result(events, monkeypatch):
    row = events(rate=200, gti=((0.0, 90.0), (93.0, 200.0)))
    series = Events.cut(row.time, row.gti_start, row.gti_stop, 1 / 32)
    whole = series.average(256)
    monkeypatch.setattr(periodogram, "BLOCK", 3 * 256)
    blocked = series.average(256)
    np.testing.assert_allclose(blocked.power, whole.power, rtol=1e-12)
    assert (blocked.m, blocked.n_variance) == (whole.m, whole.n_variance)
    assert blocked.variance == pytest.approx(whole.variance)


def test_bins_of_events_are_never_finer_than_the_detector():
    assert frames.bin_width(1 / 256, 0.0, 0.0) == 1 / 256
    assert frames.bin_width(1 / 256, 1e-7, 0.0) == 1 / 256
    assert frames.bin_width(1 / 256, 3.2, 0.0) == 3.2
    assert frames.bin_width(0.1, 0.0734, 0.0) == pytest.approx(0.1468)


@pytest.mark.parametrize("resolution", [1e300, 1e8])
def test_a_resolution_that_no_detector_has_is_still_a_width(resolution):
    assert frames.bin_width(1 / 256, resolution, 0.0) == resolution
    assert frames.bin_width(1 / 256, np.inf, 0.0) == 1 / 256
