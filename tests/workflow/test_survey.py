"""`pipeline run` refuses what cannot run before anything runs, and sums up what did."""

import fcntl
import json
import os
import subprocess
from contextlib import nullcontext

import pytest
import yaml

from pipeline import survey
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.registry import TABLES
from pipeline.commands import main
from pipeline.config.survey import load
from pipeline.tables import write_parquet
from pipeline.temporary import machine


@pytest.fixture
def no_snakemake(monkeypatch):
    """Record the calls of Snakemake instead of making them."""
    calls = []

    def snakemake(directory, options, *others):
        calls.append(options)
        return 1

    monkeypatch.setattr(survey, "_snakemake", snakemake)
    monkeypatch.setattr(survey, "find_spec", lambda module: module)
    monkeypatch.setattr(survey, "service", lambda **_: nullcontext({}))
    return calls


@pytest.fixture
def configuration(tmp_path):
    """Return a function that writes a configuration and gives the arguments of a run with it."""
    (tmp_path / "archive").mkdir()

    def write(**values):
        file = tmp_path / "my.yaml"
        file.write_text(yaml.safe_dump({"archive": str(tmp_path / "archive"), **values}))
        return ["run", "--config", str(file), "--directory", str(tmp_path / "out")]

    return write


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"shard": 2}, "shard"),
        ({"shards": "two"}, "shards"),
        ({"fit": {"models": {"m": ["gaussians"]}}}, "fit.models.m.0.name"),
        ({"archive": "/there/is/no/such/folder"}, "archive"),
        ({"report": {"truth": "/there/is/no/such/file"}}, "report.truth"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_leaves_nothing(
    values, key, configuration, no_snakemake, tmp_path, capsys
):
    assert main(configuration(**values)) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"configuration: {key}: ")
    assert message.count("\n") == 1
    assert no_snakemake == []
    assert not (tmp_path / "out").exists()


def test_an_archive_on_the_command_line_must_exist_and_is_not_simulated(
    configuration, no_snakemake, tmp_path, capsys
):
    arguments = configuration(simulate={"enabled": True})
    assert main([*arguments, "--archive", str(tmp_path / "none")]) == 2
    assert "archive: " in capsys.readouterr().err
    assert main([*arguments, "--archive", str(tmp_path / "archive")]) == 1
    assert not load(tmp_path / "out" / "results" / "survey.yaml").simulate.enabled


def test_what_is_run_is_written_down_with_absolute_paths(
    configuration, no_snakemake, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    main(configuration(archive="archive", shards=7))
    written = load(tmp_path / "out" / "results" / "survey.yaml")
    assert written.archive == str(tmp_path / "archive")
    assert written.shards == 7


@pytest.mark.parametrize("file", ["profile.yaml", "config.yaml"])
def test_an_executor_that_is_not_installed_is_one_line(
    file, configuration, no_snakemake, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(survey, "find_spec", lambda module: None)
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(tmp_path / "mine"))
    (tmp_path / "mine" / file).write_text("executor: a-scheduler")
    assert main(configuration()) == 2
    message = capsys.readouterr().err
    assert message.startswith("configuration: SNAKEMAKE_PROFILE: ")
    assert "executor for a-scheduler" in message
    assert message.count("\n") == 1
    assert no_snakemake == []
    for harmless in ("executor: local", "jobs: 2", "[", ""):
        (tmp_path / "mine" / file).write_text(harmless)
        main(configuration())
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "a-name")
    main(configuration())
    assert len(no_snakemake) == 5


def test_jobs_left_on_slurm_are_looked_for_where_a_profile_decides(
    configuration, no_snakemake, tmp_path, monkeypatch
):
    looked = []
    monkeypatch.setattr(survey.left_on_slurm, "cancel", looked.append)
    main([*configuration(), "--cores", "3"])
    assert looked == []
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "profiles/slurm")
    main(configuration())
    assert looked == [tmp_path / "out"]


def test_cores_are_all_unless_told_or_left_to_a_profile(configuration, no_snakemake, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    main(configuration())
    main([*configuration(), "--cores", "3"])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "profiles/slurm")
    main(configuration())
    cores = [call[call.index("--cores") + 1] if "--cores" in call else "" for call in no_snakemake]
    assert cores == ["all", "3", ""]


def test_a_folder_has_one_run_at_a_time(configuration, no_snakemake, tmp_path, capsys):
    arguments = configuration()
    main(arguments)
    with open(tmp_path / "out" / "results" / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        no_snakemake.clear()
        assert main(arguments) == 2
        assert main(["resume", "--directory", str(tmp_path / "out")]) == 2
    assert no_snakemake == []
    assert capsys.readouterr().err.count("a run is going on") == 2


def test_the_last_processes_of_a_run_that_was_killed_are_waited_for(
    configuration, no_snakemake, tmp_path, monkeypatch
):
    arguments, left, pauses = configuration(), [], []
    main(arguments)
    lock = tmp_path / "out" / "results" / ".lock"
    left.append(open(lock, "r+"))  # noqa: SIM115
    fcntl.flock(left[0], fcntl.LOCK_EX)
    lock.write_text(f"{machine()} {2**22 + 1} 1")

    def sleep(pause):
        pauses.append(pause)
        if len(pauses) == 3:
            left.pop().close()

    monkeypatch.setattr(survey.time, "sleep", sleep)
    assert main(arguments) == 1
    assert len(pauses) == 3


def test_a_survey_is_resumed_as_it_was_configured(configuration, no_snakemake, tmp_path):
    main(configuration(shards=5))
    configuration(shards=6)
    no_snakemake.clear()
    main(["resume", "--directory", str(tmp_path / "out")])
    (run,) = no_snakemake
    assert "--rerun-incomplete" in run
    assert load(tmp_path / "out" / "results" / "survey.yaml").shards == 5


def test_what_a_run_that_was_killed_left_is_removed(configuration, no_snakemake, tmp_path):
    main(configuration())
    results, own = tmp_path / "out" / "results", tmp_path / "out" / ".snakemake"
    dead, alive = 2**22 + 1, os.getpid()
    for left in (results / "fit", own / "locks", own / "shell_tmp.x"):
        left.mkdir(parents=True)
    names = [f".s.parquet.{machine()}-{dead}.tmp", f".s.parquet.{dead}.tmp"]
    for name in [*names, f".t.parquet.{machine()}-{alive}.tmp"]:
        (results / "fit" / name).touch()
    main(["resume", "--directory", str(tmp_path / "out")])
    assert [path.name for path in (results / "fit").iterdir()] == [
        f".t.parquet.{machine()}-{alive}.tmp"
    ]
    assert list(own.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "resume"])
def test_a_full_disk_is_one_sentence_with_the_folder(
    command, configuration, no_snakemake, tmp_path, tmpfs, capsys
):
    disk = tmpfs(160)
    arguments = [*configuration()[:-1], str(disk)]
    assert main(arguments) == 1
    no_snakemake.clear()
    (disk / "fill").write_bytes(bytes(100 * 1024))
    capsys.readouterr()
    assert main(arguments if command == "run" else ["resume", "--directory", str(disk)]) == 75
    message = capsys.readouterr().err
    assert message.startswith(f"try again: {disk}")
    assert message.endswith("no space left on device: make space there, then run again\n")
    assert message.count("\n") == 1
    assert no_snakemake == []
    (disk / "fill").unlink()
    assert main(arguments) == 1


def test_a_disk_that_is_read_only_is_one_sentence(configuration, no_snakemake, tmpfs, capsys):
    disk = tmpfs(160)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert main([*configuration()[:-1], str(disk / "out")]) == 75
    message = capsys.readouterr().err
    assert message.startswith(f"try again: {disk / 'out'}")
    assert "read-only file system: mount it for writing" in message
    assert message.count("\n") == 1


def test_a_folder_that_is_none_is_a_mistake_of_the_configuration(
    configuration, no_snakemake, tmp_path, capsys
):
    (tmp_path / "file").touch()
    assert main([*configuration()[:-1], str(tmp_path / "file")]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"configuration: directory: {tmp_path / 'file'}")
    assert message.count("\n") == 1


def test_there_has_to_be_a_survey_to_resume(tmp_path, capsys):
    assert main(["resume", "--directory", str(tmp_path / "none")]) == 2
    assert "no survey in" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_run_that_stops_says_how_to_go_on(configuration, no_snakemake, tmp_path, capsys):
    assert main(configuration()) == 1
    assert f"make resume DIR={tmp_path / 'out'}" in capsys.readouterr().err


def test_an_archive_that_is_not_there_is_simulated_with_its_truth_beside_it(
    configuration, no_snakemake, tmp_path
):
    simulated = {"enabled": True, "n_sources": 2, "n_damaged": 0}
    main(configuration(archive=str(tmp_path / "simulated"), simulate=simulated))
    assert any((tmp_path / "simulated").iterdir())
    written = load(tmp_path / "out" / "results" / "survey.yaml")
    assert written.report.truth == str(tmp_path / "simulated-truth.parquet")


def test_the_summary_counts_statuses_and_compares_with_the_truth(tmp_path):
    catalogue = tmp_path / "results" / "catalog"
    catalogue.mkdir(parents=True)
    record = {"counts_by_status": {"ok": 58, "no_data": 2}}
    record["configuration"] = {"catalog": {"qpo_min_q": 2.5}}
    record["formats"] = {
        "fits": {"file": "catalog.fits", "rows": {}},
        "other": {"file": "other", "rows": {"without_position": 3}},
    }
    (catalogue / "provenance.json").write_text(json.dumps(record))
    measured = {"slope": 1.6, "slope_err_lo": 0.1, "slope_err_hi": 0.1, "qpo_frequency": 3.0}
    write_parquet(
        catalogue / "sources.parquet", SOURCES, [{"source_id": "a", "object": "A", **measured}]
    )
    text = survey.summary(tmp_path, None)
    assert "58 ok, 2 no_data" in text
    assert f"catalogue  {catalogue}: catalog.fits, other (3 without position)" in text
    assert "QPOs       1 with a Lorentzian of Q > 2.5 (no p-values)" in text
    write_parquet(tmp_path / "t.parquet", TABLES["TRUTH"], [{"object": "A", "slope": 1.5}])
    text = survey.summary(tmp_path, str(tmp_path / "t.parquet"))
    assert "slope" in text
    assert "1.6" in text
