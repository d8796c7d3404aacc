"""The version of a stage's code changes with all that it imports, and with nothing else."""

import ast
import shutil
from pathlib import Path

import pytest

from pipeline.closure import ROOT, _Code, code_version, imported

STAGES = ("ingest", "segment", "fit", "catalog", "report")


@pytest.fixture
def package(tmp_path):
    """A package that imports in every way that there is."""
    files = {
        "__init__.py": "__version__ = '1'\n",
        "stage/__init__.py": "",
        "stage/driver.py": (
            "import os\nimport pipe.plain\nfrom pipe import member, whole as other\n"
            "from pipe.deep.inner import (  # (first)\n    name,\n    more,\n)\n"
            "from . import beside\nfrom .near import thing\nfrom ..above import thing as that\n"
            "def late():\n    from pipe.lazy import x\n    import pipe.second, pipe.third as three\n"
            "import pipe.fourth; x = 1; from pipe import fifth\nfrom pipe.sixth import \\\n    x\n"
        ),
        "stage/page.js": "let x;\n",
        "stage/beside.py": "from pipe.beside_of import y\n",
        "stage/near.py": '"""A page.\n\nimport pipe.docstring is a sentence,\nfrom pipe import anything too.\n"""\n',
        "deep/__init__.py": "from pipe.under import z\n",
        "deep/inner.py": "name = more = 1\n",
        "deep/other.py": "",
        "whole/__init__.py": "from pipe.of_whole import w\n",
        "whole/part.py": "",
        "unused.py": "from pipe.stage.driver import late\n",
    }
    names = (
        "plain",
        "member",
        "above",
        "lazy",
        "second",
        "third",
        "beside_of",
        "under",
        "of_whole",
        "fourth",
        "fifth",
        "sixth",
    )
    files |= {f"{name}.py": "x = y = z = w = thing = 1\n" for name in names}
    root = tmp_path / "pipe"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "stage" / "__pycache__").mkdir()
    (root / "stage" / "__pycache__" / "driver.pyc").write_bytes(b"x")
    return root


def version(root, copy, edited=None):
    """Version of `stage` in a copy of the package in which a file was edited."""
    other = root.parent / str(copy) / root.name
    shutil.copytree(root, other)
    if edited:
        with open(other / edited, "a") as handle:
            handle.write("# edited\n")
    return code_version("stage", root=other)


def test_the_version_changes_with_what_is_imported_and_with_nothing_else(package):
    unrelated = {"__init__.py", "unused.py", "deep/other.py", "whole/part.py", "docstring.py"}
    (package / "docstring.py").write_text("")
    files = [f for f in package.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    assert len(files) > 20
    before = version(package, "before")
    assert version(package, "again") == before
    for number, file in enumerate(files):
        name = file.relative_to(package).as_posix()
        if name == "docstring.py":
            continue  # named in a sentence that could be code: counted, which does no harm
        assert (version(package, number, name) == before) is (name in unrelated), name


def test_a_file_that_is_new_in_a_stage_changes_its_version(package):
    before = version(package, "before")
    (package / "stage" / "new.py").write_text("")
    assert version(package, "after") != before


def test_something_taken_from_the_root_counts_its_file(package):
    (package / "member.py").write_text("from pipe import __version__\n")
    before = version(package, "before")
    assert version(package, "after", "__init__.py") != before


def test_of_another_stage_the_declarations_count_and_what_they_run_does_not(package):
    files = {
        "shared.py": "from pipe.other.declared import TABLE\n",
        "other/__init__.py": "",
        "other/driver.py": "from pipe.other import work\n",
        "other/work.py": "",
        "other/declared.py": (
            "from pipe.option import z\nclass Declared:\n    def run(self):\n"
            "        from pipe.other.work import run\n"
        ),
        "option.py": "",
        "stage/user.py": "from pipe import shared\n",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)
    found = {f for f in imported(["stage"], package) if not f.startswith("stage/")}
    assert {"shared.py", "option.py", "other/__init__.py", "other/declared.py"} <= found
    assert not {"other/work.py", "other/driver.py"} & found
    assert "other/work.py" in imported(["other"], package)


def test_import_statements_alone_are_what_the_whole_syntax_tree_says():
    code = _Code(str(ROOT))
    modules = [f for f in code.files if f.endswith(".py")]
    assert len(modules) > 100
    for file in modules:
        nodes = ast.walk(ast.parse(code.read(file)))
        imports = [n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
        assert code.imports(file) == set().union(*(code.named(n, file) for n in imports)), file


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_the_tables_and_the_statuses_that_it_imports(stage):
    found = imported([stage])
    assert {"columns/base.py", "config/base.py", "status.py", "tables.py"} <= found
    assert not {f"{other}/driver.py" for other in STAGES if other != stage} & found


@pytest.mark.parametrize(
    ("stage", "sections", "declared"),
    [
        ("ingest", {"archive", "cluster", "ingest", "tables"}, {"ingest", "observations"}),
        ("segment", {"cluster", "segment"}, {"ingest", "spectra"}),
        ("fit", {"fit", "models", "validation"}, {"fits", "samples", "spectra"}),
    ],
)
def test_a_stage_has_the_version_of_its_own_options_and_tables(stage, sections, declared):
    """What the catalogue is called does not make the fits anew."""
    found = imported([stage])

    def of(folder):
        modules = {Path(f).stem for f in found if f.startswith(f"{folder}/")}
        return modules - {"__init__", "base", "shared", "power", "fitted"}

    assert of("config") == sections
    assert of("columns") == declared


def test_stages_have_versions_of_their_own():
    versions = {stage: code_version(stage) for stage in STAGES}
    assert len(set(versions.values())) == len(STAGES)
    assert all(len(v) == 16 for v in versions.values())
    with pytest.raises(FileNotFoundError, match="no module 'nothing'"):
        code_version("nothing")


def test_no_stage_imports_another_stage():
    """What stages share is above them; declarations that all read are in `columns` and `config`."""
    stages = {"ingest", "segment", "fit", "catalog", "report", "simulate"}
    found = []
    for file in sorted(f for stage in stages for f in (ROOT / stage).rglob("*.py")):
        own = file.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = [name.split(".") for name in names if name.startswith("pipeline.")]
            found += [(str(file), p[1]) for p in parts if p[1] in stages - {own}]
    assert found == []
