"""The survey on a Slurm of this machine, while its jobs are cancelled, killed, stopped and grow: is the catalogue the same?

python benchmarks/slurm.py [CASE ...]: all cases or some. One line of JSON each: what was done, what was expected and seen,
seconds, and how each Slurm job of the case ended. The Slurm is that of profiles/slurm/local.sh; where it or the
executor of Snakemake is not installed, the line says so. Each case takes minutes.
"""

import argparse
import functools
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / "profiles" / "slurm" / "local.sh"
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
SURVEY = {
    "shards": 3,
    "simulate": {"enabled": True, "n_sources": 6, "n_damaged": 1},
    "source": {"group_by": "object"},
    "ingest": {"spectrum_norm": "leahy", "spectrum_noise": 2.0},
    "fit": {
        "models": {"noise": ["constant"], "red": ["constant", "power_law"]},
        "threads": 1,
    },
}
PATIENCE = 900.0
"""Seconds that a run may take on a busy machine."""


def main() -> int:
    """Run the cases, in a Slurm that is started for them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--folder", type=Path, help="where surveys go; kept")
    arguments = parser.parse_args()
    lacking = reason_to_skip()
    if lacking:
        print(json.dumps({"benchmark": "slurm", "skipped": lacking}))
        return 0
    if "SLURM_CONF" not in os.environ:
        return subprocess.run([LOCAL, sys.executable, *sys.argv], check=False).returncode
    if arguments.folder:
        return run_cases(arguments.cases or list(CASES), arguments.folder.resolve())
    with tempfile.TemporaryDirectory(prefix="slurm-survey-") as folder:
        return run_cases(arguments.cases or list(CASES), Path(folder))


def reason_to_skip() -> str:
    """Return what is not installed here; empty if all is."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    lacking = [name for name in NEEDED if not shutil.which(name, path=path)]
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        lacking.append("snakemake-executor-plugin-slurm")
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def run_cases(names: list[str], folder: Path) -> int:
    """Run cases in a folder, print a line each, and return 1 if one ended otherwise than expected."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder)
    failed = False
    for name in names:
        start = time.monotonic()
        place.first_job = max(map(number, queue()), default=0) + 1
        about, expected, seen = CASES[name](place)
        failed |= seen != expected
        line = {"benchmark": "slurm", "case": name, "what": about, "expected": expected}
        line |= {"seen": seen, "seconds": round(time.monotonic() - start), "jobs": place.jobs()}
        print(json.dumps(line), flush=True)
    return int(failed)


class Place:
    """A folder with an archive, its survey on this machine alone, and surveys on Slurm.

    Attributes
    ----------
    folder : Path
        The folder.
    first_job : int
        Number of the first Slurm job of the case.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.first_job = 1
        self.config = folder / "survey.yaml"
        self.config.write_text(yaml.safe_dump({**SURVEY, "archive": str(folder / "archive")}))
        # as a folder of the node would be: jobs of all surveys keep compiled programs there
        os.environ["PIPELINE_COMPILATION_CACHE"] = str(folder / "node" / "programs")
        (folder / "node").mkdir(exist_ok=True, mode=0o700)

    @functools.cached_property
    def alone(self) -> dict[str, bytes]:
        """The catalogue of a run without Slurm."""
        environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}
        arguments = ["run", "--config", str(self.config), "--cores", "2"]
        with self.start(arguments, "alone", environment) as process:
            output = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0, output
        return self.catalogue("alone")

    def profile(self, name: str, **changes: dict) -> str:
        """Write profiles/slurm for a small machine, with changes of its sections, and return its folder."""
        profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
        profile["default-resources"] |= {"mem_mb": "attempt * 3000"}
        del profile["default-resources"]["slurm_account"]
        profile["set-threads"] = dict.fromkeys(profile["set-threads"], 1)
        for resources in profile["set-resources"].values():
            resources["mem_mb"] = "attempt * 3000"
        profile |= {"slurm-init-seconds-before-status-checks": 2, "latency-wait": 10}
        profile["slurm-status-command"] = "squeue"  # there is no accounting
        profile["group-components"] = ["shards=2"]
        for rule, resources in changes.pop("resources", {}).items():
            profile["set-resources"][rule] |= resources
        profile |= changes
        folder = self.folder / f"profile-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
        return str(folder)

    def start(self, arguments: list[str], name: str, environment: dict) -> subprocess.Popen:
        """Start the pipeline on the survey of a name."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments, "--directory", self.folder / name],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def on_slurm(
        self, name: str, profile: str, command: str = "run", beside: Callable | None = None
    ) -> tuple[int, str]:
        """Run the survey of a name on Slurm; return exit code and output.

        `beside` is called with the process, beside it.
        """
        assert self.alone
        arguments = [command, *(["--config", str(self.config)] if command == "run" else [])]
        environment = {**os.environ, "SNAKEMAKE_PROFILE": profile}
        with self.start(arguments, name, environment) as process:
            if beside is not None:
                threading.Thread(target=beside, args=(process,), daemon=True).start()
            try:
                output = process.communicate(timeout=PATIENCE)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output = process.communicate()[0] + "\nit did not end"
        (self.folder / f"{name}.log").write_text(output)
        return process.returncode, output

    def catalogue(self, name: str) -> dict[str, bytes]:
        """Return the tables of a catalogue as they are on disk."""
        folder = self.folder / name / "results" / "catalog"
        files = [*folder.glob("*.parquet"), folder / "catalog.fits", folder / "catalog.vot"]
        return {file.name: file.read_bytes() for file in files if file.is_file()}

    def verdict(self, name: str, code: int) -> str:
        """Say how a run ended, and whether its catalogue is that of the run without Slurm."""
        if code:
            return f"exit code {code}"
        differing = {k for k, v in self.catalogue(name).items() if self.alone.get(k) != v}
        differing |= self.alone.keys() - self.catalogue(name).keys()
        return "the same catalogue" if not differing else f"other {', '.join(sorted(differing))}"

    def programs(self) -> set[Path]:
        """Return the compiled programs that jobs have left for other jobs of the node."""
        return {path for path in (self.folder / "node").rglob("*") if path.is_file()}

    def jobs(self) -> dict[str, list[str]]:
        """Return how the Slurm jobs of a case ended, by what they did, in their order."""
        ended: dict[str, list[str]] = {}
        for job, (state, comment) in sorted(queue().items(), key=lambda item: number(item[0])):
            if number(job) >= self.first_job:
                ended.setdefault(comment, []).append(state)
        return ended


def queue() -> dict[str, tuple[str, str]]:
    """Return state and comment of all jobs of Slurm by their ids."""
    command = ["squeue", "--noheader", "--states=all", "--array", "--format=%i|%T|%k"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (line.split("|") for line in done.stdout.splitlines())
    return {job: (state, comment.removeprefix("rule_")) for job, state, comment in rows}


def number(job: str) -> int:
    """Return the number of a Slurm job, without that of the task of an array."""
    return int(job.partition("_")[0])


def running(text: str) -> str:
    """Wait for a job that runs and has a text in its comment; return its id."""
    while True:
        for job, (state, comment) in queue().items():
            if state == "RUNNING" and text in comment:
                return job
        time.sleep(0.3)


def process_of(stage: str, shard: str, folder: Path) -> int:
    """Wait for the process of a stage of a shard, and return its id."""
    wanted = re.compile(rf"-m\0pipeline\0{stage}\0.*{shard}", re.DOTALL)
    while True:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (path / "cmdline").read_text(errors="replace")
                if wanted.search(command) and (path / "cwd").resolve() == folder:
                    return int(path.name)
        time.sleep(0.1)


def cluster(place: Place) -> tuple[str, str, str]:
    """Run undisturbed."""
    assert place.alone
    before = place.programs()
    code, _ = place.on_slurm("cluster", place.profile("cluster"))
    new = len(place.programs() - before)
    seen = place.verdict("cluster", code) + (f", {new} programs compiled again" if new else "")
    return "undisturbed, with programs that the node keeps", "the same catalogue", seen


def arrays(place: Place) -> tuple[str, str, str]:
    """Run with fits as a job array, as the profile says that they are safe."""
    options = {"slurm-array-jobs": "fit", "slurm-array-limit": 20}
    profile = place.profile("arrays", **options, jobs=20000, **{"group-components": ["shards=4"]})
    code, _ = place.on_slurm("arrays", profile)
    was_array = any("_" in job for job in queue() if number(job) >= place.first_job)
    seen = place.verdict("arrays", code) + ("" if was_array else ", no array")
    return "fits as a job array", "the same catalogue", seen


def disturbed(place: Place) -> tuple[str, str, str]:
    """Cancel a group, kill a process, let another one pass its time, give the merge too little memory."""

    def beside(process: subprocess.Popen) -> None:
        subprocess.run(["scancel", running("shards")], check=True)
        os.kill(process_of("fit", "shard-0000", place.folder / "disturbed"), signal.SIGKILL)
        os.kill(process_of("fit", "shard-0001", place.folder / "disturbed"), signal.SIGSTOP)

    resources = {"fit": {"runtime": "attempt"}, "catalog": {"mem_mb": "attempt * 250"}}
    profile = place.profile("disturbed", resources=resources)
    code, _ = place.on_slurm("disturbed", profile, beside=beside)
    ended = [state for states in place.jobs().values() for state in states]
    seen = place.verdict("disturbed", code)
    for state, least in (("CANCELLED", 1), ("FAILED", 2), ("TIMEOUT", 1)):
        seen += "" if ended.count(state) >= least else f", {ended.count(state)} {state}"
    what = "a group cancelled, a fit killed, a fit stopped until its time was over, a merge without memory"
    return what, "the same catalogue", seen


def too_small(place: Place) -> tuple[str, str, str]:
    """Never give the merge enough memory; then do."""
    small = place.profile("small", resources={"catalog": {"mem_mb": 150}}, retries=1)
    code, output = place.on_slurm("small", small)
    first = f"exit code {code}, {'' if 'make resume' in output else 'not '}how to go on"
    code, _ = place.on_slurm("small", place.profile("cluster"), "resume")
    expected = "exit code 1, how to go on, then the same catalogue"
    seen = f"{first}, then {place.verdict('small', code)}"
    return "a merge whose memory is never enough; then it is", expected, seen


def interrupted(place: Place) -> tuple[str, str, str]:
    """End the run while jobs run."""
    ended: list[float] = []

    def beside(process: subprocess.Popen) -> None:
        running("fit")
        ended.append(time.monotonic())
        process.terminate()

    profile = place.profile("cluster")
    code, _ = place.on_slurm("interrupted", profile, beside=beside)
    took = time.monotonic() - ended[0]
    deadline = time.monotonic() + 10
    while left() and time.monotonic() < deadline:
        time.sleep(0.3)
    first = (
        f"exit code {code} {'at once' if took < 30 else f'after {took:.0f} s'}, {left()} jobs left"
    )
    code, _ = place.on_slurm("interrupted", profile, "resume")
    expected = "exit code 143 at once, 0 jobs left, then the same catalogue"
    seen = f"{first}, then {place.verdict('interrupted', code)}"
    return "SIGTERM while fits run; resumed", expected, seen


def killed(place: Place) -> tuple[str, str, str]:
    """Kill everything on the login node while jobs run, and resume at once."""

    def beside(process: subprocess.Popen) -> None:
        running("fit")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (*map(int, children), process.pid):  # Snakemake first
            os.killpg(os.getpgid(pid), signal.SIGKILL)

    profile = place.profile("cluster")
    place.on_slurm("killed", profile, beside=beside)
    before = left()
    code, output = place.on_slurm("killed", profile, "resume")
    said = "cancelling" in output
    first = "jobs left are cancelled" if before and said else f"{before} left, {said}"
    expected = "jobs left are cancelled, then the same catalogue"
    return (
        "kill -9 on the login node while fits run",
        expected,
        f"{first}, then {place.verdict('killed', code)}",
    )


def left() -> int:
    """Return the number of jobs that wait or run."""
    return sum(state in ("RUNNING", "PENDING", "COMPLETING") for state, _ in queue().values())


CASES: dict[str, Callable[[Place], tuple[str, str, str]]] = {
    "cluster": cluster,
    "arrays": arrays,
    "disturbed": disturbed,
    "too_small": too_small,
    "interrupted": interrupted,
    "killed": killed,
}

if __name__ == "__main__":
    sys.exit(main())
