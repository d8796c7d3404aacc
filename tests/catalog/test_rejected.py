"""A file that could not be used is a row that says where and why."""

import pytest

from pipeline.catalog.rejected import rejected_files, rejected_of
from pipeline.catalog.shards import COLUMNS, Shard
from pipeline.columns.fits import MODELS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.status import Status
from pipeline.tables import to_arrow


def rejected_later(files, readings, products, models):
    """Return the files of one source that the stages after the search rejected."""
    tables = {}
    for table, rows in ((INGEST, readings), (SPECTRA, products), (MODELS, models)):
        own = [{"source_id": "S"} | row for row in rows]
        data = to_arrow(table, own)
        tables[table.name] = data.select(COLUMNS.get(table.name, table.names))
    shard = Shard("shard-0000", frozenset({"S"}), tables)
    return rejected_of(shard, to_arrow(OBSERVATIONS, files)).to_pylist()


def file(name, status="ok", reason=""):
    return {"file": name, "source_id": "S", "status": status, "reason": reason}


def reading(name, status="ok", product="p", reason=""):
    return file(name, status, reason) | {"product": product, "observation_id": f"of {name}"}


def product(name="p", status="ok", reason="", files=()):
    observations = [f"of {file}" for file in files]
    told = {"product": name, "status": status, "reason": reason}
    return told | {"observation_ids": observations}


def stages(rows):
    return [(row["file"], row["stage"], row["status"]) for row in rows]


def test_the_search_rejects_what_is_somebodys_fault():
    files = [file("a"), file("b", "duplicate"), file("c", "set_aside"), file("d", "truncated", "!")]
    assert stages(rejected_files(to_arrow(OBSERVATIONS, files)).to_pylist()) == [
        ("d", "plan", "truncated")
    ]


def test_a_row_without_a_reason_gets_the_sentence_of_its_status():
    rows = rejected_files(to_arrow(OBSERVATIONS, [file("d", "unreadable")]))
    (row,) = rows.to_pylist()
    assert row["reason"] == Status.UNREADABLE.sentence


def test_a_file_the_search_rejected_is_not_rejected_again_when_read():
    rows = rejected_later([file("a", "truncated")], [reading("a", "truncated")], [], [])
    assert rows == []


def test_reading_rejects_what_the_search_let_pass():
    rows = rejected_later([file("a")], [reading("a", "no_data")], [product("", "no_data")], [])
    assert stages(rows) == [("a", "ingest", "no_data")]


def test_a_spectrum_that_fails_rejects_every_file_of_its_product():
    files = [file("a"), file("b"), file("c")]
    readings = [reading("a"), reading("b"), reading("c", product="q")]
    rows = rejected_later(
        files, readings, [product("p", "too_short"), product("q")], [model("q", "ok")]
    )
    assert stages(rows) == [("a", "segment", "too_short"), ("b", "segment", "too_short")]


def test_a_product_that_was_split_rejects_the_files_of_the_part_that_failed():
    """`#2` is what `pipeline.segment.rows.product_rows` appends."""
    files, readings = [file("a"), file("b")], [reading("a"), reading("b")]
    for failed, other in ((0, 1), (1, 0)):
        parts = [product("p", files=["a"]), product("p#2", files=["b"])]
        parts[failed] |= {"status": "bad_spectrum"}
        rows = rejected_later(files, readings, parts, [model(parts[other]["product"], "ok")])
        assert stages(rows) == [("ab"[failed], "segment", "bad_spectrum")]


def test_a_length_of_segment_rejects_files_only_where_no_other_length_has_a_result():
    files, readings = [file("a")], [reading("a")]
    lengths = [product("p:8s") | {"series": "p"}, product("p:64s") | {"series": "p"}]
    models = [model("p:8s", "ok"), model("p:64s", "bad_spectrum")]
    assert rejected_later(files, readings, lengths, models) == []
    models = [model(name, "bad_spectrum") for name in ("p:8s", "p:64s")]
    assert stages(rejected_later(files, readings, lengths, models)) == [
        ("a", "fit", "bad_spectrum")
    ]


def test_a_product_whose_worker_died_rejects_all_its_files():
    files, readings = [file("a"), file("b")], [reading("a"), reading("b")]
    rows = rejected_later(files, readings, [product("p", "worker_died")], [])
    assert [row["file"] for row in rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("lightcurve/nicer/xti/1s", "lightcurve/nicer/xti/1s/hard"),
        ("x", "x_hard"),
        ("b", "b2"),
        ("p", "p#2/hard"),
        ("p#2x", "p#2"),
        ("p", ""),
    ],
)
def test_a_name_that_begins_like_another_is_another(good, bad):
    files = [file("good"), file("bad")]
    readings = [reading("good", product=good), reading("bad", product=bad)]
    products = [product(good), product(bad, "too_short")]
    rows = rejected_later(files, readings, products, [model(good, "ok")])
    assert stages(rows) == [("bad", "segment", "too_short")]


def test_a_fit_rejects_only_when_no_model_has_a_result():
    files, readings, products = [file("a")], [reading("a")], [product()]
    one = [model("p", "bad_spectrum"), model("p", "not_converged")]
    assert rejected_later(files, readings, products, one) == []
    none = [model("p", "bad_spectrum"), model("p", "error")]
    rows = rejected_later(files, readings, products, none)
    assert stages(rows) == [("a", "fit", "bad_spectrum")]


def model(product, status):
    return {"product": product, "status": status, "reason": ""}
