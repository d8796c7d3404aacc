"""`make` hands on names as they are."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = [
    ".",
    "a b",
    "-a",
    "$x $(shell touch pwned) ${y} `touch pwned`",
    "'\"\\ #;&|{x}%*",
    "a\nb",
    "é",
]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("name", NAMES)
def test_names_reach_the_pipeline_as_they_are(tmp_path, name):
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    python.chmod(0o755)
    (tmp_path / "stamp").touch()
    made = ["make", "-s", "-C", str(ROOT), f"BIN={tmp_path}", f"STAMP={tmp_path / 'stamp'}"]
    for target, names in (("run", ("DIR", "CONFIG", "ARCHIVE")), ("resume", ("DIR",))):
        given = [f"{variable}={name}" for variable in names]
        done = subprocess.run([*made, target, *given], capture_output=True, text=True, check=True)
        arguments = json.loads(done.stdout.splitlines()[-1])
        options = {"DIR": "--directory", "CONFIG": "--config", "ARCHIVE": "--archive"}
        assert arguments[:3] == ["-m", "pipeline", target]
        assert {f"{options[variable]}={name}" for variable in names} <= set(arguments)
    assert not (ROOT / "pwned").exists()
