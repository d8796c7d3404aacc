"""A keyword is a number, a yes or nothing, whatever a file has in its place."""

import math

import pytest

from pipeline.ingest import keyword


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), ("2.5", 2.5), (True, None), ("T", None), (math.inf, None), (10**400, None)],
)
def test_a_number_is_finite_or_none(value, number):
    assert keyword.number({"KEY": value}, "KEY") == number
    assert keyword.number({}, "KEY") is None


def test_what_is_not_positive_is_unknown():
    assert keyword.positive({"KEY": 2}, "KEY") == 2.0
    assert all(math.isnan(keyword.positive({"KEY": v}, "KEY")) for v in (0, -1, "x", None))


@pytest.mark.parametrize("value", [True, 1, 1.0, "T", " yes ", "1", "Applied"])
def test_every_spelling_of_yes(value):
    assert keyword.is_true(value)


@pytest.mark.parametrize("value", [False, 0, 2, "F", "", None, [1], "maybe"])
def test_all_else_is_not_yes(value):
    assert not keyword.is_true(value)


@pytest.mark.parametrize(
    ("value", "whole"), [(4, 4), ("04", 4), (4.0, None), (True, None), ("", None)]
)
def test_a_whole_number_is_one_as_it_is_written(value, whole):
    assert keyword.whole(value) == whole
