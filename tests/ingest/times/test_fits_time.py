"""Times are right to the last bit that the file holds, whatever its dialect."""

import math

import numpy as np
import pytest

from pipeline.ingest.times import fits_time

NICER = (56658, 0.000777592592592593)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"MJDREFI": NICER[0], "MJDREFF": NICER[1]}, NICER),
        ({"MJDREFI": 56658.0, "MJDREFF": NICER[1], "MJDREF": 1.0}, NICER),
        ({"MJDREFI": 51910}, (51910, 0.0)),
        ({"MJDREF": 50814.0}, (50814, 0.0)),
        ({"MJDREF": 51543.875}, (51543, 0.875)),
        ({"BJDREFI": 2454833, "BJDREFF": 0.0}, (54832, 0.5)),
        ({"BJDREFI": 2457000, "BJDREFF": 0.75}, (57000, 0.25)),
        ({"JDREF": 2400000.5}, (0, 0.0)),
        ({"MJDREF": "soon"}, (-1, 0.0)),
        ({}, (-1, 0.0)),
    ],
)
def test_the_reference_epoch_in_all_its_forms(header, expected):
    clock = fits_time.clock(header)
    assert (clock.day, clock.fraction) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"MJDREFI": 55197, "TIMESYS": "UTC"}, (55197, 66.184)),  # 2010, AstroSat
        ({"MJDREFI": 51910, "TIMESYS": "UTC"}, (51910, 64.184)),  # 2001
        ({"MJDREFI": 51910, "TIMESYS": "TAI"}, (51910, 32.184)),
        ({"MJDREFI": 51910, "TIMESYS": "TT"}, (51910, 0.0)),
        ({"DATEREF": "2001-01-01T00:00:00", "TIMESYS": "UTC"}, (51910, 64.184)),
        ({"DATEREF": "2001-01-01T12:00:00"}, (51910, 43200.0)),
        ({"DATEREF": "yesterday"}, (-1, 0.0)),
    ],
)
def test_an_epoch_in_utc_or_tai_is_turned_into_tt(header, expected):
    clock = fits_time.clock(header, "s")
    assert (clock.day, clock.fraction * 86400) == pytest.approx(expected, abs=1e-6)
    assert clock.system == ("TT" if "TIMESYS" in header else "")


def test_days_of_utc_are_a_second_longer_where_there_is_a_leap_second():
    """The last day of 2016 had 86,401 s."""
    clock = fits_time.clock({"MJDREFI": 0, "TIMESYS": "UTC"}, "d")
    seconds = clock.seconds(np.array([57753.0, 57754.0, np.nan, 57755.0]))
    assert np.diff(seconds)[0] == 86401.0
    assert seconds[3] - seconds[1] == 86400.0
    assert np.isnan(seconds[2])
    assert clock.mjd(seconds[1]) == pytest.approx(57754 + 69.184 / 86400, abs=1e-9)


def test_seconds_since_an_epoch_in_utc_pass_through_leap_seconds():
    clock = fits_time.clock({"MJDREFI": 55197, "TIMESYS": "UTC"}, "s")
    assert np.diff(clock.seconds(np.array([0.0, 3e8])))[0] == 3e8


def test_julian_dates_count_from_day_0():
    clock = fits_time.clock({"JDREFI": 0, "TIMEUNIT": "d"})
    assert clock.mjd(float(clock.seconds(np.array([2458325.25]))[0])) == pytest.approx(58324.75)


def test_timezero_is_added_after_the_unit_is_applied():
    clock = fits_time.clock({"TIMEZERO": 3.5, "TIMEUNIT": "s"}, "d")
    assert clock.seconds(np.array([0.0, 1.0])).tolist() == [3.5, 86403.5]


def test_timezero_in_two_parts_is_one_number():
    assert fits_time.offset({"TIMEZERI": 100, "TIMEZERF": 0.25}) == 100.25
    assert fits_time.offset({}) is None


def test_the_unit_of_the_column_wins_over_that_of_the_header():
    assert fits_time.clock({"TIMEUNIT": "d"}, "s").unit == 1.0
    assert fits_time.clock({"TIMEUNIT": "d"}, "BJD - 2454833").unit == 86400.0
    assert fits_time.clock({}, "").unit == 1.0


def test_xronos_counts_its_offset_in_days_of_truncated_julian_date():
    header = {"CONTENT": "XRONOS OUTPUT", "TIMEUNIT": "d", "TIMEZERI": 16122, "TIMEZERF": 0.75}
    clock = fits_time.clock(header, "s")
    assert (clock.day, clock.fraction, clock.zero) == (56122, 0.75, 0.0)


def test_goes_writes_the_day_itself_as_timezero():
    clock = fits_time.clock({"TIMESYS": "MJD", "MJDREF": 43874, "TIMEZERO": 55719})
    assert (clock.day, clock.zero) == (55719, 0.0)


def test_only_times_at_the_solar_system_barycentre_are_barycentred():
    assert fits_time.clock({"TIMEREF": "SOLARSYSTEM"}).barycentred
    assert fits_time.clock({"BJDREFI": 2454833}).barycentred
    assert not fits_time.clock({"TIMEREF": "LOCAL"}).barycentred
    assert not fits_time.clock({"TIMESYS": "TDB"}).barycentred


def test_a_table_inherits_keywords_but_neither_the_offset_nor_half_an_epoch():
    primary = {"TIMEUNIT": "s", "TIMEZERO": 9.0, "MJDREFI": 50000, "MJDREFF": 0.5}
    assert fits_time.keywords({"MJDREF": 51000.0}, primary) == {
        "TIMEUNIT": "s",
        "MJDREF": 51000.0,
    }
    assert fits_time.clock(fits_time.keywords({}, primary)).mjd(0.0) == 50000.5


def test_the_distance_of_two_epochs():
    a, b = fits_time.Clock(50000, 0.5), fits_time.Clock(50001, 0.25)
    assert b.since(a) == 0.75 * 86400
    assert fits_time.Clock().since(a) == 0.0


def test_bin_width_is_timedel_in_its_unit_even_if_bins_are_missing():
    assert fits_time.bin_width({"TIMEDEL": 16.0}, np.array([0.0, 16, 2192])) == (16.0, False)
    days = {"TIMEDEL": 1.0 / 86400, "TIMEUNIT": "d"}
    assert fits_time.bin_width(days, np.arange(5.0)) == (pytest.approx(1.0), False)


def test_bin_width_is_the_spacing_where_timedel_is_missing_or_impossible():
    assert fits_time.bin_width({}, np.array([0.0, 2.0, 4.0, 60.0])) == (2.0, True)
    assert fits_time.bin_width({"TIMEDEL": 100.0}, np.arange(5.0)) == (1.0, True)
    dt, _ = fits_time.bin_width({}, np.array([1.0]))
    assert math.isnan(dt)


@pytest.mark.parametrize(("timepixr", "shift"), [(0.0, 8.0), (0.5, 0.0), (1.0, -8.0)])
def test_timepixr_says_where_in_its_bin_a_time_is(timepixr, shift):
    centres = fits_time.bin_centres(np.array([100.0]), 16.0, {"TIMEPIXR": timepixr})
    assert centres.tolist() == [100.0 + shift]
    assert fits_time.bin_centres(np.array([100.0]), 16.0, {}).tolist() == [100.0]


@pytest.mark.parametrize("day", [1e300, -5, 1e7, math.nan])
def test_an_epoch_that_cannot_be_is_none(day):
    clock = fits_time.clock({"MJDREFI": day, "MJDREFF": 0.5})
    assert (clock.day, clock.fraction) == (-1, 0.0)


@pytest.mark.parametrize("value", [True, "T", "", math.inf, 10**400, None])
def test_what_is_no_number_is_none(value):
    assert fits_time.number({"TIMEDEL": value}, "TIMEDEL") is None


@pytest.mark.parametrize("timepixr", [-1.0, 1e300, math.nan])
def test_a_place_outside_its_bin_is_not_heeded(timepixr):
    times = np.array([1.0, 2.0])
    assert fits_time.bin_centres(times, 1.0, {"TIMEPIXR": timepixr}).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"JDREFI": 2458000, "JDREFF": 0.25}, (57999, 0.75)),
        ({"JDREF": 2451545.0}, (51544, 0.5)),
        ({"MJDREF": 51910.0, "MJDREFF": 0.25}, (51910, 0.25)),
        ({"MJDREF": 51910.25, "MJDREFF": 0.25}, (51910, 0.25)),
        ({"MJDREFI": 51910.25, "MJDREFF": 0.25}, (51910, 0.25)),
        ({"DATEREF": "2001-01-01"}, (51910, 0.0)),
        ({"DATEREF": "2001-01-01T06:00:00Z"}, (51910, 0.25)),
        ({"MJDREF": 51910.0, "DATEREF": "1999-01-01"}, (51910, 0.0)),
    ],
)
def test_the_reference_epoch_by_fits_4_and_in_mixed_parts(header, expected):
    clock = fits_time.clock(header)
    assert (clock.day, clock.fraction) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("said", "expected", "ahead"),
    [
        ("TT(TAI)", "TT", 0.0),
        ("TDT", "TT", 0.0),
        ("ET", "TT", 0.0),
        ("IAT", "TT", 32.184),
        ("GPS", "TT", 51.184),
        ("UTC(NIST)", "TT", 64.184),
        ("GMT", "TT", 64.184),
        ("TDB", "TDB", 0.0),
        ("TCB", "TCB", 0.0),
    ],
)
def test_every_scale_of_fits_4_and_its_older_names(said, expected, ahead):
    clock = fits_time.clock({"MJDREFI": 51910, "TIMESYS": said}, "s")
    assert clock.system == expected
    assert (clock.day - 51910 + clock.fraction) * 86400 == pytest.approx(ahead, abs=1e-6)


@pytest.mark.parametrize(
    ("header", "barycentred"),
    [
        ({"TREFPOS": "BARYCENTER"}, True),
        ({"TREFPOS": "BARYCENT"}, True),
        ({"TIMEREF": "Solar System"}, True),
        ({"TREFPOS": "TOPOCENTER"}, False),
        ({"TREFPOS": "EMBARYCENTER"}, False),
        ({"TREFPOS": "GEOCENTER", "TIMEREF": "LOCAL"}, False),
        ({"TREFPOS": "HELIOCENTER"}, False),
    ],
)
def test_where_times_are_measured_by_the_standard_keyword(header, barycentred):
    assert fits_time.clock(header).barycentred is barycentred


def test_a_column_has_its_own_scale_and_place():
    header = {"TIMESYS": "UTC", "TREFPOS": "TOPOCENTER", "TCTYP3": "TDB", "TRPOS3": "BARYCENTER"}
    clock = fits_time.clock(fits_time.keywords(header, {}, 3))
    assert (clock.system, clock.barycentred) == ("TDB", True)
    assert not fits_time.clock(fits_time.keywords(header, {}, 1)).barycentred


def test_timeoffs_is_added_and_not_twice():
    assert fits_time.offset({"TIMEOFFS": 2.5}) == 2.5
    assert fits_time.offset({"TIMEOFFS": 1.0, "TIMEUNIT": "d", "TIMEZERO": 0.5}) == 1.5 * 86400
    assert fits_time.offset({"TIMEOFFS": 2.5, "TIMEZERO": 2.5}) == 2.5


def test_half_an_epoch_in_a_table_is_none():
    primary = {"MJDREFI": 51910, "MJDREFF": 0.5}
    assert fits_time.clock(fits_time.keywords({"MJDREFF": 0.5}, primary)).mjd(0.0) == 51910.5


def test_the_epoch_of_the_unit_or_of_the_keywords_whichever_gives_a_date():
    """A unit of MJD beside times that count from MJDREF, and one that is right beside another epoch."""
    header = {"MJDREFI": 58000, "TIMEUNIT": "d"}
    elapsed = fits_time.clock(header, "MJD", times=np.array([1.0, 2.0]))
    assert elapsed.mjd(elapsed.seconds(np.array([1.0]))[0]) == 58001.0
    dated = fits_time.clock(header, "MJD", times=np.array([58001.0, 58002.0]))
    assert dated.mjd(dated.seconds(np.array([58001.0]))[0]) == 58001.0
    twice = fits_time.clock({"BJDREFI": 2454833}, "BJD - 2454833", times=np.array([500.0]))
    assert twice.mjd(twice.seconds(np.array([500.0]))[0]) == 55332.5


def test_seconds_since_1858_are_an_epoch_that_was_not_filled_in():
    assert fits_time.clock({"MJDREFI": 0}, "s", times=np.array([3.3e8])).day == -1
    assert fits_time.clock({"MJDREFI": 0}, "s", times=np.array([5e9])).day == 0
    assert fits_time.clock({"MJDREFI": 0}, "d", times=np.array([8000.0])).day == 0  # plates of 1880
