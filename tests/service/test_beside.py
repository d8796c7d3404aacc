"""The folder of a service: there as long as a process of it is, and removed by the next service where all were killed."""

import fcntl
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from pipeline.service import beside


@pytest.fixture
def temporary(monkeypatch):
    """Return a folder of temporary files that is this test's own, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_what_a_killed_service_left_is_removed_by_the_next_one(temporary, monkeypatch):
    monkeypatch.setattr(beside, "COMMAND", ("sleep", "60"))  # it takes no notice of its end
    monkeypatch.setattr(beside, "PATIENCE", 0.0)
    monkeypatch.setattr(beside.subprocess, "Popen", _Sleeping)
    with beside.service(eager=False):
        (left,) = temporary.glob("pipeline-*")
        beside.sweep(temporary)
        assert left.is_dir(), "a service that is used was swept"
        os.kill(_Sleeping.last.pid, signal.SIGKILL)
        _Sleeping.last.wait()
        beside.sweep(temporary)
        assert left.is_dir(), "the run itself still uses it"
    assert not left.exists()


class _Sleeping(subprocess.Popen):
    """A process in place of the service, which holds what the service holds."""

    last: "_Sleeping"

    def __init__(self, command, **options):
        super().__init__(["sleep", "60"], **options)
        type(self).last = self


def _folder(temporary, name, used=True):
    folder = temporary / name
    folder.mkdir()
    if used:
        (folder / beside.USED).touch()
    return folder


def test_only_folders_that_were_used_and_are_not_any_more_are_swept(temporary):
    stale = _folder(temporary, "pipeline-stale")
    busy = _folder(temporary, "pipeline-busy")
    new = _folder(temporary, "pipeline-new", used=False)
    other = _folder(temporary, "other")
    (temporary / "pipeline-link").symlink_to(other)
    (temporary / "pipeline-file").touch()
    with open(busy / beside.USED) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        beside.sweep(temporary)
    assert not stale.exists()
    assert busy.is_dir()
    assert new.is_dir()
    assert (other / beside.USED).exists()


def test_a_folder_of_another_user_stays(temporary):
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    folder = _folder(temporary, "pipeline-other")
    os.chown(folder, 65534, 65534)
    beside.sweep(temporary)
    assert folder.is_dir()
