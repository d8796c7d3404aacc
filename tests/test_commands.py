"""The command line: what every rule of the workflow calls."""

import errno
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

import pipeline.commands as command_line
from pipeline import __version__
from pipeline.commands import main
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.faults import MachineFault
from pipeline.seals import DamagedTable


@pytest.fixture
def called(monkeypatch):
    """Put a recorder in the place of every driver; `called.result` is what it does."""
    record = SimpleNamespace(module="", arguments={}, result=lambda: None)

    def driver(**arguments):
        record.arguments = arguments
        return record.result()

    def import_module(name):
        record.module = name
        return SimpleNamespace(run=driver, plan=driver, resume=driver, describe=driver)

    monkeypatch.setattr(command_line.importlib, "import_module", import_module)
    return record


def test_a_stage_gets_paths_and_validated_options(called, tmp_path):
    options = json.dumps({"rebin": 0.1})
    code = main(["segment", "--input", "a", "--output", str(tmp_path), "--options", options])
    assert code == 0
    assert called.module == "pipeline.segment.driver"
    assert called.arguments["output"] == tmp_path
    assert called.arguments["options"] == SegmentOptions(rebin=0.1)
    assert called.arguments["cluster"] == ClusterOptions()


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [
        (ConfigError("fit.models: wrong"), 2, "configuration: fit.models: wrong"),
        (ConnectionError("no scheduler"), 75, "try again: no scheduler"),
        (TimeoutError("no answer"), 75, "try again: no answer"),
        (
            OSError(errno.ENOSPC, "x", "/out/a"),
            75,
            "try again: /out/a: no space left on device: make space there, then run again",
        ),
        (
            MachineFault("/archive: is away: run again"),
            75,
            "try again: /archive: is away: run again",
        ),
        (DamagedTable("no/such.parquet", "is cut"), 65, "damaged: no/such.parquet is cut"),
    ],
)
def test_an_error_has_an_exit_code_and_one_line(result, code, message, called, capsys):
    def fail():
        raise result

    called.result = fail
    assert main(["resume"]) == code
    assert capsys.readouterr().err == f"{message}\n"


def test_what_a_stage_writes_is_named_where_the_error_names_nothing(called, tmp_path, capsys):
    def fail():
        raise OSError(errno.EDQUOT, "x")

    called.result = fail
    output = str(tmp_path / "out.parquet")
    assert main(["segment", "--input", "a", "--output", output]) == 75
    assert capsys.readouterr().err.startswith(f"try again: {output}: ")


def test_a_bug_is_raised(called):
    def fail():
        raise FileNotFoundError(errno.ENOENT, "x", "/a")

    called.result = fail
    with pytest.raises(FileNotFoundError):
        main(["resume"])


def test_a_stage_sets_a_damaged_table_of_a_survey_aside_and_a_comparison_does_not(
    called, capsys, tmp_path
):
    (tmp_path / "survey.yaml").touch()
    path = tmp_path / "catalog" / "sources.parquet"
    path.parent.mkdir()
    path.touch()

    def fail():
        raise DamagedTable(path, "is empty")

    called.result = fail
    assert main(["diff", "a", "b"]) == 65
    assert path.exists()
    assert main(["report", *_REPORT]) == 65
    assert not path.exists()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"damaged: {path} is empty", f"damaged: {path} is empty; it is made again"]


_REPORT = ("--plan", "p", "--output", "o", "--catalog", "c", "--fit", "f")


def test_the_exit_code_of_a_stage_is_that_of_the_command(called):
    called.result = lambda: 1
    assert main(["resume"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{", "Expecting"),
        ('{"rebinning": 1}', "rebinning: unknown key"),
        ("[]", "valid dictionary"),
    ],
)
def test_wrong_options_of_a_stage_are_a_wrong_configuration(options, message, called, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["segment", "--input", "a", "--output", "b", "--options", options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_every_option_is_printed(capsys):
    assert main(["config"]) == 0
    printed = capsys.readouterr().out
    assert "archive: text, required" in printed
    assert "segment.rebin: number ≥ 0 and < 1, default 0.02" in printed


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "pipeline", "--version"]
    assert subprocess.check_output(command, text=True).strip() == __version__


def test_starting_a_stage_loads_no_heavy_library():
    code = "import sys, pipeline.commands; print(*{'jax', 'astropy', 'distributed'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


def test_output_that_nobody_reads_to_its_end_is_no_fault():
    command = [sys.executable, "-m", "pipeline", "config"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == command_line.EXIT_NOBODY_READS
    process.stderr.close()
