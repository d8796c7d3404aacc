"""A product's row: what is averaged, how it is normalised, and why there may be nothing."""

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.status import Flag, Status

OPTIONS = SegmentOptions(dt=1 / 16, max_bins=1024)
EDGES = np.geomspace(0.01, 10, 31)


def _rows(observations, **options):
    options = OPTIONS.model_copy(update=options)
    return product_rows(Observations.held(observations), options)


def _row(*observations, **options):
    (row,) = _rows(observations, **options)
    return row


@pytest.fixture
def spectrum(observation):
    def make(power=4.0, n=25.0, edges=EDGES, noise=2.0, **columns):
        power = np.full(len(edges) - 1, power)
        columns = {"norm": "leahy", "power_err": power / np.sqrt(n)} | columns
        return observation(
            "spectrum",
            frequency_lo=edges[:-1],
            frequency_hi=edges[1:],
            power=power,
            noise=noise,
            **columns,
        )

    return make


def test_events_make_a_spectrum_with_its_numbers(events):
    row = _row(events(rate=50, gti=((0.0, 300.0), (400.0, 780.0)), t_start=86400.0))
    assert row["status"] == Status.OK
    assert (row["m"], row["segment_size"], row["dt"]) == (11, 60.0, 1 / 16)
    assert row["mean_rate"] == pytest.approx(50, rel=0.05)
    assert row["counts"] == pytest.approx(row["mean_rate"] * 660)
    assert row["noise"] == pytest.approx(2 / row["mean_rate"])
    assert (row["mjd_start"], row["mjd_stop"]) == pytest.approx((50001, 50001 + 780 / 86400))
    assert row["exposure"] == 680
    assert row["observation_ids"] == ["1"]
    assert row["n"].sum() == 11 * 479.5
    assert abs(row["excess_variance"]) < 4 * row["excess_variance_err"]
    assert row["flags"] in (0, Flag.NO_EXCESS)


def test_the_rms_of_a_sinusoid_is_found_in_each_normalisation(lightcurve):
    """Amplitude 0.3 gives an rms of 0.3 / sqrt(2); within 4 errors."""
    rng = np.random.default_rng(21)
    counts = rng.poisson(200 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(4096) / 16)))
    for norm in ("frac", "leahy", "abs"):
        row = _row(lightcurve(counts.astype(float)), norm=norm)
        assert row["norm"] == norm
        assert abs(row["rms"] - 0.3 / np.sqrt(2)) < 4 * row["rms_err_hi"]
        assert row["excess_variance"] == pytest.approx(0.3**2 / 2, rel=0.02)
        assert row["flags"] & Flag.RMS_UNKNOWN == 0


def test_background_scales_the_rms_and_is_flagged(lightcurve):
    """Half of the rate being background, the source's own rms is twice as large."""
    rng = np.random.default_rng(22)
    counts = rng.poisson(400 * (1 + 0.1 * np.sin(2 * np.pi * np.arange(4096) / 16))).astype(float)
    plain = _row(lightcurve(counts))
    row = _row(lightcurve(counts, background_rate=counts.mean() / 2))
    assert row["rms"] == pytest.approx(2 * plain["rms"])
    assert row["excess_variance"] == pytest.approx(4 * plain["excess_variance"])
    assert row["noise"] == pytest.approx(4 * plain["noise"])
    assert row["background_rate"] == pytest.approx(counts.mean() / 2)
    assert row["flags"] & Flag.BACKGROUND


def test_the_noise_of_fluxes_comes_from_their_errors(lightcurve):
    """White noise at the level of the errors: mean power is the noise level, within 4 errors."""
    rng = np.random.default_rng(23)
    flux = rng.normal(1e4, 30, 8192)
    curve = lightcurve(flux, dt=60.0, rate_err=np.full(8192, 30.0), counting=False)
    row = _row(curve, norm="leahy", rebin=0.0)
    assert row["norm"] == "frac"  # Leahy's needs counts
    assert row["noise"] == pytest.approx(2 * 60 * 30**2 / 1e4**2, rel=1e-3)
    error = row["noise"] / np.sqrt(row["n"].sum())
    assert abs(np.average(row["power"], weights=row["n"]) - row["noise"]) < 4 * error
    assert np.isnan(row["counts"])


def test_fluxes_without_errors_have_no_rms(lightcurve):
    flux = np.random.default_rng(24).normal(1e4, 30, 1024)
    row = _row(lightcurve(flux, counting=False))
    assert row["status"] == Status.OK
    assert np.isnan([row["noise"], row["rms"], row["excess_variance"]]).all()
    assert row["flags"] & Flag.RMS_UNKNOWN


def test_a_mean_that_is_not_positive_leaves_absolute_power(lightcurve):
    flux = np.random.default_rng(25).normal(-5, 1, 1024)
    row = _row(lightcurve(flux, counting=False, rate_err=np.ones(1024)))
    assert row["norm"] == "abs"
    assert row["noise"] == pytest.approx(2.0)
    assert row["flags"] & Flag.RMS_UNKNOWN


def test_short_gaps_are_filled_and_flagged(lightcurve):
    counts = np.random.default_rng(26).poisson(100, 1024).astype(float)
    row = _row(lightcurve(counts, missing=[100, 700, 701]))
    assert (row["m"], row["segment_size"]) == (8, 128)
    assert row["flags"] & Flag.GAPS_FILLED
    cut = _row(lightcurve(counts, missing=[100, 700, 701]), max_gap=0)
    assert not cut["flags"] & Flag.GAPS_FILLED
    assert (cut["m"], cut["segment_size"]) == (10, 98)


def test_observations_are_averaged_by_their_segments(events):
    one = events(seed=1, rate=40, gti=((0.0, 640.0),))
    two = events(seed=2, rate=80, gti=((0.0, 1280.0),), observation_id="2", t_start=86400.0)
    options = {"segment_size": 64.0, "rebin": 0.0}
    both, first, second = (_row(*o, **options) for o in ((one, two), (one,), (two,)))
    assert (both["m"], both["n_observations"]) == (30, 2)
    assert both["observation_ids"] == ["1", "2"]
    np.testing.assert_allclose(both["power"], (first["power"] + 2 * second["power"]) / 3)
    # one has twice the noise of the other: (10 x 2 + 20)^2 / (10 x 2^2 + 20) segments, not 30
    np.testing.assert_allclose(both["n"] / first["n"] * 10, 80 / 3, rtol=0.05)
    assert both["noise"] == pytest.approx((first["noise"] + 2 * second["noise"]) / 3)
    assert both["counts"] == first["counts"] + second["counts"]
    assert (both["mjd_start"], both["mjd_stop"]) == pytest.approx((50000, 50001 + 1280 / 86400))


def test_an_observation_too_short_for_the_common_segment_is_named(events):
    long = events(gti=((0.0, 640.0),))
    short = events(gti=((0.0, 20.0),), file="short.fits", observation_id="2")
    row = _row(long, short)
    assert row["observation_ids"] == ["1"]
    assert row["flags"] & Flag.PARTIAL
    assert "short.fits" in row["reason"]


def test_light_curves_of_other_time_resolution_are_another_product(lightcurve):
    counts = np.random.default_rng(27).poisson(100, 1024).astype(float)
    rows = _rows([lightcurve(counts, dt=d) for d in (1.0, 4.0, 1.0)])
    assert [r["product"] for r in rows] == ["lightcurve/mission", "lightcurve/mission#2"]
    assert [(r["n_observations"], r["dt"]) for r in rows] == [(2, 1.0), (1, 4.0)]


def test_events_are_averaged_at_the_coarsest_resolution(events):
    row = _row(events(dt=1e-6, gti=((0.0, 900.0),)), events(dt=0.5, gti=((0.0, 900.0),)))
    assert (row["dt"], row["n_observations"]) == (0.5, 2)


def test_too_short_names_the_longest_interval_and_the_segment(events):
    row = _row(events(gti=((0.0, 1.0), (2.0, 4.5))))
    assert row["status"] == Status.TOO_SHORT
    assert "one.fits" in row["reason"]
    assert "2.5 s" in row["reason"]
    assert "4 s (64 bins of 0.0625 s" in row["reason"]


def test_a_configured_segment_shorter_than_two_bins_is_too_short(lightcurve):
    row = _row(lightcurve(np.ones(100), dt=1800.0), segment_size=10.0)
    assert row["status"] == Status.TOO_SHORT
    assert "segment.segment_size" in row["reason"]


@pytest.mark.parametrize("rate", [0.0, 7.3])
def test_a_constant_light_curve_has_no_spectrum(lightcurve, rate):
    row = _row(lightcurve(np.full(1024, rate)))
    assert row["status"] == Status.NO_DATA
    assert "one.fits" in row["reason"]


def test_good_time_without_events_is_no_data(events):
    assert _row(events(rate=0.0, gti=((0.0, 3.5e6),)))["status"] == Status.NO_DATA


def test_a_light_curve_without_bin_width_says_so(lightcurve):
    row = _row(
        lightcurve(np.ones(100), np.nan, time=np.arange(100.0), gti_start=[0.0], gti_stop=[100.0])
    )
    assert row["status"] == Status.BAD_TIME
    assert "TIMEDEL" in row["reason"]


def test_few_segments_are_flagged(events):
    assert _row(events(gti=((0.0, 10.0),)))["flags"] & Flag.FEW_SEGMENTS
    assert not _row(events(gti=((0.0, 40.0),)))["flags"] & Flag.FEW_SEGMENTS


def test_frequencies_outside_the_range_are_cut_before_the_rms(events):
    row = _row(events(gti=((0.0, 640.0),)), frequency_range=(0.5, 2.0))
    assert row["frequency"].min() >= 0.5
    assert row["frequency"].max() <= 2.0
    row = _row(events(gti=((0.0, 640.0),)), frequency_range=(50.0, 60.0))
    assert row["status"] == Status.BAD_SPECTRUM
    assert "segment.frequency_range" in row["reason"]


def test_a_ready_made_spectrum_passes_through(spectrum):
    row = _row(spectrum())
    assert row["status"] == Status.OK
    np.testing.assert_allclose(row["n"], 25)
    np.testing.assert_allclose(row["power"], 4)
    assert (row["norm"], row["noise"], len(row["power_err"])) == ("leahy", 2.0, 0)
    assert np.isnan([row["mean_rate"], row["rms"]]).all()
    assert row["flags"] == Flag.RMS_UNKNOWN


def test_a_ready_made_spectrum_without_noise_level_is_gaussian(spectrum):
    row = _row(spectrum(noise=np.nan))
    assert len(row["n"]) == 0
    np.testing.assert_allclose(row["power_err"], 4 / 5)
    assert row["flags"] == Flag.RMS_UNKNOWN | Flag.GAUSSIAN


def test_a_ready_made_fractional_spectrum_has_an_rms(spectrum):
    row = _row(spectrum(power=0.03, noise=0.01, norm="frac"))
    assert row["rms"] == pytest.approx(np.sqrt(0.02 * (EDGES[-1] - EDGES[0])))
    assert row["flags"] == 0


def test_ready_made_spectra_are_averaged_only_on_the_same_bins(spectrum):
    rows = _rows([spectrum(), spectrum(edges=EDGES[::2]), spectrum(power=2.0)])
    assert [r["n_observations"] for r in rows] == [2, 1]
    np.testing.assert_allclose(rows[0]["n"], 50)
    np.testing.assert_allclose(rows[0]["power"], 3)


def test_ready_made_spectra_of_other_noise_levels_are_averaged_with_them(spectrum):
    n = np.full(len(EDGES) - 1, 25.0)
    row = _row(spectrum(noise=2.0, n=n), spectrum(noise=1.0, n=3 * n, power=2.0))
    assert row["noise"] == pytest.approx((2.0 + 3 * 1.0) / 4)
    np.testing.assert_allclose(row["power"], (4 + 3 * 2) / 4)
    np.testing.assert_allclose(row["n"], 100)
    assert len(_rows([spectrum(), spectrum(noise=np.nan)])) == 2


def test_masked_frequencies_are_left_out(events, spectrum):
    mask = [[0.4, 0.6], [1.95, 2.05]]
    for row in (
        _row(events(gti=((0.0, 640.0),)), mask=mask, rebin=0.0),
        _row(spectrum(edges=np.linspace(0, 4, 401)), mask=mask),
    ):
        assert row["status"] == Status.OK
        frequency = row["frequency"]
        assert not ((frequency >= 0.4) & (frequency <= 0.6)).any()
        assert ((frequency > 0.3) & (frequency < 0.4)).any()
        assert not (np.abs(frequency - 2) < 0.05).any()


def test_a_ready_made_spectrum_without_errors_is_refused(spectrum):
    row = _row(spectrum(power_err=[]))
    assert row["status"] == Status.BAD_SPECTRUM
    assert "STAT_ERR" in row["reason"]


@pytest.mark.parametrize(
    ("span", "dt"), [(1e12, 1e-6), (1e12, 1 / 256), (1e300, 1.0), (1e9, 1 / 256)]
)
def test_a_span_that_no_observation_has_is_a_reason(events, span, dt):
    row = _row(events(gti_stop=np.array([span])), dt=dt)
    assert row["status"] == Status.BAD_TIME
    assert "mend the intervals, or raise segment.dt" in row["reason"]


def test_segments_too_many_to_hold_are_a_reason(events):
    row = _row(events(gti_stop=np.array([1e8])), dt=1.0, segment_size=2.0)
    assert row["status"] == Status.BAD_TIME
    assert "5e+07 segments of 2 bins" in row["reason"]


def test_an_average_of_observations_of_other_power_is_flagged(lightcurve):
    """Red noise of the same power in two of them; in the third the same or nine times as much."""
    from pipeline.simulate.timmer_koenig import series

    def observation(seed, rms):
        rng = np.random.default_rng(seed)
        curve = series(lambda f: 0.1 * rms**2 / f, 4096, 1.0, rng)
        rate = rng.poisson(np.clip(500 * (1 + curve), 0, None))
        return lightcurve(rate.astype(float), observation_id=str(seed))

    alike = _row(*(observation(seed, 0.1) for seed in range(3)), max_bins=512)
    unlike = _row(*(observation(s, r) for s, r in ((0, 0.1), (1, 0.1), (2, 0.3))), max_bins=512)
    assert alike["stationarity_p"] > 1e-3
    assert unlike["stationarity_p"] < 1e-6
    assert unlike["flags"] & Flag.NON_STATIONARY
    assert not alike["flags"] & Flag.NON_STATIONARY
