"""A job in a process that the service forked for it: it becomes what a process of its own would have been."""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import commands


@dataclass(frozen=True)
class Job:
    """What was handed over.

    Attributes
    ----------
    argv : sequence of str
        Name of the command and its arguments.
    cwd : str
        Folder to work in.
    environment : dict of str to str
        Its environment.
    umask : int
        Its mask of permissions.
    descriptors : sequence of int
        Standard input, output and error, and what is open as long as the job runs.
    """

    argv: Sequence[str]
    cwd: str
    environment: dict[str, str]
    umask: int
    descriptors: Sequence[int]

    def close(self) -> None:
        """Close what was handed over; the process that forked the job has no use for it."""
        for descriptor in self.descriptors:
            os.close(descriptor)

    def run(self) -> int:
        """Run the command in this process and return its exit code."""
        os.chdir(self.cwd)
        os.umask(self.umask)
        os.environ.clear()
        os.environ.update(self.environment)
        for number, descriptor in enumerate(self.descriptors[:3]):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.argv = [sys.argv[0], *self.argv]
        return commands.main(self.argv)


def plain_signals() -> None:
    """Let signals do in this process what they do in one that Python has just started."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
