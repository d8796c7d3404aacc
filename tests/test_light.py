"""Declarations are light: the Snakefile, which every job reads anew, imports them, and so do all stages."""

import subprocess
import sys
from pathlib import Path

import pytest

import pipeline

HEAVY = {"numpy", "scipy", "jax", "numpyro", "astropy", "pyarrow", "dask", "distributed"}
DECLARATIONS = (
    *("stages", "declared", "workflow", "shards", "describe", "components", "commands"),
    *("catalog.formats", "segment.products"),
)
PACKAGES = ("config", "columns")


def modules():
    """Every module of declarations, by its full name."""
    root = Path(pipeline.__file__).parent
    yield from (f"pipeline.{name}" for name in DECLARATIONS)
    for package in PACKAGES:
        names = sorted(file.stem for file in (root / package).glob("[a-z]*.py"))
        yield " ".join(f"pipeline.{package}.{name}" for name in names)


@pytest.mark.parametrize("names", list(modules()))
def test_declarations_import_nothing_that_computes(names):
    code = f"import sys, {', '.join(names.split())}; print(*{HEAVY} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
