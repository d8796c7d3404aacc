"""Workers outlive the jobs that borrow them, but no job finds anything of another one."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.cluster import connect, isolating_map
from pipeline.config.cluster import ClusterOptions
from pipeline.service import beside, clusters, wire

ONE = ClusterOptions(workers=1)


@pytest.fixture(scope="module", autouse=True)
def environment():
    """A service, which jobs of this process find."""
    with beside.service(eager=False) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setenv(wire.VARIABLE, environment[wire.VARIABLE])
        yield


def pids(client):
    """Return the workers of a client by their processes."""
    return set(client.run(os.getpid).values())


def test_the_next_job_has_the_same_workers():
    with connect(ONE) as client:
        first = pids(client)
        assert set(client.nthreads().values()) == {1}
    with connect(ONE) as client:
        assert pids(client) == first
    with connect(ClusterOptions(workers=2)) as client:
        assert len(pids(client) - first) == 2


def test_two_jobs_at_a_time_have_workers_of_their_own():
    with connect(ONE) as one, connect(ONE) as other:
        assert not pids(one) & pids(other)
        assert one.scheduler.address != other.scheduler.address


def test_an_item_that_kills_its_worker_is_blamed_and_the_next_job_has_a_worker():
    def work(item):
        if item == 3:
            os._exit(11)
        return item

    outcomes = list(isolating_map_of(work, range(6)))
    assert [o.index for o in outcomes if o.died] == [3]
    assert not any(o.error for o in isolating_map_of(work, [1, 2]))


def isolating_map_of(work, items):
    """Return the outcomes of items, in their order."""
    with connect(ONE) as client:
        outcomes = list(isolating_map(client, work, list(items), ONE))
    return sorted(outcomes, key=lambda outcome: outcome.index)


def test_workers_of_a_job_that_failed_are_not_lent_again():
    with pytest.raises(ZeroDivisionError), connect(ONE) as client:  # noqa: PT012
        first = pids(client)
        client.submit(time.sleep, 1000)
        raise ZeroDivisionError
    with connect(ONE) as client:
        assert not pids(client) & first


def test_workers_that_are_lent_ask_for_the_certificate_of_the_run():
    folder = Path(os.environ[wire.VARIABLE])
    with connect(ONE) as client:
        (worker,) = client.scheduler_info()["workers"].values()
        assert client.scheduler.address.startswith("tls://")
        assert worker["nanny"].startswith("tls://")
        assert worker["services"] == {}
    assert all((folder / n).stat().st_mode & 0o777 == 0o600 for n in (wire.KEY, wire.CERTIFICATE))


STRANGER = """
import os, socket, sys
from pipeline.service import wire
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
    connection.connect(sys.argv[1])
    try:
        wire.send(connection, {"workers": 1, "memory_limit": "1GiB"})
        print(wire.receive(connection))
    except OSError:
        print("refused")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", [wire.JOBS, wire.CLUSTERS])
def test_another_user_is_refused_even_where_the_folder_is_open(name):
    folder = Path(os.environ[wire.VARIABLE])
    try:
        folder.chmod(0o755)
        (folder / name).chmod(0o666)
        command = [sys.executable, "-c", STRANGER, str(folder / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        (folder / name).chmod(0o600)
        folder.chmod(0o700)
    assert done.stdout == "refused\n", done.stderr


@pytest.mark.parametrize(
    "question",
    [
        b"\xff\xff\xff\xff" + b"x" * 64,
        wire.LENGTH.pack(2) + b"{}",
        wire.LENGTH.pack(2) + b"[]",
        wire.LENGTH.pack(36) + b'{"workers": -1, "memory_limit": "1"}',
        wire.LENGTH.pack(3) + b"\xff\xfe{",
    ],
)
def test_what_is_no_question_is_refused_and_the_next_job_has_workers(question):
    with connect(ONE) as client:
        first = pids(client)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(os.path.join(os.environ[wire.VARIABLE], wire.CLUSTERS))
        connection.sendall(question)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    with connect(ONE) as client:
        assert pids(client) == first


def test_the_memory_limit_is_that_of_the_job():
    with connect(ClusterOptions(workers=1, memory_limit="3GiB")) as client:
        (worker,) = client.scheduler_info()["workers"].values()
        assert worker["memory_limit"] == 3 * 2**30


def test_workers_are_those_of_a_cluster_that_a_job_starts_itself():
    with connect(ONE) as client:
        (there,) = client.run(lambda: dict(os.environ)).values()
    assert there["NPROC"] == "1"
    assert int(there["MALLOC_TRIM_THRESHOLD_"]) > 2**26


def test_a_worker_that_has_grown_is_not_lent_again(monkeypatch):
    monkeypatch.setattr(clusters, "GROWN", 2**50)
    assert not clusters._has_grown(os.getpid())
    assert clusters._has_grown(None)
    monkeypatch.setattr(clusters, "GROWN", 2**20)
    assert clusters._has_grown(os.getpid())


def test_without_a_service_nothing_is_lent(tmp_path, monkeypatch):
    for folder in ("", str(tmp_path)):
        monkeypatch.setenv(wire.VARIABLE, folder)
        with clusters.borrowed(1, "4GiB") as address:
            assert address is None
