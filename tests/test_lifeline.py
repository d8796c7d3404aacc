"""A job ends with the run that it belongs to, also where the run is killed."""

import os
import signal
import subprocess
import sys

import pytest

from pipeline import lifeline

JOB = """
import os, time
from pipeline import lifeline
print(lifeline.tie(os.environ), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def run():
    """A process that stands for a run, and its name in the environment."""
    code = "from pipeline import lifeline; print(*lifeline.named().values(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, {**os.environ, lifeline.VARIABLE: process.stdout.readline().strip()}
    process.kill()
    process.communicate()


def _start(environment):
    return subprocess.Popen(
        [sys.executable, "-c", JOB], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_job_ends_when_its_run_is_killed_and_not_before(run):
    process, environment = run
    with _start(environment) as job:
        assert job.stdout.readline() == "True\n"
        assert job.poll() is None
        process.kill()
        assert job.wait() == -signal.SIGTERM


def test_a_job_whose_run_is_gone_already_does_not_begin(run):
    process, environment = run
    process.kill()
    process.wait()
    with _start(environment) as job:
        assert job.wait() == -signal.SIGTERM
        assert job.stdout.read() == ""


@pytest.mark.parametrize("named", ["", "00000000 1 2", "nonsense", f"{lifeline.machine()} x y"])
def test_a_job_of_no_run_here_is_free(named):
    assert not lifeline.tie({lifeline.VARIABLE: named}, pytest.fail)


def test_whether_a_process_has_ended_is_known_where_it_was(run):
    process, environment = run
    name = environment[lifeline.VARIABLE]
    assert not lifeline.is_gone(name)
    process.kill()
    process.wait()
    assert lifeline.is_gone(name)
    assert not any(map(lifeline.is_gone, ["", "x", name.replace(lifeline.machine(), "00000000")]))


def test_a_number_that_was_used_again_is_another_process():
    ended = []
    named = f"{lifeline.machine()} {os.getpid()} 1"
    assert lifeline.tie({lifeline.VARIABLE: named}, lambda: ended.append(1))
    assert ended == [1]
