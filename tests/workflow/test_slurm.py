"""A survey on a real Slurm of this machine, undisturbed and while its jobs are cancelled, killed and too large."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def benchmark():
    """The script that runs the cases; the test is skipped where it says that something is not installed."""
    script = ROOT / "benchmarks" / "slurm.py"
    spec = importlib.util.spec_from_file_location("slurm_cases", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if reason := module.reason_to_skip():
        pytest.skip(reason)
    return script


@pytest.mark.parametrize("case", ["arrays", "disturbed", "killed"])
def test_the_catalogue_is_that_of_a_run_without_slurm(case, benchmark, tmp_path):
    done = subprocess.run(
        [sys.executable, benchmark, case, "--folder", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["seen"] == line["expected"], line
    assert done.returncode == 0
