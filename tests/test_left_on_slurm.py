"""Jobs that a killed run left on Slurm are cancelled before the next one, and no others."""

import pytest

from pipeline import left_on_slurm
from pipeline.faults import MachineFault

SQUEUE = '#!/bin/sh\ncat "{queue}"\n'
SCANCEL = '#!/bin/sh\necho "$@" >> "{cancelled}"\n{then}\n'


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Return a function that puts a Slurm with jobs in the way, and the file of what was cancelled."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    queue, cancelled = tmp_path / "queue", tmp_path / "cancelled"

    def put(jobs, then):
        queue.write_text("".join(f"{job:<100}{path!s:<4096}\n" for job, path in jobs))
        for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
            script = folder / name
            script.write_text(text.format(queue=queue, cancelled=cancelled, then=then(queue)))
            script.chmod(0o700)
        return cancelled

    return put


def logs(survey, name):
    return survey / ".snakemake" / "slurm_logs" / name


def test_jobs_of_this_survey_are_cancelled(slurm, tmp_path, capsys):
    survey = tmp_path / "my survey"
    jobs = [
        ("12", logs(survey, "rule_fit/shard-0001/%j.log")),
        ("13_[2-5]", logs(survey, "rule_fit/%A_%a.log")),
        ("14", logs(tmp_path / "my survey 2", "rule_fit/%j.log")),
        ("15", survey / "slurm-15.out"),  # of the user, who submitted it in this folder
    ]
    cancelled = slurm(jobs, lambda queue: f': > "{queue}"')
    left_on_slurm.cancel(survey)
    assert cancelled.read_text() == "12 13_[2-5]\n"
    assert "cancelling 2 Slurm job(s)" in capsys.readouterr().err


def test_a_job_that_does_not_end_is_a_fault_of_the_machine(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(left_on_slurm, "PATIENCE", 0.0)
    slurm([("12", logs(tmp_path, "rule_fit/%j.log"))], lambda queue: "exit 1")
    with pytest.raises(MachineFault, match=r"do not end: 12; end them with scancel"):
        left_on_slurm.cancel(tmp_path)


def test_nothing_is_cancelled_where_nothing_is_left(slurm, tmp_path, capsys):
    cancelled = slurm([("7", logs(tmp_path / "other", "%j.log"))], lambda queue: "")
    left_on_slurm.cancel(tmp_path / "survey")
    assert not cancelled.exists()
    assert capsys.readouterr().err == ""


def test_a_slurm_that_does_not_answer_is_left_to_snakemake(slurm, tmp_path):
    cancelled = slurm([], lambda queue: "")
    (tmp_path / "queue").unlink()
    left_on_slurm.cancel(tmp_path)
    assert not cancelled.exists()


def test_there_need_not_be_a_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    left_on_slurm.cancel(tmp_path)
