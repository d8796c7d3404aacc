"""Two catalogues are told apart source by source, and the reason is the one that was put in."""

import copy
import json
from math import nan

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import changes, diff, driver
from pipeline.columns.registry import CATALOGUE
from pipeline.commands import main
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey


@pytest.fixture
def make(tmp_path, rows_of_stages, write):
    """Return a function that makes a catalogue of the small survey, with something changed."""

    quick = {"options": CatalogOptions(max_failed_fraction=0.7, formats=[])}

    def make(name, change=lambda rows: None, **arguments):
        rows = copy.deepcopy(rows_of_stages)
        change(rows)
        driver.run(**write(tmp_path / name / "results", rows) | quick | arguments)
        folder = tmp_path / name / "results" / "output"
        return folder.rename(folder.with_name("catalog"))

    return make


def shift_slope(by):
    def change(rows):
        for row in rows["parameters"]:
            if row["parameter"] == "slope":
                row["value"] += by

    return change


def compare(old, new, sigma=3.0):
    result = diff.compare(old, new, sigma)
    json.dumps(result, allow_nan=False)
    return result


def test_a_catalogue_does_not_differ_from_itself(make):
    old = make("old")
    result = compare(old, old)
    assert result["gained"] == result["lost"] == result["changed"] == []
    assert result["config"] == result["code"] == {}


def test_a_value_has_changed_from_so_many_errors_on(make):
    old = make("old")
    error = pq.read_table(old / "sources.parquet").to_pylist()
    error = next(row["slope_err_hi"] for row in error if row["source_id"] == "QPO")
    new = make("new", shift_slope(2.5 * error))
    assert compare(old, new)["changed"] == []
    (source,) = compare(old, new, sigma=2.0)["changed"]
    (column,) = source["columns"]
    assert (source["source_id"], column["column"]) == ("QPO", "slope")
    assert column["sigma"] == pytest.approx(2.5)
    assert source["why"] == ["unknown"]  # nothing that is recorded differs


def test_a_changed_file_is_the_reason_for_its_source_and_for_no_other(make):
    def change(rows):
        shift_slope(10.0)(rows)
        rows["models"] = [m for m in rows["models"] if m["source_id"] != "NOISE Ω<b>"] + [
            m | {"status": "error", "reason": "broken", "best": False}
            for m in rows["models"]
            if m["source_id"] == "NOISE Ω<b>"
        ]
        rows["observations"][0]["sha256"] = "f" * 64

    result = compare(
        make("old"), make("new", change, options=CatalogOptions(max_failed_fraction=1))
    )
    assert result["input"] == {"new": [], "removed": [], "changed": ["a.evt"]}
    sources = {s["source_id"]: s for s in result["changed"]}
    assert sources["QPO"]["why"] == ["input"]
    assert sources["QPO"]["files"] == {"changed": ["a.evt"]}
    noise = sources["NOISE Ω<b>"]
    assert noise["why"] == ["unknown"]
    assert {c["column"] for c in noise["columns"]} >= {"status", "model"}


def test_a_touched_file_has_not_changed_where_its_checksum_has_not(make):
    old = make("old", lambda rows: rows["observations"][0].update(version="1-1"))
    new = make("new", lambda rows: rows["observations"][0].update(version="1-2"))
    assert compare(old, new)["input"]["changed"] == []


def test_sources_are_gained_and_lost_with_their_files(make):
    def without(source):
        def change(rows):
            for stage, found in rows.items():
                rows[stage] = [row for row in found if row["source_id"] != source]

        return change

    all_of_them, fewer = make("all"), make("fewer", without("SHORT"))
    (gained,) = compare(fewer, all_of_them)["gained"]
    assert gained["source_id"] == "SHORT"
    assert gained["why"] == ["input"]
    assert gained["files"] == {"new": ["d.evt"]}
    (lost,) = compare(all_of_them, fewer)["lost"]
    assert (lost["source_id"], lost["files"]) == ("SHORT", {"removed": ["d.evt"]})


def test_another_configuration_is_the_reason_by_its_keys(make):
    options = CatalogOptions(max_failed_fraction=0.7, qpo_min_q=50.0)
    survey = Survey(archive="archive", catalog=options, shards=9)
    result = compare(make("old"), make("new", options=options, survey=survey))
    assert result["config"] == {
        "catalog.max_failed_fraction": [0.5, 0.7],
        "catalog.qpo_min_q": [2.0, 50.0],
    }
    (source,) = result["changed"]
    assert source["why"] == ["config"]
    gone = {c["column"]: c for c in source["columns"]}["qpo_frequency"]
    assert gone["old"] == 5.0
    assert gone["new"] is gone["sigma"] is None


def test_other_code_is_the_reason_also_where_it_has_other_columns(make):
    old, new = make("old"), make("new", shift_slope(10.0))
    file = new / "provenance.json"
    record = json.loads(file.read_text())
    record["versions"]["numpy"] = "9.9"
    file.write_text(json.dumps(record))
    table = pq.read_table(new / "sources.parquet").drop_columns(["rms", "product"])
    pq.write_table(table, new / "sources.parquet")
    result = compare(old, new)
    assert result["code"]["numpy"][1] == "9.9"
    (source,) = result["changed"]
    assert source["why"] == ["code"]


def test_a_source_with_another_name_is_found_by_its_files(make):
    def rename(rows):
        for found in rows.values():
            for row in found:
                if row["source_id"] == "SHORT":
                    row["source_id"] = "LONG"

    result = compare(make("old"), make("new", rename))
    assert [s["was"] for s in result["gained"]] == [["SHORT"]]
    assert [s["now"] for s in result["lost"]] == [["LONG"]]


def test_errors_that_face_the_other_value_count_and_the_larger_one():
    def table(value, lo, hi):
        columns = {"source_id": ["s"], "x": [value], "x_err_lo": [lo], "x_err_hi": [hi]}
        return pa.table(columns)

    def distance(*sides):
        found = changes.changed_sources(*(table(*side) for side in sides), 0.0)
        return found["s"][0]["sigma"] if found else 0.0

    assert distance((1.0, 9.0, 0.5), (3.0, 1.0, 9.0)) == 2.0
    assert distance((3.0, 0.5, 9.0), (1.0, 9.0, nan)) == 4.0
    assert distance((1.0, nan, nan), (3.0, 0.5, 9.0)) == 4.0
    assert distance((1.0, nan, nan), (3.0, nan, nan)) is None
    assert distance((1.0, nan, nan), (1.0, nan, nan)) == 0.0
    assert distance((nan, nan, nan), (nan, nan, nan)) == 0.0


def test_people_read_lines_and_programs_json(make, capsys):
    old, new = make("old"), make("new", shift_slope(10.0))
    assert main(["diff", str(old), str(new.parents[1]), "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert "changed 1, by more than 3 sigma" in text
    assert "slope: 1.2 -" in text
    assert main(["diff", str(old), str(new), "--json", "--sigma", "1e9"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == []
    assert main(["diff", str(old), str(new / "none")]) == 2
    assert "holds no catalogue" in capsys.readouterr().err


def test_long_lists_are_cut_and_say_so():
    assert list(diff._some([["a"], ["b"], ["c"]], 2))[-1].strip().startswith("and 1 more")
    assert list(diff._some([["a"], ["b"]], 0)) == ["a", "b"]


def test_every_table_can_be_compared(make, capsys):
    def change(rows):
        shift_slope(10.0)(rows)
        rows["models"][1] |= {"bic": 2100.5, "components": ["constant.1"], "covariance": [0.3]}

    old, new = make("old"), make("new", change)
    for table in CATALOGUE:
        same = diff.compare_table(old, old, table.name, 0.0)
        assert same["gained"] == same["lost"] == same["changed"] == []
    (row,) = diff.compare_table(old, new, "parameters", 3.0)["changed"]
    assert row["row"] == "QPO events/nicer power_law_qpo power_law.1 slope"
    assert row["columns"][0]["sigma"] > 3
    changed = diff.compare_table(old, new, "MODELS", 3.0)["changed"]
    columns = {c["column"]: (c["old"], c["new"]) for c in changed[0]["columns"]}
    assert columns["bic"] == (2100.0, 2100.5)
    assert columns["components"] == ("constant.1 power_law.1", "constant.1")
    assert columns["covariance"] == ("1 numbers", "1 numbers")
    assert main(["diff", str(old), str(new), "--table", "epochs"]) == 0
    assert "rows of EPOCHS" in capsys.readouterr().out
    assert main(["diff", str(old), str(new), "--table", "cats"]) == 2
    assert "no table 'cats'; allowed: SOURCES" in capsys.readouterr().err
    assert main(["diff", str(old), str(new), "--table", "power_colors"]) == 2
    assert "power_colors.parquet' is not there" in capsys.readouterr().err


def test_a_catalogue_that_was_altered_is_not_compared(make, capsys):
    old = make("old")
    path = old / "sources.parquet"
    content = bytearray(path.read_bytes())
    content[pq.read_metadata(path).row_group(0).column(0).data_page_offset + 30] ^= 1
    path.write_bytes(content)
    assert main(["diff", str(old), str(old)]) == 65
    assert capsys.readouterr().err.startswith(f"damaged: {path} was altered after it was written")
    assert path.exists()
