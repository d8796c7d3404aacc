"""Processor time and memory of a command and of all its descendants, by stage of the survey.

The total is exact: this process adopts orphans (Linux, `PR_SET_CHILD_SUBREAPER`) and waits for all of them, so the
kernel adds up what they used. The division by stage comes from samples of /proc. A process belongs to the stage that
its own command line, or that of its nearest ancestor, names. Processes that serve several stages belong to the
stages that are waiting for them at that moment, in equal parts.
"""

import ctypes
import os
import re
import resource
import subprocess
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TICK = os.sysconf("SC_CLK_TCK")
_COMMAND = re.compile(r"(?:-m pipeline|bin/pipeline)\s+(\w+)")
_WORKFLOW, _SHARED = "workflow", "service"
_INTERVAL = 0.1


@dataclass
class Usage:
    """What a command used.

    Attributes
    ----------
    cpu : float
        User and system time of all processes, s.
    wall : float
        Elapsed time, s.
    stages : dict of str to float
        `cpu` by stage, s.
    peaks : dict of str to int
        Largest resident memory of one process, by stage, bytes.
    """

    cpu: float
    wall: float
    stages: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)


@dataclass
class _Process:
    parent: int
    own: float  # s
    children: float  # s, of those that were waited for


def measure(command, **keywords):
    """Run a command to its end and return its `Usage`; raises CalledProcessError where it fails."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, start = _of_children(), time.perf_counter()
    child = subprocess.Popen(command, **keywords)
    sampler = _Sampler(child.pid)
    status = child.wait()
    sampler.stop()
    _wait_for_orphans()
    usage = Usage(_of_children() - before, time.perf_counter() - start)
    if status:
        raise subprocess.CalledProcessError(status, command)
    seen = sum(sampler.stages.values()) or 1.0
    usage.stages = {name: usage.cpu * part / seen for name, part in sampler.stages.items()}
    usage.peaks = dict(sampler.peaks)
    return usage


def _of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait_for_orphans():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


class _Sampler:
    """Adds up what the descendants of a process use, by stage, until it is stopped."""

    def __init__(self, root):
        self.stages, self.peaks = defaultdict(float), defaultdict(int)
        self._root, self._ended = root, threading.Event()
        self._labels, self._last, self._total = {}, {}, 0.0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()

    def _sample(self):
        while not self._ended.wait(_INTERVAL):
            tree = descendants(self._root)
            if self._root in tree:
                self._add(tree)

    def _add(self, tree):
        labels = {pid: self._label(pid, tree) for pid in tree}
        named = (self._labels.get(pid) for pid in tree)
        active = Counter(label for label in named if label not in (None, _WORKFLOW, _SHARED))
        rest = sum(one.own + one.children for one in tree.values())
        rest, self._total = rest - self._total, rest
        for pid, process in tree.items():
            used = process.own - self._last.get(pid, 0.0)
            self._share(labels[pid], used, active)
            rest -= used
            self.peaks[labels[pid]] = max(self.peaks[labels[pid]], _peak(pid))
        self._share(_SHARED if active else _WORKFLOW, max(rest, 0.0), active)
        self._last = {pid: process.own for pid, process in tree.items()}

    def _share(self, label, used, active):
        if label != _SHARED or not active:
            self.stages[label] += used
            return
        for name, number in active.items():
            self.stages[name] += used * number / active.total()

    def _label(self, pid, tree):
        """Return the stage of a process: its own, or that of its nearest ancestor that has one."""
        while pid in tree:
            if pid not in self._labels:
                self._labels[pid] = _named(pid)
            if self._labels[pid]:
                return self._labels[pid]
            pid = tree[pid].parent
        return _WORKFLOW


def _named(pid):
    """Return the stage that the command line of a process names, or None."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    found = _COMMAND.search(line)
    if found:
        return _WORKFLOW if found[1] in ("run", "resume") else found[1]
    if "-m snakemake" in line:
        return _WORKFLOW
    return _SHARED if "-m pipeline." in line else None


def descendants(root):
    """Return a process and its descendants, by id."""
    found, children = {}, defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := _stat(int(name))):
            found[int(name)] = process
            children[process.parent].append(int(name))
    # Orphans were adopted by this process.
    tree, waiting = {}, [root, *(pid for pid in children[os.getpid()] if pid != root)]
    while waiting:
        pid = waiting.pop()
        if pid in found:
            tree[pid] = found[pid]
            waiting += children[pid]
    return tree


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    user, system, child_user, child_system = (int(value) / _TICK for value in fields[11:15])
    return _Process(int(fields[1]), user + system, child_user + child_system)


def _peak(pid):
    """Return the largest resident memory that a process has had, bytes."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+)", text)
    return 1024 * int(found[1]) if found else 0
