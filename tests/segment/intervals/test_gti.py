"""Segments lie whole inside good time."""

import numpy as np

from pipeline.segment.intervals import gti


def test_touching_and_overlapping_intervals_become_one():
    start, stop = gti.merge([20.0, 0.0, 5.0, 30.0, 10.0], [25.0, 8.0, 10.0, 30.0, 11.0])
    assert start.tolist() == [0.0, 20.0]
    assert stop.tolist() == [11.0, 25.0]


def test_intervals_without_length_or_without_end_are_left_out():
    start, stop = gti.merge([0.0, np.nan, 7.0], [1.0, 5.0, 6.0])
    assert (start.tolist(), stop.tolist()) == ([0.0], [1.0])
    assert len(gti.merge([], [])[0]) == 0


def test_segments_start_with_each_interval_and_leave_the_rest():
    interval, offset = gti.segment_offsets([10, 3, 8], 4)
    assert interval.tolist() == [0, 0, 2, 2]
    assert offset.tolist() == [0, 4, 0, 4]


def test_an_interval_that_lacks_a_rounding_error_holds_its_segment():
    assert gti.whole_bins([0.0, 0.0], [64 - 1e-6, 64 - 1e-3], 1 / 16).tolist() == [1024, 1023]
    assert gti.whole_bins([0.0], [1.0], 0.1).tolist() == [10]


def test_exposed_fraction_of_bins_across_interval_edges():
    time = np.array([0.5, 1.5, 2.5, 3.5, 9.5])
    fraction = gti.exposed_fraction(time, 1.0, np.array([0.25, 3.0]), np.array([2.5, 20.0]))
    np.testing.assert_allclose(fraction, [0.75, 1.0, 0.5, 1.0, 1.0])
    assert gti.exposed_fraction(time, 1.0, np.zeros(0), np.zeros(0)).tolist() == [0.0] * 5
