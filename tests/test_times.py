"""A reference epoch and seconds from it are one time, in days or in seconds."""

from math import isnan

import pytest

from pipeline.times import DAY, mjd, seconds_since_zero


def test_both_forms_are_the_same_time():
    reference = 56658, 7.775925925925926e-4
    assert mjd(*reference, 2 * DAY) == pytest.approx(56660 + reference[1], abs=1e-12)
    seconds = seconds_since_zero(*reference, 2 * DAY)
    assert seconds / DAY == pytest.approx(mjd(*reference, 2 * DAY), abs=1e-10)


def test_without_a_reference_epoch_there_is_no_date_but_a_time_from_it():
    assert isnan(mjd(-1, 0.0, 5.0))
    assert seconds_since_zero(-1, 0.0, 5.0) == 5.0
