"""What a stage declares: the files it reads and writes, its options, and the command that follows from them.

`pipeline.stages` has the declarations themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipeline.columns.base import Table
from pipeline.config.archive import is_remote
from pipeline.config.base import section_json

if TYPE_CHECKING:
    from pipeline.config.survey import Survey

RESULTS = "results"
"""Folder of the results in the folder of a survey."""

Condition = Callable[["Survey"], bool]


def always(survey: Survey) -> bool:
    """Return True: the condition of what every survey has."""
    return True


def of_surveys(survey: Survey) -> bool:
    """Return True: the condition of what each survey has, and a command that is given by hand need not have."""
    return True


def remote(survey: Survey) -> bool:
    """Return whether the archive is on a server."""
    return is_remote(survey.archive)


@dataclass(frozen=True)
class Caption:
    """How an output is shown in Snakemake's own report: file of its caption, and its category."""

    file: str
    category: str


@dataclass(frozen=True)
class File:
    """A file or folder that a stage reads or writes.

    Attributes
    ----------
    name : str
        Its name in the rule, and the option of the command that is given its path.
    path : str or callable
        Path under the folder of the results, with ``{shard}`` where each shard has one; or a function of the
        survey that returns a path elsewhere.
    table : Table, optional
        The table that is in it; None: it is not a table.
    is_folder : bool
        Whether it is a folder.
    is_option : bool
        Whether the command has an option for it; if not, the driver derives its path from that of another.
    when : callable
        Returns whether a survey has it. The option of what not every survey has may be left out.
    caption : Caption, optional
        How Snakemake's report shows it; None: it does not.
    """

    name: str
    path: str | Callable[[Survey], str | None]
    table: Table | None = None
    is_folder: bool = False
    is_option: bool = True
    when: Condition = always
    caption: Caption | None = None

    def pattern(self, survey: Survey) -> str:
        """Return the path in a survey, relative to the folder of the survey or absolute."""
        if isinstance(self.path, str):
            return f"{RESULTS}/{self.path}"
        return self.path(survey) or ""

    @property
    def per_shard(self) -> bool:
        """Whether each shard has one."""
        return isinstance(self.path, str) and "{shard}" in self.path

    def inside(self, shard: str = "") -> str:
        """Return its name in the folder of its stage."""
        assert isinstance(self.path, str), self.name
        return PurePosixPath(self.path.format(shard=shard)).name


@dataclass(frozen=True)
class Folder:
    """The folder of another stage, of which tables are read: those of all shards, where each shard has one.

    A command line can hold its path, but not the paths of the tables of thousands of shards.

    Attributes
    ----------
    name : str
        The option of the command that is given its path.
    stage : Stage
        The stage that writes it.
    tables : tuple of Table, optional
        The tables that are read; None: all.
    """

    name: str
    stage: Stage
    tables: tuple[Table, ...] | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """The files that are read."""
        tables = [f for f in self.stage.writes if f.table is not None]
        return tuple(f for f in tables if self.tables is None or f.table in self.tables)


@dataclass(frozen=True)
class Section:
    """A section of the configuration, which a command is given as JSON.

    Attributes
    ----------
    name : str
        Option of the command.
    section : str
        Key of the configuration; empty: the configuration itself, without what does not touch the catalogue.
    keys : tuple of str, optional
        The keys that the stage is given; None: all.
    reasons : tuple of str, optional
        The keys of which a new value is a reason to run the stage again; None: all that it is given.
    when : callable
        Returns whether the rule gives it; the command has a default.
    """

    name: str
    section: str
    keys: tuple[str, ...] | None = None
    reasons: tuple[str, ...] | None = None
    when: Condition = always


@dataclass(frozen=True)
class Value:
    """A value of the survey that a command is given.

    Attributes
    ----------
    name : str
        Option of the command.
    value : callable
        Returns it from a survey.
    kind : {"path", "place", "number", "text"}
        What the command makes of it: a path, a path or a URL, a whole number, the text itself.
    is_reason : bool
        Whether a new value is a reason to run the stage again.
    when : callable
        Returns whether a survey has it. The option of what not every survey has may be left out.
    """

    name: str
    value: Callable[[Survey], str]
    kind: str = "path"
    is_reason: bool = False
    when: Condition = always


@dataclass(frozen=True)
class Kept:
    """A file that a stage keeps for itself beside its outputs, and need not be there.

    Attributes
    ----------
    name : str
        Option of the command.
    file : str
        Name of the file.
    """

    name: str
    file: str


Argument = Section | Value | Kept


@dataclass(frozen=True)
class Stage:
    """A stage of the survey, or a part of one that is a command of its own.

    Attributes
    ----------
    name : str
        Name of the command and of the rule.
    summary : str
        What the command does, one sentence.
    driver : str
        Module under `pipeline` and function that do it: ``fit.driver:run``. The options of the command are its
        arguments.
    reads : tuple of File or Folder
        What it reads.
    writes : tuple of File
        What it writes.
    arguments : tuple of Section, Value or Kept
        What else it is given.
    into : str, optional
        Option that is given the folder of the outputs, where they have no options of their own.
    """

    name: str
    summary: str
    driver: str
    reads: tuple[File | Folder, ...] = ()
    writes: tuple[File, ...] = ()
    arguments: tuple[Argument, ...] = ()
    into: str = ""

    @property
    def per_shard(self) -> bool:
        """Whether it runs once for each shard."""
        return any(file.per_shard for file in self.writes)

    @property
    def package(self) -> str:
        """The package of the driver, which with all that it imports is the code of the stage."""
        return self.driver.partition(".")[0]

    @property
    def module(self) -> str:
        """The name by which the module of the driver is imported."""
        return f"pipeline.{self.driver.partition(':')[0]}"

    def files(self) -> Iterator[File]:
        """Yield the files that have an option of the command."""
        for one in (*self.reads, *self.writes):
            if isinstance(one, File) and one.is_option:
                yield one

    def folders(self) -> tuple[Folder, ...]:
        """Return the folders of other stages that it reads."""
        return tuple(one for one in self.reads if isinstance(one, Folder))

    def written(self, table: Table) -> File:
        """Return the file with a table among those that it writes."""
        return next(file for file in self.writes if file.table == table)

    def given(self, survey: Survey) -> tuple[Argument, ...]:
        """Return the arguments that the rule of a survey gives."""
        return tuple(a for a in self.arguments if isinstance(a, Kept) or a.when(survey))

    def recipe(self, survey: Survey) -> str:
        """Return what identifies the values that are a reason to run the stage again: it is kept in its tables."""
        reasons = []
        for one in self.given(survey):
            if isinstance(one, Value) and one.is_reason:
                reasons.append(f"{one.name} {one.value(survey)}")
            elif isinstance(one, Section) and one.section and one.reasons != ():
                keys = one.keys if one.reasons is None else one.reasons
                reasons.append(f"{one.name} {section_json(getattr(survey, one.section), keys)}")
        return hashlib.sha256("\n".join(reasons).encode(errors="surrogatepass")).hexdigest()[:16]

    def command(self, survey: Survey) -> str:
        """Return the command of the rule, with the placeholders that Snakemake fills, and its log."""
        options = []
        for one in self.reads:
            if isinstance(one, Folder):
                options.append(f"--{one.name} {{params.{one.name}:q}}")
            elif one.is_option and one.when(survey):
                options.append(f"--{one.name} {{input.{one.name}:q}}")
        for file in self.writes:
            if file.is_option and file.when(survey):
                options.append(f"--{file.name} {{output.{file.name}:q}}")
        names = [argument.name for argument in self.given(survey)]
        names += [self.into] if self.into else []
        options += [f"--{name} {{params.{name}:q}}" for name in names]
        return " ".join(["python -m pipeline", self.name, *options, "> {log} 2>&1"])
