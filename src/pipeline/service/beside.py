"""Start the service of a run, and end it with the run."""

import atexit
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipeline import openfiles, private
from pipeline.faults import own
from pipeline.service import wire

COMMAND = (sys.executable, "-m", "pipeline.service")
"""What starts it."""
LONGEST = 100
"""Characters of the path of a socket, of which a system takes 107."""
FORKSERVER = "pymp-12345678/listener-12345678"
"""How long the name of a socket is that multiprocessing makes in the folder."""
PATIENCE = 30.0
"""Seconds that the service may take to end."""
PREFIX = "pipeline-"
"""How names of the folders of services begin."""
USED = "used"
"""File in the folder of a service that is locked as long as a process of the service is there."""


@contextmanager
def service(*, eager: bool, keep: Sequence[int] = ()) -> Iterator[dict[str, str]]:
    """Run the service beside what runs in this context; yield the environment in which jobs find it.

    Parameters
    ----------
    eager : bool
        Whether jobs are sure to come.
    keep : sequence of int
        Open files that the service keeps open as long as a job of it may run.

    Raises
    ------
    MachineFault
        When processes may not have as many files open as workers need.
    """
    openfiles.allow(len(os.sched_getaffinity(0)))
    longest = LONGEST - 1 - max(map(len, (wire.JOBS, wire.CLUSTERS, FORKSERVER)))
    sweep(Path(tempfile.gettempdir()))
    folder = private.new_folder(PREFIX, longest)
    with _in_use(folder) as used:
        with _listen(folder / wire.JOBS) as jobs, _listen(folder / wire.CLUSTERS) as clusters:
            sockets = [jobs.fileno(), clusters.fileno()]
            process = subprocess.Popen(
                [*COMMAND, str(folder), *map(str, sockets), *(["eager"] * eager)],
                stdin=subprocess.PIPE,
                env={**os.environ, **wire.ENVIRONMENT},
                pass_fds=[*sockets, used.fileno(), *keep],
                start_new_session=True,  # it gets no signal from a terminal
            )
        try:
            yield {**os.environ, wire.VARIABLE: str(folder)}
        finally:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen) -> None:
    """Tell the service that the run ends, and wait until it has ended."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def sweep(temporary: Path) -> None:
    """Remove what services left behind that were killed, with their run: folders of this user that no process uses.

    Parameters
    ----------
    temporary : Path
        Folder of temporary files.
    """
    for folder in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid == os.geteuid() and stat.S_ISDIR(about.st_mode):
                with open(folder / USED, "rb") as used:
                    fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)


def _in_use(folder: Path) -> BinaryIO:
    """Return the locked file of a folder. It has its name only when it is locked, so that nobody sweeps the folder before."""
    used = open(folder / f".{USED}", "wb")  # noqa: SIM115
    fcntl.flock(used, fcntl.LOCK_EX)
    os.rename(used.name, folder / USED)
    return used


def start_beside_this_process() -> None:
    """Start a service that ends with this process; what this process starts finds it."""
    stack = ExitStack()
    atexit.register(stack.close)
    os.environ.update(stack.enter_context(service(eager=False)))


def _listen(path: Path) -> socket.socket:
    """Return a socket that listens at a path, for the user only."""
    with own(path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
    return listener
