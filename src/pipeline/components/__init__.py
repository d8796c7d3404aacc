"""The components that a power-spectral model is made of; a component more is a module and a line here.

A component is one object (`pipeline.components.base.Component`) that owns its parameters, formula, starting
values, bounds, derived quantities and columns of the catalogue. Nobody else knows a component by its name.
"""

from pipeline.components.base import Component, ComponentError
from pipeline.components.constant import CONSTANT
from pipeline.components.gaussians import ENVELOPE, GAUSSIAN
from pipeline.components.harvey import HARVEY
from pipeline.components.lorentzians import LORENTZ, LORENTZIAN, LORENTZIAN_NUMAX, ZERO_LORENTZIAN
from pipeline.components.parameters import Parameter
from pipeline.components.power_laws import BENDING_POWER_LAW, POWER_LAW
from pipeline.components.user import ENTRY_POINTS, load, search_in

__all__ = [
    "COMPONENTS",
    "ENTRY_POINTS",
    "Component",
    "ComponentError",
    "Parameter",
    "component_of",
    "find",
    "is_white_noise",
    "may_be_qpo",
    "parameters_for",
    "search_in",
]

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (
        CONSTANT,
        POWER_LAW,
        BENDING_POWER_LAW,
        LORENTZIAN,
        LORENTZIAN_NUMAX,
        ZERO_LORENTZIAN,
        LORENTZ,
        GAUSSIAN,
        ENVELOPE,
        HARVEY,
    )
}
"""Built-in components by name, in the order in which the documentation lists them."""


def find(name: str) -> Component:
    """Return a component by its name in the configuration.

    Parameters
    ----------
    name : str
        A key of `COMPONENTS`; ``module:name`` of a `Component` with a function, importable from PYTHONPATH
        or a folder given to `search_in`; or ``plugin:name`` of an entry point in `ENTRY_POINTS`.

    Raises
    ------
    ComponentError
        When there is none, or it is not a component that can be fitted.
    """
    if name in COMPONENTS:
        return COMPONENTS[name]
    if ":" not in name:
        raise ComponentError(
            f"{name!r} is not a component; allowed: {', '.join(sorted(COMPONENTS))}, module:name, "
            "plugin:name"
        )
    return load(name, COMPONENTS)


def component_of(label: str) -> Component | None:
    """Return the built-in component that a label of the catalogue is of; None for a user's.

    Parameters
    ----------
    label : str
        ``lorentzian.1``, or ``lorentzian.1+lorentzian.2`` of a blend, which is of the first.
    """
    return COMPONENTS.get(label.split(".")[0])


def parameters_for(column: str) -> tuple[tuple[str, str], ...]:
    """Return the labels and names of the parameters that a column of SOURCES may be, the preferred one first.

    Of two components of a model the more elaborate one is preferred, which is listed later in `COMPONENTS`.
    """
    return tuple(
        (f"{component.name}.1", parameter)
        for component in reversed(COMPONENTS.values())
        for parameter, filled in component.source_columns.items()
        if filled == column
    )


def is_white_noise(label: str) -> bool:
    """Return whether the component with a label of the catalogue is white noise; see `component_of`."""
    component = component_of(label)
    return component is not None and component.is_white_noise


def may_be_qpo(label: str) -> bool:
    """Return whether the component with a label of the catalogue may be a QPO; see `component_of`."""
    component = component_of(label)
    return component is not None and component.may_be_qpo
