"""The bins of a light curve are as wide as they were before their times were rounded."""

import numpy as np
import pytest

from pipeline.ingest.times import cadence
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.status import Flag

DAY, N = 86400.0, 20000


@pytest.mark.parametrize("dt", [1.0, 1.3, 20.0])
@pytest.mark.parametrize("decimals", [4, 5, 6, 7, 8, 9])
def test_times_in_mjd_with_few_decimals(decimals, dt):
    time = np.round(58000 + (np.arange(N) + 0.3) * dt / DAY, decimals) * DAY
    assert cadence.spacing(time) == pytest.approx(dt, rel=2e-4)


@pytest.mark.parametrize("dt", [0.1, 0.05])
def test_times_in_single_precision(dt):
    time = (np.arange(N) * dt + 1e5).astype(np.float32).astype(float)
    assert cadence.spacing(time) == pytest.approx(dt, rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 1e-3, 0.01, 0.1, 0.3])
def test_missing_bins_do_not_widen_the_others(missing):
    time = np.arange(N) * 1.0
    assert cadence.spacing(time[np.random.default_rng(1).random(N) >= missing]) == 1.0


def test_gaps_and_rounding_together():
    time = np.arange(N) * 1.0
    time = time[(time % 100) < 60]
    assert cadence.spacing(time) == 1.0
    assert cadence.spacing(np.round(time / DAY, 6) * DAY) == pytest.approx(1.0, abs=1e-4)


def test_irregular_times_have_their_median():
    time = np.sort(np.random.default_rng(2).uniform(0, N, N))
    assert cadence.spacing(time) == np.median(np.diff(time))
    assert not cadence.unrounded(time, 1.0).changed


def test_few_times():
    assert cadence.spacing(np.array([0.0, 2.0, 4.0, 60.0])) == 2.0
    assert np.isnan(cadence.spacing(np.array([1.0])))
    assert cadence.unrounded(np.array([0.0, 1.0]), 1.0).changed is False


@pytest.mark.parametrize(("decimals", "most"), [(4, 0.3), (5, 0.05)])
def test_times_that_rounding_made_equal_are_put_back(decimals, most):
    true = 58000 * DAY + (np.arange(N) + 0.3) * 1.3
    true = true[(np.arange(N) % 1000) < 900]
    rounded = np.round(true / DAY, decimals) * DAY
    regular = cadence.unrounded(rounded, 1.3)
    found, changed = regular.times, regular.changed
    assert changed
    assert np.abs(found - true).max() < most
    assert np.abs(rounded - true).max() > 0.4


def test_exact_times_are_left_alone():
    time = np.arange(1000.0)
    time = np.delete(time, [5, 70, 71, 400])
    regular = cadence.unrounded(time, 1.0)
    found, changed = regular.times, regular.changed
    assert not changed
    assert found is time


def _curve(archive, make, time, header=None, unit="d"):
    columns = {
        "TIME": (time, unit),
        "RATE": np.arange(len(time)) + 1.0,
        "ERROR": np.ones(len(time)),
    }
    head = {"HDUCLAS1": "LIGHTCURVE", "TELESCOP": "NICER", "MJDREFI": 0} | (header or {})
    archive.add("a.lc", make.table("RATE", columns, head))
    return archive.read("a.lc")


@pytest.mark.parametrize(("decimals", "flagged"), [(4, True), (5, True), (6, False)])
def test_exposure_is_no_longer_than_the_span(archive, make, decimals, flagged):
    row = _curve(archive, make, np.round(58000 + np.arange(N) / DAY, decimals))
    assert row["dt"] == pytest.approx(1.0, abs=2e-4)
    assert len(row["time"]) == N
    assert row["exposure"] == pytest.approx(N, abs=2.0)
    assert bool(Flag(row["flags"]) & Flag.TIMES_ROUNDED) is flagged


def test_a_stated_width_holds_though_times_are_rounded(archive, make):
    header = {"TIMEDEL": 1.0 / DAY, "TIMEUNIT": "d"}
    row = _curve(archive, make, np.round(58000 + np.arange(N) / DAY, 5), header)
    assert row["dt"] == pytest.approx(1.0, rel=1e-12)
    assert not Flag(row["flags"]) & Flag.NO_TIMEDEL


@pytest.mark.parametrize(
    "header", [{"TIMEDEL": 120 / DAY}, {"TIMEDEL": 120.0}, {"TIMEDEL": 120 / DAY, "TIMEUNIT": "s"}]
)
def test_a_width_in_days_or_in_seconds_whatever_the_header_leaves_out(archive, make, header):
    row = _curve(archive, make, 58000 + np.arange(1000) * 120 / DAY, header)
    assert row["dt"] == pytest.approx(120.0)
    assert not Flag(row["flags"]) & Flag.NO_TIMEDEL


def test_bins_that_overlap_count_once(archive, make):
    row = _curve(archive, make, np.arange(1000) * 1.0, {"TIMEDEL": 1.0}, "s")
    assert row["exposure"] == 1000.0
    wide = _curve(
        archive, make, np.sort(np.append(np.arange(500.0), np.arange(500) + 0.2)), unit="s"
    )
    assert wide["exposure"] <= 501.0


def _bin_width(header, times):
    return cadence.bin_width(TimeKeywords.of(header, {}), times)


def test_bin_width_is_timedel_in_its_unit_even_if_bins_are_missing():
    assert _bin_width({"TIMEDEL": 16.0}, np.array([0.0, 16, 2192])) == cadence.BinWidth(16.0, False)
    days = {"TIMEDEL": 1.0 / 86400, "TIMEUNIT": "d"}
    assert _bin_width(days, np.arange(5.0)) == cadence.BinWidth(pytest.approx(1.0), False)


def test_bin_width_is_the_spacing_where_timedel_is_missing_or_impossible():
    assert _bin_width({}, np.array([0.0, 2.0, 4.0, 60.0])) == cadence.BinWidth(2.0, True)
    assert _bin_width({"TIMEDEL": 100.0}, np.arange(5.0)) == cadence.BinWidth(1.0, True)
    assert np.isnan(_bin_width({}, np.array([1.0])).dt)


@pytest.mark.parametrize(("timepixr", "shift"), [(0.0, 8.0), (0.5, 0.0), (1.0, -8.0)])
def test_timepixr_says_where_in_its_bin_a_time_is(timepixr, shift):
    centres = cadence.bin_centres(
        np.array([100.0]), 16.0, TimeKeywords.of({"TIMEPIXR": timepixr}, {})
    )
    assert centres.tolist() == [100.0 + shift]
    assert cadence.bin_centres(np.array([100.0]), 16.0, TimeKeywords.of({}, {})).tolist() == [100.0]


@pytest.mark.parametrize("timepixr", [-1.0, 1e300, np.nan])
def test_a_place_outside_its_bin_is_not_heeded(timepixr):
    times = np.array([1.0, 2.0])
    assert cadence.bin_centres(
        times, 1.0, TimeKeywords.of({"TIMEPIXR": timepixr}, {})
    ).tolist() == [1.0, 2.0]
