"""Sources are neither lost nor invented, and a survey that mostly failed is not published."""

import pytest

from pipeline.catalog.conservation import RowsLost, conserve, expected_sources
from pipeline.catalog.gate import Endings, quality_gate
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.observations import OBSERVATIONS
from pipeline.tables import to_arrow


def test_every_file_but_duplicates_and_files_set_aside_makes_its_source():
    pairs = [("A", "ok"), ("B", "truncated"), ("", "unreadable"), ("C", "duplicate")]
    files = [{"source_id": s, "status": t} for s, t in [*pairs, ("D", "set_aside"), ("A", "ok")]]
    assert expected_sources(to_arrow(OBSERVATIONS, files)) == {"A", "B"}


def test_a_lost_source_is_named_with_its_stage():
    with pytest.raises(RowsLost, match=r"segment: 1 source\(s\) missing: B$"):
        conserve("segment", {"A", "B"}, ["A"])


def test_an_invented_source_is_named_too():
    with pytest.raises(RowsLost, match="does not have: C"):
        conserve("fit", {"A"}, ["A", "C"])


def test_the_message_stays_short_when_many_are_lost():
    with pytest.raises(RowsLost) as error:
        conserve("plan", {f"{i:04d}" for i in range(5000)}, set())
    assert "5000 source(s) missing" in str(error.value)
    assert len(str(error.value)) < 200


def endings(statuses, reasons):
    ids = [f"S{k:02d}" for k in range(len(statuses))]
    rows = [
        {"source_id": i, "status": s, "reason": r}
        for i, s, r in zip(ids, statuses, reasons, strict=True)
    ]
    found = Endings()
    for row in reversed(rows):  # in any order
        found.add(to_arrow(SOURCES, [row]))
    return found


def test_the_gate_opens_up_to_the_configured_fraction():
    statuses = ["ok", "at_bound", "too_short", "no_data"]
    assert quality_gate(endings(statuses, [""] * 4), 0.5) == ""
    assert "2 of 4 sources have no result" in quality_gate(endings(statuses, [""] * 4), 0.49)


def test_the_gate_names_the_three_most_frequent_causes_with_an_example_each():
    statuses = ["too_short"] * 4 + ["no_data"] * 3 + ["error"] * 2 + ["truncated"]
    message = quality_gate(endings(statuses, [f"reason {i}" for i in range(10)]), 0.1)
    assert "4 x too_short (such as: reason 0)" in message
    assert "3 x no_data (such as: reason 4)" in message
    assert "2 x error" in message
    assert "truncated" not in message
    assert "\n" not in message


def test_a_survey_without_sources_passes():
    assert quality_gate(Endings(), 0.0) == ""
