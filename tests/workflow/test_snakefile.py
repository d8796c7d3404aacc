"""The workflow also runs under Snakemake alone, and shows what a person has to see."""

import logging
import os
import subprocess
import sys

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_survey import LINES_SHOWN, LogHandler

from .conftest import ROOT, Workplace


@pytest.fixture
def place(tmp_path):
    place = Workplace(tmp_path)
    place.archive.mkdir()
    return place


def dry_run(place, *options):
    """Return the exit code and the output of a dry run of the bare workflow."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    done = subprocess.run(
        [*command, "--dry-run", "--cores", "2", "--printshellcmds", *options],
        cwd=place.folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    return done.returncode, done.stdout


def test_the_default_survey_can_be_pointed_at_an_archive(place):
    code, output = dry_run(place, "--config", f"archive={place.archive}")
    assert code == 0, output
    assert "profiles/default" in output
    assert "bending_power_law" in output


def test_a_configuration_of_its_own_does_not_inherit_the_models_of_the_default(place):
    code, output = dry_run(place, "--configfile", str(place.configure()))
    assert code == 0, output
    assert "power_law" in output
    assert "bending_power_law" not in output


@pytest.mark.parametrize(
    ("wrong", "message"), [("shard=3", "shard: unknown key"), ("archive=nowhere", "archive: ")]
)
def test_a_wrong_configuration_is_one_line(wrong, message, place):
    code, output = dry_run(place, "--config", f"archive={place.archive}", wrong)
    assert code == 2
    assert output.splitlines()[-1].startswith(f"configuration: {message}")


@pytest.fixture
def handler():
    handler = LogHandler(None, None)
    yield handler
    handler.close()


def emit(handler, message="", level=logging.INFO, **fields):
    record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    vars(record).update(fields)
    handler.emit(record)


def test_a_finished_job_is_a_line(handler, capsys):
    job = {"jobid": 3, "rule_name": "fit", "wildcards": {"shard": "shard-0001"}}
    emit(handler, event=LogEvent.JOB_INFO, **job)
    emit(handler, event=LogEvent.JOB_FINISHED, job_id=3)
    emit(handler, event=LogEvent.PROGRESS, done=2, total=9)
    assert capsys.readouterr().err == "2 of 9  fit shard-0001\n"


def test_a_failed_job_shows_the_end_of_its_log(handler, capsys, tmp_path):
    log = tmp_path / "fit.log"
    log.write_text("".join(f"line {i} [red]\n" for i in range(100)))
    failed = {"event": LogEvent.JOB_ERROR, "jobid": 3, "rule_name": "fit", "log": [str(log)]}
    emit(handler, "Error in rule fit", logging.ERROR, **failed)
    emit(handler, "the command", logging.ERROR, event=LogEvent.ERROR, exception="RuleException")
    head, *lines = capsys.readouterr().err.splitlines()
    assert head == f"fit failed. The end of {log}:"
    assert lines == [f"    line {i} [red]" for i in range(100 - LINES_SHOWN, 100)]


def test_warnings_are_shown_and_chatter_is_not(handler, capsys):
    emit(handler, "Select jobs to execute...")
    emit(handler, "The disk is full", logging.WARNING)
    assert capsys.readouterr().err == "The disk is full\n"


def test_braces_in_a_configuration_are_not_taken_for_wildcards(place):
    example = ROOT / "config/examples/timeseries.yaml"
    options = ("--configfile", str(example), "--config", f"archive={place.archive}")
    code, output = dry_run(place, *options)
    assert code == 0, output
    assert "KIC {1}" in output


ASCII = "".join(map(chr, range(1, 128))).replace("/", "")
NASTY = os.fsdecode(
    b"-{x}%s$(touch pwned)`id` '\"\\ \t\r\n{shard} {{y}} *?[a]~;&|<>#! \xc3\xa9\xff "
)


def test_any_character_in_names_and_texts_is_taken_as_it_is(tmp_path):
    """All at once: the folders, the archive, the truth, the title, and the names of models, bands and files."""
    place = Workplace(tmp_path / NASTY)
    place.archive.mkdir(parents=True)
    (place.folder / "{truth}.parquet").touch()
    file = place.configure(
        report={"title": ASCII, "truth": str(place.folder / "{truth}.parquet")},
        fit={"models": {ASCII: ["constant"], "{m}": ["constant", "power_law"]}},
        ingest={
            "bands": {"{soft}$": [1, 2]},
            "tables": [{"files": ASCII, "columns": {"time": "{t}", "rate": ASCII}}],
        },
    )
    code, output = dry_run(place, "--configfile", str(file))
    assert code == 0, output
    assert "{truth}.parquet" in output
    assert not (place.folder / "pwned").exists()
