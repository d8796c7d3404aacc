"""The commands: those of the stages, which the rules of the workflow call, and those of a whole survey.

Exit codes: 0 done, 1 a bug, 2 the configuration, 65 a damaged table, 75 a fault of the machine: try again (sysexits' EX_TEMPFAIL).
"""

import argparse
import importlib
import json
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError, Options
from pipeline.config.survey import SECTIONS, Survey, validate
from pipeline.declared import Section, Stage, Value, always
from pipeline.faults import EXIT_TRY_AGAIN, TRY_AGAIN, of_machine, sentence
from pipeline.intermediates import set_aside
from pipeline.seals import DamagedTable
from pipeline.stages import STAGES

EXIT_CONFIG = 2
EXIT_DAMAGED = 65
EXIT_NOBODY_READS = 141  # as of a process that SIGPIPE ended


@dataclass(frozen=True)
class Command:
    """A command that is no stage.

    Attributes
    ----------
    name : str
        Its name.
    summary : str
        What it does, one sentence.
    target : str
        Module under `pipeline` and function that do it.
    arguments : mapping of str to mapping
        Its arguments, each with the keywords that `argparse` takes.
    """

    name: str
    summary: str
    target: str
    arguments: Mapping[str, Mapping[str, Any]]


_FOLDER = {"type": Path, "help": "folder of a survey, or of its catalogue"}
_WHERE: dict[str, Mapping[str, Any]] = {
    "--directory": {"type": Path, "default": Path(), "help": "where results/ goes"},
    "--cores": {"type": int, "default": 0, "help": "0: all of this machine"},
}

COMMANDS = (
    Command(
        "diff",
        "Compare two catalogues: sources gained, lost and changed, and why.",
        "catalog.diff:run",
        {
            "old": _FOLDER,
            "new": _FOLDER,
            "--sigma": {
                "type": float,
                "default": 3.0,
                "help": "standard errors a value has to differ by",
            },
            "--table": {"default": "SOURCES", "help": "table to compare; default: SOURCES"},
            "--json": {"action": "store_true", "dest": "as_json", "help": "everything, as JSON"},
            "--limit": {"type": int, "default": 50, "help": "sources named of each sort; 0: all"},
        },
    ),
    Command(
        "run",
        "Run a survey: what `make run` calls.",
        "survey:run",
        {
            **_WHERE,
            "--config": {"type": Path, "default": Path("config/config.yaml")},
            "--archive": {"help": "overrides the config's `archive`"},
        },
    ),
    Command(
        "resume", "Finish an interrupted survey: what `make resume` calls.", "survey:resume", _WHERE
    ),
    Command(
        "serve",
        "Show the report of a survey in a browser on this machine.",
        "report.serve:run",
        {
            "--directory": {"type": Path, "default": Path(), "help": "where results/ is"},
            "--port": {"type": int, "default": 0, "help": "0: a free one"},
        },
    ),
    Command(
        "config",
        "Print every option of the configuration.",
        "survey:describe",
        {"--write": {"action": "store_true", "help": "write the schema and config/README.md"}},
    ),
)

_MAKING = {"survey:run", "survey:resume", *(stage.driver for stage in STAGES)}
"""What may have a damaged table made again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = vars(_parser().parse_args(argv))
    target = arguments.pop("target")
    module, _, function = target.partition(":")
    written = arguments.get(arguments.pop("written", ""), "")
    try:
        code = getattr(importlib.import_module(f"pipeline.{module}"), function)(**arguments) or 0
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print(f"configuration: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except DamagedTable as error:
        is_remade = target in _MAKING and set_aside(error)
        print(f"damaged: {error}{'; it is made again' * is_remade}", file=sys.stderr)
        return EXIT_DAMAGED
    except BrokenPipeError as error:
        if _nobody_reads():
            return EXIT_NOBODY_READS
        return _try_again(error, written)
    except Exception as error:
        if not of_machine(error):
            raise
        return _try_again(error, written)


def _try_again(error: BaseException, written: str | os.PathLike[str]) -> int:
    """Say in one line what is wrong with the machine, and return the exit code.

    Parameters
    ----------
    error : BaseException
        What is wrong.
    written : path-like
        What the command writes, to be named where the error names no file.
    """
    with suppress(OSError):  # standard error may be on the disk that is full
        print(f"{TRY_AGAIN}{sentence(error, written)}", file=sys.stderr, flush=True)
    return EXIT_TRY_AGAIN


def _nobody_reads() -> bool:
    """Return whether the reader of the output has gone, as `head` does; the rest of it is then discarded."""
    output = select.poll()
    output.register(sys.stdout, 0)
    if not any(events & select.POLLERR for _, events in output.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


@cache
def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands: those of the stages, and those of a whole survey."""
    parser = argparse.ArgumentParser(prog="pipeline", description=_first_line(__doc__))
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for stage in STAGES:
        command = commands.add_parser(stage.name, help=stage.summary, description=stage.summary)
        command.set_defaults(target=stage.driver, written=_written(stage))
        _add_stage(command, stage)
    for one in COMMANDS:
        command = commands.add_parser(one.name, help=one.summary, description=one.summary)
        command.set_defaults(target=one.target)
        for flag, about in one.arguments.items():
            command.add_argument(flag, **about)
    return parser


def _written(stage: Stage) -> str:
    """Return the name of the argument that says what a stage writes, or where."""
    return stage.into or stage.writes[0].name


def _add_stage(command: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of a stage to its command."""
    for file in stage.files():
        command.add_argument(f"--{file.name}", type=Path, required=file.when is always)
    for name in (*(folder.name for folder in stage.folders()), *([stage.into] * bool(stage.into))):
        command.add_argument(f"--{name}", type=Path, required=True)
    for argument in stage.arguments:
        flag = f"--{argument.name}"
        if isinstance(argument, Section):
            _add_section(command, flag, argument.section)
        elif isinstance(argument, Value):
            kind = _KINDS[argument.kind]
            command.add_argument(flag, type=kind, required=argument.when is always)
        else:
            command.add_argument(flag, type=Path)


def _add_section(command: argparse.ArgumentParser, flag: str, name: str) -> None:
    """Add an option that is a section of the configuration, or all of it, as JSON."""
    section: type[Options] = SECTIONS[name] if name else Survey

    def parse(text: str) -> Options:
        try:
            return validate(json.loads(text), section)
        except (json.JSONDecodeError, ConfigError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    about = f"section `{name}` of the configuration" if name else "the configuration"
    default = SECTIONS[name]() if name else None
    command.add_argument(
        flag, type=parse, default=default, required=not name, metavar="JSON", help=about
    )


def _place(text: str) -> Path | str:
    """Return the folder of an archive, or its URL as it is."""
    return text if is_remote(text) else Path(text)


_KINDS: dict[str, Callable[[str], Any]] = {
    "path": Path,
    "place": _place,
    "number": int,
    "text": str,
}
"""What the command makes of a `pipeline.stages.Value`, by its kind."""


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
