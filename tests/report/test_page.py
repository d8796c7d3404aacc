"""The page holds the catalogue, needs nothing else, and runs nothing that a file was called."""

import base64
import json
import re
from html.parser import HTMLParser
from math import isnan, nan

import numpy as np
import pytest

from pipeline.config.report import ReportOptions
from pipeline.report.data import script_json
from pipeline.report.driver import run
from pipeline.report.embed import Grids, compact, floats
from pipeline.report.evidence import qpo_sentence
from pipeline.report.page import render
from pipeline.status import Flag
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


def pieces_of(text):
    """The pieces of data that the page holds itself, by name."""
    page = Page(text)
    ids = [attributes.get("id", "") for tag, attributes in page.elements if tag == "script"]
    found = dict(zip(ids, page.scripts, strict=True))
    return {n.removeprefix("piece-"): json.loads(t) for n, t in found.items() if "piece-" in n}


def details_of(text):
    return pieces_of(text).get("details-0", {"details": []})["details"]


def decoded(column, n):
    """The cells of a column as `decodeColumn` returns them."""
    if column is None:
        return [None] * n
    if isinstance(column, list):
        return column
    ((kind, content),) = column.items()
    if kind == "all":
        return [content] * n
    cells = np.frombuffer(base64.b64decode(content), f"<{kind}").tolist()
    return [None if isnan(cell) else cell for cell in cells]


def cells_of(text):
    """Columns of the first block of rows."""
    block = pieces_of(text)["rows-0"]
    return {name: decoded(column, block["n"]) for name, column in block["columns"].items()}


def test_numbers_survive_the_way_into_the_page(catalogue):
    text = written(catalogue)
    cells, (detail, _), grids = cells_of(text), details_of(text), pieces_of(text)["details-0"]
    assert cells["source_id"][0] == "A"
    assert cells["slope"] == [pytest.approx(1.23456789, rel=1e-7), None, None]
    assert cells["flags"][0] == int(Flag.NO_P_VALUE)
    power = np.frombuffer(base64.b64decode(detail["spectrum"]["power"]), "<f4")
    parts = np.frombuffer(base64.b64decode(detail["spectrum"]["parts"]), "<f4").reshape(2, 3)
    np.testing.assert_array_equal(power, [3.0, 2.0, 1.0])
    np.testing.assert_array_equal(parts.sum(axis=0), [3.0, 2.0, 1.5])
    assert len(grids["grids"]) == 1


def test_whole_columns_are_there_to_sort_and_search_by(catalogue, hostile):
    pieces = pieces_of(written(catalogue))
    slope = np.frombuffer(base64.b64decode(pieces["column-slope-0"]), "<f4")
    np.testing.assert_array_equal(slope, np.float32([1.23456789, nan, nan]))
    words = data_of(written(catalogue))["pieces"]["words"]["status"]
    codes = np.frombuffer(base64.b64decode(pieces["column-status-0"]), "<u4")
    assert [words[code] for code in codes] == ["ok", "ok", "too_short"]
    lines = pieces["text-0"].split("\n")
    assert lines[0].split("\t")[0] == "a"
    assert lines[1].startswith(hostile.lower().replace("\u2028", " "))
    assert "too short." in lines[2]


def test_a_source_whose_draws_were_kept_shows_a_corner_plot(catalogue):
    details = details_of(written(catalogue))
    kind, image = details[0]["corner"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(image).startswith(b"\x89PNG")
    assert "corner" not in details[1]
    assert "corner" not in details_of(written(catalogue, max_corners=0))[0]


def test_a_source_shows_the_chosen_parameters_and_all_models(catalogue):
    detail = details_of(written(catalogue))[0]
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
    text = written(catalogue)
    cells = cells_of(text)
    assert cells["detail"] == [0, 1, -1]
    assert cells["reason"][2] == "Too short."
    assert len(details_of(text)) == 2
    assert pieces_of(text)["rejected"] == [["c.evt", "C", "segment", "too_short", ""]]
    assert data_of(text)["n_rejected"] == 1


def test_spectra_are_cut_at_the_configured_number(catalogue):
    text = written(catalogue, max_spectra=1)
    assert cells_of(text)["detail"] == [0, -1, -1]
    assert len(details_of(text)) == data_of(text)["n_details"] == 1


def test_data_that_are_many_lie_beside_the_page(catalogue, monkeypatch):
    held = pieces_of(written(catalogue))
    folder = catalogue["output"].parent / "data"
    assert list(folder.iterdir()) == []
    monkeypatch.setattr("pipeline.report.data.INLINE", 1000)
    text = written(catalogue)
    assert pieces_of(text) == {}
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert scripts.keys() == held.keys()
    for name, script in scripts.items():
        begin = f'arrived("{name}",'
        assert script.startswith(begin)
        assert json.loads(script.removeprefix(begin).removesuffix(");\n")) == held[name]


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
    assert cells_of(text)["source_id"][1] == hostile
    assert len(Page(text).scripts) == 2 + len(pieces_of(text))
    assert "innerHTML" not in text


def test_the_catalogue_is_linked_relative_to_the_page(catalogue):
    links = [a["href"] for tag, a in Page(written(catalogue)).elements if tag == "a"]
    assert "../catalog/catalog.fits" in links
    assert "../catalog/provenance.json" in links


def test_injected_values_are_compared_where_there_are_some(catalogue, truth_file):
    assert "truth" not in data_of(written(catalogue))
    truth = data_of(written(catalogue, truth=truth_file))["truth"]
    assert [row["quantity"] for row in truth["summary"]] == ["slope", "qpo_frequency"]
    assert truth["points"]["slope"][0][:4] == ["a", "A", 1.2, 1.234568]
    assert [sum(row["pulls"]) for row in truth["summary"]] == [0, 0]


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
    a, b = floats(np.array([1.0, 2.0])), floats(np.array([2.0, 3.0]))
    assert [grids.number(a, b), grids.number(b, b), grids.number(a, b)] == [0, 1, 0]
    assert len(grids.encoded) == 2


def test_json_cannot_end_its_element():
    text = script_json({"x": "</script><!-- &\u2028"})
    assert "<" not in text
    assert json.loads(text) == {"x": "</script><!-- &\u2028"}


def test_a_catalogue_without_sources_is_still_a_page():
    page = render("Nothing", {"n_sources": 0}, {})
    assert data_of(page) == {"n_sources": 0}
