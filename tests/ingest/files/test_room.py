"""Unpacked files share the disk: who does not fit begins again alone; then the file or the machine is to blame."""

import contextlib
import errno
import gzip
import os
import subprocess
import sys
import tempfile
import threading

import pytest

from pipeline.faults import MachineFault, of_machine
from pipeline.ingest.files import fits_file, room
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

SIZE = 400_000


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Files are large from 100 kB on, and the room is looked at every 10 kB."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(room, "FREELY", 100_000)
    monkeypatch.setattr(room, "_STEP", 10_000)
    monkeypatch.setattr(fits_file, "_BLOCK", 50_000)


class Disk:
    """A disk with room for some bytes, of which other files take some."""

    def __init__(self, monkeypatch, size):
        self.size, self.others, self.most = size, 0, 0
        monkeypatch.setattr(room, "_free", lambda number: self.free(os.fstat(number).st_size))
        monkeypatch.setattr(room.Room, "write", self.writing(room.Room.write))

    def free(self, own):
        return self.size - self.others - own

    def writing(self, write):
        def checked(place, block):
            own = os.fstat(place.content.fileno()).st_size
            if self.free(own) < len(block):
                raise room.NoRoom from OSError(errno.ENOSPC, "No space left on device")
            write(place, block)
            self.most = max(self.most, own + len(block))

        return checked


@pytest.fixture
def packed(tmp_path):
    """A compressed file that is not FITS, of 400 kB."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(SIZE)))
    return path


def unpack(path, limit=10 * SIZE):
    """Return the size of the file when it is unpacked."""
    with open(path, "rb") as handle, fits_file._decompressed(handle, limit) as (content, cut):
        assert cut == ""
        content.seek(0)
        return len(content.read())


def test_a_file_that_fits_takes_its_room_once(packed):
    assert unpack(packed) == SIZE
    with pytest.raises(Rejected, match="more than 399999 bytes"):
        unpack(packed, SIZE - 1)


def test_a_file_that_does_not_fit_beside_others_waits_for_them(packed, monkeypatch):
    disk = Disk(monkeypatch, SIZE + 100_000)
    disk.others = 300_000
    held = elsewhere(room.fcntl.LOCK_SH)
    sizes = []
    thread = threading.Thread(target=lambda: sizes.append(unpack(packed)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()  # it waits, and has given back what it had
    assert sizes == []
    disk.others = 0
    os.close(held)
    thread.join(60)
    assert sizes == [SIZE]


def elsewhere(kind):
    """Return a lock that another thread took."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(room._locked(kind)))
    thread.start()
    thread.join(60)
    return found[0]


def test_who_opens_a_second_file_waits_for_nobody(packed, monkeypatch):
    with open(packed, "rb") as handle, fits_file._decompressed(handle, SIZE) as (_, cut):
        disk = Disk(monkeypatch, SIZE - 1)
        with pytest.raises(MachineFault, match="to unpack"):
            unpack(packed)
        disk.size = SIZE + 100_000
        assert unpack(packed) == SIZE
        assert cut == ""
    assert elsewhere(room.fcntl.LOCK_EX) > 0


def test_nobody_comes_in_while_one_waits_or_is_alone(packed):
    alone = elsewhere(room.fcntl.LOCK_EX)
    sizes = []
    threads = [threading.Thread(target=lambda: sizes.append(unpack(packed))) for _ in range(3)]
    for thread in threads:
        thread.start()
    threads[0].join(0.2)
    assert sizes == []
    os.close(alone)
    for thread in threads:
        thread.join(60)
    assert sizes == [SIZE] * 3


def test_a_disk_that_is_too_small_is_the_machines_and_a_bomb_the_files(packed, monkeypatch):
    disk = Disk(monkeypatch, SIZE // 2)
    with pytest.raises(MachineFault, match=r"to unpack a file of 400000 bytes: .*set TMPDIR"):
        unpack(packed)
    with pytest.raises(Rejected, match=r"more than 399999 bytes: raise") as caught:
        unpack(packed, SIZE - 1)
    assert caught.value.status == Status.UNREADABLE
    assert not of_machine(caught.value)
    assert disk.most <= SIZE // 2
    assert unpack_in_threads(packed, 1) == []


def unpack_in_threads(path, number):
    """Unpack a file in some threads at a time, and return the sizes."""
    sizes = []

    def work():
        with contextlib.suppress(MachineFault):
            sizes.append(unpack(path))

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sizes


def test_small_files_ask_nobody(packed, monkeypatch):
    monkeypatch.setattr(room, "_locked", lambda kind: pytest.fail("asked"))
    monkeypatch.setattr(room, "FREELY", 2 * SIZE)
    assert unpack(packed) == SIZE


def test_a_worker_that_is_killed_leaves_no_lock(packed):
    code = f"""
import tempfile, os, signal
tempfile.tempdir = {tempfile.gettempdir()!r}
from pipeline.ingest.files import room
assert room._locked(room.fcntl.LOCK_EX)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert unpack(packed) == SIZE


def test_where_the_name_is_taken_files_are_unpacked_without_a_lock(packed):
    place = os.path.join(tempfile.gettempdir(), f"pipeline-unpacking-{os.getuid()}")
    os.mkdir(place)
    os.chmod(place, 0o777)
    assert room._locked(room.fcntl.LOCK_EX) == []
    assert unpack(packed) == SIZE


def mounted(folder, size):
    """Mount a small disk, if this user may."""
    os.mkdir(folder)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def test_a_disk_with_room_for_one_serves_several(tmp_path, monkeypatch):
    disk = str(tmp_path / "disk")
    if not mounted(disk, "1m"):
        pytest.skip("this user may mount no file system")
    try:
        monkeypatch.setattr(tempfile, "tempdir", disk)
        monkeypatch.setattr(room, "FREELY", 10_000)
        path = tmp_path / "y.gz"
        path.write_bytes(gzip.compress(os.urandom(700_000)))
        assert unpack_in_threads(path, 4) == [700_000] * 4
        path.write_bytes(gzip.compress(os.urandom(2_000_000)))
        with pytest.raises(MachineFault, match=f"^{disk}: no space left on device"):
            unpack(path)
        with pytest.raises(Rejected, match="more than 1500000 bytes"):
            unpack(path, 1_500_000)
    finally:
        subprocess.run(["umount", disk], check=True)
