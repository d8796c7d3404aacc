"""A run shows what it has to, and ends with all its processes when it is interrupted."""

import os
import select
import signal
import subprocess
import sys

import pytest

from pipeline.interruption import Interruptible
from pipeline.snakemake_process import FAILED, OF_MACHINE, OTHER, SHOW, run

RUN = """
import os, sys
from pipeline import snakemake_process
from pipeline.interruption import Interrupted, interruptible
try:
    with interruptible() as interruption:
        command = [sys.executable, "-c", sys.argv[1]]
        snakemake_process.run(command, os.environ, [], interruption, float(sys.argv[2]))
except Interrupted as interrupted:
    print("interrupted")
    sys.exit(interrupted.code)
"""
"""A run of Python code in the place of Snakemake."""

JOB = """
import os, signal, subprocess, sys, time
job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
os.write(int(os.environ["PIPELINE_SHOW"]), b"%d\\n" % job.pid)
try:
    time.sleep(1000)
except KeyboardInterrupt:
    os.write(int(os.environ["PIPELINE_SHOW"]), b"a traceback\\n")
    raise
"""
"""Snakemake with a job, which fails when it is interrupted."""


def _ended(code):
    return run([sys.executable, "-c", code], os.environ, [], Interruptible(), 5.0)


def test_what_it_shows_is_shown_and_what_it_says_is_kept(capfd):
    ended = _ended(f"""
import os, sys
os.write(int(os.environ["{SHOW}"]), "1 of 2 \\u00e4\\n".encode())
os.write(int(os.environ["{FAILED}"]), {OF_MACHINE + OTHER!r})
print("out", flush=True)
print("err", file=sys.stderr)
sys.exit(3)
""")
    assert (ended.code, ended.failed, ended.said) == (3, OF_MACHINE + OTHER, "out\nerr\n")
    assert capfd.readouterr().err == "1 of 2 \u00e4\n"


def test_one_that_was_killed_is_told_by_its_signal():
    assert _ended("import os; os.kill(os.getpid(), 9)").code == -9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("to", ["process", "group"])
def test_a_signal_ends_all_processes_with_its_code_and_one_line(number, to):
    # an interrupt is ignored as a shell has it in the background, and a hang-up is not, as under nohup it is
    given = {signal.SIGINT: signal.SIG_IGN, signal.SIGHUP: signal.SIG_DFL}
    before = {one: signal.signal(one, handler) for one, handler in given.items()}
    try:
        process = _start(JOB, 10)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    with process:
        job = int(process.stderr.readline())
        (os.killpg if to == "group" else os.kill)(process.pid, number)
        assert process.wait() == 128 + number
        assert process.stdout.read() == "interrupted\n"
        assert process.stderr.read() == ""
    assert _has_ended(job)


def test_one_that_does_not_end_is_killed():
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + JOB
    with _start(deaf, 0.1) as process:
        process.stderr.readline()
        process.terminate()
        assert process.wait() == 143


def test_a_second_signal_makes_haste():
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + JOB
    with _start(deaf, 1000) as process:
        process.stderr.readline()
        process.terminate()
        while process.poll() is None:
            process.terminate()
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode == 143


def _start(code, patience):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, code, str(patience)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def _has_ended(pid):
    """Whether a process has ended, or does so now that it was killed."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([process], [], [], 30)
    os.close(process)
    return bool(ended)
