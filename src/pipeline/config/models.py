"""Options of a model: its components, their parameters, priors and ties."""

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline.components import find
from pipeline.config.base import Count, Options, Positive
from pipeline.priors import POSITIVE_ARGUMENTS, PRIORS, scaled_prior
from pipeline.units import UNITS


class TieOptions(Options):
    """What a parameter is tied to."""

    to: str = Field(description="Name of the parameter: lorentzian.1.frequency.")
    factor: Positive = Field(1.0, description="How many times that parameter it is.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
        """Accept a name alone."""
        return {"to": value} if isinstance(value, str) else value


class ParameterOptions(Options):
    """What a model says of one parameter of a component."""

    bounds: tuple[float, float] | None = Field(None, description="[lo, hi]; null: the default.")
    prior: dict[str, list[float] | float] | None = Field(
        None,
        description="Prior by name, e.g. {loguniform: [0.1, 10]}, or that alone in the place of the "
        "options; null: flat in the bounds.",
    )
    start: float | None = Field(
        None, description="First starting value; null: found from the data."
    )
    fixed: float | None = Field(None, description="Value to hold it at; null: free.")
    tied: TieOptions | None = Field(
        None,
        description="Name of a parameter that it is equal to, or {to: NAME, factor: 2}; it has then "
        "no degree of freedom of its own. null: untied.",
    )
    scale: Literal["log", "linear"] | None = Field(
        None,
        description="Whether the fit works with its logarithm, in which intervals are then symmetric; "
        "null: the default.",
    )
    unit: str | None = Field(
        None,
        description="Unit of the numbers given for it, e.g. mHz; they are turned into its own when "
        "read. null: its own.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
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
    def _ordered(cls, bounds):
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError("must be [lo, hi] with lo < hi")
        return bounds

    @field_validator("prior")
    @classmethod
    def _known(cls, prior):
        if prior is None:
            return None
        if len(prior) != 1:
            raise ValueError("must be one prior, {name: [arguments]}")
        ((name, arguments),) = prior.items()
        if name not in PRIORS:
            raise ValueError(f"{name!r} is not a prior; allowed: {', '.join(sorted(PRIORS))}")
        arguments = arguments if isinstance(arguments, list) else [arguments]
        _check_prior(name, arguments)
        return {name: [float(a) for a in arguments]}

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit):
        if unit is not None and unit not in UNITS:
            raise ValueError(f"{unit!r} is not a unit; allowed: {', '.join(UNITS)}")
        return unit

    @model_validator(mode="after")
    def _tied_has_nothing_else(self):
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
        told = {"unit": None}
        for name in ("start", "fixed"):
            value = getattr(self, name)
            told[name] = None if value is None else value * factor
        if self.bounds is not None:
            told["bounds"] = tuple(bound * factor for bound in self.bounds)
        if self.prior is not None:
            told["prior"] = {n: scaled_prior(n, a, factor) for n, a in self.prior.items()}
        return self.model_copy(update=told)


def _check_prior(name: str, arguments: list[float]) -> None:
    """Raise ValueError where a prior has arguments that its distribution does not take."""
    names = tuple(PRIORS[name])
    if len(arguments) != len(names):
        raise ValueError(
            f"{name} takes {len(names)} arguments ({', '.join(names)}), not {len(arguments)}"
        )
    told = dict(zip(names, arguments, strict=True))
    for argument, value in told.items():
        positive = argument in POSITIVE_ARGUMENTS or (name == "loguniform" and argument == "low")
        if not math.isfinite(value) or (positive and value <= 0):
            raise ValueError(f"{argument} of {name} must be {'positive' if positive else 'finite'}")
    if "low" in told and not told["low"] < told["high"]:
        raise ValueError(f"{name} needs low < high")


class ComponentOptions(Options):
    """A component of a model, and what the model says of its parameters."""

    name: str = Field(description="Name of the component, module:name or plugin:name.")
    up_to: Count = Field(
        1,
        description="Most copies of it. Above 1, copies are added one by one while the BIC falls.",
    )
    parameters: dict[str, ParameterOptions] = Field(
        default_factory=dict, description="Bounds, priors, starting, fixed and tied values."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
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
    def _exists(cls, name):
        find(name)
        return name

    @field_validator("parameters")
    @classmethod
    def _known(cls, parameters, info):
        if "name" not in info.data:  # wrong already
            return parameters
        component = find(info.data["name"])
        known = {p.name: p for p in component.parameters}
        out = {}
        for key, options in parameters.items():
            if key not in known:
                raise ValueError(
                    f"{key!r} is not a parameter of {component.name}; allowed: {', '.join(known)}"
                )
            try:
                out[key] = options.in_unit(known[key].unit)
            except ValueError as error:
                raise ValueError(f"{component.name}.{key}: {error}") from error
            _check_values(f"{component.name}.{key}", known[key], out[key])
        return out


def _check_values(name: str, declared, options: ParameterOptions) -> None:
    """Raise ValueError where the numbers given for a parameter do not go together."""
    lo, hi = options.bounds or declared.bounds
    if (options.scale or declared.scale) == "log" and lo <= 0:
        raise ValueError(f"bounds of {name} must be positive on a log scale, not [{lo:g}, {hi:g}]")
    for what in ("start", "fixed"):
        number = getattr(options, what)
        if number is not None and not lo <= number <= hi:
            raise ValueError(f"{what} of {name} must lie within its bounds [{lo:g}, {hi:g}]")


def check_ties(components: list[ComponentOptions]) -> None:
    """Raise ValueError where a parameter is tied to one that it cannot be tied to."""
    count, known = {}, {}
    for component in components:
        declared = find(component.name)
        for copy in range(component.up_to):
            number = count[declared.name] = count.get(declared.name, 0) + 1
            own = {
                f"{declared.name}.{number}.{p.name}": (p, component.parameters.get(p.name), copy)
                for p in declared.parameters
            }
            known |= own
            for name, (parameter, options, _) in own.items():
                if options is not None and options.tied is not None:
                    _check_tie(name, parameter, options.tied, known)


def _check_tie(name, parameter, tied: TieOptions, known) -> None:
    """Raise ValueError unless a tie goes to a free parameter that is there whenever it is."""
    if tied.to not in known:
        allowed = ", ".join(n for n, (_, options, _) in known.items() if n != name)
        raise ValueError(
            f"{name} is tied to {tied.to!r}, which is not a parameter of its component or one before; "
            f"allowed: {allowed}"
        )
    target, options, copy = known[tied.to]
    if options is not None and options.tied is not None:
        raise ValueError(f"{name} is tied to {tied.to}, which is tied itself")
    if copy:
        raise ValueError(f"{name} is tied to {tied.to}, a copy that is not always there")
    lo = ((options and options.bounds) or target.bounds)[0]
    if parameter.scale == "log" and lo <= 0:
        raise ValueError(
            f"{name} must be positive, and {tied.to}, which it is tied to, need not be"
        )
