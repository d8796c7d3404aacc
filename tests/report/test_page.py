"""The page holds the catalogue, needs nothing else, and runs nothing that a file was called."""

import base64
import json
import re
from html.parser import HTMLParser
from math import nan

import numpy as np
import pytest

from pipeline.config.report import ReportOptions
from pipeline.report.driver import run
from pipeline.report.embed import Grids, compact, floats
from pipeline.report.evidence import qpo_sentence
from pipeline.report.page import render, script_json
from pipeline.tables import TableError


class Page(HTMLParser):
    """Elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            self.scripts[-1] += data


def written(arguments, truth=None, **options):
    run(**arguments, options=ReportOptions(**options), truth=truth)
    return arguments["output"].read_text(encoding="utf-8")


def data_of(text):
    return json.loads(Page(text).scripts[0])


def test_numbers_survive_the_way_into_the_page(catalogue):
    data = data_of(written(catalogue))
    assert data["sources"]["source_id"][0] == "A"
    assert data["sources"]["slope"] == [1.234568, None, None]
    spectrum = data["details"][0]["spectrum"]
    power = np.frombuffer(base64.b64decode(spectrum["power"]), "<f4")
    parts = np.frombuffer(base64.b64decode(spectrum["parts"]), "<f4").reshape(2, 3)
    np.testing.assert_array_equal(power, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(parts.sum(axis=0), [3.0, 2.0, 1.5])


def test_a_source_whose_draws_were_kept_shows_a_corner_plot(catalogue):
    details = data_of(written(catalogue))["details"]
    kind, image = details[0]["corner"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(image).startswith(b"\x89PNG")
    assert "corner" not in details[1]
    assert "corner" not in data_of(written(catalogue, max_corners=0))["details"][0]


def test_a_source_shows_the_chosen_parameters_and_all_models(catalogue):
    detail = data_of(written(catalogue))["details"][0]
    (row,) = detail["parameters"]
    assert row[:8] == ["power_law.1", "slope", 1.0, 0.1, None, "", False, False]
    assert row[8:] == [False, False, False, None, None]
    assert [row[0] for row in detail["models"]] == ["noise", "m"]
    assert [row[0] for row in detail["files"]] == ["0.evt"]


def test_the_page_says_on_what_evidence_there_are_qpos(catalogue):
    data = data_of(written(catalogue))
    assert data["qpos"] == "3 with a Lorentzian of Q > 2 (no p-values)"


@pytest.mark.parametrize(
    ("frequencies", "q_values", "text"),
    [
        ([1.0, nan, 2.0], [nan, nan, nan], "2 with a Lorentzian of Q > 2 (no p-values)"),
        ([nan, nan], [0.5, nan], "0 with a QPO (false-discovery rate at most 1 %)"),
        ([1.0, 2.0], [1e-9, 0.01], "2 with a QPO (false-discovery rate at most 1 %)"),
        (
            [1.0, 2.0, 3.0, None],
            [0.001, 0.5, nan, None],
            "1 with a QPO (false-discovery rate at most 1 %), 2 more with a Lorentzian of Q > 2 "
            "(1 not significant, 1 without a p-value)",
        ),
    ],
)
def test_a_qpo_is_what_is_significant_where_p_values_are_known(frequencies, q_values, text):
    assert qpo_sentence(frequencies, q_values) == text


def test_a_source_without_a_fit_is_in_the_table_only(catalogue):
    data = data_of(written(catalogue))
    assert data["details"][2] is None
    assert data["sources"]["reason"][2] == "Too short."
    assert data["rejected"] == [["c.evt", "C", "segment", "too_short", ""]]


def test_spectra_share_their_frequencies(catalogue):
    assert len(data_of(written(catalogue))["grids"]) == 1


def test_spectra_are_cut_at_the_configured_number(catalogue):
    data = data_of(written(catalogue, max_spectra=1))
    assert [detail is not None for detail in data["details"]] == [True, False, False]
    assert data["n_details"] == 1


def test_counts_come_with_the_sentence_of_their_status(catalogue):
    statuses = data_of(written(catalogue))["statuses"]
    assert [(s["status"], s["count"], s["result"]) for s in statuses] == [
        ("ok", 2, True),
        ("too_short", 1, False),
    ]
    assert all(s["sentence"].endswith(".") for s in statuses)


def test_nothing_is_fetched_from_anywhere(catalogue):
    text = written(catalogue)
    for tag, attributes in Page(text).elements:
        assert tag not in ("img", "iframe", "object", "embed")
        assert "src" not in attributes
        if tag == "link":
            assert attributes["href"].startswith("data:")
        if tag == "a":
            assert not re.match(r"\w+:", attributes["href"])
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\((?!#)", text)


def test_names_from_files_stay_data(catalogue, hostile):
    text = written(catalogue, title="<b>Survey</b> & {{data}}")
    assert "<b>" not in text
    assert "<title>&lt;b&gt;Survey&lt;/b&gt; &amp; {{data}}</title>" in text
    assert "onerror" in text
    assert "<img" not in text
    assert data_of(text)["sources"]["source_id"][1] == hostile
    assert len(Page(text).scripts) == 2
    assert "innerHTML" not in text


def test_the_catalogue_is_linked_relative_to_the_page(catalogue):
    links = [a["href"] for tag, a in Page(written(catalogue)).elements if tag == "a"]
    assert "../catalog/catalog.fits" in links
    assert "../catalog/provenance.json" in links


def test_injected_values_are_compared_where_there_are_some(catalogue, truth_file):
    assert "truth" not in data_of(written(catalogue))
    truth = data_of(written(catalogue, truth=truth_file))["truth"]
    assert [row["quantity"] for row in truth["summary"]] == ["slope", "qpo_frequency"]
    assert truth["points"][0][:5] == ["a", "A", "slope", 1.2, 1.234568]


def test_the_same_catalogue_gives_the_same_page(catalogue):
    assert written(catalogue) == written(catalogue)


def test_a_missing_table_is_named(catalogue):
    (catalogue["fit"] / "shard-0001.curves.parquet").unlink()
    with pytest.raises(TableError, match="shard-0001"):
        written(catalogue)


def test_numbers_are_compact():
    assert [compact(x) for x in (1 / 3, float("nan"), float("inf"), 7, "x")] == [
        0.3333333,
        None,
        None,
        7,
        "x",
    ]
    assert base64.b64decode(floats(np.array([1.0]))) == b"\x00\x00\x80?"


def test_grids_are_numbered_in_the_order_they_come():
    grids = Grids()
    a, b = np.array([1.0, 2.0]), np.array([2.0, 3.0])
    assert [grids.number(a, b), grids.number(b, b), grids.number(a, b)] == [0, 1, 0]
    assert len(grids.encoded) == 2


def test_json_cannot_end_its_element():
    text = script_json({"x": "</script><!-- &\u2028"})
    assert "<" not in text
    assert json.loads(text) == {"x": "</script><!-- &\u2028"}


def test_a_catalogue_without_sources_is_still_a_page():
    page = render("Nothing", {"n_sources": 0}, {})
    assert data_of(page) == {"n_sources": 0}
