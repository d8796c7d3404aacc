"""Power that leaks from low frequencies is measured, and then a window is used."""

import numpy as np
import pytest
from scipy import fft

from pipeline.config.fit import FitOptions
from pipeline.config.segment import SegmentOptions
from pipeline.fit.driver import fit_rows
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.segment.spectrum import leakage, stationarity
from pipeline.simulate.timmer_koenig import series
from pipeline.status import Flag


def _assess(rates):
    """Compare series as one stage does, shape (segments, n_bin)."""
    transform = fft.rfft(rates - rates.mean(axis=1, keepdims=True), axis=1)
    plain = (abs(transform) ** 2)[:, 2:-1].mean(axis=0)
    windowed = stationarity.windowed(transform).mean(axis=0) / stationarity.MEAN_SQUARE
    return leakage.assess([(leakage.compare(plain, windowed, 0.0, len(rates)), 1.0)])


def _red(slope, n, rng, amplitude=1e-3):
    return series(lambda f: amplitude * f**-slope, n, 1.0, rng)


@pytest.mark.parametrize("m", [1, 16])
def test_white_noise_does_not_leak(m):
    """p at most 0.01 in at most 3 % of 1,000, p at most 0.1 in 10 % within 4 errors, no alarm but for chance."""
    rng = np.random.default_rng(31)
    found = [_assess(rng.standard_normal((m, 512))) for _ in range(1000)]
    p_values = np.array([f.p_value for f in found])
    assert np.mean(p_values < 0.01) < 0.03
    assert abs(np.mean(p_values < 0.1) - 0.1) < 4 * np.sqrt(0.09 / 1000)
    assert np.mean([f.leaks for f in found]) < 0.01


def test_steep_noise_leaks_and_flat_noise_does_not():
    rng = np.random.default_rng(32)
    share = {
        slope: np.mean(
            [_assess(np.array([_red(slope, 512, rng) for _ in range(8)])).leaks for _ in range(25)]
        )
        for slope in (0.5, 1.0, 2.0, 3.0)
    }
    assert share[0.5] <= 0.04
    assert share[1.0] <= 0.08
    assert share[2.0] == 1.0
    assert share[3.0] == 1.0


def test_steep_power_whose_ends_meet_counts_too():
    """A Hann-shaped flare ends as it begins; its power is far steeper than f^-2."""
    time = np.arange(512)
    rng = np.random.default_rng(33)
    flare = np.exp(-0.5 * ((time - 250) / 15.0) ** 2)
    assert _assess(flare[None] + 1e-3 * rng.standard_normal((1, 512))).steep


def test_a_peak_at_low_frequencies_is_not_steep_power():
    rng = np.random.default_rng(34)
    found = []
    for _ in range(50):
        phase = rng.uniform(0, 2 * np.pi, (8, 1))
        wave = np.sin(2 * np.pi * 5 * np.arange(512) / 512 + phase)
        found.append(_assess(wave + rng.standard_normal((8, 512))))
    assert not any(f.steep for f in found)


def test_noise_that_changes_along_a_segment_does_not_leak(lightcurve):
    """Poisson counts of a rate that is high at one end, where a window looks away: the noise, not leakage."""
    rng = np.random.default_rng(35)
    rate = 20 + 30 * (np.arange(256) < 64)
    flags = []
    for _ in range(40):
        counts = rng.poisson(np.tile(rate, 16)).astype(float)
        transform = fft.rfft(counts.reshape(16, 256) - rate, axis=1)  # the shape is taken away
        plain = (abs(transform) ** 2)[:, 2:-1].mean(axis=0)
        windowed = stationarity.windowed(transform).mean(axis=0) / stationarity.MEAN_SQUARE
        shaped = stationarity.counting_noise(rate[None].astype(float), 1.0)[0]
        noise = rate.sum() - shaped / stationarity.MEAN_SQUARE
        compared = leakage.compare(plain, windowed, noise, 16)
        flags.append(leakage.assess([(compared, 1.0)]).leaks)
        without = leakage.compare(plain, windowed, 0.0, 16)
        assert leakage.assess([(without, 1.0)]).leaks
    assert not any(flags)


def _fitted(rows):
    options = FitOptions(models={"power_law": ["power_law"]}, profile="none")
    _, parameters, _, _ = fit_rows(rows, options)
    slopes = [p for p in parameters if p["parameter"] == "slope"]
    return np.array([[p["value"], (p["err_lo"] + p["err_hi"]) / 2] for p in slopes]).T


def test_slopes_steeper_than_two_are_recovered_with_their_errors(lightcurve):
    """250 light curves of slope 3: 68 % within 3 errors under `auto`; without a window all are near 2."""
    rng = np.random.default_rng(36)
    curves = [lightcurve(10 + _red(3.0, 512, rng, 1e-8), counting=False) for _ in range(250)]
    options = {"segment_size": "whole", "rebin": 0.0}
    for window, covered in (("auto", True), ("none", False)):
        asked = SegmentOptions(**options, taper=window, detrend="auto" if covered else "constant")
        rows = [product_rows(Observations.held([c]), asked)[0] for c in curves]
        slope, error = _fitted(rows)
        share = np.mean(abs(slope - 3) < error)
        flagged = np.mean([bool(row["flags"] & Flag.LEAKAGE) for row in rows])
        if covered:
            assert abs(share - 0.683) < 3 * np.sqrt(0.683 * 0.317 / 250)
            assert abs(slope.mean() - 3) < 0.03
            assert np.mean([row["taper"] == "hann" for row in rows]) > 0.97
            assert flagged < 0.03
        else:
            assert share < 0.02
            assert abs(slope.mean() - 2) < 0.2
            assert flagged > 0.97


def test_auto_leaves_spectra_that_do_not_leak_as_they_are(lightcurve):
    rng = np.random.default_rng(37)
    curve = lightcurve(10 + _red(1.0, 2048, rng, 1e-6), counting=False)
    auto, plain = (
        product_rows(Observations.held([curve]), SegmentOptions(taper=t, detrend=d))[0]
        for t, d in (("auto", "auto"), ("none", "constant"))
    )
    assert (auto["taper"], auto["detrend"]) == ("none", "constant")
    np.testing.assert_array_equal(auto["power"], plain["power"])
    assert auto["leakage_p"] == plain["leakage_p"] > leakage.ALPHA


def test_a_window_leaves_the_rms_of_what_it_shows(lightcurve):
    """Of a sinusoid: amplitude 0.3 is an rms of 0.3 / sqrt(2), within 4 errors, and the excess variance stays."""
    rng = np.random.default_rng(38)
    counts = rng.poisson(200 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(8192) / 16.3)))
    curve = lightcurve(counts.astype(float))
    plain, hann = (
        product_rows(Observations.held([curve]), SegmentOptions(taper=t))[0]
        for t in ("none", "hann")
    )
    assert hann["excess_variance"] == plain["excess_variance"]
    assert hann["stationarity_p"] == plain["stationarity_p"]
    assert hann["noise"] == pytest.approx(plain["noise"], rel=1e-3)
    assert abs(hann["rms"] - 0.3 / np.sqrt(2)) < 4 * hann["rms_err_hi"]
    white = rng.poisson(200, 8192).astype(float)
    row = product_rows(
        Observations.held([lightcurve(white)]), SegmentOptions(taper="hann", rebin=0.0)
    )[0]
    level = np.average(row["power"], weights=row["n"])
    assert abs(level / row["noise"] - 1) < 4 / np.sqrt(row["n"].sum())


def test_a_window_of_too_few_bins_is_not_used_under_auto(lightcurve):
    rng = np.random.default_rng(39)
    curve = lightcurve(10 + np.cumsum(rng.standard_normal(400)) * 0.1, counting=False)
    row = product_rows(Observations.held([curve]), SegmentOptions(segment_size=40.0))[0]
    assert row["taper"] == "none"


def test_a_straight_line_has_no_power_left(lightcurve):
    curve = lightcurve(10 + 0.01 * np.arange(1024), counting=False)
    row = product_rows(Observations.held([curve]), SegmentOptions(detrend="linear"))[0]
    assert row["status"] == "no_data"
    assert "segment.detrend" in row["reason"]
