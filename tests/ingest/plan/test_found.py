"""A file that was found is a row of OBSERVATIONS, and comes back from one."""

from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.plan.found import FoundFile, path_of
from pipeline.status import Status
from pipeline.tables import rows_of, to_arrow


def test_its_fields_are_the_columns_of_the_table():
    assert tuple(FoundFile("x").row()) == OBSERVATIONS.names
    assert tuple(ArchiveFile("x").row()) == LISTING.names


def test_a_row_read_back_is_the_same_file():
    found = FoundFile("a.csv#star", part="star", size=3, ra=1.5, status=Status.TRUNCATED, flags=4)
    (row,) = rows_of(to_arrow(OBSERVATIONS, [found.row()]))
    again = FoundFile.of_row(row)
    assert repr(again) == repr(FoundFile.of_row({**found.row(), "status": "truncated"}))
    assert again.path == "a.csv"


def test_a_file_at_which_looking_failed_has_no_version_so_that_it_is_looked_at_again():
    listed = ArchiveFile("x", 10, 5, "10-5")
    failed = FoundFile.failed(listed, Status.ERROR, "why")
    assert (failed.size, failed.mtime_ns, failed.version) == (10, 5, "")
    assert (failed.status, failed.reason) == (Status.ERROR, "why")
    assert FoundFile.of_listed(listed).version == "10-5"


def test_the_path_of_a_file_is_without_its_object_and_only_that():
    assert path_of("a#b.csv", "") == "a#b.csv"
    assert path_of("a#b.csv#star#1", "star#1") == "a#b.csv"
