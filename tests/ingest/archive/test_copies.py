"""A file is taken for what was planned only if it still is."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.faults import MachineFault
from pipeline.ingest.archive.copies import Copies, locate
from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def test_a_file_of_a_folder_is_there_as_long_as_it_does_not_change(tmp_path):
    (tmp_path / "a").write_text("one")
    (listed,) = list_folder(tmp_path)
    assert locate(tmp_path, *listed.key) == tmp_path / "a"
    (tmp_path / "a").write_text("other")
    with pytest.raises(Rejected, match="a has changed since the plan") as changed:
        locate(tmp_path, *listed.key)
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError):
        locate(tmp_path, *listed.key)
    assert changed.value.status == Status.INACCESSIBLE


def test_copies_of_versions_and_archives_lie_apart(tmp_path):
    one, other = Copies(tmp_path, "s3://a"), Copies(tmp_path, "s3://b")
    paths = {one.path("x/y.evt", "1"), one.path("x/y.evt", "2"), other.path("x/y.evt", "1")}
    assert len(paths) == 3


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(max_size=2000))
def test_the_name_of_a_copy_is_one_that_any_file_system_takes(file):
    path = Copies(Path("copies"), "s3://a").path(file, "1")
    assert re.fullmatch("[0-9a-f]{64}", path.name)
    assert len(path.parts) == 3


def test_a_copy_that_is_gone_is_said(tmp_path):
    copies, wanted = Copies(tmp_path, "s3://a"), FileVersion("y.evt", "1")
    assert not copies.has(wanted)
    with pytest.raises(MachineFault, match=r"the copy of y\.evt is gone: run again"):
        locate(copies, *wanted)
    path = copies.path(*wanted)
    path.parent.mkdir(parents=True)
    path.touch()
    assert copies.has(wanted)
    assert locate(copies, *wanted) == path
