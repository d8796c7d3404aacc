"""Numbers of a column become seconds from an epoch, and dates."""

import math

import numpy as np

from pipeline.ingest.times.clock import FURTHEST, Clock, ahead_of


def test_the_distance_of_two_epochs():
    a, b = Clock(50000, 0.5), Clock(50001, 0.25)
    assert b.since(a) == 0.75 * 86400
    assert Clock().since(a) == 0.0


def test_numbers_become_seconds_by_unit_and_offset_and_damaged_ones_none():
    seconds = Clock(50000, unit=86400.0, zero=5.0).seconds(np.array([0.0, 1.0, 1e30, np.nan]))
    assert seconds[:2].tolist() == [5.0, 86405.0]
    assert np.isnan(seconds[2:]).all()
    assert Clock().seconds(np.array([FURTHEST])).tolist() == [FURTHEST]


def test_a_clock_without_an_epoch_gives_no_date():
    assert math.isnan(Clock().mjd(3.0))
    assert Clock(50000, 0.5).mjd(43200.0) == 50001.0


def test_terrestrial_time_is_ahead_of_utc_by_the_leap_seconds_of_the_day():
    assert ahead_of(np.array([51910, 57754]), "utc").tolist() == [64.184, 69.184]
    assert ahead_of(np.array([51910]), "tai").tolist() == [32.184]
