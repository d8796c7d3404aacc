"""The components in a model, with the options of their parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from pipeline.components import find
from pipeline.components.base import Component
from pipeline.components.parameters import Parameter
from pipeline.fit.model.priors import Prior

Value = TypeVar("Value")


class TiedTo(NamedTuple):
    """What a parameter is tied to.

    Attributes
    ----------
    name : str
        Name of a parameter in the model: ``lorentzian.1.frequency``.
    factor : float
        How many times that one the parameter is.
    """

    name: str
    factor: float


@dataclass(frozen=True)
class Slot:
    """One component in a model, with the options of its parameters.

    Slots that differ in bounds, starts and fixed values alone are equal: they share compiled programs,
    which get these as numbers.

    Attributes
    ----------
    declared : pipeline.components.base.Component
        The component.
    number : int
        1 for the first of its kind in the model, 2 for the next.
    bounds : tuple of (lo, hi) or None
        One a parameter; None: the default of the declaration, narrowed to the data.
    priors : tuple of Prior or None
        One a parameter; None: flat in u inside the bounds.
    starts, fixed : tuple of float or None
        One a parameter; None: found from the data, and free.
    scales : tuple of {"log", "linear"} or None
        One a parameter; None: as declared.
    ties : tuple of TiedTo or None
        One a parameter; None: it is not tied to another one.
    optional : bool
        Whether the copy is added only if it lowers the criterion.
    """

    declared: Component
    number: int
    bounds: tuple[tuple[float, float] | None, ...] = field(compare=False)
    priors: tuple[Prior | None, ...]
    starts: tuple[float | None, ...] = field(compare=False)
    fixed: tuple[float | None, ...] = field(compare=False)
    scales: tuple[str | None, ...]
    ties: tuple[TiedTo | None, ...]
    optional: bool = field(default=False, compare=False)

    @property
    def component(self) -> str:
        """Name of the component."""
        return self.declared.name

    @property
    def label(self) -> str:
        """Name in the catalogue: ``lorentzian.1``."""
        return f"{self.component}.{self.number}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Declarations of the parameters, in order."""
        return self.declared.parameters


def make_slot(
    declared: Component, number: int, options: Mapping[str, Any], *, optional: bool
) -> Slot:
    """Return the slot of a component in a model.

    Parameters
    ----------
    declared : Component
        The component.
    number : int
        1 for the first of its kind in the model, 2 for the next.
    options : mapping of str to pipeline.config.models.ParameterOptions
        Options of its parameters by name; those that are not there have none.
    optional : bool
        Whether the copy is added only if it lowers the criterion.
    """

    def each(name: str, change: Callable[[Any], Value]) -> tuple[Value | None, ...]:
        values = [getattr(options.get(p), name, None) for p in declared.names]
        return tuple(None if v is None else change(v) for v in values)

    return Slot(
        declared,
        number,
        bounds=each("bounds", _pair),
        priors=each("prior", _prior),
        starts=each("start", float),
        fixed=each("fixed", float),
        scales=each("scale", str),
        ties=each("tied", lambda tied: TiedTo(tied.to, tied.factor)),
        optional=optional,
    )


def declared_of(component: str | Component) -> Component:
    """Return a component, or that with a name."""
    return find(component) if isinstance(component, str) else component


def _pair(bounds) -> tuple[float, float]:
    lo, hi = bounds
    return lo, hi


def _prior(prior) -> Prior:
    """Return a prior from a mapping of its name to its arguments."""
    ((name, arguments),) = prior.items()
    return Prior(name, tuple(arguments))
