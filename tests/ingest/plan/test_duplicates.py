"""The same bytes are one observation; only files that may be the same are read for it."""

from dataclasses import replace

from pipeline.ingest.plan.duplicates import mark_duplicates, possible_duplicates
from pipeline.ingest.plan.found import FoundFile
from pipeline.status import Status

ONE = FoundFile("a", size=10, version="1", kind="events", mission="nicer", object="Crab")


def test_files_that_differ_in_size_or_headers_need_no_checksum():
    twin = replace(ONE, file="b", version="2")
    others = [
        replace(ONE, file="c", size=11),
        replace(ONE, file="d", object="Vela"),
        replace(ONE, file="e", mjd_start=55000.0),
        replace(ONE, file="f", version=""),
        replace(ONE, file="g", kind="other"),
        replace(ONE, file="h", status=Status.SET_ASIDE),
    ]
    assert possible_duplicates([ONE, *others]) == []
    assert possible_duplicates([ONE, twin, *others]) == [ONE, twin]


def test_the_first_of_the_same_bytes_is_used_and_named():
    first, second, third = (replace(ONE, file=file, sha256="x") for file in "abc")
    pairs = mark_duplicates([first, second, third, replace(ONE, file="d", sha256="")])
    assert [(pair.file.file, pair.original.file) for pair in pairs] == [("b", "a"), ("c", "a")]
    assert (first.status, second.status) == (Status.OK, Status.DUPLICATE)
    assert "same as a" in third.reason


def test_the_same_bytes_with_another_response_or_another_object_are_another_observation():
    files = [
        replace(ONE, sha256="x"),
        replace(ONE, sha256="x", response_version="2"),
        replace(ONE, sha256="x", part="star 2"),
    ]
    assert mark_duplicates(files) == []
