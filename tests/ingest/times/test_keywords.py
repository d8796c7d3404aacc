"""The time keywords of a table are its own, or inherited, each in its unit."""

import math

import pytest

from pipeline.ingest.keyword import number
from pipeline.ingest.times.keywords import TimeKeywords


def _offset(header):
    return TimeKeywords.of(header, {}).offset


def test_timezero_in_two_parts_is_one_number():
    assert _offset({"TIMEZERI": 100, "TIMEZERF": 0.25}) == 100.25
    assert _offset({}) is None


def test_a_table_inherits_keywords_but_neither_the_offset_nor_half_an_epoch():
    primary = {"TIMEUNIT": "s", "TIMEZERO": 9.0, "MJDREFI": 50000, "MJDREFF": 0.5}
    own = TimeKeywords.of({"MJDREF": 51000.0}, primary)
    assert (own.epoch, own.unit_text, own.offset) == ((51000, 0.0), "s", None)
    assert TimeKeywords.of({}, primary).epoch == (50000, 0.5)


@pytest.mark.parametrize("value", [True, "T", "", math.inf, 10**400, None])
def test_what_is_no_number_is_none(value):
    assert number({"TIMEDEL": value}, "TIMEDEL") is None


def test_timeoffs_is_added_and_not_twice():
    assert _offset({"TIMEOFFS": 2.5}) == 2.5
    assert _offset({"TIMEOFFS": 1.0, "TIMEUNIT": "d", "TIMEZERO": 0.5}) == 1.5 * 86400
    assert _offset({"TIMEOFFS": 2.5, "TIMEZERO": 2.5}) == 2.5


def test_a_table_inherits_what_it_does_not_say_and_a_column_wins_over_both():
    primary = {"TIMEDEL": 0.5, "TSTART": 3.0, "DEADC": 0.9, "TIMEPIXR": 0.0, "TIMEZERO": 1.0}
    keywords = TimeKeywords.of({"TIMEDEL": 2.0, "TCTYP2": "TDB", "TIMEUNIT": "d"}, primary, 2)
    assert (keywords.timedel, keywords.resolution) == (2.0, 2 * 86400.0)
    assert (keywords.start, keywords.live_fraction, keywords.position) == (3 * 86400.0, 0.9, 0.0)
    assert (keywords.scale, keywords.offset) == ("TDB", None)


@pytest.mark.parametrize("header", [{"DEADC": 0.0}, {"DEADC": 1.5}, {"DEADC": "no"}, {}])
def test_a_live_fraction_that_cannot_be_is_unknown(header):
    assert math.isnan(TimeKeywords.of(header, {}).live_fraction)


def test_a_unit_that_is_not_understood_spoils_only_numbers_that_are_not_zero():
    assert _offset({"TIMEUNIT": "parsec", "TIMEZERO": 0.0}) == 0.0
    assert math.isnan(_offset({"TIMEUNIT": "parsec", "TIMEZERO": 1.0}))
    assert TimeKeywords.of({"TIMEUNIT": "parsec", "TIMEDEL": 1.0}, {}).resolution == 0.0
