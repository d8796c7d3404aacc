"""Faults of processes: killed at random moments, ended by signals, workers and schedulers that are lost."""

import os
import random
import signal
import time
from dataclasses import dataclass

from _fault import MACHINE, Fault
from _survival import STAGES, Ended

SECONDS = {"plan": 1.0, "ingest": 1.0, "segment": 0.8, "fit": 1.5, "catalog": 0.6, "report": 0.5}
"""About how long a job of each stage takes here, by which moments are drawn."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Kill(Fault):
    """Processes that are killed (-9) at a random moment of a job, in `run` and then in `resume`.

    Attributes
    ----------
    stage : tuple of str
        Stage in a job of which each of the kills comes.
    scope : tuple of str
        `all` processes, the `parents` (the command and Snakemake), or the `job` alone, as if it had no memory.
    seed : int
        Decides the moments.
    """

    stage: tuple = ()
    scope: tuple = ()
    seed: int = 0
    family = "kill -9"
    expected = "ends; no orphan without the lock; resume: nothing lost, nothing left"
    codes: tuple = (0, 1, 75, -9, 137)
    sentence = ""

    def prepare(self, place):
        """Draw the moments."""
        self.rng = random.Random(self.seed)
        self.told = []

    def inject(self, place):
        """Kill processes of the run, then of the resumed run."""
        ended = Ended(0, "")
        for number, (stage, scope) in enumerate(zip(self.stage, self.scope, strict=True)):
            for log in place.results.glob("logs/**/*.log"):
                log.unlink()
            process, is_there = self._started(place, "resume" if number else "run", stage)
            if is_there:
                time.sleep(self.rng.uniform(0, SECONDS[stage]))
            running = sorted(set(place.jobs().values())) or ["no job"]
            self.told.append(f"{scope} in {'+'.join(running)}")
            place.kill(victims(place, process, scope))
            ended = place.end(process)
        return ended

    def _started(self, place, name, stage):
        """Start a command, again while orphans hold the lock; return it, and whether a job of the stage has begun."""
        pattern = f"logs/{stage}/*.log" if stage in STAGES[1:4] else f"logs/{stage}.log"
        for _ in range(60):
            process = place.start(name)
            if place.wait_for(pattern, process):
                return process, True
            if process.wait() != 2:
                break
            time.sleep(1.0)
        return process, False

    def more(self, place, seen):
        """Say where the kills fell."""
        seen.notes += self.told


def victims(place, process, scope):
    """Return the processes that are killed."""
    processes = place.processes()
    if scope == "all":
        return list(processes)
    if scope == "parents":
        return [process.pid, *(pid for pid, line in processes.items() if "-m snakemake" in line)]
    jobs = place.jobs()
    return [pid for pid in jobs if " -m pipeline " not in processes.get(pid, "")] or list(jobs)


@dataclass
class Stop(Fault):
    """A signal to the command alone, or to its group as from a terminal."""

    number: int = signal.SIGINT
    whole: bool = True
    stage: str = "ingest"
    family = "signal"
    sentence = r"(?m)^survey: interrupted; .*resume"
    limit = 10.0

    def __post_init__(self):
        self.codes = (128 + self.number, -self.number)
        self.expected = f"exit {128 + self.number} within {self.limit:.0f} s (more on a busy machine), one line; resume: nothing lost"

    def inject(self, place):
        """Send the signal in a job of the stage."""
        process = place.start()
        place.wait_for(f"logs/**/{self.stage}*", process)
        time.sleep(0.2)
        sent = time.monotonic()
        (os.killpg if self.whole else os.kill)(process.pid, self.number)
        ended = place.end(process, 60)
        self.took = time.monotonic() - sent
        return ended

    def more(self, place, seen):
        """Compare how long it took."""
        seen.notes.append(f"ended {self.took:.1f} s after the signal")
        busy = max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
        if self.took > self.limit * busy:
            seen.problems.append(f"took {self.took:.0f} s to end")


@dataclass
class LostWorker(Fault):
    """Workers of Dask, or the process of their scheduler, that are killed while a stage works."""

    stage: str = "ingest"
    what: str = "one worker"
    family = "lost worker"
    expected = "the job goes on, or exit 75; resume: nothing lost"
    sentence = r"resume"

    def inject(self, place):
        """Kill workers; `all workers, again and again` for as long as there is a job."""
        process = place.start()
        self.killed = 0
        if place.wait_for(f"logs/{self.stage}/*.log", process):
            until = time.monotonic() + (30 if "again" in self.what else 5)
            while time.monotonic() < until and process.poll() is None:
                chosen = self._victims(place)
                place.kill(chosen)
                self.killed += len(chosen)
                if self.killed and "again" not in self.what:
                    break
                time.sleep(0.05)
        return place.end(process, 240)

    def _victims(self, place):
        if self.stage not in place.jobs().values():
            return []
        pids = place.processes()
        servers = [pid for pid, line in pids.items() if "multiprocessing.forkserver" in line]
        workers = [pid for pid in servers if parent_of(pid) in servers]
        workers += [pid for pid, line in pids.items() if "multiprocessing.spawn" in line]
        if self.what == "the scheduler":
            return [parent_of(pid) for pid in servers if parent_of(pid) not in servers]
        return workers[:1] if self.what == "one worker" else workers

    def more(self, place, seen):
        """Say how many were killed."""
        seen.notes.append(f"{self.killed} killed")
        if not self.killed:
            seen.problems.append("nothing was killed: the fault was not injected")


def parent_of(pid):
    """Return the parent of a process, or 0."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def faults(seed=1):
    """Return them all: 20 kills in 10 surveys, signals, lost workers."""
    rng = random.Random(seed)
    scopes = ["all", "parents", "job"] * 7
    rng.shuffle(scopes)
    kills = []
    for number in range(10):
        first = STAGES[number % 6]
        later = STAGES[rng.randrange(STAGES.index(first), 6)]
        kills.append(
            Kill(f"kill-{number}", stage=(first, later), scope=tuple(scopes[2 * number : 2 * number + 2]), seed=number)
        )  # fmt: skip
    stages = ["plan", "ingest", "fit", "segment", "catalog", "ingest"]
    stops = [
        Stop(f"{number.name}-{'group' if whole else 'process'}", number=number, whole=whole)
        for number in SIGNALS
        for whole in (True, False)
    ]
    for stop, stage in zip(stops, stages, strict=True):
        stop.stage = stage
    workers = [
        LostWorker(f"lost-{what.split()[-1]}-{stage}", stage=stage, what=what)
        for stage in ("ingest", "segment")
        for what in ("one worker", "all workers, again and again", "the scheduler")
    ]
    return [*kills, *stops, *workers]


__all__ = ["MACHINE", "faults"]
