"""Files, modules and names that the documentation mentions exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FOLDERS = (ROOT, ROOT / "tests", SOURCE / "pipeline", ROOT / "benchmarks")
"""Folders from which a page may name a path."""
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
CREATED = re.compile(r"[Ww]rite (?:this into\s+)?`([\w./]+\.py)`")
"""Files that the reader of a page writes."""
ROOTED = re.compile(r"(?<![\w./-])(?:tests|benchmarks|docs|config|profiles|src)/[\w./-]*\w")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
DOTTED = re.compile(r"(?<![\w./\"-])pipeline(?:\.[A-Za-z_]\w*)+")
IMPORTED = re.compile(r"from (pipeline[\w.]*) import ([\w, ]+)")
SHORT = re.compile(
    r"(?:catalog|columns|components|config|fit|ingest|report|segment)(?:\.\w+)*\.[A-Z]\w*"
)


def paths(text: str) -> Iterator[str]:
    """Yield the paths of the repository that a text names."""
    yield from ROOTED.findall(text)
    for code in CODE.findall(text):
        if re.fullmatch(r"[\w./-]+(\.py|/)", code) and not code.startswith(("results", "module")):
            yield code


def names(text: str) -> Iterator[str]:
    """Yield the modules, and names in modules, that a text names."""
    yield from DOTTED.findall(text)
    for module, imported in IMPORTED.findall(text):
        yield from (f"{module}.{name.split(' as ')[0].strip()}" for name in imported.split(","))
    yield from (f"pipeline.{code}" for code in CODE.findall(text) if SHORT.fullmatch(code))


def there(path: str) -> bool:
    """Return whether a path leads from one of the folders to a file or folder."""
    return any((folder / path).exists() for folder in FOLDERS)


@cache
def tree(module: Path) -> ast.Module:
    """Return the parsed source of a module."""
    return ast.parse(module.read_text(encoding="utf-8"))


def members(node: ast.Module | ast.ClassDef) -> set[str]:
    """Return the names that a module or class defines, imports, or offers by a string (lazy imports)."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            found.add(one.name)
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            found.add(one.id)
        elif isinstance(one, ast.alias):
            found.add(one.asname or one.name)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str):
            found.add(one.value)
    return found


def defined(name: str) -> bool:
    """Return whether a dotted name is a module, or a name in one, without importing it."""
    place, parts = SOURCE, name.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    module = place / f"{parts[0]}.py"
    if module.exists():
        parts.pop(0)
    else:
        module = place / "__init__.py"
    return not parts or (module.exists() and parts[0] in members(tree(module)))


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request) -> Path:
    return request.param


def test_paths_exist(page):
    text = page.read_text(encoding="utf-8")
    created = set(CREATED.findall(text))
    assert not [path for path in paths(text) if path not in created and not there(path)]


def test_links_lead_to_files(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_modules_and_their_names_exist(page):
    text = page.read_text(encoding="utf-8")
    written = {Path(path).with_suffix("") for path in CREATED.findall(text)}
    created = tuple(".".join(path.parts[1:]) for path in written if path.parts[0] == "src")
    assert not [
        name
        for name in names(text)
        if not (created and name.startswith(created)) and not defined(name)
    ]


def test_what_does_not_exist_is_noticed():
    text = (
        "`segment/test_nothing.py`, tests/nothing.py, `pipeline.models.Component`, `fit.nothing.Nothing`; "
        "`from pipeline.fit import fit_spectra, nothing` and `tests/test_docs.py`, `pipeline.fit.Engine`"
    )
    assert [path for path in paths(text) if not there(path)] == [
        "tests/nothing.py",
        "segment/test_nothing.py",
    ]
    assert [name for name in names(text) if not defined(name)] == [
        "pipeline.models.Component",
        "pipeline.fit.nothing",
        "pipeline.fit.nothing.Nothing",
    ]
