"""Components that users write: found in a module by name, and refused in one line where they cannot be fitted."""

import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Container
from pathlib import Path

from pipeline.components.base import Component, ComponentError
from pipeline.components.parameters import CENTRES, Parameter
from pipeline.refusal import error_line

ENTRY_POINTS = "pipeline.components"
"""Group of the entry points by which installed packages offer components, as ``plugin:NAME``."""

_folders: list[str] = []


def search_in(folder: str | Path) -> None:
    """Let `find` import modules from a folder too, after all others."""
    if str(folder) not in _folders:
        _folders.append(str(folder))


def load(name: str, taken: Container[str]) -> Component:
    """Return the component that ``module:name`` or ``plugin:name`` stands for.

    Parameters
    ----------
    name : str
        See `pipeline.components.find`.
    taken : container of str
        Names of built-in components, which no other component may have.

    Raises
    ------
    ComponentError
        When there is none, or it is not a component that can be fitted.
    """
    module, _, attribute = name.partition(":")
    found = _plugin(attribute) if module == "plugin" else _imported(module, attribute)
    if not isinstance(found, Component):
        kind = type(found).__name__
        raise ComponentError(f"{name!r} is {kind}; allowed: a pipeline.components.Component")
    fault = _fault(found, taken)
    if fault:
        raise ComponentError(f"{name!r} {fault}")
    return found


def _imported(module: str, attribute: str) -> object:
    """Import an attribute of a module, or say in one line why it cannot be had."""
    sys.path.extend(folder for folder in _folders if folder not in sys.path)
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        raise ComponentError(
            f"module {module!r} cannot be imported: {error_line(error)}"
        ) from error
    if not hasattr(found, attribute):
        where = getattr(found, "__file__", module)
        raise ComponentError(f"module {module!r} ({where}) has no {attribute!r}")
    return getattr(found, attribute)


def _plugin(name: str) -> object:
    """Load an entry point, or say in one line why it cannot be had."""
    offered = importlib.metadata.entry_points(group=ENTRY_POINTS)
    if name not in offered.names:
        names = ", ".join(sorted(offered.names)) or "none installed"
        raise ComponentError(f"no entry point {name!r} in {ENTRY_POINTS}; allowed: {names}")
    module, _, attribute = offered[name].value.partition(":")
    return _imported(module, attribute)


def _fault(found: Component, taken: Container[str]) -> str:
    """Say what keeps an object from being fitted as a component; empty if nothing does."""
    if not found.name.isidentifier() or found.name in taken:
        return f"has the name {found.name!r}; allowed: an identifier that is not built in"
    if type(found).density is Component.density and not callable(found.function):
        return "has no function"
    return _fault_of_parameters(found) or _fault_of_use(found)


def _fault_of_parameters(found: Component) -> str:
    """Say what is wrong with the parameters of a component; empty if nothing is."""
    if not isinstance(found.parameters, tuple) or not found.parameters:
        return "has no tuple of parameters"
    for p in found.parameters:
        if not isinstance(p, Parameter):
            return f"has the parameter {p!r}; allowed: a pipeline.components.Parameter"
        if p.scale not in ("log", "linear") or not p.bounds[0] < p.bounds[1]:
            return f"has the parameter {p.name!r} without scale log or linear, or bounds lo < hi"
        if p.scale == "log" and p.bounds[0] <= 0:
            return f"has the parameter {p.name!r} on a log scale with bounds that are not positive"
    if len(set(found.names)) < len(found.names) or not all(n.isidentifier() for n in found.names):
        return "has parameters whose names are not different identifiers"
    return ""


def _fault_of_use(found: Component) -> str:
    """Say why a component cannot be evaluated, or looked for as a peak; empty if it can."""
    if found.function and not _takes(found.function, 1 + len(found.parameters)):
        return f"has a function that does not take frequency, {', '.join(found.names)}"
    places = {*CENTRES, "fwhm"}
    if found.peak and not ("variance" in found.names and places & set(found.names)):
        return f"is a peak without variance and one of {', '.join(sorted(places))}"
    return ""


def _takes(function: Callable, number: int) -> bool:
    """Whether a function can be called with so many arguments by position."""
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True
