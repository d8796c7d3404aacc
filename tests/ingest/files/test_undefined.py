"""Numbers and words that stand for no value, and numbers that look so and are values."""

import numpy as np
import pytest

from pipeline.ingest.files import undefined


def _with(values, *stand_ins):
    values = np.array(values, dtype=float)
    for i, (number, count) in enumerate(stand_ins):
        values[i * 50 : i * 50 + count] = number
    return values


def _rates(low=0.1, high=5.0, n=400):
    return np.random.default_rng(1).uniform(low, high, n)


@pytest.mark.parametrize(
    "number",
    [-999.0, -99.9, 99.99, 9999.0, -1.0, 1e30, -1e10, 9.96921e36, 2147483647, 3.4028235e38, -32768],
)
@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_numbers_that_stand_for_none(number, kind):
    found = undefined.clean(_with(_rates(), (number, 7)).astype(kind))
    assert np.count_nonzero(np.isnan(found.values)) == 7
    assert list(found.found.values()) == [7]


def test_two_of_them_and_magnitudes():
    found = undefined.clean(_with(_rates(12, 15), (99.99, 4), (-99.0, 3)))
    assert found.found == {"99.99": 4, "-99": 3}
    assert np.nanmax(found.values) < 15


def test_one_is_enough_where_it_is_beyond_all_measurement():
    assert undefined.clean(_with(_rates(), (1e30, 1))).found == {"1e+30": 1}
    assert not undefined.clean(_with(_rates(), (-999.0, 1))).found


@pytest.mark.parametrize(
    "values",
    [
        _with(_rates(0, 1500), (999.0, 5)),  # among the others
        _with(_rates(500, 900), (999.0, 5)),  # not far from them
        _with(_rates(-50, 50), (-99.9, 5)),  # a noise as wide
        _with(np.random.default_rng(2).poisson(2, 400), (-1.0, 3)),  # a difference of counts
        _with(_rates(), (7.77, 9)),  # not written as they are
        _with(_rates(1e29, 9e29), (1e30, 4)),  # luminosities
        np.full(400, 999.0),
        np.array([99.0, 99.0]),
    ],
)
def test_numbers_that_are_values(values):
    assert not undefined.clean(values).found


def test_integers_stay_integers_where_there_is_nothing_to_clean():
    counts = np.random.default_rng(3).poisson(4, 100)
    assert undefined.clean(counts).values is counts


@pytest.mark.parametrize("word", ["", "--", "INDEF", "...", "nan", "NULL", "<0.3", "> 5", "≤2"])
def test_words_without_a_number(word):
    assert np.isnan(undefined.number_of(word))


def test_words_with_a_number_and_with_neither():
    assert undefined.number_of(" 1.5D-03") == 1.5e-3
    assert undefined.number_of('"2"') == 2.0
    assert undefined.number_of("cloud") is None
    assert undefined.number_of("1.5:") is None


def test_a_column_of_words():
    found = undefined.of_words(np.array([b"1.0", b"<0.3", b"", b"1.0d1", b"12h"]))
    np.testing.assert_array_equal(found.values, [1.0, np.nan, np.nan, 10.0, np.nan])
    assert found.found == {"limits": 1, undefined.NOTHING: 1, "'12h'": 1}
