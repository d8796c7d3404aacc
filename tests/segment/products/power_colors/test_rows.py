"""From light curves and events to rows of POWER_COLORS: what is covered, and that errors cover the true variances."""

import numpy as np
import pytest
from scipy.integrate import quad

from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.segment import driver
from pipeline.segment.observation import ARRAYS, SCALARS, Observations
from pipeline.segment.products.power_colors import BANDS, PowerColorsOptions
from pipeline.segment.products.power_colors.rows import product_rows
from pipeline.segment.products.power_colors.table import POWER_COLORS
from pipeline.simulate.timmer_koenig import series
from pipeline.status import Flag, Status
from pipeline.tables import read_parquet, rows_of, to_arrow, write_parquet

DT = 1 / 32


def _rows(*observations, own=None, **options):
    found = product_rows(
        Observations.held(observations), SegmentOptions(**options), own or PowerColorsOptions()
    )
    return rows_of(to_arrow(POWER_COLORS, found))


def _density(frequency):
    """Flat below 1 Hz, flicker noise above: 24 % rms, and colours far from the centre of the hue."""
    return 0.02 / (1 + np.maximum(frequency, 0))


def _curve(seed, seconds=1100.0, rate=800.0, density=_density, dt=DT):
    rng = np.random.default_rng([seed, 71])
    n = round(seconds / dt)
    signal = series(density, n, dt, rng)
    return rng.poisson(np.clip(rate * (1 + signal), 0, None) * dt) / dt


@pytest.mark.parametrize("rate", [800.0, 60.0])
def test_errors_cover_the_variances_colours_and_hue_of_red_noise(lightcurve, rate):
    """80 light curves of two segments at least, by Timmer & Koenig; noise far below and above the source."""
    truth = np.array([quad(_density, lo, hi)[0] for lo, hi in BANDS])
    colors = truth[2] / truth[0], truth[1] / truth[3]
    within, of_colors, hues = [], [], []
    for seed in range(80):
        (row,) = _rows(lightcurve(_curve(seed, rate=rate), dt=DT))
        assert row["status"] == Status.OK
        assert row["m"] >= 2
        value = row["range_variance"]
        low = value - row["range_variance_err_lo"]
        within.append((low <= truth) & (truth <= value + row["range_variance_err_hi"]))
        for number, expected in enumerate(colors, start=1):
            name = f"power_color_{number}"
            if np.isfinite(row[name]):
                low, high = row[name] - row[f"{name}_err_lo"], row[name] + row[f"{name}_err_hi"]
                of_colors.append(low <= expected <= high)
        hues.append([row["hue"], row["hue_err_lo"], row["hue_err_hi"]])
    assert abs(np.mean(within) - 0.683) < 4 * np.sqrt(0.683 * 0.317 / 320)
    if rate > 100:
        assert len(of_colors) > 150
        assert abs(np.mean(of_colors) - 0.683) < 4 * np.sqrt(0.683 * 0.317 / len(of_colors))
        x, y = np.log10(colors[0] / 4.51920), np.log10(colors[1] / 0.453724)
        value, low, high = np.transpose(hues)
        off = (135 - np.degrees(np.arctan2(y, x)) - value + 180) % 360 - 180
        assert np.isfinite(value).all()
        covered = np.mean((-low <= off) & (off <= high))
        assert abs(covered - 0.683) < 4 * np.sqrt(0.683 * 0.317 / 80)


def test_bands_that_are_not_covered_are_null_with_a_reason(lightcurve):
    (row,) = _rows(lightcurve(_curve(1, seconds=100.0), dt=DT))
    assert list(row["range_status"]) == ["too_short", "measured", "measured", "measured"]
    assert "one period at 0.00391 Hz is 256 s" in row["reason"]
    assert "holds 100 s" in row["reason"]
    assert np.isnan(row["range_variance"]).tolist() == [True, False, False, False]
    assert np.isnan([row["power_color_1"], row["hue"]]).all()
    assert row["power_color_2"] > 0
    (row,) = _rows(lightcurve(_curve(1, seconds=1100.0, dt=1.0), dt=1.0))
    assert list(row["range_status"]) == ["measured", "measured", "too_coarse", "too_coarse"]
    assert "bins of 1 s are longer than half a period at 2 Hz" in row["reason"]
    assert row["segment_size"] >= 256


@pytest.mark.parametrize(
    ("seconds", "dt", "status", "about"),
    [
        (3.0, DT, Status.TOO_SHORT, "one period at 2 Hz"),
        (8000.0, 60.0, Status.BAD_TIME, "bins of 60 s are longer than half a period"),
    ],
)
def test_a_series_that_covers_no_band_says_why(lightcurve, seconds, dt, status, about):
    bands = (
        PowerColorsOptions()
        if dt > 1
        else PowerColorsOptions(bands=[(0.004, 0.03), (0.03, 0.1), (0.1, 0.2), (0.25, 2)])
    )
    (row,) = _rows(lightcurve(_curve(2, seconds=seconds, dt=dt), dt=dt), own=bands)
    assert row["status"] == status
    assert "one.fits" in row["reason"]
    if dt > 1:
        assert about in row["reason"]


def test_a_steady_source_has_limits(lightcurve):
    rng = np.random.default_rng(3)
    (row,) = _rows(lightcurve(rng.poisson(100.0, 70000) / DT, dt=DT))
    assert set(row["range_status"]) == {"no_excess"}
    assert np.isnan(row["range_rms"]).all()
    assert (row["range_rms_limit"] > 0).all()
    assert np.isfinite(row["range_variance"]).all()
    assert np.isnan([row["power_color_1"], row["power_color_1_limit"], row["hue"]]).all()


def test_rates_without_errors_have_no_variance(lightcurve):
    rate = 1000 + np.random.default_rng(4).normal(0, 1, 20000)
    (row,) = _rows(lightcurve(rate, dt=DT, counting=False))
    assert row["status"] == Status.NO_DATA
    assert "errors" in row["reason"]


def test_observations_are_averaged_and_a_background_is_taken_off(lightcurve):
    one, two = (
        lightcurve(_curve(seed), dt=DT, observation_id=str(seed), background_rate=400.0)
        for seed in (1, 2)
    )
    (both,), (alone,) = _rows(one, two), _rows(one)
    assert (both["n_observations"], both["m"]) == (2, 2 * alone["m"])
    assert both["flags"] & Flag.BACKGROUND
    (plain,) = _rows(lightcurve(_curve(1), dt=DT))
    assert alone["range_variance"] == pytest.approx(4 * plain["range_variance"], rel=0.05)


def test_bands_are_configured():
    with pytest.raises(ValueError, match="four bands"):
        PowerColorsOptions(bands=[(0.1, 1.0)])
    with pytest.raises(ValueError, match="four bands"):
        PowerColorsOptions(bands=[(0.1, 1.0), (0.5, 2.0), (2.0, 3.0), (3.0, 4.0)])
    assert SegmentOptions().power_colors.bands == BANDS


def test_every_source_has_a_row_and_the_spectra_do_not_change(tmp_path, lightcurve, observation):
    """A light curve, a power spectrum that comes ready-made, and a file that could not be read."""
    edges = np.geomspace(0.01, 10, 31)
    rows = [
        lightcurve(_curve(5, seconds=600.0), dt=DT, source_id="curve", file="1"),
        observation(
            "spectrum",
            source_id="spectrum",
            file="2",
            frequency_lo=edges[:-1],
            frequency_hi=edges[1:],
            power=np.full(30, 4.0),
            power_err=np.ones(30),
            norm="leahy",
            noise=2.0,
        ),
        lightcurve(np.ones(9), source_id="broken", file="3", status=Status.TRUNCATED, reason="cut"),
    ]
    shard = tmp_path / "in.parquet"
    cells = [
        {name: getattr(one.header, name) for name in SCALARS}
        | {name: getattr(one, name) for name in ARRAYS}
        for one in rows
    ]
    write_parquet(shard, INGEST, cells, rows_per_group=1)
    made = {}
    for names in (["power_spectra"], ["power_spectra", "power_colors"]):
        output = tmp_path / f"{len(names)}" / "shard-0000.parquet"
        driver.run(
            input=shard,
            output=output,
            options=SegmentOptions(products=names),
            cluster=ClusterOptions(workers=1),
        )
        made[len(names)] = output
    assert made[1].read_bytes() == made[2].read_bytes()
    assert [path.name for path in made[1].parent.iterdir()] == ["shard-0000.parquet"]
    found = rows_of(
        read_parquet(made[2].with_name("shard-0000.power_colors.parquet"), POWER_COLORS)
    )
    assert {row["source_id"]: row["status"] for row in found} == {
        "broken": Status.TRUNCATED,
        "curve": Status.OK,
        "spectrum": Status.NO_DATA,
    }
    assert len(rows_of(read_parquet(made[2], SPECTRA))) == 3
