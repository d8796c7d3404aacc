"""A file that cannot be opened is the file's fault, or the machine's if its disk is away."""

import errno
import os
import shutil

import pytest

from pipeline.faults import MachineFault
from pipeline.ingest.archive.access import check_present, refusal
from pipeline.ingest.archive.copies import Copies
from pipeline.status import Status


@pytest.fixture
def folder(tmp_path):
    for file in ("a/1.evt", "a/2.evt", "b/c/3.evt"):
        (tmp_path / "archive" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "archive" / file).touch()
    return tmp_path / "archive"


def _error(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOTCONN])
def test_a_disk_that_fails_is_the_machines_and_is_named(folder, number):
    with pytest.raises(MachineFault, match=rf"^{folder}/a/1\.evt: ") as fault:
        refusal(_error(number), "a/1.evt", folder)
    assert os.strerror(number).lower() in str(fault.value)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ELOOP])
def test_a_file_that_is_not_there_or_not_to_be_read_may_be_tomorrow(folder, number):
    (folder / "a/1.evt").unlink()
    why = refusal(_error(number), "a/1.evt", folder)
    assert why.status == Status.INACCESSIBLE
    assert why.reason.startswith(f"a/1.evt cannot be opened: {os.strerror(number)}: run again")


@pytest.mark.parametrize("error", [_error(errno.EINVAL), OSError("damaged"), _error(errno.EISDIR)])
def test_what_is_no_file_to_read_from_will_be_none_tomorrow(folder, error):
    assert refusal(error, "a/1.evt", folder).status == Status.UNREADABLE


@pytest.mark.parametrize(
    ("emptied", "file", "named"),
    [("", "a/1.evt", "a"), ("b", "b/c/3.evt", "b"), ("a", "a/1.evt", "a")],
)
def test_a_folder_that_is_empty_where_files_were_has_lost_its_mount(folder, emptied, file, named):
    shutil.rmtree(folder / emptied)
    (folder / emptied).mkdir()
    with pytest.raises(MachineFault, match=r"is not there or empty: see whether its disk"):
        refusal(_error(errno.ENOENT), file, folder)


def test_an_archive_that_is_gone_has_lost_its_mount(folder):
    shutil.rmtree(folder)
    with pytest.raises(MachineFault, match=f"^{folder}: is not there"):
        check_present(folder, folder / "a/1.evt")


def test_a_folder_that_was_removed_is_no_mount(folder):
    shutil.rmtree(folder / "b")
    check_present(folder, folder / "b/c/3.evt")


def test_the_copies_of_a_remote_archive_are_the_pipelines_own(tmp_path):
    with pytest.raises(MachineFault, match="permission denied: run again"):
        refusal(_error(errno.EACCES), "a/1.evt", Copies(tmp_path, "s3://a"))
