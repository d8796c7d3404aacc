"""Times are right to the last bit that the file holds, whatever its dialect."""

import math

import numpy as np
import pytest

from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.ingest.times.reference import clock_of, mjd_span, of_pairs

NICER = (56658, 0.000777592592592593)


def _clock(header, unit="", **more):
    """The clock of a table with these keywords of its own."""
    return clock_of(TimeKeywords.of(header, {}), unit, **more)


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
    clock = _clock(header)
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
    clock = _clock(header, "s")
    assert (clock.day, clock.fraction * 86400) == pytest.approx(expected, abs=1e-6)
    assert clock.system == ("TT" if "TIMESYS" in header else "")


def test_days_of_utc_are_a_second_longer_where_there_is_a_leap_second():
    """The last day of 2016 had 86,401 s."""
    clock = _clock({"MJDREFI": 0, "TIMESYS": "UTC"}, "d")
    seconds = clock.seconds(np.array([57753.0, 57754.0, np.nan, 57755.0]))
    assert np.diff(seconds)[0] == 86401.0
    assert seconds[3] - seconds[1] == 86400.0
    assert np.isnan(seconds[2])
    assert clock.mjd(seconds[1]) == pytest.approx(57754 + 69.184 / 86400, abs=1e-9)


def test_seconds_since_an_epoch_in_utc_pass_through_leap_seconds():
    clock = _clock({"MJDREFI": 55197, "TIMESYS": "UTC"}, "s")
    assert np.diff(clock.seconds(np.array([0.0, 3e8])))[0] == 3e8


def test_julian_dates_count_from_day_0():
    clock = _clock({"JDREFI": 0, "TIMEUNIT": "d"})
    assert clock.mjd(float(clock.seconds(np.array([2458325.25]))[0])) == pytest.approx(58324.75)


def test_timezero_is_added_after_the_unit_is_applied():
    clock = _clock({"TIMEZERO": 3.5, "TIMEUNIT": "s"}, "d")
    assert clock.seconds(np.array([0.0, 1.0])).tolist() == [3.5, 86403.5]


def test_the_unit_of_the_column_wins_over_that_of_the_header():
    assert _clock({"TIMEUNIT": "d"}, "s").unit == 1.0
    assert _clock({"TIMEUNIT": "d"}, "BJD - 2454833").unit == 86400.0
    assert _clock({}, "").unit == 1.0


def test_xronos_counts_its_offset_in_days_of_truncated_julian_date():
    header = {"CONTENT": "XRONOS OUTPUT", "TIMEUNIT": "d", "TIMEZERI": 16122, "TIMEZERF": 0.75}
    clock = _clock(header, "s")
    assert (clock.day, clock.fraction, clock.zero) == (56122, 0.75, 0.0)


def test_goes_writes_the_day_itself_as_timezero():
    clock = _clock({"TIMESYS": "MJD", "MJDREF": 43874, "TIMEZERO": 55719})
    assert (clock.day, clock.zero) == (55719, 0.0)


def test_only_times_at_the_solar_system_barycentre_are_barycentred():
    assert _clock({"TIMEREF": "SOLARSYSTEM"}).barycentred
    assert _clock({"BJDREFI": 2454833}).barycentred
    assert not _clock({"TIMEREF": "LOCAL"}).barycentred
    assert not _clock({"TIMESYS": "TDB"}).barycentred


@pytest.mark.parametrize("day", [1e300, -5, 1e7, math.nan])
def test_an_epoch_that_cannot_be_is_none(day):
    clock = _clock({"MJDREFI": day, "MJDREFF": 0.5})
    assert (clock.day, clock.fraction) == (-1, 0.0)


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
    clock = _clock(header)
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
    clock = _clock({"MJDREFI": 51910, "TIMESYS": said}, "s")
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
    assert _clock(header).barycentred is barycentred


def test_a_column_has_its_own_scale_and_place():
    header = {"TIMESYS": "UTC", "TREFPOS": "TOPOCENTER", "TCTYP3": "TDB", "TRPOS3": "BARYCENTER"}
    clock = clock_of(TimeKeywords.of(header, {}, 3))
    assert (clock.system, clock.barycentred) == ("TDB", True)
    assert not clock_of(TimeKeywords.of(header, {}, 1)).barycentred


def test_half_an_epoch_in_a_table_is_none():
    primary = {"MJDREFI": 51910, "MJDREFF": 0.5}
    assert clock_of(TimeKeywords.of({"MJDREFF": 0.5}, primary)).mjd(0.0) == 51910.5


def test_the_epoch_of_the_unit_or_of_the_keywords_whichever_gives_a_date():
    """A unit of MJD beside times that count from MJDREF, and one that is right beside another epoch."""
    header = {"MJDREFI": 58000, "TIMEUNIT": "d"}
    elapsed = _clock(header, "MJD", times=np.array([1.0, 2.0]))
    assert elapsed.mjd(elapsed.seconds(np.array([1.0]))[0]) == 58001.0
    dated = _clock(header, "MJD", times=np.array([58001.0, 58002.0]))
    assert dated.mjd(dated.seconds(np.array([58001.0]))[0]) == 58001.0
    twice = _clock({"BJDREFI": 2454833}, "BJD - 2454833", times=np.array([500.0]))
    assert twice.mjd(twice.seconds(np.array([500.0]))[0]) == 55332.5


def test_seconds_since_1858_are_an_epoch_that_was_not_filled_in():
    assert _clock({"MJDREFI": 0}, "s", times=np.array([3.3e8])).day == -1
    assert _clock({"MJDREFI": 0}, "s", times=np.array([5e9])).day == 0
    assert _clock({"MJDREFI": 0}, "d", times=np.array([8000.0])).day == 0  # plates of 1880


def test_two_doubles_are_days_and_the_rest_to_the_microsecond():
    clock = _clock({"MJDREF": 0.0}, "d")
    values = np.array([[58000.0, 0.25], [58001.0, -0.5]])
    days = of_pairs(values, clock)
    assert (days.clock.day, days.times.tolist()) == (58000, [0.25, 0.5])
    assert of_pairs(values[:, 0], clock) is None
    assert of_pairs(values, _clock({"MJDREF": 0.0}, "s")) is None
    assert of_pairs(np.array([[58000.0, 58001.0]]), clock) is None  # two bands, not a sum


def test_the_span_of_an_observation_is_in_mjd_or_unknown():
    header = {"MJDREF": 50000.0, "TSTART": 86400.0, "TSTOPI": 172800, "TSTOPF": 43200.0}
    span = mjd_span(TimeKeywords.of(header, {}))
    assert (span.start, span.stop) == (50001.0, 50002.5)
    for unknown in ({}, {"MJDREF": 50000.0}, header | {"TIMEUNIT": "parsec"}):
        assert math.isnan(mjd_span(TimeKeywords.of(unknown, {})).start)
