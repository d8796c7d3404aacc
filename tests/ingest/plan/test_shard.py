"""The list of a shard is the same text for the same files, and reads back as it was."""

from dataclasses import replace

import pytest

from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.found import FoundFile
from pipeline.ingest.plan.shard import Entry
from pipeline.status import Status

ONE = Entry("s", "o", "a.evt", version="1", kind="events")


def test_entries_come_back_in_the_order_of_source_and_file(tmp_path):
    odd = replace(ONE, source_id="r", file='tab\tand\n"line".evt', reason="two\twords")
    shard.write(tmp_path / "list", [ONE, odd])
    assert shard.read(tmp_path / "list") == [odd, ONE]
    first = (tmp_path / "list").read_bytes()
    shard.write(tmp_path / "list", [odd, ONE])
    assert (tmp_path / "list").read_bytes() == first


def test_an_empty_list_has_a_heading_and_no_entry(tmp_path):
    shard.write(tmp_path / "list", [])
    assert shard.read(tmp_path / "list") == []
    (heading,) = (tmp_path / "list").read_text().splitlines()
    assert [name.strip('"') for name in heading.split("\t")] == list(shard.COLUMNS)


def test_an_entry_is_what_a_plan_says_of_a_file():
    found = FoundFile("a#star", part="star", version="1", kind="events", source_id="s", object="x")
    entry = Entry.of_found(found)
    assert (entry.file, entry.path, entry.source_id, entry.kind) == ("a#star", "a", "s", "events")
    assert entry.status == Status.OK


def test_what_a_shard_needs_are_its_good_files_and_their_responses_once():
    response = {"response": "r.rmf", "response_version": "2"}
    entries = [
        replace(ONE, file="b.pha", **response),
        replace(ONE, file="c.csv#1", part="1"),
        replace(ONE, file="c.csv#2", part="2", **response),
        replace(ONE, file="bad.evt", status=Status.TRUNCATED),
    ]
    wanted = [FileVersion("b.pha", "1"), FileVersion("c.csv", "1"), FileVersion("r.rmf", "2")]
    assert shard.needed(entries) == wanted


def test_an_entry_that_is_refused_keeps_its_names():
    refused = ONE.refused(Status.NOT_DOWNLOADED, "why")
    assert (refused.file, refused.status, refused.reason) == ("a.evt", Status.NOT_DOWNLOADED, "why")
    with pytest.raises(AttributeError):
        refused.status = "ok"
