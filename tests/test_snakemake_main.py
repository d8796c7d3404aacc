"""Snakemake is run as its own command line runs it, but for the limit of jobs a second."""

import pytest

from pipeline import snakemake_main


@pytest.mark.parametrize("succeeds", [True, False])
def test_options_reach_snakemake_and_its_success_is_the_exit_code(monkeypatch, succeeds):
    seen = []

    def run(arguments, parser):
        seen.append(arguments)
        return succeeds

    monkeypatch.setattr(snakemake_main.cli, "args_to_api", run)
    assert snakemake_main.main(["--cores", "3", "all"]) == (0 if succeeds else 1)
    (arguments,) = seen
    assert (arguments.cores, set(arguments.targets)) == (3, {"all"})
    assert arguments.max_jobs_per_timespan is None


def test_an_error_of_snakemake_is_said_and_is_a_failure(monkeypatch, caplog, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text("rule a:\n    output: 'b'\n    shel: 'true'\n")
    assert snakemake_main.main(["--cores", "1", "--quiet", "all"]) == 1
    assert "Unexpected keyword shel" in caplog.text
