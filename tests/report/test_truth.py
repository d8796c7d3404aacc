"""Injected values are held against what the catalogue says, misses included."""

from math import isnan, nan

import numpy as np
import pytest

from pipeline.columns.catalogue import SOURCES
from pipeline.columns.simulate import TRUTH
from pipeline.report import truth as module
from pipeline.report.truth import QUANTITIES, object_key, pull
from pipeline.status import Flag
from pipeline.tables import to_arrow


def compare(sources, truth):
    """The comparison of rows, as columns."""
    return module.compare(to_arrow(SOURCES, sources), to_arrow(TRUTH, truth))


def summary(sources, truth):
    return module.summary(compare(sources, truth))


def truth_table(sources, truth):
    return module.truth_table(to_arrow(SOURCES, sources), to_arrow(TRUTH, truth))


def injected(name, **values):
    return {"object": name, **dict.fromkeys(QUANTITIES, nan), **values}


def source(name, source_id=None, **values):
    row = {"object": name, "source_id": source_id or name}
    for quantity in QUANTITIES:
        value, lo, hi = values.get(quantity, (nan, nan, nan))
        row |= {quantity: value, f"{quantity}_err_lo": lo, f"{quantity}_err_hi": hi}
    return row


def test_archives_spell_one_object_in_many_ways():
    spellings = ("SIM J0001+0102", "sim_j0001+0102", " SIM  J0001+0102 ", "SIMJ0001+0102")
    assert {object_key(name) for name in spellings} == {"SIMJ0001+0102"}


def test_the_error_towards_the_injected_value_counts():
    assert pull(1.0, 1.2, err_lo=0.1, err_hi=9.0) == pytest.approx(2.0)
    assert pull(1.0, 0.8, err_lo=9.0, err_hi=0.1) == pytest.approx(-2.0)


@pytest.mark.parametrize("error", [nan, 0.0])
def test_a_value_without_an_error_has_no_pull(error):
    assert isnan(pull(1.0, 1.2, error, error))


def test_a_missed_value_and_a_missing_source_count_as_failures():
    truth = [injected("A", slope=1.0), injected("B", slope=1.0), injected("C", slope=1.0)]
    sources = [source("A", slope=(1.1, 0.1, 0.1)), source("B")]
    (row,) = summary(sources, truth)
    assert (row["injected"], row["recovered"]) == (3, 1)
    assert row["within_3"] == pytest.approx(1 / 3)


def test_three_errors_are_inside_and_more_are_not():
    truth = [injected("A", slope=1.0), injected("B", slope=1.0)]
    sources = [source("A", slope=(1.375, 0.125, 1)), source("B", slope=(1.5, 0.125, 1))]
    assert compare(sources, truth).within.tolist() == [True, False]


def test_what_was_not_injected_is_not_compared():
    found = compare([source("A", slope=(1.0, 0.1, 0.1))], [injected("A", qpo_frequency=5.0)])
    assert [QUANTITIES[place] for place in found.quantity] == ["qpo_frequency"]


def test_every_source_of_an_object_is_compared():
    sources = [source("A", i, slope=(1.0, 0.1, 0.1)) for i in ("1", "2")]
    assert compare(sources, [injected("A", slope=1.0)]).source_id.tolist() == ["1", "2"]


def test_a_qpo_where_none_was_injected_is_named():
    truth = [injected("A", slope=1.0), injected("B", qpo_frequency=5.0)]
    sources = [source(name, qpo_frequency=(5.0, 0.1, 0.1)) for name in ("A", "B")]
    found = module.false_qpos(to_arrow(SOURCES, sources), to_arrow(TRUTH, truth))
    assert found == ["A"]


def test_the_table_for_the_terminal_has_a_line_a_source_and_one_a_quantity():
    truth = [injected("A", slope=1.0, qpo_frequency=5.0), injected("B", slope=1.5, qpo_rms=0.1)]
    sources = [source("A", slope=(1.1, 0.1, 0.2), qpo_frequency=(5.0, 0.1, 0.1))]
    lines = truth_table(sources, truth).splitlines()
    assert len(lines) == 2 + 2 + 1 + 3 + 1
    slope, qpo = (part.split() for part in lines[2].removeprefix("A").split("|")[1:])
    assert slope == ["1", "1.1", "0.1", "0.2", "1"]
    assert qpo == ["5", "5", "0.1", "0.1", "0"]
    assert lines[3].split() == ["B", "|", "1.5", "-", "-", "-", "-", "|"]
    assert "2 injected,    1 recovered" in lines[5]
    assert "50.0 % within 3" in lines[5]
    assert lines[7].startswith("qpo_rms")


def test_what_the_data_cannot_tell_was_not_missed():
    truth = [injected(name, qpo_rms=0.1) for name in "ABC"]
    sources = [source("A", qpo_rms=(0.1, 0.01, 0.01)), source("B"), source("C")]
    sources[1]["flags"] = int(Flag.RMS_UNKNOWN | Flag.NO_P_VALUE)
    sources[2]["flags"] = int(Flag.NO_P_VALUE)
    (row,) = summary(sources, truth)
    assert (row["injected"], row["unknowable"], row["recovered"]) == (3, 1, 1)
    assert row["within_1"] == 0.5
    text = truth_table(sources, truth)
    assert "1 that cannot be known (no mean rate)" in text
    assert "50.0 % within 3 of the others" in text
    (row,) = summary(sources[1:2], truth[1:2])
    assert (row["recovered"], row["unknowable"], row["within_3"]) == (0, 1, 0.0)
    assert "%" not in truth_table(sources[1:2], truth[1:2]).splitlines()[-2]


def test_an_interval_without_an_end_holds_what_lies_on_that_side():
    truth = [injected("A", qpo_fwhm=0.1), injected("B", qpo_fwhm=0.9)]
    sources = [source(name, qpo_fwhm=(0.2, nan, 0.1)) for name in "AB"]
    for found in sources:
        found["qpo_fwhm_open_lo"] = True
    np.testing.assert_allclose(compare(sources, truth).pull, [0.0, -7.0])


def test_no_truth_is_an_empty_table():
    assert "0 QPO(s)" in truth_table([], [])


def test_of_very_many_points_some_are_drawn_and_all_are_counted():
    n = 3 * 2000 - 1
    truth = to_arrow(TRUTH, [injected(str(k), slope=1.0) for k in range(n)])
    sources = to_arrow(SOURCES, [source(str(k), slope=(1.0 + k % 2, 0.1, 0.1)) for k in range(n)])
    found = module.truth_data(sources.select(module.COMPARED), truth)
    assert len(found["points"]["slope"]) == -(-n // 3)
    (row,) = found["summary"]
    assert (row["injected"], sum(row["pulls"]), row["pulls"][-1]) == (n, n, n // 2)
