"""An item can harm only itself, and the run says which one it was."""

import errno
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.cluster import connect, isolating_map
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions, TlsOptions
from pipeline.faults import MachineFault, of_machine
from pipeline.service import certificates, wire

OPTIONS = ClusterOptions(workers=2, chunk_size=8, item_timeout=3.0)


@pytest.fixture(scope="module")
def client():
    with connect(OPTIONS) as client:
        yield client


def _troublemaker(raises=(), exits=(), hangs=()):
    """A function pickled by value: workers cannot import this file."""

    def square(item):
        if item in raises:
            raise ValueError(f"item {item}\nis bad")
        if item in exits:
            os._exit(11)
        if item in hangs:
            time.sleep(1000)
        return item**2

    return square


def _outcomes(client, function, items, options=OPTIONS):
    outcomes = list(isolating_map(client, function, items, options))
    assert sorted(o.index for o in outcomes) == list(range(len(items)))
    return {items[o.index]: o for o in outcomes}


def test_exactly_the_culprits_are_blamed_for_raising_and_for_dying(client):
    raises, exits = {3, 11, 30}, {17}
    outcomes = _outcomes(client, _troublemaker(raises, exits), list(range(40)))
    assert {i for i, o in outcomes.items() if o.died} == exits
    assert {i for i, o in outcomes.items() if o.error and not o.died} == raises
    assert outcomes[3].error == "ValueError: item 3 is bad"
    good = set(range(40)) - raises - exits
    assert all(outcomes[i].value == i**2 and not outcomes[i].error for i in good)


def _failing(error, flag=None):
    """A function that fails on item 5 with an error, or as long as there is a file."""

    def work(item):
        if item == 5 and (flag is None or flag.exists()):
            if flag is not None:
                flag.unlink()
            raise error
        return item

    return work


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ESTALE])
def test_a_fault_of_the_machine_is_no_items_and_ends_the_map(client, number):
    error = OSError(number, "x", "/archive/a.fits")
    options = OPTIONS.model_copy(update={"patience": 0.0})
    with pytest.raises(MachineFault, match=r"^/archive/a\.fits: .*, then run again$"):
        list(isolating_map(client, _failing(error), range(12), options))


def test_a_fault_of_the_machine_that_passes_leaves_no_trace(client, tmp_path):
    flag = tmp_path / "away"
    flag.touch()
    work = _failing(OSError(errno.ENOTCONN, "x"), flag)
    outcomes = _outcomes(client, work, list(range(12)))
    assert not flag.exists()
    assert [outcomes[i].value for i in range(12)] == list(range(12))


def test_a_part_that_cannot_be_written_is_no_items_fault(client):
    def together(outcomes):
        raise OSError(errno.EDQUOT, "x", "/out/.parts/0.arrow")

    options = OPTIONS.model_copy(update={"patience": 0.0})
    with pytest.raises(MachineFault, match=r"^/out/\.parts/0\.arrow: "):
        list(isolating_map(client, abs, range(12), options, together=together))


def test_an_error_that_ends_the_job_ends_the_map_as_it_is(client):
    error = ValueError("a table of our own is damaged")
    error.ends_job = True
    with pytest.raises(ValueError, match="of our own"):
        list(isolating_map(client, _failing(error), range(12), OPTIONS))


def test_an_item_that_needs_more_memory_than_there_is_costs_itself(client):
    def work(item):
        return len(bytearray(1 << 60)) if item == 5 else item

    outcomes = _outcomes(client, work, list(range(12)))
    assert {i for i, o in outcomes.items() if o.error} == {5}
    assert outcomes[5].died
    assert "memory" in outcomes[5].error


def test_a_machine_without_memory_is_no_items_fault():
    def fill():
        import pipeline.cluster

        pipeline.cluster.MODEST = 1 << 60  # as much as no machine has

    def work(item):
        raise MemoryError

    options = ClusterOptions(workers=1, patience=0.0)
    with connect(options) as client:
        client.run(fill)
        with pytest.raises(MachineFault, match=r"^not enough memory: use fewer workers"):
            list(isolating_map(client, work, range(3), options))


def test_an_item_that_never_ends_costs_itself_and_frees_its_worker(client):
    options = OPTIONS.model_copy(update={"item_timeout": 1.0})
    outcomes = _outcomes(client, _troublemaker(hangs={5}), list(range(12)), options)
    assert {i for i, o in outcomes.items() if o.error} == {5}
    assert outcomes[5].died
    assert "1 s (cluster.item_timeout)" in outcomes[5].error
    client.wait_for_workers(2)


def test_nothing_to_do_is_done_at_once(client):
    assert list(isolating_map(client, _troublemaker(), [], OPTIONS)) == []


def test_tasks_are_balanced_by_bytes_and_their_outcomes_are_seen_together(client):
    def together(outcomes):
        values = [outcome.value for outcome in outcomes]
        return [replace(outcome, value=values) for outcome in outcomes]

    sizes, items = [80, 1, 1, 1, 1, 70, 1, 1, 1, 1], list(range(10))
    seen = isolating_map(client, abs, items, OPTIONS, sizes=sizes, together=together)
    tasks = {tuple(outcome.value) for outcome in seen}
    assert tasks == {
        (0,),
        (1, 2),
        (3, 4),
        (5,),
        (6, 7),
        (8, 9),
    }  # 2 items are a quarter of a worker's


def test_an_item_that_dies_is_found_where_outcomes_are_seen_together(client):
    outcomes = isolating_map(client, _troublemaker(exits={5}), range(12), OPTIONS, together=list)
    assert [outcome.index for outcome in outcomes if outcome.died] == [5]
    client.wait_for_workers(2)


def test_workers_use_one_thread_each_even_for_xla(client):
    environments = client.run(lambda: dict(os.environ))
    assert len(environments) == 2
    assert {e["NPROC"] for e in environments.values()} == {"1"}
    assert set(client.nthreads().values()) == {1}


def test_workers_keep_their_memory_from_array_to_array(client):
    environments = client.run(lambda: dict(os.environ))
    assert all(int(e["MALLOC_TRIM_THRESHOLD_"]) > 2**26 for e in environments.values())

    def faults():
        import resource

        import numpy as np

        def work():
            return np.abs(np.fft.rfft(np.ones((16, 8192)))) ** 2

        for _ in range(3):
            work()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert max(client.run(faults).values()) < 2_000  # of 19,000 where memory goes back each time


def test_a_running_scheduler_is_used_by_its_address(client):
    options = OPTIONS.model_copy(
        update={"address": client.scheduler.address, "tls": tls_of(client)}
    )
    with connect(options) as other:
        outcomes = _outcomes(other, _troublemaker(raises={2}), [1, 2, 3], options)
    assert [outcomes[i].value for i in (1, 2, 3)] == [1, None, 9]
    assert len(client.nthreads()) == 2


def tls_of(client):
    """Return the options by which a scheduler of this process is used as one that runs elsewhere."""
    security = client.security
    ca, cert, key = security.tls_ca_file, security.tls_client_cert, security.tls_client_key
    return TlsOptions(ca=ca, cert=cert, key=key)


def test_the_key_is_for_the_user_alone(client):
    key = Path(client.security.tls_client_key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_no_process_of_a_cluster_listens_without_asking_for_a_certificate(client):
    ports = [port for pid in processes(client) for port in listening(pid)]
    assert len(ports) >= 3  # of the scheduler, a nanny or more, and workers
    for port in ports:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            pytest.raises(OSError, match=r"certificate|reset"),
            context.wrap_socket(plain) as encrypted,
        ):
            encrypted.recv(1)


def test_a_dashboard_is_there_where_it_is_asked_for_and_the_rest_is_as_secret(capfd):
    with connect(ClusterOptions(workers=1, dashboard=True)) as client:
        link = urlsplit(client.dashboard_link)
        assert f"dashboard: {client.dashboard_link}" in capfd.readouterr().err
        with socket.create_connection((link.hostname, link.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert connection.recv(8) == b"HTTP/1.1"
        assert link.hostname == "127.0.0.1"
        assert client.scheduler.address.startswith("tls://127.0.0.1")


def processes(client):
    """Return the processes of a cluster: this one, and its workers."""
    return [os.getpid(), *client.run(os.getpid).values()]


def listening(pid):
    """Return the ports of TCP on which a process listens."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(entry))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return [int(r[1].partition(":")[2], 16) for r in rows if r[3] == "0A" and r[9] in inodes]


STRANGER = """
import os, sys
from pathlib import Path
from distributed import Client
from pipeline.service import certificates
address, kind, folder = sys.argv[1:]
folder = Path(folder)
certificates.make(folder)
os.chown(folder, 65534, 65534)
for file in folder.iterdir():
    os.chown(file, 65534, 65534)
security = None if kind == "tcp" else certificates.of_run(folder)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    with Client(address.replace("tls", kind), timeout=1, security=security) as client:
        print("code runs as", client.submit(os.getuid).result(timeout=5))
except (OSError, TimeoutError):
    print("refused")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_another_user_of_the_machine_runs_no_code_here(client, kind):
    command = [sys.executable, "-c", STRANGER, client.scheduler.address, kind]
    with tempfile.TemporaryDirectory() as folder:  # which the other user can reach
        done = subprocess.run([*command, folder], capture_output=True, text=True, timeout=60)
    assert done.stdout == "refused\n", done.stderr


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tls: tls["key"].chmod(0o640), r"cluster\.tls\.key: .* is open to other users"),
        (lambda tls: tls["ca"].unlink(), r"cluster\.tls\.ca: .*No such file"),
        (lambda tls: tls["cert"].write_text("x"), r"cluster\.tls: no certificate and its key"),
    ],
)
def test_certificates_that_cannot_be_used_are_said(client, spoil, message, tmp_path):
    tls = {}
    for name, path in tls_of(client):
        tls[name] = tmp_path / name
        tls[name].touch(0o600)
        tls[name].write_bytes(Path(path).read_bytes())
    spoil(tls)
    given = TlsOptions(**{name: str(path) for name, path in tls.items()})
    options = ClusterOptions(address=client.scheduler.address, tls=given)
    with pytest.raises(ConfigError, match=message), connect(options):
        pass


def test_a_certificate_of_another_authority_is_said(client, monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.cluster.CONNECT_TIMEOUT", 1.0)
    certificates.make(tmp_path)
    cert, key = (str(tmp_path / name) for name in (wire.CERTIFICATE, wire.KEY))
    tls = TlsOptions(ca=cert, cert=cert, key=key)
    options = ClusterOptions(address=client.scheduler.address, tls=tls)
    with pytest.raises(ConnectionError, match="of the same authority"), connect(options):
        pass


def test_a_scheduler_with_tls_needs_certificates(client, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.CONNECT_TIMEOUT", 1.0)
    secret = ClusterOptions(address=client.scheduler.address)
    with pytest.raises(ConfigError, match=r"cluster\.tls"), connect(secret):
        pass
    plain = ClusterOptions(address=client.scheduler.address.replace("tls", "tcp"))
    with pytest.raises(ConnectionError, match=r"needs cluster\.tls"), connect(plain):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_an_address_where_nobody_answers_is_a_connection_error(address, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.CONNECT_TIMEOUT", 0.5)
    with (
        pytest.raises(ConnectionError, match=r"cluster\.address"),
        connect(ClusterOptions(address=address)),
    ):
        pass


def test_deaths_leave_standard_error_clean(client, capfd):
    _outcomes(client, _troublemaker(raises={1}, exits={2}), list(range(6)))
    assert capfd.readouterr().err == ""


def test_processes_that_end_while_they_start_are_the_machines_fault(monkeypatch):
    def ended(*arguments):
        raise RuntimeError("QuietNanny failed to start.")

    monkeypatch.setattr("pipeline.cluster.local_cluster", ended)
    with pytest.raises(ConnectionError, match="run again") as fault, connect(OPTIONS):
        pass
    assert of_machine(fault.value)
