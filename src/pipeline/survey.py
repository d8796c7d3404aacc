"""A whole survey, in one command: `run` it, `resume` it, `describe` its options.

Snakemake does the work. This module gives it a validated configuration, lets only one run at a time work on a
folder, and says at the end what came out.
"""

import fcntl
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import yaml

from pipeline import intermediates, left_on_slurm, lifeline, snakemake_process
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.columns.simulate import TRUTH
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError
from pipeline.config.survey import Survey, load
from pipeline.declared import RESULTS
from pipeline.describe import write_files, write_options
from pipeline.faults import EXIT_TRY_AGAIN, TRY_AGAIN, MachineFault, of_machine, sentence
from pipeline.interruption import Interrupted, Interruptible, interruptible
from pipeline.service.beside import service
from pipeline.stages import CATALOG, DOWNLOAD, INGEST, LIST, PLAN
from pipeline.temporary import sweep, unfinished
from pipeline.workflow import check_paths, leftovers, resolve

ROOT = Path(__file__).parents[2]
"""The repository: the workflow is not part of an installed package."""

ROOM = 1 << 16
"""Bytes that there has to be room for at the start."""
PROFILE = "SNAKEMAKE_PROFILE"
"""Environment variable that names a profile: with it, and without a number of cores, jobs run where the profile says."""
_BUILT_IN = ("local", "dryrun", "touch")
PATIENCE, PATIENCE_ELSEWHERE, PATIENCE_KILLED = 10.0, 60.0, 30.0
"""Seconds that jobs may take to end when a run is interrupted; where they run elsewhere, and have to be cancelled; and
where the run was killed."""


def run(*, directory: Path, cores: int, config: Path, archive: str | None) -> int:
    """Run a survey, or the part of it that is left to do, and say what came out.

    Parameters
    ----------
    directory : Path
        Where ``results/`` goes.
    cores : int
        Processor cores to use; 0: all of this machine, or what the profile says.
    config : Path
        Configuration file.
    archive : str or None
        Replaces the configuration's ``archive``; it must exist, and is not simulated.

    Returns
    -------
    int
        0; 1 where a job failed; 75 where the machine did; 128 and the number of the signal that interrupted it.

    Raises
    ------
    ConfigError
        Before anything is written, when the configuration is wrong.
    """
    overrides = {} if archive is None else {"archive": archive, "simulate": {}}
    return _interruptibly(load(config, overrides), directory, _options(cores))


def resume(*, directory: Path, cores: int) -> int:
    """Finish the survey in a folder, as it was configured, after an interruption.

    Raises
    ------
    ConfigError
        When there is no survey in the folder.
    """
    file = _survey_file(directory)
    if not file.is_file():
        raise ConfigError(f"directory: no survey in {str(directory)!r}; `pipeline run` starts one")
    return _interruptibly(load(file), directory, _options(cores))


def describe(*, write: bool) -> int:
    """Print every option with its type, default and meaning; or write the files made from them."""
    if write:
        write_files(ROOT)
    else:
        write_options(sys.stdout)
    return 0


def _interruptibly(survey: Survey, directory: Path, options: list[str]) -> int:
    """Do what `_run` does; if a signal ends it, say how to go on."""
    line = f"survey: interrupted; `make resume DIR={shlex.quote(str(directory))}` goes on"
    try:
        with interruptible(line) as interruption:
            return _run(survey, directory, options, interruption)
    except Interrupted as interrupted:
        print(line, file=sys.stderr)
        return interrupted.code


def _run(survey: Survey, directory: Path, options: list[str], interruption: Interruptible) -> int:
    """Check the survey, run Snakemake on it, and print the summary."""
    file = _survey_file(directory)
    survey = resolve(survey, file.parent)
    check_paths(survey)
    if not (ROOT / "Snakefile").is_file():
        raise ConfigError(f"no Snakefile in {str(ROOT)!r}: run the pipeline from its repository")
    if _is_elsewhere(options):
        _check_profile(Path(os.environ[PROFILE]))
    with _only_run(directory) as lock:
        if _is_elsewhere(options):
            left_on_slurm.cancel(directory)
        sweep(directory / RESULTS)
        again = intermediates.remove_misfits(survey, directory, _before(file))
        _write(file, survey)
        if not is_remote(survey.archive) and not os.path.isdir(survey.archive):
            simulate(Path(survey.archive), survey)
            survey = resolve(survey, file.parent)
            _write(file, survey)
        again += look_again(survey, directory)
        code = _until_sound(survey, directory, options, again, lock, interruption)
        for path in [] if code else list(leftovers(survey, directory)):
            path.unlink()
        sweep(directory / RESULTS)  # what jobs of a killed run left that ended after this one began
    if code:
        print(
            f"survey: stopped; `make resume DIR={shlex.quote(str(directory))}` goes on from here",
            file=sys.stderr,
        )
        return code
    print(summary(directory, survey.report.truth))
    return 0


def _until_sound(
    survey: Survey,
    directory: Path,
    options: list[str],
    again: list[str],
    lock: TextIO,
    interruption: Interruptible,
) -> int:
    """Run Snakemake, and once more where a job found a damaged table; return its exit code.

    Parameters
    ----------
    survey : Survey
        The survey.
    directory, options, lock, interruption
        See `_snakemake`.
    again : list of str
        Outputs that are made again in any case.
    """
    done: set[Path] = set()
    while True:
        forced = ["--forcerun", *again] if again else []
        code = _with_service(directory, [*options, *forced], lock, interruption)
        found = set(intermediates.taken_aside(directory))
        if not code or not found - done:
            return code
        done |= found
        again = [intermediates.last_output(survey)]
        misfits = [intermediates.Misfit(path, "is damaged") for path in sorted(found)]
        print(intermediates.sentence(misfits), file=sys.stderr)


def look_again(survey: Survey, directory: Path) -> list[str]:
    """Return the outputs to make again because files could not be read or downloaded.

    An archive on a server is listed. In a folder, files are tried again that can be read now.

    Parameters
    ----------
    survey : Survey
        The survey.
    directory : Path
        Its folder.
    """
    from pipeline.ingest import again as ingest_again

    observations = directory / PLAN.written(OBSERVATIONS).pattern(survey)
    if is_remote(survey.archive):
        from pipeline.ingest import list_driver

        print(f"listing the archive {survey.archive}", file=sys.stderr)
        listing = directory / LIST.written(LISTING).pattern(survey)
        list_driver.run(archive=survey.archive, output=listing, options=survey.remote)
        downloads = directory / RESULTS / DOWNLOAD.name
        again = ingest_again.downloads_to_remake(
            listing=listing, observations=observations, downloads=downloads
        )
    else:
        again = ingest_again.outputs_to_remake(
            archive=Path(survey.archive),
            observations=observations,
            plan=directory / next(f for f in PLAN.writes if f.is_folder).pattern(survey),
            ingested=directory / RESULTS / INGEST.name,
        )
    return [str(path.relative_to(directory)) for path in again]


def simulate(archive: Path, survey: Survey) -> None:
    """Write the simulated archive of a survey."""
    from pipeline.simulate.driver import run as run_simulation

    print(f"simulating the archive {archive}", file=sys.stderr)
    run_simulation(output=archive, options=survey.simulate)


def summary(directory: Path, truth: str | None) -> str:
    """Say where the catalogue and the report are, and what is in them.

    Parameters
    ----------
    directory : Path
        Folder of the survey.
    truth : str or None
        Table of injected values to compare with.
    """
    catalogue = directory / RESULTS / CATALOG.name
    sources = catalogue / CATALOG.written(SOURCES).inside()
    with open(catalogue / "provenance.json", encoding="utf-8") as file:
        record = json.load(file)
    counts = record["counts_by_status"]
    lines = [
        f"catalogue  {catalogue}: {_published(record)}",
        f"report     {directory / RESULTS / 'report' / 'index.html'}",
        "sources    " + ", ".join(f"{number} {status}" for status, number in counts.items()),
        "QPOs       " + _qpos(sources, record["configuration"]["catalog"]["qpo_min_q"]),
    ]
    if truth:
        lines += ["", _recovered(sources, truth)]
    return "\n".join(lines)


def _published(record: dict) -> str:
    """Return the files of the catalogue, a format each, with numbers of rows and tables that are too large for it."""
    files = []
    for one in record["formats"].values():
        notes = [f"{n} {name.replace('_', ' ')}" for name, n in one["rows"].items()]
        notes += [f"without {name}" for name in one.get("left_out", ())]
        files.append(one["file"] + (f" ({', '.join(notes)})" if notes else ""))
    return ", ".join(files)


def _qpos(sources: Path, min_q: float) -> str:
    """Return the number of sources that have a QPO, and on what evidence."""
    from pipeline.report.evidence import qpo_sentence
    from pipeline.tables import read_parquet

    table = read_parquet(sources, SOURCES, ["qpo_frequency", "qpo_q_value"])
    frequencies, q_values = (column.to_numpy() for column in table.columns)
    return qpo_sentence(frequencies, q_values, min_q)


def _recovered(sources: Path, truth: str) -> str:
    """Return the table of injected against recovered values."""
    from pipeline.report.truth import COMPARED, truth_table
    from pipeline.tables import read_parquet

    return truth_table(read_parquet(sources, SOURCES, COMPARED), read_parquet(truth, TRUTH))


def _survey_file(directory: Path) -> Path:
    return directory / RESULTS / "survey.yaml"


def _before(file: Path) -> Survey | None:
    """Return the survey as it was run the last time, None where that is not known."""
    try:
        return load(file) if file.is_file() else None
    except ConfigError:
        return None


def _write(file: Path, survey: Survey) -> None:
    """Write the configuration that Snakemake works by, unless it is there already."""
    text = yaml.safe_dump(survey.model_dump(mode="json"), sort_keys=False)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        temporary = unfinished(file)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


@contextmanager
def _only_run(directory: Path) -> Iterator[TextIO]:
    """Hold a lock on a folder, which ends with the last process that inherited it.

    Raises
    ------
    ConfigError
        When another run has it, or it cannot be written to.
    MachineFault
        When its disk is full, or read-only, or otherwise at fault.
    """
    results = directory / RESULTS
    with ExitStack() as stack:
        try:
            results.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(results / ".lock", "a+", encoding="utf-8"))
            _hold(lock)
            _check_room(results)
        except BlockingIOError as error:
            raise ConfigError(
                f"directory: a run is going on in {str(directory)!r}; wait for it, or end it"
            ) from error
        except OSError as error:
            if of_machine(error):
                raise MachineFault(sentence(error, directory)) from error
            reason = f"{error.filename or directory}: {os.strerror(error.errno or 0).lower()}"
            raise ConfigError(f"directory: {reason}; allowed: a folder to write to") from error
        yield lock


def _hold(lock: TextIO) -> None:
    """Take the lock of a folder; where a run that was killed had it, wait for the last of its processes.

    Raises
    ------
    BlockingIOError
        When a run that goes on has it.
    """
    for _ in range(int(PATIENCE_KILLED / 0.1)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            lock.seek(0)
            if not lifeline.is_gone(lock.read()):
                raise
            time.sleep(0.1)
    else:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate(0)
    lock.write(lifeline.name())
    lock.flush()


def _check_room(results: Path) -> None:
    """Raise OSError where a folder has no room left, or cannot be written to."""
    probe = unfinished(results / "room")
    try:
        with open(probe, "wb") as file:
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or str(results)
        raise
    finally:
        probe.unlink(missing_ok=True)


def _options(cores: int) -> list[str]:
    """Return the options of a run; without `cores`, a profile in SNAKEMAKE_PROFILE decides."""
    options = ["--rerun-incomplete", "--logger", "survey"]
    if cores or PROFILE not in os.environ:
        options += ["--cores", str(cores or "all")]
    return options


def _check_profile(profile: Path) -> None:
    """Raise ConfigError where a profile names an executor of Snakemake that is not installed.

    Snakemake would list all of its options. What else is wrong with a profile, it says itself.
    """
    written = None
    for file in (profile / "profile.yaml", profile / "config.yaml"):
        with suppress(OSError, ValueError, yaml.YAMLError):
            written = written or yaml.safe_load(file.read_text(encoding="utf-8"))
    name = written.get("executor") if isinstance(written, dict) else None
    module = f"snakemake_executor_plugin_{str(name).replace('-', '_')}"
    if name not in (None, *_BUILT_IN) and find_spec(module) is None:
        raise ConfigError(
            f"SNAKEMAKE_PROFILE: {str(profile)!r} needs Snakemake's executor for {name}, which is "
            f"not installed: {sys.executable} -m pip install '.[cluster]'"
        )


def _is_elsewhere(options: list[str]) -> bool:
    """Return whether a profile decides where jobs run."""
    return "--cores" not in options


def _with_service(
    directory: Path, options: list[str], lock: TextIO, interruption: Interruptible
) -> int:
    """Run Snakemake, with a service for the jobs of this machine, and return its exit code."""
    _unlock(directory)
    if _is_elsewhere(options):
        environment = dict(os.environ)
        return _snakemake(directory, options, lock, environment, interruption, PATIENCE_ELSEWHERE)
    is_new = not (directory / RESULTS / CATALOG.name).is_dir()
    with service(eager=is_new, keep=[lock.fileno()]) as environment:
        return _snakemake(directory, options, lock, environment, interruption, PATIENCE)


def _unlock(directory: Path) -> None:
    """Remove what a run of Snakemake that was killed left: its locks, which it takes for those of another, and scripts.

    The lock of the folder says that no run goes on.
    """
    own = directory / ".snakemake"
    for left in [own / "locks", *own.glob("shell_tmp.*")]:
        shutil.rmtree(left, ignore_errors=True)


def _snakemake(
    directory: Path,
    options: list[str],
    lock: TextIO,
    environment: dict[str, str],
    interruption: Interruptible,
    patience: float,
) -> int:
    """Run Snakemake and return the exit code of the run."""
    command = [
        *(sys.executable, "-m", "pipeline.snakemake_main"),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory.resolve())),
        *("--configfile", str(_survey_file(directory).resolve())),
        *("--workflow-profile", str(ROOT / "profiles" / "default")),
        *options,
    ]
    ended = snakemake_process.run(command, environment, [lock.fileno()], interruption, patience)
    if not ended.code:
        return 0
    if ended.failed and set(ended.failed) == set(snakemake_process.OF_MACHINE):
        return EXIT_TRY_AGAIN
    try:
        _check_room(
            directory / RESULTS
        )  # a job cannot say it where its log is on the disk that is full
    except OSError as error:
        print(f"{TRY_AGAIN}{sentence(error, directory)}", file=sys.stderr)
        return EXIT_TRY_AGAIN
    if ended.failed:
        return 1
    if ended.code < 0:
        print(f"{TRY_AGAIN}Snakemake was ended by signal {-ended.code}", file=sys.stderr)
        return EXIT_TRY_AGAIN
    print(ended.said, file=sys.stderr, end="")
    return ended.code
