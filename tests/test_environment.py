"""Every way to set the pipeline up installs the same versions."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
}
RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
TEST = [Requirement(text) for text in PROJECT["dependency-groups"]["test"]]


def conda_pins(file: str) -> dict[str, str]:
    """Return the exact versions that a conda environment asks for."""
    entries = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["dependencies"]
    pins = (re.fullmatch(r"([\w.-]+) =([\w.]+)", entry) for entry in entries)
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}


@pytest.mark.parametrize("requirement", RUNTIME + TEST, ids=str)
def test_the_lock_satisfies_every_requirement_of_the_project(requirement):
    assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize(
    ("file", "requirements"),
    [("environment.yml", RUNTIME + TEST), ("workflow/envs/pipeline.yaml", RUNTIME)],
)
def test_conda_environments_pin_the_locked_versions_of_all_requirements(file, requirements):
    names = {canonicalize_name(r.name) for r in requirements}
    assert conda_pins(file) == {name: LOCKED[name] for name in names}


def test_the_workflow_accepts_the_locked_snakemake():
    needed = re.search(r'min_version\("([\d.]+)"\)', (ROOT / "Snakefile").read_text())[1]
    assert LOCKED["snakemake"] in Requirement(f"snakemake>={needed}").specifier


def test_every_locked_package_has_hashes():
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)
    unhashed = [block.split()[0] for block in blocks if block.strip() and "--hash=" not in block]
    assert unhashed == []


def test_the_lock_names_no_host():
    assert "://" not in LOCK
    assert "index-url" not in LOCK


def test_extras_cover_gpus_hats_and_clusters():
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == {"gpu", "hats", "cluster"}
    assert any(Requirement(text).extras == {"cuda13"} for text in extras["gpu"])


def test_the_citation_file_says_who_what_and_under_which_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["authors"] == [{"name": "The spectral-timing pipeline developers"}]
    assert {"message", "title"} <= set(citation)


def test_the_package_and_the_project_have_one_version():
    import pipeline

    assert pipeline.__version__ == PROJECT["project"]["version"]
