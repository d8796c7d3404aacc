"""A column is numbers by band and time, read once, with a note of what stood for no value."""

import numpy as np
import pytest

from pipeline.ingest.files.ecsv import EcsvHdu
from pipeline.ingest.read.columns import MeasuredColumns
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag


def _columns(n, **columns):
    values = {name: np.asarray(column) for name, column in columns.items()}
    return MeasuredColumns(EcsvHdu("", {}, tuple(values), values), n)


def test_words_are_read_as_numbers_and_what_is_none_is_noted():
    table = _columns(3, RATE=["1.5", "<0.3", "2"], ERROR=["0.1", "", "--"])
    assert table.bands("RATE")[0].tolist()[::2] == [1.5, 2.0]
    assert table.stand_ins().reasons == ["1 with limits in RATE"]
    assert table.stand_ins().flags == Flag.STAND_INS
    blank = _columns(3, ERROR=["0.1", "", "--"])
    assert np.isnan(blank.bands("ERROR")[0][1:]).all()
    assert blank.stand_ins().flags == Flag(0)


def test_the_first_column_that_there_is_and_its_band_or_its_only_one():
    table = _columns(2, A=[[1, 2], [3, 4]], B=[5, 6])
    assert table.first_of(("NONE", "A"), 1).tolist() == [2.0, 4.0]
    assert table.first_of(("B", "A"), 1).tolist() == [5.0, 6.0]
    assert len(table.first_of(("NONE",))) == 0
    assert list(table.each("A")) == [0, 1]


def test_a_column_that_does_not_fit_the_times_is_refused():
    with pytest.raises(Rejected, match="3 values cannot be assigned to 2 times"):
        _columns(2, A=[1, 2, 3]).bands("A")
