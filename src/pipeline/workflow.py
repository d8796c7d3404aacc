"""What the Snakefile asks: inputs, outputs and parameters of the rules; paths, fingerprints and threads of a survey."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from pipeline.closure import code_version
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError, section_json
from pipeline.config.cluster import TlsOptions
from pipeline.config.fit import FitOptions
from pipeline.config.survey import NOT_IN_CATALOGUE, Survey
from pipeline.declared import RESULTS, Argument, File, Folder, Kept, Section, Stage, Value
from pipeline.faults import MachineFault, of_machine, sentence
from pipeline.shards import has_sources, shard_lists, shard_name
from pipeline.stages import PLAN, STAGES


def inputs(stage: Stage, survey: Survey) -> dict[str, str]:
    """Return the inputs of the rule of a stage, by name.

    Parameters
    ----------
    stage : Stage
        The stage.
    survey : Survey
        The survey.

    Returns
    -------
    dict of str to str
        Paths. That of a table that each shard has is with the wildcard ``{shard}``: a rule that runs once reads
        those of all shards.
    """
    found: dict[str, str] = {}
    for one in stage.reads:
        files = _in_rule(one) if isinstance(one, Folder) else {one.name: one}
        found |= {name: f.pattern(survey) for name, f in files.items() if f.when(survey)}
    return found


def shards_with_sources(survey: Survey, directory: Path = Path()) -> list[str]:
    """Return the names of the shards that have sources, once `plan` has written their lists.

    Where the folder of the lists is not on this machine, as with an object store, all shards are taken to have some.

    Parameters
    ----------
    survey : Survey
        The survey.
    directory : Path, optional
        Its folder.
    """
    lists = next(file for file in PLAN.writes if file.is_folder)
    plan = directory / lists.pattern(survey)
    if not plan.is_dir():
        return [shard_name(index) for index in range(survey.shards)]
    return [shard_list.stem for shard_list in shard_lists(plan) if has_sources(shard_list)]


def leftovers(survey: Survey, directory: Path) -> Iterator[Path]:
    """Yield the tables of shards that have no sources any more, or that there are no more.

    Parameters
    ----------
    survey, directory
        See `shards_with_sources`.
    """
    wanted = set(shards_with_sources(survey, directory))
    for stage in STAGES:
        for file in stage.writes:
            if file.per_shard:
                folder, name = (directory / file.pattern(survey)).parent, file.inside("{shard}")
                for path in folder.glob(name.replace("{shard}", "shard-*")):
                    shard = path.name.partition(".")[0]
                    if shard not in wanted and path.name == name.format(shard=shard):
                        yield path


def outputs(stage: Stage, survey: Survey) -> dict[str, File]:
    """Return what the rule of a stage writes in a survey, by name."""
    return {file.name: file for file in stage.writes if file.when(survey)}


def parameters(stage: Stage, survey: Survey) -> dict[str, str | Callable[..., str]]:
    """Return the parameters of the rule of a stage, by name.

    All but the version of the code are functions, because Snakemake would take ``{1}`` in a text for a wildcard.
    It runs a job again when a parameter has another value than the last time, but does not keep the values of
    functions of inputs, outputs or threads: what is no reason to run again is such a function.
    """
    found: dict[str, str | Callable[..., str]] = {"code": code_version(stage.package)}
    for argument in stage.given(survey):
        found |= _parameters(argument, survey)
    for folder in stage.folders():
        name, file = next(iter(_in_rule(folder).items()))
        found[folder.name] = _folder_of_input(name, os.path.dirname(file.pattern(survey)))
    if stage.into:
        found[stage.into] = lambda wildcards, output: os.path.dirname(output[0])
    return found


def _in_rule(folder: Folder) -> dict[str, File]:
    """Return the files of another stage by their names in the rule that reads them."""
    return {f"{folder.name}_{file.name}": file for file in folder.files}


def _folder_of_input(name: str, empty: str) -> Callable[..., str]:
    """Return a parameter: the folder of an input, which is one path or a list of them, which may be empty."""

    def folder(wildcards: Any, input: Any) -> str:
        paths = getattr(input, name)
        if not paths:
            return empty
        return os.path.dirname(paths if isinstance(paths, str) else paths[0])

    return folder


def _parameters(argument: Argument, survey: Survey) -> dict[str, Callable[..., str]]:
    """Return the parameters of one argument: its value, and what is a reason to run again if that is less."""
    if isinstance(argument, Kept):
        file = argument.file
        return {
            argument.name: lambda wildcards, output: os.path.join(os.path.dirname(output[0]), file)
        }
    if isinstance(argument, Value):
        return {argument.name: _constant(argument.value(survey), argument.is_reason)}
    if not argument.section:
        return {argument.name: _constant(survey_json(survey), True)}
    options = getattr(survey, argument.section)
    found = {argument.name: _section(argument, survey)}
    if argument.reasons:
        reasons = section_json(options, argument.reasons)
        found[f"{argument.name}_reasons"] = _constant(reasons, True)
    return found


def _section(argument: Section, survey: Survey) -> Callable[..., str]:
    """Return the parameter of a section; a cluster has a worker a thread of the job."""
    if argument.section == "cluster":
        return lambda wildcards, threads: cluster_json(survey, threads)
    value = section_json(getattr(survey, argument.section), argument.keys)
    return _constant(value, argument.reasons is None)


def _constant(value: str, is_reason: bool) -> Callable[..., str]:
    """Return a parameter with one value."""
    if is_reason:
        return lambda wildcards: value
    return lambda wildcards, input: value


def cluster_json(survey: Survey, threads: int) -> str:
    """Return the section `cluster` as JSON, with a worker a thread of the job unless it says how many."""
    workers = survey.cluster.workers or threads
    return section_json(survey.cluster.model_copy(update={"workers": workers}))


def survey_json(survey: Survey) -> str:
    """Return as JSON what a catalogue is made by: a survey without what does not touch its rows."""
    values = survey.model_dump(mode="json", exclude=NOT_IN_CATALOGUE)
    return json.dumps(values, sort_keys=True)


def shard_threads(survey: Survey, cores: int) -> int:
    """Return the threads of a job that reads or segments a shard, in a workflow with a number of cores."""
    return survey.cluster.workers or max(1, cores // survey.shards)


def fit_threads(survey: Survey, cores: int, elsewhere: bool = False) -> int:
    """Return the cores of a fit job in a workflow with a number of cores.

    Parameters
    ----------
    survey : Survey
        Its `fit.threads`, where they are given; else the platform decides.
    cores : int
        Cores of the workflow.
    elsewhere : bool, optional
        Whether jobs run on other machines than this one, as on a cluster. It cannot be seen from here whether
        these have a GPU: a job uses the one that it finds, and the cores that the profile asks for.
    """
    on_gpu = survey.fit.platform == "gpu" or (
        survey.fit.platform == "auto" and not elsewhere and any(Path("/dev").glob("nvidia[0-9]*"))
    )
    return survey.fit.threads or (cores if on_gpu else max(1, cores // survey.shards))


def is_group(argv: Sequence[str]) -> bool:
    """Return whether a command of Snakemake, as it runs on a node, is for more than one job."""
    option = "--target-jobs"
    after = argv[argv.index(option) + 1 :] if option in argv else []
    return len(list(takewhile(lambda text: not text.startswith("-"), after))) > 1


def check_paths(survey: Survey) -> None:
    """Raise ConfigError where a path in the configuration does not exist."""
    folder = not survey.simulate.enabled and not is_remote(survey.archive)
    if folder and not _is_folder(survey.archive):
        raise ConfigError(
            f"archive: {survey.archive!r} is not a folder; allowed: an existing folder"
        )
    if (
        survey.report.truth
        and not survey.simulate.enabled
        and not os.path.isfile(survey.report.truth)
    ):
        raise ConfigError(f"report.truth: {survey.report.truth!r} is not a file")


def _is_folder(path: str) -> bool:
    """Return whether a path is that of a folder; a disk that does not answer does not say that it is none."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        if of_machine(error):
            raise MachineFault(sentence(error, path)) from error
        return False


def resolve(survey: Survey, results: str | os.PathLike[str] = RESULTS) -> Survey:
    """Make the paths of a survey absolute, and find the truth that lies beside a simulated archive.

    Parameters
    ----------
    survey : Survey
        As configured; relative paths are relative to the current folder.
    results : path-like, optional
        Folder of the results, which must not lie inside the archive.

    Raises
    ------
    ConfigError
        When the results would be taken for files of the archive.
    """
    archive, truth = survey.archive, survey.report.truth
    if not is_remote(archive):
        folder = Path(archive).expanduser().resolve()
        if Path(results).resolve().is_relative_to(folder):
            raise ConfigError(
                f"archive: {survey.archive!r} holds the folder of the results; allowed: another folder"
            )
        beside = folder.with_name(f"{folder.name}-truth.parquet")
        truth = truth or (str(beside) if beside.is_file() else None)
        archive = str(folder)
    sections = {
        "fit": {"components_folder": _absolute(survey.fit.components_folder)},
        "report": {"truth": _absolute(truth)},
        "remote": {"copies": _absolute(survey.remote.copies)},
        "cluster": {"tls": _absolute_files(survey.cluster.tls)},
    }
    changed = {name: getattr(survey, name).model_copy(update=to) for name, to in sections.items()}
    return survey.model_copy(update={"archive": archive, **changed})


def _absolute(path: str | None) -> str | None:
    """Return an absolute path; none for none."""
    return str(Path(path).expanduser().resolve()) if path else None


def _absolute_files(files: TlsOptions | None) -> TlsOptions | None:
    """Return options that are paths of files, made absolute; none for none."""
    if files is None:
        return None
    return files.model_copy(update={name: _absolute(path) for name, path in files})


def archive_fingerprint(archive: str | os.PathLike[str]) -> str:
    """Return a hash of the path, size and time of change of every file, by which a survey is re-planned.

    Parameters
    ----------
    archive : path-like
        Folder; links to folders are not followed. No file is opened.

    Raises
    ------
    ConfigError
        When the folder cannot be listed. One in it that cannot, as that of somebody else, counts with the reason.
    MachineFault
        When the machine is at fault.
    """
    files, folders = [], [os.fspath(archive)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        files.append(f"{os.path.relpath(entry.path, archive)}\0{_stamp(entry)}")
        except OSError as error:
            if of_machine(error):
                raise MachineFault(sentence(error)) from error
            if folder == os.fspath(archive):
                raise ConfigError(f"archive: {error.filename!r}: {error.strerror}") from error
            files.append(f"{os.path.relpath(folder, archive)}\0{error.strerror}")
    return hashlib.sha256("\n".join(sorted(files)).encode(errors="surrogateescape")).hexdigest()


def _stamp(entry: os.DirEntry) -> str:
    """Return size and time of change of a file; or why they cannot be had, as of one that was removed just now."""
    try:
        about = entry.stat(follow_symlinks=not _is_broken(entry))
    except OSError as error:
        if of_machine(error):
            raise
        return str(error.strerror)
    return f"{about.st_size}\0{about.st_mtime_ns}"


def state_of(path: str | None) -> str:
    """Return what changes when a file changes, its size and its time; empty for no file."""
    if path is None or not os.path.isfile(path):
        return ""
    about = os.stat(path)
    return f"{about.st_size} {about.st_mtime_ns}"


def _is_broken(entry: os.DirEntry) -> bool:
    """Return whether a directory entry is a link to nothing."""
    return entry.is_symlink() and not os.path.exists(entry.path)


def components_version(fit: FitOptions) -> str:
    """Return a hash of the modules of the components that are not built in; empty if there are none."""
    components = fit.user_components
    if not components:
        return ""
    named = {
        c.name.partition(":")[0] for model in fit.models.values() for c in model if ":" in c.name
    }
    modules = named | {component.function.__module__ for component in components}
    files = {getattr(sys.modules.get(name), "__file__", None) for name in modules}
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file is not None):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]
