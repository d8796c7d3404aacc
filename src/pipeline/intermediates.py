"""The tables between the stages: whether each is whole, in its place, and made from those that are there now.

Before a run the seals of all tables are looked at (`pipeline.seals`), which takes some 40 microseconds a table: what does
not fit is removed, and Snakemake makes it again. What only shows when a table is read ends the job that reads it.
The file is then set aside, and the run goes on once more.
"""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.survey import Survey
from pipeline.declared import RESULTS, File, Stage
from pipeline.seals import DamagedTable, Seal, identifier, read_seal, together
from pipeline.shards import shard_lists
from pipeline.stages import CATALOG, FIT, INGEST, PLAN, SEGMENT
from pipeline.workflow import outputs, shards_with_sources

SURVEY = "survey.yaml"
"""The file in the folder of the results by which the results of a survey are known."""

_SUFFIX = ".damaged"
_OF_SHARDS = (INGEST, SEGMENT, FIT)
_SHOWN = 3


@dataclass(frozen=True)
class Misfit:
    """A table that has to be made again.

    Attributes
    ----------
    path : Path
        Its file.
    what : str
        What is wrong with it, as the predicate of a sentence.
    """

    path: Path
    what: str


def misfits(survey: Survey, directory: Path, before: Survey | None = None) -> list[Misfit]:
    """Return the tables of a survey that are damaged, or were not made from those that are there now.

    A table whose options have changed since the last run is not among them: Snakemake makes it again in any case.

    Parameters
    ----------
    survey : Survey
        As it is run now.
    directory : Path
        Its folder.
    before : Survey, optional
        As it was run the last time.

    Raises
    ------
    OSError
        When a file cannot be read.
    """
    return list(_Look(survey, directory, before or survey).all())


def remove_misfits(survey: Survey, directory: Path, before: Survey | None = None) -> list[str]:
    """Remove the tables that do not fit, say which, and return an output that is made again for their sake.

    It is one of the catalogue, which all others are made for. The tables of the catalogue themselves stay until
    they are replaced.

    Parameters
    ----------
    survey, directory, before
        See `misfits`.
    """
    found = [
        Misfit(path, "is damaged") for path in taken_aside(directory)
    ]  # of a run that was killed
    found += misfits(survey, directory, before)
    if not found:
        return []
    print(sentence(found), file=sys.stderr)
    for one in found:
        if one.path.parent.name != CATALOG.name:
            one.path.unlink(missing_ok=True)
    return [last_output(survey)]


def last_output(survey: Survey) -> str:
    """Return an output of the catalogue: Snakemake makes all that is missing for it, if it has to make it again."""
    return next(iter(outputs(CATALOG, survey).values())).pattern(survey)


def sentence(found: Collection[Misfit]) -> str:
    """Say in one line which tables are made again."""
    named = [f"{one.path} {one.what}" for one in found]
    more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    verb = "it is" if len(named) == 1 else "they are"
    return f"survey: {'; '.join(named[:_SHOWN])}{more}: {verb} made again"


def set_aside(error: DamagedTable) -> bool:
    """Rename a damaged table of a survey, so that it is made again, and return whether it is one.

    Parameters
    ----------
    error : DamagedTable
        What was found when the table was read. Of a list of the plan, the table that is made with it is set aside.
    """
    path = error.path
    if path.suffix == ".tsv":
        path = path.parent.parent / Path(str(PLAN.written(OBSERVATIONS).path)).name
    if not any((folder / SURVEY).is_file() for folder in (path.parent, path.parent.parent)):
        return False
    with suppress(FileNotFoundError):  # another job was faster
        os.replace(path, path.with_name(f".{path.name}{_SUFFIX}"))
    return True


def taken_aside(directory: Path) -> list[Path]:
    """Return the tables that jobs have set aside, by the names that they had, and remove them."""
    results, found = directory / RESULTS, []
    for folder in (results, *(one for one in results.glob("*") if one.is_dir())):
        for path in folder.glob(f".*{_SUFFIX}"):
            found.append(path.with_name(path.name.removesuffix(_SUFFIX)[1:]))
            path.unlink()
    return sorted(found)


@dataclass
class _Look:
    """A look at the tables of a survey.

    Attributes
    ----------
    survey, directory, before
        See `misfits`.
    seals : dict of Path to Seal
        The seals that were read.
    wrong : dict of Path to str
        What is wrong with tables.
    """

    survey: Survey
    directory: Path
    before: Survey
    seals: dict[Path, Seal] = field(default_factory=dict)
    wrong: dict[Path, str] = field(default_factory=dict)

    def all(self) -> Iterator[Misfit]:
        """Yield all tables that do not fit."""
        self._judge_plan()
        for shard in self.shards:
            for stage in _OF_SHARDS:
                self._judge_shard(stage, shard)
        self._judge_catalogue()
        for path, what in self.wrong.items():
            yield Misfit(path, what)

    @cached_property
    def shards(self) -> list[str]:
        """Names of the shards that have a list."""
        return shards_with_sources(self.survey, self.directory) if self.plan.is_dir() else []

    @property
    def plan(self) -> Path:
        """Folder of the lists."""
        return self._path(next(file for file in PLAN.writes if file.is_folder))

    def _path(self, file: File, shard: str = "") -> Path:
        return self.directory / file.pattern(self.survey).format(shard=shard)

    def _judge_plan(self) -> None:
        """Judge OBSERVATIONS, and the lists that were made with it."""
        path = self._path(PLAN.written(OBSERVATIONS))
        seal = self._sealed(path, OBSERVATIONS.name, PLAN)
        if seal and self.plan.is_dir():
            lists = together([identifier(one) for one in shard_lists(self.plan)])
            if seal.origin.inputs.get("plan") != lists:
                self.wrong[path] = f"was not made with the lists in {self.plan}"

    def _judge_shard(self, stage: Stage, shard: str) -> None:
        """Judge the tables that a stage has made of a shard."""
        inputs = self._inputs(stage, shard)
        for file in outputs(stage, self.survey).values():
            if file.table is None:
                continue
            path = self._path(file, shard)
            seal = self._sealed(path, file.table.name, stage, shard)
            for name, recorded in seal.origin.inputs.items() if seal else ():
                if name in inputs and inputs[name][1] != recorded:
                    self.wrong[path] = f"was not made from {inputs[name][0]}"

    def _inputs(self, stage: Stage, shard: str) -> dict[str, tuple[Path, str]]:
        """Return path and identifier of each input of a stage that is there and sound."""
        found = {}
        for file in stage.reads:
            if not isinstance(file, File) or not file.when(self.survey):
                continue
            path = self._path(file, shard)
            if path in self.seals:
                found[file.name] = path, self.seals[path].id
            elif file.table is None and path.is_file():
                found[file.name] = path, identifier(path)
        return found

    def _judge_catalogue(self) -> None:
        """Judge the tables of the catalogue, which do not say by which options they were made."""
        for file in outputs(CATALOG, self.survey).values():
            if (
                file.table is not None
                and not file.is_folder
                and file.pattern(self.survey).endswith(".parquet")
            ):
                self._sealed(self._path(file), file.table.name, CATALOG)

    def _sealed(self, path: Path, table: str, stage: Stage, shard: str = "") -> Seal | None:
        """Return the seal of a table, None where there is no file, or where it does not fit."""
        try:
            seal = read_seal(path)
        except FileNotFoundError:
            return None
        except DamagedTable as error:
            self.wrong[path] = error.what
            return None
        if seal is None or not seal.origin.stage:
            self.wrong[path] = "was not written by a stage of a survey"
        elif what := seal.out_of_place(table, stage.name, shard):
            self.wrong[path] = what
        elif seal.origin.recipe not in self._recipes[stage.name]:
            self.wrong[path] = "was made by other options"
        else:
            self.seals[path] = seal
        return self.seals.get(path)

    @cached_property
    def _recipes(self) -> dict[str, set[str]]:
        """What tables may have been made by, for each stage: the recipe of this run and of the one before."""
        return {
            stage.name: {stage.recipe(self.survey), stage.recipe(self.before)}
            for stage in (PLAN, *_OF_SHARDS)
        } | {CATALOG.name: {""}}
