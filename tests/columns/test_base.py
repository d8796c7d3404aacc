"""Columns and tables say what they are made of."""

import pytest

from pipeline.columns.base import Column, Table, with_errors

RATE = Column("rate", "float32", "Rate.", "ct/s", "phot.count")


def test_a_measured_column_has_errors_of_its_type_and_unit():
    value, lower, upper = with_errors(RATE)
    assert value is RATE
    assert (lower.name, upper.name) == ("rate_err_lo", "rate_err_hi")
    for error in (lower, upper):
        assert (error.dtype, error.unit) == ("float32", "ct/s")
        assert error.ucd == "stat.error;phot.count"
    assert lower.description == "Lower 68.3 % error of rate."


def test_a_column_is_found_by_its_name():
    table = Table("T", "A table.", with_errors(RATE), key=("rate",))
    assert table.names == ("rate", "rate_err_lo", "rate_err_hi")
    assert table.column("rate") is RATE
    with pytest.raises(KeyError, match="colour"):
        table.column("colour")
