"""A job that the service runs is to its caller what it would have been without one, and nothing is left of it."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.service import beside, wire

SERVER = """
import sys
from pipeline import commands
from pipeline.service import __main__, server
def run(argv):
    scope = {"argv": argv}
    exec(argv[1], scope)
    return scope.get("code", 0)
commands.main = run
server._import = lambda stage: None
sys.exit(__main__.main())
"""
"""A service that runs Python code in the place of stages."""


@pytest.fixture(scope="module")
def environment():
    """Environment in which jobs find a service."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "COMMAND", (sys.executable, "-c", SERVER))
        with beside.service(eager=False) as environment:
            yield environment


@contextmanager
def start(environment, code, *options, **keywords):
    """Start a job that runs Python code, as a rule starts one; a test that fails ends it.

    It heeds interrupts also where the tests run in the background and ignore them.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        job = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "report", code, *options],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with job:
        try:
            yield job
        except BaseException:
            job.kill()
            raise


def done(environment, code, *options, text="", **keywords):
    """Run a job to its end and return its exit code, output and errors."""
    with start(environment, code, *options, **keywords) as job:
        output, errors = job.communicate(text)
    return job.returncode, output, errors


def test_a_job_has_folder_environment_arguments_and_files_of_its_caller(environment, tmp_path):
    code = """
import os, sys
umask = os.umask(0)
print(os.getcwd(), os.environ["MINE"], oct(umask), argv[2:], sys.argv[1:] == argv)
print(sys.stdin.read(), file=sys.stderr)
"""
    given = {**environment, "MINE": "yes"}
    found = done(given, code, "--a", "b c", text="put in", cwd=tmp_path, umask=0o027)
    assert found == (0, f"{tmp_path} yes 0o27 ['--a', 'b c'] True\n", "put in\n")


def test_a_job_is_a_process_of_one_thread_that_another_one_forked(environment):
    code = "import os; print(os.getpid(), os.getppid(), *os.listdir('/proc/self/task'))"
    first, second = (done(environment, code)[1].split() for _ in range(2))
    assert first[1] == second[1]
    assert first[0] == first[2] != second[0] == second[2]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("code = 7", 7),
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(75)", 75),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("import os; os.abort()", -6),
    ],
)
def test_the_end_of_a_job_is_that_of_its_caller(code, expected, environment):
    assert done(environment, code)[0] == expected


def test_a_job_that_the_machine_ended_is_said_to_be_tried_again(environment):
    code, _, errors = done(environment, "import os; os.kill(os.getpid(), 9)")
    assert code == -9
    assert errors.startswith("try again: the job was ended by SIGKILL, as where memory lacks: ")
    assert errors.count("\n") == 1


def test_a_bug_has_its_traceback_and_code_1(environment):
    code, _, errors = done(environment, "1 / 0")
    assert code == 1
    assert errors.startswith("Traceback")
    assert errors.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_job_and_ends_both_alike(number, environment):
    with start(environment, "print('here', flush=True); import time; time.sleep(1000)") as job:
        assert job.stdout.readline() == "here\n"
        job.send_signal(number)
        assert job.wait() == -number
        assert job.stdout.read() == ""


def test_a_job_whose_caller_is_killed_ends_with_all_that_it_started(environment):
    # one write each: of two processes that print, one may write between the word and the end of its line
    code = "import os, time; os.fork(); os.write(1, b'here\\n'); time.sleep(1000)"
    with start(environment, code) as job:
        assert [job.stdout.readline() for _ in range(2)] == ["here\n"] * 2
        job.kill()
        assert job.stdout.read() == ""  # until its last process has ended


@pytest.mark.parametrize("name", ["JAX_PLATFORMS", "XLA_FLAGS", "DASK_LOGGING", "TMPDIR"])
def test_what_libraries_read_once_has_to_be_the_same(name, environment, tmp_path):
    code, output, errors = done({**environment, name: str(tmp_path)}, "print('there')")
    assert code == 2  # it runs by itself, where code is no option of `report`
    assert output == ""
    assert errors.startswith("usage: pipeline report")


def test_a_command_that_is_no_stage_runs_by_itself(environment):
    command = [sys.executable, "-m", "pipeline", "config"]
    assert "archive: text" in subprocess.check_output(command, env=environment, text=True)


def test_the_sockets_are_for_the_user_alone(environment):
    folder = Path(environment[wire.VARIABLE])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} >= {wire.JOBS, wire.CLUSTERS}
    assert all((folder / n).stat().st_mode & 0o777 == 0o600 for n in (wire.JOBS, wire.CLUSTERS))


@pytest.mark.parametrize(
    "message",
    [
        {},
        [],
        {"argv": []},
        {"argv": ["report"], "cwd": "/", "environment": {}, "umask": 0, "python": ""},  # no files
        {"argv": [1], "cwd": "/", "environment": {"a": 1}, "umask": 0, "python": ""},
    ],
)
def test_what_asks_for_no_job_is_refused_and_the_next_one_runs(message, environment):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(os.path.join(environment[wire.VARIABLE], wire.JOBS))
        wire.send(connection, message)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert done(environment, "print('done')")[:2] == (0, "done\n")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda folder: None])
def test_where_there_is_no_service_a_job_runs_by_itself(make, tmp_path):
    make(tmp_path / wire.JOBS)
    given = {**os.environ, wire.VARIABLE: str(tmp_path)}
    assert done(given, "")[2].startswith("usage: pipeline report")


def test_a_job_of_a_service_that_dies_ends_and_runs_by_itself(monkeypatch):
    monkeypatch.setattr(beside, "COMMAND", (sys.executable, "-c", SERVER))
    with beside.service(eager=False) as environment:
        code = "import os, time; print(os.getppid(), flush=True); time.sleep(1000)"
        with start(environment, code) as job:
            os.kill(int(job.stdout.readline()), signal.SIGKILL)
            _, errors = job.communicate()  # until the process in the service has ended, too
    assert job.returncode == 2
    assert errors.startswith("usage: pipeline report")


RUN = f"""
import sys, time
from pipeline.service import beside
beside.COMMAND = (sys.executable, "-c", {SERVER!r})
with beside.service(eager=False, keep=[int(sys.argv[1])]) as environment:
    print(environment[{wire.VARIABLE!r}], flush=True)
    time.sleep(1000)
"""


def test_a_run_that_is_killed_leaves_no_process_and_no_file():
    there, kept = os.pipe()
    command = [sys.executable, "-c", RUN, str(kept)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[kept]) as run:
        os.close(kept)
        folder = run.stdout.readline().strip()
        code = "import time; print('here', flush=True); time.sleep(1000)"
        given = {**os.environ, wire.VARIABLE: folder}
        with start(given, code) as job:
            assert job.stdout.readline() == "here\n"
            run.kill()
            assert (
                os.read(there, 1) == b""
            )  # until the last process has ended that the service started
            assert not Path(folder).exists()
            assert job.stdout.read() == ""
    os.close(there)


def test_importing_all_stages_starts_no_thread():
    code = """
import os
from pipeline.service import server
for stage in server.CHAIN:
    server._import(stage)
import jax
print(len(os.listdir("/proc/self/task")), "pipeline.fit.driver" in __import__("sys").modules)
"""
    given = {**os.environ, **wire.ENVIRONMENT}
    assert subprocess.check_output([sys.executable, "-c", code], env=given, text=True) == "1 True\n"
