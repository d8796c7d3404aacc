"""A scan is completed by the archive as a whole, and is itself left as it was."""

from dataclasses import replace

import pytest

from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.found import FoundFile
from pipeline.status import Status

ONE = FoundFile("b", size=1, version="1", kind="events", mission="nicer", observation_id="77")


def test_files_come_in_order_and_those_of_the_scan_are_not_changed():
    scanned = [ONE, replace(ONE, file="a", observation_id="78")]
    before = [replace(one) for one in scanned]
    completed = complete(scanned, "observation")
    assert [one.file for one in completed] == ["a", "b"]
    assert [one.source_id for one in completed] == ["nicer:78", "nicer:77"]
    assert scanned == before


@pytest.mark.parametrize(
    ("more", "source"),
    [
        ({}, "nicer:77"),
        ({"observation_id": ""}, "b"),
        ({"status": Status.TRUNCATED}, "nicer:77"),
        ({"status": Status.TRUNCATED, "observation_id": ""}, ""),
        ({"status": Status.SET_ASIDE}, ""),
        ({"kind": "other"}, ""),
    ],
)
def test_a_file_has_a_source_if_it_is_an_observation_and_says_of_what(more, source):
    (found,) = complete([replace(ONE, **more)], "observation")
    assert found.source_id == source


def test_a_duplicate_belongs_to_the_source_of_its_original():
    files = [
        replace(ONE, file="a/x.evt", observation_id="", sha256="s"),
        replace(ONE, file="b/x.evt", observation_id="", sha256="s"),
    ]
    original, duplicate = complete(files, "observation")
    assert duplicate.status == Status.DUPLICATE
    assert duplicate.source_id == original.source_id == "x"


def test_an_object_without_a_name_is_the_observation():
    files = [replace(ONE, file="a", object="SS Cyg"), ONE]
    assert [one.source_id for one in complete(files, "object")] == ["SSCYG", "nicer:77"]
