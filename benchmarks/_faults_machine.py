"""Faults of the machine: full disks, too many open files, no memory, errors of the system, an archive that goes away."""

import errno
import os
import random
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from _fault import Fault

SENTENCE = r"(?i)try again|run again|space|disk|open files|memory|read-only|quota|input/output|stale|connect|not there|mount|archive"
"""What a sentence about the machine names."""
HOOK = """
import os, sys
_number, _where, _modes, _flag, _times = os.environ["PIPELINE_ERRNO"].split("|")

def _fails(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    path = os.fsdecode(arguments[0])
    writes = bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or "w" in (arguments[1] or "")
    if _where not in os.path.abspath(path) or _modes != "rw"[writes] or not os.path.exists(_flag):
        return
    if int(_times):
        if os.path.getsize(_flag) >= int(_times):
            return
        with open(_flag, "a") as file:
            file.write("x")
    raise OSError(int(_number), os.strerror(int(_number)), path)

sys.addaudithook(_fails)
"""
"""A module that Python imports when it starts: files that match cannot be opened while a flag is there."""


def mounts():
    """Return why file systems cannot be mounted here; empty if they can."""
    if os.geteuid():
        return "only root can mount a file system"
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return done.stderr.decode().strip() if done.returncode else ""


def mount(folder, *options):
    """Mount a small file system in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ",".join(options)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def unmount(folder):
    """Unmount all that is mounted on a folder."""
    # `os.path.ismount` does not know a folder of the same file system that is mounted again.
    while f" {folder} " in Path("/proc/self/mountinfo").read_text():
        subprocess.run(["umount", "-l", folder], check=True)


@dataclass
class FullDisk(Fault):
    """The file system of the survey, or of temporary files or compiled programs, has too little space or too few inodes.

    Attributes
    ----------
    where : str
        `survey`, `tmp` or `cache`.
    limit : str
        Option of the file system.
    """

    where: str = "survey"
    limit: str = "size=64k"
    family = "full disk"
    sentence: str = SENTENCE
    skip = mounts()

    def __post_init__(self):
        self.expected = (
            "exit 75 and one sentence with the path, or not needed; resume: nothing lost"
        )
        if self.where == "cache":
            self.codes, self.expected = (0,), "exit 0 without the cache; nothing lost"

    def prepare(self, place):
        """Mount it."""
        self.folder = {"survey": place.survey, "tmp": place.temporary, "cache": place.folder / "c"}[self.where]  # fmt: skip
        mount(self.folder, self.limit, "mode=700")
        if self.where == "cache":
            place.cache = self.folder

    def inject(self, place):
        """Run."""
        return place.run()

    def heal(self, place):
        """Make space."""
        subprocess.run(["mount", "-o", "remount,size=512m,nr_inodes=100k", self.folder], check=True)

    def close(self, place):
        """Unmount it."""
        unmount(self.folder)


@dataclass
class ReadOnly(FullDisk):
    """The folder of the survey cannot be written to."""

    family = "read-only"
    codes: tuple = (2, 75)

    def __post_init__(self):
        self.expected = "exit 75 or 2 and one sentence with the path; resume: nothing lost"

    def prepare(self, place):
        """Mount it."""
        self.folder = place.survey
        mount(self.folder, "ro")

    def heal(self, place):
        """Let it be written to."""
        subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)


@dataclass
class NoTemporaryFolder(Fault):
    """TMPDIR is a folder that is not there."""

    family = "TMPDIR"
    sentence: str = SENTENCE + r"|(?i)TMPDIR|temporary"

    def inject(self, place):
        """Run."""
        place.environment["TMPDIR"] = str(place.folder / "none")
        return place.run()

    def heal(self, place):
        """Name one that is there."""
        del place.environment["TMPDIR"]


@dataclass
class Limit(Fault):
    """A limit of the system for each process: open files, or memory."""

    kind: int = resource.RLIMIT_NOFILE
    value: int = 64
    family = "limit"
    sentence: str = SENTENCE

    def inject(self, place):
        """Run under the limit."""
        return place.run(before=lambda: resource.setrlimit(self.kind, (self.value, self.value)))


@dataclass
class Errno(Fault):
    """Files cannot be opened, with an error of the system.

    Attributes
    ----------
    number : int
        The error.
    where : str
        Part of the paths that fail.
    mode : str
        `r` or `w`: when they are read or written.
    times : int
        How often it fails; 0: until it is healed.
    """

    number: int = errno.EIO
    where: str = "/archive/"
    mode: str = "r"
    times: int = 0
    family = "errno"
    sentence: str = SENTENCE

    def __post_init__(self):
        if self.times:
            self.expected = "tried again; exit 0, or 75; nothing lost"
        elif self.number in (errno.EACCES, errno.ENOENT):
            self.expected = "a row for the file; looked at again by resume: nothing lost"

    def prepare(self, place):
        """Write the module."""
        hook, self.flag = place.folder / "hook", place.folder / "flag"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        self.flag.touch()
        about = (self.number, f"{place.folder}{self.where}", self.mode, self.flag, self.times)
        place.environment["PIPELINE_ERRNO"] = "|".join(map(str, about))
        src = os.environ.get("PYTHONPATH") or str(Path(__file__).parents[1] / "src")
        place.environment["PYTHONPATH"] = f"{hook}{os.pathsep}{src}"

    def inject(self, place):
        """Run."""
        return place.run()

    def heal(self, place):
        """Let all be opened."""
        self.flag.unlink()


@dataclass
class Away(Fault):
    """The archive, a folder or a file of it goes away while a stage works, and comes back.

    Attributes
    ----------
    what : str
        Path in the archive; empty: all of it; `mount`: what is mounted there.
    stage : str
        When it goes away: in a job of this stage; empty: before the survey.
    seconds : float
        After how long it comes back; 0: before `resume`.
    """

    what: str = ""
    stage: str = "ingest"
    seconds: float = 0.0
    family = "archive goes away"
    sentence: str = SENTENCE

    def __post_init__(self):
        self.expected = "waits, or exit 75 and one sentence; resume: nothing lost"
        self.skip = mounts() if self.what == "mount" else ""
        if not self.stage:
            self.codes = (2, 75)

    def prepare(self, place):
        """Mount the archive where it is mounted."""
        self.gone = place.archive / self.what
        self.kept = place.folder / "kept"
        if self.what == "mount":
            self.gone = place.archive
            shutil.move(place.archive, self.kept)
            place.archive.mkdir()
            subprocess.run(["mount", "--bind", self.kept, place.archive], check=True)
        if not self.stage:
            self._go()

    def _go(self):
        if self.what == "mount":
            unmount(self.gone)
        else:
            self.gone.rename(self.kept)

    def _come(self):
        if self.what == "mount":
            subprocess.run(["mount", "--bind", self.kept, self.gone], check=True)
        else:
            self.kept.rename(self.gone)

    def inject(self, place):
        """Run, and let it go."""
        self.back = False
        process = place.start()
        if self.stage and place.wait_for(f"logs/**/{self.stage}*", process, 0.001):
            self._go()
            if self.seconds:
                time.sleep(self.seconds)
                self._come()
                self.back = True
        return place.end(process)

    def heal(self, place):
        """Let it come back."""
        if not self.back:
            self._come()

    def close(self, place):
        """Unmount it."""
        unmount(place.archive)


def faults():
    """Return them all."""
    rng = random.Random(2)
    sizes = [f"size={size}k" for size in (16, *sorted(rng.sample(range(40, 900), 6)))]
    disks = [FullDisk(f"disk-{limit[5:]}", limit=limit) for limit in sizes]
    disks += [FullDisk(f"disk-{n}-inodes", limit=f"nr_inodes={n}") for n in (30, 80)]
    disks += [FullDisk(f"tmp-{size}", where="tmp", limit=f"size={size}") for size in ("4k", "100k")]
    disks += [FullDisk(f"cache-{size}", where="cache", limit=f"size={size}") for size in ("4k", "300k")]  # fmt: skip
    limits = [Limit(f"open-files-{n}", value=n) for n in (16, 28, 40, 64)]
    limits += [
        Limit(f"memory-{n}-MB", kind=resource.RLIMIT_AS, value=n << 20)
        for n in (150, 500, 1000, 2000)
    ]
    read = ("EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EMFILE", "ENFILE", "ENOMEM", "EHOSTDOWN")
    errors = [Errno(f"{name}-archive", number=getattr(errno, name)) for name in read]
    errors += [Errno("EIO-one-file", where="/archive/00/source000.fits.gz")]
    errors += [Errno("EIO-twice", times=2), Errno("ESTALE-5-times", number=errno.ESTALE, times=5)]
    errors += [
        Errno(f"{name}-one-file", number=getattr(errno, name), where="/archive/01/source001.fits")
        for name in ("EACCES", "ENOENT")
    ]
    written = {"ENOSPC": "ingest", "EDQUOT": "segment", "EROFS": "fit", "EIO": "catalog"}
    errors += [
        Errno(f"{name}-{stage}", number=getattr(errno, name), where=f"/survey/results/{stage}", mode="w")
        for name, stage in written.items()
    ]  # fmt: skip
    errors += [Errno("ENOSPC-tmp", number=errno.ENOSPC, where="/tmp/", mode="w")]
    away = [
        Away("archive-before", stage=""),
        Away("archive-plan", stage="plan"),
        Away("archive-ingest"),
        Away("archive-ingest-1s", seconds=1.0),
        Away("folder-ingest", what="01"),
        Away("file-ingest", what="01/source001.fits"),
        Away("mount-plan", what="mount", stage="plan"),
        Away("mount-ingest", what="mount"),
        Away("mount-ingest-1s", what="mount", seconds=1.0),
    ]
    others = [ReadOnly("read-only-survey"), NoTemporaryFolder("TMPDIR-missing")]
    return [*disks, *others, *limits, *errors, *away]
