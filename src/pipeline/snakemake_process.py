"""Snakemake as a process of a run: what it shows, how its jobs failed, and its end.

It has a group of its own, so that a signal from a terminal reaches this process only, which then ends all others
in order. What the run shows comes through a pipe from the plugin `snakemake_logger_plugin_survey`; what Snakemake
itself says is shown only where it failed and nothing else says why.
"""

import codecs
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from pipeline import lifeline
from pipeline.interruption import Interrupted, Interruptible

SHOW, FAILED, TERMINAL = "PIPELINE_SHOW", "PIPELINE_FAILED", "PIPELINE_TERMINAL"
"""Environment variables of the plugin: the open files to show text and to count failed jobs by, and whether a terminal
is at the other end of the first."""
OF_MACHINE, OTHER = b"m", b"o"
"""What the plugin writes for a job that failed: by a fault of the machine, or not."""

_TAIL = 1 << 16


@dataclass(frozen=True)
class Ended:
    """How Snakemake ended.

    Attributes
    ----------
    code : int
        Its exit code; negative: the signal that ended it.
    failed : bytes
        `OF_MACHINE` or `OTHER` for each job that failed.
    said : str
        The end of what it said itself.
    """

    code: int
    failed: bytes
    said: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    keep: Sequence[int],
    interruption: Interruptible,
    patience: float,
) -> Ended:
    """Run Snakemake to its end.

    Parameters
    ----------
    command : sequence of str
        Its command line.
    environment : mapping of str to str
        Its environment.
    keep : sequence of int
        Open files that it inherits.
    interruption : Interruptible
        What handles signals.
    patience : float
        Seconds that Snakemake may take to end its jobs when this process is interrupted.

    Raises
    ------
    Interrupted
        When a signal asks this process to end. All processes of Snakemake's group have ended then.
    """
    show, failed, said = _Pipe(sys.stderr), _Pipe(), _Pipe()
    own = {
        SHOW: str(show.write),
        FAILED: str(failed.write),
        TERMINAL: "1" if sys.stderr.isatty() else "",
    }
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=said.write,
        stderr=said.write,
        pass_fds=[*keep, show.write, failed.write],
        env={**environment, **own, **lifeline.named()},
        process_group=0,
    )
    interruption.hurry = lambda: _signal(child.pid, signal.SIGKILL)
    pipes = (show, failed, said)
    for pipe in pipes:
        pipe.start()
    try:
        code = child.wait()
    except Interrupted:
        show.shown = None  # what is ended now fails, which nobody needs to read
        _signal(child.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
        raise
    finally:
        _signal(child.pid, signal.SIGKILL)
        child.wait()
        interruption.hurry = None
        texts = [pipe.end() for pipe in pipes]
    return Ended(code, texts[1], texts[2].decode(errors="replace"))


def _signal(group: int, number: int) -> None:
    """Send a signal to all processes of a group, if there are any."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Pipe:
    """A pipe that a thread reads: it keeps the end of what comes, and shows it.

    Parameters
    ----------
    shown : text file, optional
        Where it is shown.
    """

    def __init__(self, shown: IO[str] | None = None):
        self._read, self.write = os.pipe()
        self.shown = shown
        self._kept = bytearray()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def start(self) -> None:
        """Begin to read; other processes have the end to write to."""
        os.close(self.write)
        self._thread.start()

    def end(self) -> bytes:
        """Return the end of what came; a process that still has the pipe is not waited for."""
        self._thread.join(1.0)
        return bytes(self._kept)

    def _copy(self) -> None:
        while block := os.read(self._read, 1 << 16):
            self._kept = (self._kept + block)[-_TAIL:]
            if (shown := self.shown) is not None:
                with suppress(OSError, ValueError):  # nobody reads it any more
                    shown.write(self._decode(block))
                    shown.flush()
        os.close(self._read)
