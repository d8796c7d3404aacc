"""Histograms of the overview hold every value."""

import numpy as np
import pytest

from pipeline.report.histograms import histogram


def test_a_histogram_keeps_every_value():
    found = histogram(np.array([1.0, 2.0, 5.0, 10.0, 100.0, np.nan, -1.0]), log=True)
    assert (found["n"], found["left_out"], found["median"]) == (5, 1, 5.0)
    assert sum(found["counts"]) == 5
    assert found["counts"][0] == found["counts"][-1] == 1
    assert found["edges"][0] < 1
    assert found["edges"][-1] > 100
    assert len(found["edges"]) == len(found["counts"]) + 1


@pytest.mark.parametrize("log", [False, True])
def test_equal_values_have_a_bin_of_some_width(log):
    found = histogram(np.full(3, 2.0), log=log)
    assert sum(found["counts"]) == 3
    assert found["edges"][0] < 2 < found["edges"][-1]


def test_no_value_is_no_histogram():
    found = histogram(np.array([np.nan, -1.0]), log=True)
    assert (found["n"], found["left_out"], found["counts"]) == (0, 1, [])
