"""The recipes of CONTRIBUTING.md, followed literally on a copy of the code."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WRITE = re.compile(r"^Write `(\S+)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADD = re.compile(r"^Add to `(\S+)`:\n\n```diff\n(.*?)^```", re.MULTILINE | re.DOTALL)
TRY = re.compile(r"^Try it:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A section of the page: files to write, lines to add to others, and what shows that it works."""

    written: list[tuple[str, str]]
    added: list[tuple[str, str]]
    check: str


def recipes():
    """Return the recipes by their titles."""
    sections = PAGE.split("\n## Recipes\n")[1].split("\n### ")[1:]
    out = {}
    for section in sections:
        (check,) = TRY.findall(section)
        out[section.splitlines()[0]] = Recipe(WRITE.findall(section), ADD.findall(section), check)
    return out


RECIPES = recipes()


def patched(text: str, diff: str) -> str:
    """Return a text with the lines of a diff that begin with + after those that begin with a space."""
    lines, place = text.splitlines(), None
    for line in diff.splitlines():
        if line.startswith("+"):
            lines.insert(place, line[1:])
            place += 1
        else:
            (place,) = (k + 1 for k, there in enumerate(lines) if there == line[1:])
    return "\n".join(lines) + "\n"


def test_there_is_a_recipe_for_everything_that_is_one_folder_and_one_line():
    assert list(RECIPES) == [
        "A component",
        "A product of light curves",
        "An analysis of fits",
        "A mission",
        "A format of the catalogue",
    ]


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_is_one_new_module_and_one_line_elsewhere(title):
    recipe = RECIPES[title]
    assert len(recipe.written) <= 1
    ((_, diff),) = recipe.added
    added = [line for line in diff.splitlines() if line.startswith("+")]
    assert len([line for line in added if not line.startswith("+from ")]) == 1


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_works_as_it_is_written(title, tmp_path):
    recipe = RECIPES[title]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in recipe.written:
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text, encoding="utf-8")
    for path, diff in recipe.added:
        file = tmp_path / path
        file.write_text(patched(file.read_text(encoding="utf-8"), diff), encoding="utf-8")
    (tmp_path / "try_it.py").write_text(recipe.check, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "try_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
