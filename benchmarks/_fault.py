"""A fault that is injected into a survey, and the verdict on what the survey made of it."""

import re
import time
from dataclasses import dataclass, field

from _survival import Ended, Place, catalogue, differences

MACHINE = "exit 75 and one sentence, or nothing at all; resume: nothing lost"
TEMPORARY = re.compile(r"\.tmp|\.parts|\.part$|incomplete|~$")


@dataclass
class Seen:
    """What was seen of a fault.

    Attributes
    ----------
    code : int
        Exit code of the run with the fault; below zero: the signal that ended it.
    sentence : str
        Last line that it wrote on the screen.
    lost, wrong : list of str
        Rows of the catalogue of an undisturbed survey that are not there, or have other values, after `resume`.
    problems : list of str
        All that was not expected.
    notes : list of str
        Facts that are no problem, such as the stage in which a process was killed.
    outputs : list of str
        What the commands wrote.
    """

    code: int = 0
    sentence: str = ""
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def text(self):
        """Return it in a few words."""
        parts = [f"exit {self.code} after {self.seconds:.0f} s", *self.notes, *self.problems]
        return "; ".join(parts)


@dataclass
class Fault:
    """A fault: how it is injected, what is expected, and how its cause is taken away again.

    Attributes
    ----------
    name : str
        Name of this one.
    expected : str
        What has to be seen, in words.
    codes : tuple of int
        Exit codes that a run with the fault may have.
    sentence : str
        What one line of its output has to match, as a regular expression, where it does not end with 0.
    skip : str
        Why it cannot be injected on this machine; empty if it can.
    finished : bool
        Whether it is a fault of a survey that has ended.
    adds : bool
        Whether it adds files, which make further rows.
    compared : bool
        Whether the catalogue is that of the undisturbed survey.
    """

    name: str
    family = ""
    expected = MACHINE
    codes: tuple = (0, 75)
    sentence = r"\S"
    skip = ""
    finished = False
    adds = False
    compared = True

    def prepare(self, place: Place):
        """Change the survey before it starts; the archive is there."""

    def inject(self, place: Place) -> Ended:
        """Run the survey with the fault."""
        raise NotImplementedError

    def heal(self, place: Place):
        """Take the cause away, as a person would before `resume`."""

    def close(self, place: Place):
        """Undo what would outlive the folder of the survey, as mounts."""

    def resume(self, place: Place) -> Ended:
        """Finish the survey."""
        name = "resume" if (place.results / "survey.yaml").is_file() else "run"
        for _ in range(60):
            ended = place.run(name)
            if ended.code != 2 or "a run is going on" not in ended.output:
                break
            time.sleep(1.0)  # orphans of a run that was killed hold the lock until they end
        return ended

    def more(self, place: Place, seen: Seen):
        """Look at what only this fault has."""


def seen(fault: Fault, place: Place, old: dict, files: set[str]) -> Seen:
    """Inject a fault, finish the survey, and compare with an undisturbed one.

    Parameters
    ----------
    fault : Fault
    place : Place
        A survey that has not run.
    old : dict
        Catalogue of the undisturbed survey.
    files : set of str
        Files that the undisturbed survey left.
    """
    found = Seen()
    try:
        fault.prepare(place)
        _judge_end(fault, place, fault.inject(place), found)
        fault.heal(place)
        finished = fault.resume(place)
        if finished.code:
            found.problems.append(f"resume: exit {finished.code}: {last_line(finished.output)}")
        _judge_output("resume", finished, found)
        if fault.compared:
            _judge_catalogue(fault, place, old, found)
        _judge_files(place, files, found)
        if (place.results / "catalog" / "sources.parquet").is_file():
            fault.more(place, found)
    finally:
        place.kill(place.processes())
        fault.close(place)
    return found


def _judge_end(fault, place, ended, found):
    found.code, found.seconds = ended.code, ended.seconds
    found.sentence = last_line(ended.output, "try again: ")
    if ended.code not in fault.codes:
        found.problems.append(f"exit {ended.code}: {found.sentence}")
    if ended.code and not re.search(fault.sentence, ended.output):
        found.problems.append(f"no sentence {fault.sentence!r}, but {found.sentence!r}")
    _judge_output("run", ended, found)
    left = place.left()
    if left:
        found.problems.append(f"{len(left)} processes left: {next(iter(left.values()))[:100]}")


def _judge_output(name, ended, found):
    found.outputs.append(f"--- {name}: exit {ended.code}\n{ended.output}")
    if "Traceback" in ended.output:
        found.problems.append(f"{name}: traceback")
    if "HANGS" in ended.output:
        found.problems.append(f"{name}: hangs")


def _judge_catalogue(fault, place, old, found):
    try:
        found.lost, more, found.wrong = differences(old, catalogue(place))
    except OSError as error:
        found.lost = [f"{name} {key}" for name, rows in old.items() for key in rows]
        found.problems.append(f"no catalogue: {error}")
        return
    more = [] if fault.adds else more
    for what, rows in (("lost", found.lost), ("more", more), ("wrong", found.wrong)):
        if rows:
            found.problems.append(f"{len(rows)} rows {what}: {rows[0]}")


def _judge_files(place, files, found):
    left = sorted(
        path for path in place.files() - files if TEMPORARY.search(path) or "tmp/" in path
    )
    if left:
        found.problems.append(f"{len(left)} temporary files left: {', '.join(left[:3])}")


def last_line(text, wanted=""):
    """Return the last line of an output that says anything, or the last one with a text, if there is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if wanted in line] or lines
    return found[-1][:300] if found else ""
