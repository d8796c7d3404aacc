"""A whole survey, in one command: `run` it, `resume` it, `describe` its options.

Snakemake does the work. This module gives it a validated configuration, lets only one run at a time work on a
folder, and says at the end what came out.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import yaml

from pipeline.columns.catalogue import SOURCES
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.columns.simulate import TRUTH
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError
from pipeline.config.survey import Survey, load
from pipeline.declared import RESULTS
from pipeline.describe import write_files, write_options
from pipeline.intermediates import Misfit, remove_misfits, sentence, taken_aside
from pipeline.service.beside import service
from pipeline.stages import CATALOG, DOWNLOAD, LIST, PLAN
from pipeline.workflow import check_paths, leftovers, resolve

ROOT = Path(__file__).parents[2]
"""The repository: the workflow is not part of an installed package."""


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
        0, or Snakemake's exit code.

    Raises
    ------
    ConfigError
        Before anything is written, when the configuration is wrong.
    """
    overrides = {} if archive is None else {"archive": archive, "simulate": {}}
    return _run(load(config, overrides), directory, _options(cores))


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
    survey = load(file)
    with _only_run(directory) as lock:
        # The lock of a run that was killed, which Snakemake cannot tell from one that goes on.
        _snakemake(directory, ["--unlock", "--quiet", "all"], lock)
    return _run(survey, directory, _options(cores))


def describe(*, write: bool) -> int:
    """Print every option with its type, default and meaning; or write the files made from them."""
    if write:
        write_files(ROOT)
    else:
        write_options(sys.stdout)
    return 0


def _run(survey: Survey, directory: Path, options: list[str]) -> int:
    """Check the survey, run Snakemake on it, and print the summary."""
    file = _survey_file(directory)
    survey = resolve(survey, file.parent)
    check_paths(survey)
    if not (ROOT / "Snakefile").is_file():
        raise ConfigError(f"no Snakefile in {str(ROOT)!r}: run the pipeline from its repository")
    with _only_run(directory) as lock:
        again = remove_misfits(survey, directory, _before(file))
        _write(file, survey)
        if is_remote(survey.archive):
            again += look_again(survey, directory)
        elif not os.path.isdir(survey.archive):
            simulate(Path(survey.archive), survey)
            survey = resolve(survey, file.parent)
            _write(file, survey)
        code = _until_sound(directory, options, again, lock)
        for path in [] if code else list(leftovers(survey, directory)):
            path.unlink()
    if code:
        print(f"survey: stopped; `make resume DIR={directory}` goes on from here", file=sys.stderr)
        return code
    print(summary(directory, survey.report.truth))
    return 0


def _until_sound(directory: Path, options: list[str], again: list[str], lock: TextIO) -> int:
    """Run Snakemake, and once more where a job found a damaged table; return its exit code.

    Parameters
    ----------
    directory, options, lock
        See `_snakemake`.
    again : list of str
        Outputs that are made again in any case.
    """
    forced = ["--forcerun", *again] if again else []
    code = _with_service(directory, [*options, *forced], lock)
    done: set[Path] = set()
    while code and (found := set(taken_aside(directory)) - done):
        print(sentence([Misfit(path, "is damaged") for path in sorted(found)]), file=sys.stderr)
        done |= found
        code = _with_service(directory, options, lock)
    taken_aside(directory)
    return code


def look_again(survey: Survey, directory: Path) -> list[str]:
    """List the archive on its server, and return the outputs to make again because downloads failed.

    Parameters
    ----------
    survey : Survey
        A survey of a remote archive.
    directory : Path
        Its folder.
    """
    from pipeline.ingest import download_driver, list_driver

    print(f"listing the archive {survey.archive}", file=sys.stderr)
    listing = directory / LIST.written(LISTING).pattern(survey)
    list_driver.run(archive=survey.archive, output=listing, options=survey.remote)
    again = download_driver.outputs_to_remake(
        listing=listing,
        observations=directory / PLAN.written(OBSERVATIONS).pattern(survey),
        downloads=directory / RESULTS / DOWNLOAD.name,
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
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


@contextmanager
def _only_run(directory: Path) -> Iterator[TextIO]:
    """Hold a lock on a folder, which ends with the last process that inherited it."""
    results = directory / RESULTS
    results.mkdir(parents=True, exist_ok=True)
    with open(results / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"directory: a run is going on in {str(directory)!r}; wait for it, or end it"
            ) from error
        yield lock


def _options(cores: int) -> list[str]:
    """Return the options of a run; without `cores`, a profile in SNAKEMAKE_PROFILE decides."""
    options = ["--rerun-incomplete", "--logger", "survey"]
    if cores or "SNAKEMAKE_PROFILE" not in os.environ:
        options += ["--cores", str(cores or "all")]
    return options


def _with_service(directory: Path, options: list[str], lock: TextIO) -> int:
    """Run Snakemake, with a service for the jobs of this machine, and return its exit code."""
    if "--cores" not in options:  # a profile decides, and jobs run elsewhere
        return _snakemake(directory, options, lock)
    is_new = not (directory / RESULTS / CATALOG.name).is_dir()
    with service(eager=is_new, keep=[lock.fileno()]) as environment:
        return _snakemake(directory, options, lock, environment)


def _snakemake(
    directory: Path,
    options: list[str],
    lock: TextIO,
    environment: dict[str, str] | None = None,
) -> int:
    """Run Snakemake and return its exit code; Snakemake gets the signals that this process gets."""
    command = [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory.resolve())),
        *("--configfile", str(_survey_file(directory).resolve())),
        *("--workflow-profile", str(ROOT / "profiles" / "default")),
        *options,
    ]
    child = subprocess.Popen(command, pass_fds=[lock.fileno()], env=environment)
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # a terminal interrupts Snakemake too, which ends its jobs
    finally:
        signal.signal(signal.SIGTERM, before)
