"""Options of a model: its components, their parameters, priors and ties."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pipeline.components import Parameter, find
from pipeline.config.base import Count, Options, Positive
from pipeline.priors import POSITIVE_ARGUMENTS, PRIORS, scaled_prior
from pipeline.units import UNITS


class TieOptions(Options):
    """The parameter that another one is tied to."""

    to: str = Field(description="Name of the other parameter: lorentzian.1.frequency.")
    factor: Positive = Field(1.0, description="Ratio of this parameter to the other.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Accept a name alone."""
        return {"to": value} if isinstance(value, str) else value


class ParameterOptions(Options):
    """Options of one parameter of a component."""

    bounds: tuple[float, float] | None = Field(None, description="[lo, hi]; null: the default.")
    prior: dict[str, list[float] | float] | None = Field(
        None,
        description="Prior by name, e.g. {loguniform: [0.1, 10]}. It may also stand alone in the place of "
        "the options. null: flat within the bounds.",
    )
    start: float | None = Field(
        None, description="First starting value; null: found from the data."
    )
    fixed: float | None = Field(
        None, description="Value at which the parameter is held; null: free."
    )
    tied: TieOptions | None = Field(
        None,
        description="Name of a parameter to which this one is equal, or {to: NAME, factor: 2}. It then has "
        "no degree of freedom of its own. null: not tied.",
    )
    scale: Literal["log", "linear"] | None = Field(
        None,
        description="Whether the fit works with the logarithm of the parameter, in which its interval is "
        "then symmetric; null: the default.",
    )
    unit: str | None = Field(
        None,
        description="Unit of the numbers given for the parameter, e.g. mHz; they are converted when read. "
        "null: its own unit.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Accept a prior in the place of the options, or beside them: ``{loguniform: [1, 2]}``."""
        if not isinstance(value, dict):
            return value
        priors = {name: value[name] for name in value if name in PRIORS}
        if not priors:
            return value
        if "prior" in value:
            raise ValueError(f"has two priors: `prior` and {', '.join(priors)}")
        return {name: v for name, v in value.items() if name not in priors} | {"prior": priors}

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError("must be [lo, hi] with lo < hi")
        return bounds

    @field_validator("prior")
    @classmethod
    def _known(cls, prior: dict[str, list[float] | float] | None) -> dict[str, list[float]] | None:
        if prior is None:
            return None
        if len(prior) != 1:
            raise ValueError("must be one prior, {name: [arguments]}")
        ((name, arguments),) = prior.items()
        if name not in PRIORS:
            raise ValueError(f"{name!r} is not a prior; allowed: {', '.join(sorted(PRIORS))}")
        numbers = _numbers(arguments)
        _check_prior(name, numbers)
        return {name: numbers}

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise ValueError(f"{unit!r} is not a unit; allowed: {', '.join(UNITS)}")
        return unit

    @model_validator(mode="after")
    def _tied_has_nothing_else(self) -> "ParameterOptions":
        others = [
            name for name in self.model_fields_set - {"tied"} if getattr(self, name) is not None
        ]
        if self.tied is not None and others:
            raise ValueError(f"a tied parameter takes no {', '.join(sorted(others))}")
        return self

    def in_unit(self, own: str) -> "ParameterOptions":
        """Return the same with all numbers in the parameter's own unit.

        Parameters
        ----------
        own : str
            Unit of the parameter.

        Raises
        ------
        ValueError
            When the unit given is one of something else.
        """
        if self.unit is None:
            return self
        base, factor = UNITS[self.unit]
        if base != own:
            allowed = ", ".join(unit for unit, (of, _) in UNITS.items() if of == own) or "none"
            raise ValueError(
                f"unit {self.unit} is not one of {own or 'a number'}; allowed: {allowed}"
            )
        changed: dict[str, Any] = {"unit": None}
        for name in ("start", "fixed"):
            value = getattr(self, name)
            changed[name] = None if value is None else value * factor
        if self.bounds is not None:
            changed["bounds"] = tuple(bound * factor for bound in self.bounds)
        if self.prior is not None:
            changed["prior"] = {
                name: scaled_prior(name, _numbers(arguments), factor)
                for name, arguments in self.prior.items()
            }
        return self.model_copy(update=changed)


def _numbers(arguments: list[float] | float) -> list[float]:
    """Return the arguments of a prior as a list; a number is that of a prior with one argument."""
    return [float(a) for a in (arguments if isinstance(arguments, list) else [arguments])]


def _check_prior(name: str, arguments: Sequence[float]) -> None:
    """Raise ValueError where a prior has arguments that its distribution does not take."""
    names = list(PRIORS[name])
    if len(arguments) != len(names):
        raise ValueError(
            f"{name} takes {len(names)} arguments ({', '.join(names)}), not {len(arguments)}"
        )
    given = dict(zip(names, arguments, strict=True))
    for argument, value in given.items():
        positive = argument in POSITIVE_ARGUMENTS or (name == "loguniform" and argument == "low")
        if not math.isfinite(value) or (positive and value <= 0):
            raise ValueError(f"{argument} of {name} must be {'positive' if positive else 'finite'}")
    if "low" in given and not given["low"] < given["high"]:
        raise ValueError(f"{name} needs low < high")


class ComponentOptions(Options):
    """A component of a model, and the options of its parameters."""

    name: str = Field(description="Name of the component, module:name or plugin:name.")
    up_to: Count = Field(
        1,
        description="Largest number of copies. Above 1, copies are added one by one while the BIC falls.",
    )
    parameters: dict[str, ParameterOptions] = Field(
        default_factory=dict, description="Bounds, priors, starting, fixed and tied values."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Accept ``lorentzian`` and ``lorentzian: {up_to: 6, fwhm: {bounds: [1, 2]}}``."""
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" not in value:
            if len(value) != 1:
                raise ValueError("a component is a name, or one {name: {…}}")
            ((name, inside),) = value.items()
            inside = dict(inside or {})
            up_to = inside.pop("up_to", 1)
            return {"name": name, "up_to": up_to, "parameters": inside}
        return value

    @field_validator("name")
    @classmethod
    def _exists(cls, name: str) -> str:
        find(name)
        return name

    @field_validator("parameters")
    @classmethod
    def _known(
        cls, parameters: dict[str, ParameterOptions], info: ValidationInfo
    ) -> dict[str, ParameterOptions]:
        if "name" not in info.data:  # the name is wrong, which is said already
            return parameters
        component = find(info.data["name"])
        known = {p.name: p for p in component.parameters}
        in_own_unit = {}
        for key, options in parameters.items():
            if key not in known:
                raise ValueError(
                    f"{key!r} is not a parameter of {component.name}; allowed: {', '.join(known)}"
                )
            try:
                in_own_unit[key] = options.in_unit(known[key].unit)
            except ValueError as error:
                raise ValueError(f"{component.name}.{key}: {error}") from error
            _check_values(f"{component.name}.{key}", known[key], in_own_unit[key])
        return in_own_unit


def _check_values(name: str, declared: Parameter, options: ParameterOptions) -> None:
    """Raise ValueError where the numbers given for a parameter do not go together."""
    lo, hi = options.bounds or declared.bounds
    if (options.scale or declared.scale) == "log" and lo <= 0:
        raise ValueError(f"bounds of {name} must be positive on a log scale, not [{lo:g}, {hi:g}]")
    for key in ("start", "fixed"):
        number = getattr(options, key)
        if number is not None and not lo <= number <= hi:
            raise ValueError(f"{key} of {name} must lie within its bounds [{lo:g}, {hi:g}]")


@dataclass(frozen=True)
class _Declared:
    """A parameter of a model, as its component declares it and as the configuration has it.

    Attributes
    ----------
    parameter : Parameter
        What the component declares.
    options : ParameterOptions or None
        Its options in the model; None: it has none.
    copy : int
        Number, from 0, of the copy of its component. Only the first is always in the model.
    """

    parameter: Parameter
    options: ParameterOptions | None
    copy: int

    @property
    def tied(self) -> TieOptions | None:
        """What it is tied to."""
        return self.options.tied if self.options else None

    @property
    def lower_bound(self) -> float:
        """Its lower bound."""
        return ((self.options and self.options.bounds) or self.parameter.bounds)[0]


def check_ties(components: Sequence[ComponentOptions]) -> None:
    """Raise ValueError where a parameter is tied to one that it cannot be tied to."""
    count: dict[str, int] = {}
    known: dict[str, _Declared] = {}
    for component in components:
        declared = find(component.name)
        for copy in range(component.up_to):
            number = count[declared.name] = count.get(declared.name, 0) + 1
            own = {
                f"{declared.name}.{number}.{p.name}": _Declared(
                    p, component.parameters.get(p.name), copy
                )
                for p in declared.parameters
            }
            known |= own
            for name, one in own.items():
                if one.tied is not None:
                    _check_tie(name, one.parameter, one.tied, known)


def _check_tie(
    name: str, parameter: Parameter, tied: TieOptions, known: Mapping[str, _Declared]
) -> None:
    """Raise ValueError unless a tie goes to a free parameter that is there whenever it is."""
    if tied.to not in known:
        allowed = ", ".join(other for other in known if other != name)
        raise ValueError(
            f"{name} is tied to {tied.to!r}, which is not a parameter of its component or one before; "
            f"allowed: {allowed}"
        )
    target = known[tied.to]
    if target.tied is not None:
        raise ValueError(f"{name} is tied to {tied.to}, which is tied itself")
    if target.copy:
        raise ValueError(f"{name} is tied to {tied.to}, a copy that is not always there")
    if parameter.scale == "log" and target.lower_bound <= 0:
        raise ValueError(
            f"{name} must be positive, and {tied.to}, which it is tied to, need not be"
        )
