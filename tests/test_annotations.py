"""Parameters and results of all public functions and methods have a type; `mypy` checks that the types are right."""

import ast
from pathlib import Path

import pipeline

ROOT = Path(pipeline.__file__).parent


def public(body):
    """Yield the public functions of a module or class, and those of its public classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)


def untyped(function):
    """Yield the names of what has no type."""
    arguments = function.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if one.annotation is None and one.arg not in ("self", "cls"):
            yield one.arg
    if function.returns is None:
        yield "return"


def test_every_public_function_says_what_it_takes_and_returns():
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        for function in public(ast.parse(file.read_text(encoding="utf-8")).body):
            names = list(untyped(function))
            if names:
                found[f"{file.relative_to(ROOT)}: {function.name}"] = names
    assert found == {}
