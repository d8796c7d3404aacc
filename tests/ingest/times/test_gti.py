"""Arithmetic of good time intervals, and which of a file's tables are believed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.times import gti

_interval = st.tuples(st.integers(0, 60), st.integers(0, 60))
_lists = st.lists(_interval, max_size=8).map(lambda v: np.array(v, dtype=float).reshape(-1, 2))
_instants = np.arange(60) + 0.5


def _good(intervals):
    """Which half-integer instants are good, by brute force."""
    return np.array([any(a < t < b for a, b in intervals) for t in _instants], dtype=bool)


@settings(deadline=None, derandomize=True, database=None)
@given(_lists)
def test_merging_keeps_the_good_time_and_leaves_gaps_between_intervals(intervals):
    merged = gti.merge(intervals)
    assert np.array_equal(gti.inside(_instants, merged), _good(intervals))
    assert np.all(merged[1:, 0] > merged[:-1, 1])
    assert gti.total(merged) == _good(intervals).sum()


@settings(deadline=None, derandomize=True, database=None)
@given(_lists, _lists)
def test_an_intersection_is_good_in_both(a, b):
    both = gti.intersect(gti.merge(a), gti.merge(b))
    assert np.array_equal(_good(both), _good(a) & _good(b))


@settings(deadline=None, derandomize=True, database=None)
@given(_lists)
def test_overlap_is_the_good_time_in_a_bin(intervals):
    merged = gti.merge(intervals)
    if len(merged):
        start = np.arange(0.0, 60.0, 5.0)
        expected = _good(intervals).reshape(12, 5).sum(axis=1)
        assert gti.overlap(start, start + 5, merged) == pytest.approx(expected)


def test_intervals_that_are_reversed_or_not_finite_are_dropped():
    intervals = np.array([[5.0, 1.0], [np.nan, 2.0], [3.0, np.inf], [7.0, 8.0], [2.0, 2.0]])
    assert gti.merge(intervals).tolist() == [[7.0, 8.0]]


def test_gaps_up_to_a_bin_are_closed_and_longer_ones_are_not():
    intervals = np.array([[0.0, 1.0], [1.5, 2.0], [4.0, 5.0]])
    assert gti.close_gaps(intervals, 1.0).tolist() == [[0.0, 2.0], [4.0, 5.0]]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["GTI_FILT", "GTI", "GTI_MPU0"], [1]),
        (["STDGTI"], [0]),
        (["BKG_GTIS", "SRC_GTIS"], [1]),
        (["STDGTI01", "STDGTI02", "BADPIX"], [0, 1]),
        (["GTI", "GTI"], [0, 1]),
        (["ISGR-EVTS-GTI"], [0]),
        ([], []),
    ],
)
def test_the_standard_table_of_each_mission_is_found(names, chosen):
    assert gti.standard(names) == chosen


def test_detectors_are_united_and_criteria_intersected():
    tables = [np.array([[0.0, 5.0]]), np.array([[3.0, 9.0]])]
    assert gti.combine(tables, per_detector=True).tolist() == [[0.0, 9.0]]
    assert gti.combine(tables, per_detector=False).tolist() == [[3.0, 5.0]]


def test_criteria_that_exclude_each_other_are_not_believed():
    tables = [np.array([[0.0, 1.0]]), np.array([[3.0, 4.0]])]
    assert gti.combine(tables, per_detector=False).tolist() == [[0.0, 1.0], [3.0, 4.0]]


def test_ordered_times_are_looked_up_as_any_are():
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 200, 500).astype(float))
    intervals = gti.merge(rng.integers(0, 200, (20, 2)).astype(float))
    for some in (intervals, intervals[:1], np.empty((0, 2))):
        expected = gti.inside(times, some)
        np.testing.assert_array_equal(gti.inside_in_order(times, some), expected)
