"""`make audit` finds advisories, and says where it could not look for them."""

import json
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "audit"


@pytest.fixture
def audit(monkeypatch, tmp_path):
    """The script, with a program in the place of pip-audit that prints what it is told."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("audit", str(SCRIPT))
    module = module_from_spec(spec_from_loader("audit", loader))
    loader.exec_module(module)
    program, said = tmp_path / "pip-audit", tmp_path / "said"
    program.write_text(f"#!/bin/sh\ncat {said}\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(module, "pip_audit", lambda: program)
    module.say = said.write_text
    return module


def test_an_advisory_is_found(audit, capsys):
    weak = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    fine = {"name": "b", "version": "1", "vulns": []}
    audit.say(json.dumps({"dependencies": [weak, fine, {"name": "c", "skip_reason": "none"}]}))
    assert not audit.advisories(SCRIPT)
    output = capsys.readouterr().out
    assert "a 1: CVE-1, mended in 2" in output
    assert "looked up 2 of 3 packages, 1 have some" in output


def test_where_nothing_can_be_looked_up_it_is_said_and_is_no_failure(audit, capsys, monkeypatch):
    audit.say(json.dumps({"dependencies": [{"name": "c", "skip_reason": "not found"}]}))
    assert audit.advisories(SCRIPT)
    assert "this says nothing about them" in capsys.readouterr().out
    audit.say("no connection")
    assert audit.advisories(SCRIPT)
    assert "no index can be reached; not looked up" in capsys.readouterr().out
    monkeypatch.setattr(audit, "pip_audit", lambda: None)
    assert audit.advisories(SCRIPT)
    assert "cannot be installed; not looked up" in capsys.readouterr().out
