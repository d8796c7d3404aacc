"""Bins that cannot be used leave gaps, and rates are called counts only if they are."""

import numpy as np
import pytest

from pipeline.ingest.read import lightcurve
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag

EMPTY = np.empty(0)


def _good_bins(centre, rate, error=EMPTY, fracexp=EMPTY, bad=None, gti=((0, 100),), dt=1.0):
    centre = np.asarray(centre, float)
    measured = lightcurve.Measured(
        np.asarray(rate, float),
        np.asarray(error, float),
        np.asarray(fracexp, float),
        np.zeros(len(centre), bool) if bad is None else np.asarray(bad),
    )
    intervals = np.asarray(gti, float).reshape(-1, 2)
    return lightcurve.in_good_time(centre, measured, intervals, dt, 0.5)


def test_bad_bins_are_gaps_whatever_makes_them_bad():
    result = _good_bins(
        centre=[0.5, 1.5, np.nan, 3.5, 4.5, 5.5, 6.5],
        rate=[1.0, np.nan, 1.0, 4.0, 5.0, 6.0, -99999.0],
        error=[0.1, 0.1, 0.1, 0.1, np.nan, 0.1, 0.1],
        fracexp=[1.0, 1.0, 1.0, 0.6, 1.0, 0.4, 1.0],
        bad=[False] * 7,
    )
    assert result.time.tolist() == [0.5, 3.5]
    assert result.rate.tolist() == [1.0, 4.0]
    assert result.exposure == pytest.approx(1.6)
    assert Flag.TIMES_DROPPED in result.flags


def test_bins_marked_bad_and_bins_twice_are_left_out():
    result = _good_bins([2.5, 0.5, 1.5, 1.5], [3, 1, 2, 9], bad=[False, True, False, False])
    assert result.rate.tolist() == [2.0, 3.0]
    assert result.flags == Flag.TIMES_DROPPED | Flag.UNSORTED


def test_times_count_from_the_start_of_the_first_bin():
    result = _good_bins([105.0, 115.0], [1.0, 1.0], gti=[[0.0, 1000.0]], dt=10.0)
    assert result.start == 100.0
    assert result.time.tolist() == [5.0, 15.0]
    assert result.gti.tolist() == [[0.0, 20.0]]


def test_bins_outside_good_time_are_left_out():
    result = _good_bins(np.arange(10) + 0.5, np.arange(10), gti=[[0, 3], [7, 10]])
    assert result.rate.tolist() == [0, 1, 2, 7, 8, 9]
    assert result.gti.tolist() == [[0.0, 3.0], [7.0, 10.0]]


def test_good_time_finer_than_a_bin_is_an_exposed_fraction_and_not_gaps():
    fine = np.arange(0.0, 100.0, 2.0)
    result = _good_bins([5.0, 15.0], [1, 1], gti=np.column_stack([fine, fine + 1.0]), dt=10.0)
    assert len(result.gti) == 1
    assert result.fracexp == pytest.approx([0.5, 0.5])
    assert result.exposure == pytest.approx(10.0)


def test_without_good_time_the_span_is_used():
    result = _good_bins([0.5, 1.5, 7.5], [1, 1, 1], gti=[])
    assert result.gti.tolist() == [[0.0, 8.0]]
    assert Flag.NO_GTI in result.flags
    assert not len(result.fracexp)


def test_good_time_elsewhere_is_not_given_up():
    with pytest.raises(Rejected) as caught:
        _good_bins([0.5, 1.5, 7.5], [1, 1, 1], gti=[[1e9, 2e9]])
    assert caught.value.status == "no_data"


def test_errors_that_are_all_missing_do_not_cost_the_rates():
    result = _good_bins([0.5, 1.5], [1, 2], error=[np.nan, np.nan])
    assert result.rate.tolist() == [1, 2]
    assert not len(result.rate_err)


@pytest.mark.parametrize(
    ("centre", "rate", "status"),
    [([np.nan], [1.0], "bad_time"), ([], [], "bad_time"), ([1.0, 2.0], [np.nan] * 2, "no_data")],
)
def test_nothing_left_is_said(centre, rate, status):
    with pytest.raises(Rejected) as caught:
        _good_bins(centre, rate)
    assert caught.value.status == status


def test_cells_that_hold_arrays():
    assert lightcurve.as_bands(np.arange(4), 4).tolist() == [[0, 1, 2, 3]]
    assert lightcurve.as_bands(np.arange(12).reshape(4, 3), 4)[1].tolist() == [1, 4, 7, 10]
    assert lightcurve.as_bands(np.arange(8).reshape(1, 4, 2), 4)[0].tolist() == [0, 2, 4, 6]
    with pytest.raises(Rejected, match="5 values"):
        lightcurve.as_bands(np.arange(5), 4)
    with pytest.raises(Rejected, match="100 values a time"):
        lightcurve.as_bands(np.zeros((4, 10, 10)), 4)
