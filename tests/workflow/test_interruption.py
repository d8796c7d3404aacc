"""A run that is interrupted or killed ends with all its processes, and the next one goes on."""

import os
import re
import select
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.ingest.plan import shard


@contextmanager
def _started(workplace, folder, **environment):
    """Start a run in a folder, and read what it shows until its jobs run."""
    command = [*workplace.command("run"), "--config", str(workplace.configure())]
    command[command.index("--directory") + 1] = str(folder)
    if "SNAKEMAKE_PROFILE" in environment:
        place = command.index("--cores")
        del command[place : place + 2]
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may run under nohup
    try:
        run = subprocess.Popen(
            command,
            env={**workplace.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    with run:
        try:
            assert any(re.match(r"\d of \d+  plan", line) for line in run.stdout)
            yield run
        finally:
            run.kill()


def _processes(folder):
    """Return the processes of a run in a folder: their command lines, and files that tell their ends."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if str(folder) in words or os.readlink(process / "cwd") == str(folder):
                found.append((words, os.pidfd_open(int(process.name))))
        except OSError:
            continue
    return found


def _await_ends(processes):
    """Wait until processes have ended: a test that hangs here has found an orphan."""
    for _, end in processes:
        waiter = select.poll()
        waiter.register(end, select.POLLIN)
        waiter.poll()
        os.close(end)


@pytest.mark.parametrize(
    ("number", "to"),
    [
        (signal.SIGTERM, "process"),
        pytest.param(signal.SIGINT, "process", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "group", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, "group", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_run_with_one_line_and_its_code(workplace, tmp_path, number, to):
    folder = tmp_path / "survey"
    with _started(workplace, folder) as run:
        processes = _processes(folder)
        (os.killpg if to == "group" else os.kill)(run.pid, number)
        shown = run.stdout.read().splitlines()
        assert run.wait() == 128 + number
    _await_ends(processes)
    last = f"survey: interrupted; `make resume DIR={folder}` goes on"
    assert shown[-1] == last
    assert all(re.match(r"\d+ of \d+  ", line) for line in shown[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("service", [True, False])
@pytest.mark.parametrize("killed", ["run", "both"])
def test_no_job_outlives_a_run_that_was_killed(workplace, tmp_path, service, killed):
    folder, environment = tmp_path / "survey", {}
    if not service:
        (tmp_path / "profile.yaml").write_text("cores: 2\n")
        environment["SNAKEMAKE_PROFILE"] = str(tmp_path)
    with _started(workplace, folder, **environment) as run:
        processes = _processes(folder)
        for words, end in processes:
            if killed == "both" and "snakemake\0" in words:
                signal.pidfd_send_signal(end, signal.SIGKILL)
        run.kill()
        run.wait()
        while processes:  # and those that were started in the meantime
            _await_ends(processes)
            processes = _processes(folder)
    done = workplace.run("resume", "--directory", str(folder))
    assert done.code == 0, done.output
    left = [path for path in (folder / "results").rglob(".*") if path.suffix in (".tmp", ".parts")]
    assert left == []


@pytest.mark.slow
def test_only_the_shard_of_a_file_that_is_back_is_read_again(workplace, tmp_path):
    done = workplace.run()
    assert done.code == 0, done.output
    table = workplace.results / "ingest" / "shard-0001.parquet"
    log = (workplace.results / "logs" / "ingest" / "shard-0001.log").read_text()
    assert "inaccessible" not in log
    code = """
import sys
from pathlib import Path
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import driver
if __name__ == "__main__":
    archive, plan, table = map(Path, sys.argv[1:])
    driver.read_shard(archive, plan, table, IngestOptions(), ClusterOptions(workers=1, patience=0))
"""
    script = tmp_path / "read.py"
    script.write_text(code)
    plan = workplace.results / "plan" / "shard-0001.tsv"
    file = workplace.archive / shard.read(plan)[0].path
    file.rename(tmp_path / "away")
    command = [workplace.command("run")[0], str(script), str(workplace.archive), str(plan)]
    subprocess.run([*command, str(table)], env=workplace.environment, check=True)
    (tmp_path / "away").rename(file)
    again = workplace.run("resume")
    assert again.code == 0, again.output
    jobs = {f"{stage} shard-0001" for stage in ("ingest", "segment", "fit")}
    assert set(again.jobs) == {*jobs, "catalog", "report"}
    assert workplace.run("resume").jobs == []
