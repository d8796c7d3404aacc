"""Errors are found by name, in whatever form, and impossible ones are no measurement."""

import numpy as np
import pytest

from pipeline.ingest.files.ecsv import EcsvHdu
from pipeline.ingest.missions import registry
from pipeline.ingest.read.columns import MeasuredColumns
from pipeline.ingest.read.errors import are_impossible, of_rate

RATE = np.array([4.0, 9.0])


def _errors(name="RATE", units=None, **columns):
    values = {name: RATE} | {key: np.asarray(column, float) for key, column in columns.items()}
    table = MeasuredColumns(EcsvHdu("", {}, tuple(values), values, units or {}), 2)
    return of_rate(table, name, 0, registry.dialect(name)).tolist()


@pytest.mark.parametrize("column", ["RATE_ERR", "ERROR", "RATEERR", "E_RATE", "SIGMA", "STAT_ERR"])
def test_errors_by_their_usual_names(column):
    assert _errors(**{column: [1.0, 2.0]}) == [1.0, 2.0]


def test_the_errors_of_a_numbered_column_have_its_number():
    assert _errors("RATE2", ERROR2=[1.0, 2.0], ERROR1=[5.0, 5.0]) == [1.0, 2.0]


def test_variances_inverse_variances_percents_and_two_sides():
    assert _errors(RATE_VAR=[4.0, 9.0]) == [2.0, 3.0]
    assert _errors(IVAR=[0.25, 0.0]) == pytest.approx([2.0, np.nan], nan_ok=True)
    assert _errors(ERROR=[50.0, 10.0], units={"ERROR": "%"}) == pytest.approx([2.0, 0.9])
    squared = {"ERROR": "count2/s2", "RATE": "count/s"}
    assert _errors(ERROR=[4.0, 9.0], units=squared) == [2.0, 3.0]
    sides = _errors(ERROR_LO=[1.0, np.nan], ERROR_HI=[7.0, 2.0])
    assert sides == pytest.approx([5.0, 2.0])


def test_errors_of_fluxes_do_not_belong_to_counts():
    assert _errors("RATE", ERR_RATE=[1.0, 2.0]) == [1.0, 2.0]
    assert _errors("COUNTS", ERR_RATE=[1.0, 2.0]) == []


@pytest.mark.parametrize(
    ("rate", "error", "impossible"),
    [
        ([5.1, 5.2, 5.3], [-1.0, 0.3, 0.3], [True, False, False]),
        ([5.1, 5.2, 5.3], [0.0, 0.3, 0.3], [True, False, False]),
        ([0.0, 5.2, 5.3], [0.0, 0.3, 0.3], [True, False, False]),
        ([0.0, 5.2, 5.3], [0.0, 3.0, 3.0], [False, False, False]),
        ([5.1, 5.2, 5.3], [0.0, 0.0, 0.0], [False, False, False]),
    ],
)
def test_an_error_that_cannot_be_makes_its_bin_no_measurement(rate, error, impossible):
    found = are_impossible(np.array(rate), np.array(error), 1.0, np.empty(0))
    assert found.tolist() == impossible


def test_an_eclipse_of_counts_leaves_bins_without_any():
    counts = np.array([0.0, 100.0, 121.0, 144.0])
    assert not are_impossible(counts, np.sqrt(counts), 1.0, np.empty(0)).any()
