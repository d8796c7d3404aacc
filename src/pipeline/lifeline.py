"""Processes of a run end with it, also where it is killed and can end nothing itself. Light, because each job imports it."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping

from pipeline.temporary import machine

VARIABLE = "PIPELINE_RUN"
"""Environment variable that says which process the run is."""
PATIENCE = 3.0
"""Seconds that a process may take to end in good order."""


def named() -> dict[str, str]:
    """Return the environment by which other processes find this one."""
    return {VARIABLE: name()}


def name() -> str:
    """Return what tells this process from all others, here and elsewhere, now and later."""
    return f"{machine()} {os.getpid()} {_started(os.getpid())}"


def is_gone(name: str) -> bool:
    """Return whether a process has ended, as far as it can be known here.

    Parameters
    ----------
    name : str
        See `name`.
    """
    here, _, process = name.partition(" ")
    pid, _, started = process.partition(" ")
    return here == machine() and pid.isdigit() and _started(int(pid)) != started


def tie(environment: Mapping[str, str], end: Callable[[], None] | None = None) -> bool:
    """End this process when the run ends that it belongs to; return whether it belongs to one on this machine.

    Parameters
    ----------
    environment : mapping of str to str
        See `named`.
    end : callable, optional
        Ends this process; default: a signal, and another one if that does not.
    """
    here, _, process = environment.get(VARIABLE, "").partition(" ")
    if here != machine():
        return False
    pid, _, started = process.partition(" ")
    try:
        run = os.pidfd_open(int(pid))
    except ProcessLookupError:
        run = None
    except (OSError, ValueError, AttributeError):
        return False  # a kernel without such files
    if run is None or _started(int(pid)) != started:
        (end or _end)()
        return True
    threading.Thread(target=_wait, args=(run, end or _end), daemon=True).start()
    return True


def _wait(run: int, end: Callable[[], None]) -> None:
    """Wait for the end of the run, and then end this process."""
    waiter = select.poll()
    waiter.register(run, select.POLLIN)
    while not waiter.poll():
        pass
    end()


def _end() -> None:
    """End this process."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


def _started(pid: int) -> str:
    """Return when a process was started, in the units of the kernel: a number of a process is used again."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as about:
            return about.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""
