"""A first look at a file: what headers say, however long it is."""

import pytest

from pipeline.ingest.missions.identity import LONGEST
from pipeline.status import Flag

LONG = "GRS 1915+105 " * 800


@pytest.mark.parametrize("key", ["OBJECT", "OBS_ID", "TELESCOP", "INSTRUME"])
def test_a_name_that_is_too_long_costs_no_data(archive, key):
    archive.events(header={key: LONG})
    row = archive.scan("a.evt")
    assert row["status"] == "ok"
    assert row["flags"] & Flag.NAME_CUT
    assert LONG.strip() in row["reason"]
    assert f"keyword {key} has {len(LONG) - 1} characters" in row["reason"]
    names = ("object", "observation_id", "mission", "instrument", "source_id")
    found = archive.observations()["a.evt"] | archive.read("a.evt")
    assert max(len(found[name]) for name in names) <= 2 * LONGEST + 1
    assert len(found["product"]) < 3 * LONGEST
    assert len(found["time"]) == 3


@pytest.mark.parametrize(("key", "group_by"), [("OBJECT", "object"), ("OBS_ID", "observation")])
def test_sources_whose_names_differ_at_the_end_stay_two(archive, key, group_by):
    for number, end in enumerate("aba"):
        archive.events(f"{number}.evt", time=[1.0 + number], header={key: LONG + end})
    found = archive.observations(group_by=group_by)
    sources = [found[f"{number}.evt"]["source_id"] for number in range(3)]
    assert sources[0] == sources[2] != sources[1]


def test_a_file_that_cannot_be_used_keeps_its_reason_before_the_note(archive):
    path = archive.events(header={"OBJECT": LONG}, time=range(2000))
    path.write_bytes(path.read_bytes()[:-9000])
    row = archive.scan("a.evt")
    assert row["status"] == "truncated"
    assert row["reason"].index("HDU") < row["reason"].index("keyword OBJECT has")
    assert row["flags"] & Flag.NAME_CUT


@pytest.mark.parametrize(
    ("extension", "header"),
    [
        ("GTI" + "9" * 5000, {}),
        ("GTI\u0661", {}),
        ("GTI", {"DETNAM": "9" * 5000, "DETID": "9" * 5000, "CCDNR": "9" * 5000}),
        ("G" * 5000, {"TFORM9": "9" * 5000 + "D"}),
    ],
)
def test_digits_without_end_are_no_number(archive, make, extension, header):
    intervals = make.gti([(0.0, 10.0)], name=extension if extension.isascii() else "GTI")
    intervals.header["EXTNAME"] = extension if extension.isascii() else "GTI1"
    intervals.header.update(header)
    archive.add("a.evt", make.table("EVENTS", {"TIME": (range(1, 4), "s")}, make.nicer), intervals)
    assert archive.read("a.evt")["status"] == "ok"
