"""Columns of quality, whoever's they are."""

import numpy as np
import pytest

from pipeline.ingest.read import quality
from pipeline.ingest.reject import Rejected


def _bad(name, values, **more):
    return quality.of_column(name, np.array(values), **more).bad.tolist()


def test_which_columns_say_which_rows_are_bad():
    said = (
        "QUALITY DATA_FLAG FLAG SAP_QUALITY DQ QUAL Q_FLAG IS_BAD GOOD GOOD_FLAG VALID MASK UPLIM"
    )
    silent = "TIME RATE ERROR Q U FRACEXP BACKV CADENCENO GRADE BADGE FLAGELLUM STATUS"
    assert quality.columns_of(said.split()) == said.split()
    assert quality.columns_of(silent.split()) == []


@pytest.mark.parametrize(
    ("name", "values", "bad"),
    [
        ("DATA_FLAG", [0, 2, 0, 1], [0, 1, 0, 1]),
        ("QUALITY", [0.0, np.nan, 0.0, 64.0], [0, 1, 0, 1]),
        ("GOOD", [1, 0, 1, 1], [0, 1, 0, 0]),
        ("IS_BAD", [False, True, False, False], [0, 1, 0, 0]),
        ("VALID", [True, True, False, True], [0, 0, 1, 0]),
        ("FLAG", ["G", "X", "G", "D"], [0, 1, 0, 1]),
        ("FLAG", [b"good", b"Bad ", b"OK", b""], [0, 1, 0, 0]),
        ("QUALITY", ["0", "0", "16", "1"], [0, 0, 1, 1]),
        ("UPPER_LIMIT", [0, 1, 0, 0], [0, 1, 0, 0]),
        ("UPPER_LIMIT", [0.3, 1.2, np.nan, 0.1], [0, 0, 0, 0]),
        ("FLAG", [[0, 0], [0, 1], [0, 0], [1, 1]], [0, 1, 0, 1]),
    ],
)
def test_a_row_is_bad_by_its_value(name, values, bad):
    found = quality.of_column(name, np.array(values))
    assert found.bad.tolist() == [bool(b) for b in bad]
    assert found.known


def test_bits_that_are_bad_and_values_that_are_good():
    assert _bad("QUALITY", [0, 1, 8, 9], bad_bits=8) == [False, False, True, True]
    assert _bad("QUALITY", [1, 2, 5, 2], good=[1, "2"]) == [False, False, True, False]
    assert _bad("GRADE", ["A", "b", "C"], good=["a", "B"]) == [False, False, True]
    assert _bad("FLAG", [True, False], good=[True]) == [False, True]


def test_the_commoner_of_two_values_is_good_where_nothing_says_which():
    found = quality.of_column("MASK", np.array([True, True, False, True]))
    assert found.bad.tolist() == [False, False, True, False]
    assert not found.known
    assert quality.of_column("MASK", np.zeros(4, bool)).known


def test_values_that_say_nothing_are_named_where_the_configuration_asks_for_them():
    grades = np.array(["A", "B", "C"])
    found = quality.of_column("QUALITY", grades)
    assert not found.known
    assert not found.bad.any()
    with pytest.raises(Rejected, match=r"holds A, B, C: say in ingest\.tables\.good"):
        quality.of_column("3", grades, asked=True)
    assert not quality.of_column("QUALITY", np.array([0.3, 0.9])).known
