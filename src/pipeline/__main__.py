"""``python -m pipeline COMMAND``: what every rule of the workflow calls, and the survey itself.

Exit codes: 0 done, 1 a bug, 2 the configuration, 75 try again (sysexits' EX_TEMPFAIL).
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

from pipeline import __version__
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError
from pipeline.config.survey import SECTIONS, Survey, validate

EXIT_CONFIG = 2
EXIT_TRY_AGAIN = 75


def main(argv=None) -> int:
    """Run one command and return its exit code."""
    arguments = vars(_parser().parse_args(argv))
    module, function = arguments.pop("target")
    try:
        return getattr(importlib.import_module(f"pipeline.{module}"), function)(**arguments) or 0
    except ConfigError as error:
        print(f"configuration: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except (ConnectionError, TimeoutError) as error:
        print(f"try again: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN


def _section(name):
    """Return a parser of one section given as JSON."""

    def parse(text):
        try:
            return validate(json.loads(text), SECTIONS[name])
        except (json.JSONDecodeError, ConfigError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def _place(text: str) -> Path | str:
    """Return the folder of an archive, or its URL as it is."""
    return text if is_remote(text) else Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name, target, summary, paths=(), sections=(), optional=()):
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(target=target)
        for path in paths:
            kind = _place if path == "archive" else Path
            sub.add_argument(f"--{path}", type=kind, required=path not in optional)
        for option, section in sections:
            sub.add_argument(
                f"--{option}",
                type=_section(section),
                default=SECTIONS[section](),
                metavar="JSON",
                help=f"section `{section}` of the configuration",
            )
        return sub

    command(
        "simulate",
        ("simulate.driver", "run"),
        "Write the simulated archive and the table of what was injected.",
        ("output",),
        [("options", "simulate")],
    )
    command(
        "list",
        ("ingest.driver", "list_archive"),
        "List the files of an archive on a server.",
        ("archive", "output"),
        [("options", "remote")],
    )
    plan = command(
        "plan",
        ("ingest.driver", "plan"),
        "Find the files of an archive and spread its sources over shards.",
        ("archive", "manifest", "plan", "cache", "listing", "copies"),
        [
            ("options", "ingest"),
            ("source", "source"),
            ("cluster", "cluster"),
            ("remote", "remote"),
        ],
        optional=("cache", "listing", "copies"),
    )
    plan.add_argument("--shards", type=int, required=True)
    command(
        "download",
        ("ingest.driver", "download"),
        "Download the files of a shard from the server of the archive.",
        ("archive", "plan", "listing", "copies", "output"),
        [("options", "remote")],
    )
    command(
        "ingest",
        ("ingest.driver", "run"),
        "Read the files of a shard.",
        ("archive", "plan", "output", "copies", "downloaded"),
        [("options", "ingest"), ("cluster", "cluster")],
        optional=("copies", "downloaded"),
    )
    command(
        "segment",
        ("segment.driver", "run"),
        "Make the averaged power spectra of a shard.",
        ("input", "output"),
        [("options", "segment"), ("cluster", "cluster")],
    )
    command(
        "fit",
        ("fit.driver", "run"),
        "Fit the models to the power spectra of a shard.",
        ("input", "models", "parameters", "curves", "samples"),
        [("options", "fit")],
    )
    catalog = command(
        "catalog",
        ("catalog.driver", "run"),
        "Merge the shards into the catalogue.",
        ("manifest", "plan", "ingest", "segment", "fit", "output"),
        [("options", "catalog")],
    )
    catalog.add_argument(
        "--survey", type=lambda t: validate(json.loads(t), Survey), required=True, metavar="JSON"
    )
    command(
        "report",
        ("report.driver", "run"),
        "Write the report's page.",
        ("catalog", "plan", "fit", "output", "truth"),
        [("options", "report")],
        optional=("truth",),
    )
    diff = command(
        "diff",
        ("catalog.diff", "run"),
        "Compare two catalogues: sources gained, lost and changed, and why.",
    )
    for side in ("old", "new"):
        diff.add_argument(side, type=Path, help="folder of a survey, or of its catalogue")
    diff.add_argument(
        "--sigma", type=float, default=3.0, help="standard errors a value has to differ by"
    )
    diff.add_argument("--json", action="store_true", dest="as_json", help="everything, as JSON")
    diff.add_argument("--limit", type=int, default=50, help="sources named of each sort; 0: all")
    for name, summary in (
        ("run", "Run a survey: what `make run` calls."),
        ("resume", "Finish an interrupted survey: what `make resume` calls."),
    ):
        sub = command(name, ("survey", name), summary)
        sub.add_argument("--directory", type=Path, default=Path(), help="where results/ goes")
        sub.add_argument("--cores", type=int, default=0, help="0: all of this machine")
        if name == "run":
            sub.add_argument("--config", type=Path, default=Path("config/config.yaml"))
            sub.add_argument("--archive", help="overrides the config's `archive`")
    config = command("config", ("survey", "describe"), "Print every option of the configuration.")
    config.add_argument(
        "--write", action="store_true", help="write the schema and config/README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
