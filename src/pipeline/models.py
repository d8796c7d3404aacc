"""The components a power-spectral model is composed of, declared once, without JAX.

`pipeline.config.models` validates models against this table, `pipeline.fit.model.components` implements it
(a test holds the two together), and the parameter table of the catalogue takes units from it.
A component that is not in the table is found by the name of its module: `find`.
"""

import importlib
import importlib.metadata
import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

POWER_UNITS = {"frac": "1/Hz", "leahy": "", "abs": "ct2 / (Hz s2)"}
"""Unit of a power density in each normalisation (fractional rms squared per Hz; Leahy; absolute)."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a component.

    Attributes
    ----------
    name : str
        Its name in the configuration and in the catalogue.
    scale : {"log", "linear"}
        The fit works with the logarithm of a "log" parameter, which stays positive.
    bounds : tuple of float
        Default lower and upper bound, in the parameter's own unit.
    unit : str
        Unit; ``{power}`` stands for a power density, ``{variance}`` for its integral.
    description : str
        One sentence.
    start : float, optional
        Where the fit starts if the data do not tell; None: the middle of the bounds.
    is_amplitude : bool, optional
        Whether the component is proportional to it. Second derivatives follow from the first then, and
        zero, where the component is not there, is a value that limits are counted from.
    """

    name: str
    scale: str
    bounds: tuple[float, float]
    unit: str
    description: str
    start: float | None = None
    is_amplitude: bool = False

    def unit_in(self, norm: str) -> str:
        """Return the unit of this parameter for spectra normalised as `norm`."""
        variance = {"frac": "", "leahy": "Hz", "abs": "ct2 / s2"}[norm]
        return self.unit.replace("{power}", POWER_UNITS[norm]).replace("{variance}", variance)


@dataclass(frozen=True)
class Component:
    """A component: its parameters in order, and the formula they enter.

    Attributes
    ----------
    name : str
        Its name in the catalogue, and of a built-in component in the configuration.
    parameters : tuple of Parameter
        In the order in which the function takes them.
    formula, source : str
        The power density, and the paper it is from.
    peak : bool, optional
        Whether it is found in the residuals of the others rather than started with them. It needs a
        `variance`, and a place: `frequency`, `nu_max`, `characteristic_frequency` or `fwhm`.
    function : callable, optional
        Power density of a component that is not built in: ``function(frequency, *parameters)``, arrays
        of frequencies in Hz and of parameters in their units that broadcast, written with jax.numpy.
    """

    name: str
    parameters: tuple[Parameter, ...]
    formula: str
    source: str
    peak: bool = False
    function: Callable | None = None

    def parameter(self, name: str) -> Parameter:
        """Return the parameter called `name`; raises KeyError if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(p.name for p in self.parameters)


_AMPLITUDE = Parameter(
    "amplitude", "log", (1e-30, 1e30), "{power}", "Power density at 1 Hz.", is_amplitude=True
)
_LEVEL = Parameter(
    "level", "log", (1e-30, 1e30), "{power}", "White-noise level.", is_amplitude=True
)
_VARIANCE = Parameter(
    "variance",
    "log",
    (1e-30, 1e30),
    "{variance}",
    "Integral of the component over frequency.",
    is_amplitude=True,
)
_FREQUENCY = Parameter("frequency", "log", (1e-12, 1e6), "Hz", "Centroid frequency.")
_FWHM = Parameter("fwhm", "log", (1e-12, 1e6), "Hz", "Full width at half maximum.")

COMPONENTS = {
    c.name: c
    for c in (
        Component(
            "constant",
            (_LEVEL,),
            "level",
            "Leahy et al. 1983, ApJ 266, 160",
        ),
        Component(
            "power_law",
            (
                _AMPLITUDE,
                Parameter("slope", "linear", (-1.0, 6.0), "", "Power falls as f^-slope."),
            ),
            "amplitude f^-slope",
            "Vaughan 2005, A&A 431, 391",
        ),
        Component(
            "bending_power_law",
            (
                _AMPLITUDE,
                Parameter("slope_low", "linear", (-1.0, 4.0), "", "Slope below the bend."),
                Parameter("slope_high", "linear", (-1.0, 8.0), "", "Slope above the bend."),
                Parameter("bend_frequency", "log", (1e-12, 1e6), "Hz", "Bend frequency."),
            ),
            "amplitude f^-slope_low / (1 + (f/bend_frequency)^(slope_high - slope_low))",
            "McHardy et al. 2004, MNRAS 348, 783, eq. 2",
        ),
        Component(
            "lorentzian",
            (_VARIANCE, _FREQUENCY, _FWHM),
            "(variance d / pi) / (d^2 + (f - frequency)^2), d = fwhm / 2",
            "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 1",
            peak=True,
        ),
        Component(
            "lorentzian_numax",
            (
                _VARIANCE,
                Parameter(
                    "nu_max",
                    "log",
                    (1e-12, 1e6),
                    "Hz",
                    "Frequency at which frequency times power is largest.",
                ),
                Parameter("q", "log", (1e-3, 1e6), "", "Centroid frequency over FWHM."),
            ),
            "lorentzian with frequency = 2 q d, fwhm = 2 d, d = nu_max / sqrt(1 + 4 q^2)",
            "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 2",
            peak=True,
        ),
        Component(
            "zero_lorentzian",
            (_VARIANCE, _FWHM),
            "(variance d / pi) / (d^2 + f^2), d = fwhm / 2",
            "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 1 with frequency 0",
            peak=True,
        ),
        Component(
            "lorentz",
            (_VARIANCE, _FREQUENCY, _FWHM),
            "lorentzian / (1/2 + atan(2 frequency / fwhm) / pi): variance over 0..infinity",
            "Arnaud 1996, ASP Conf. 101, 17 (XSPEC, model lorentz)",
            peak=True,
        ),
        Component(
            "gaussian",
            (
                _VARIANCE,
                _FREQUENCY,
                Parameter("width", "log", (1e-12, 1e6), "Hz", "Standard deviation."),
            ),
            "variance / (width sqrt(2 pi)) exp(-(f - frequency)^2 / (2 width^2))",
            "Kallinger et al. 2014, A&A 570, A41 (power excess of solar-like oscillations)",
            peak=True,
        ),
        Component(
            "envelope",
            (
                _VARIANCE,
                Parameter("nu_max", "log", (1e-12, 1e6), "Hz", "Frequency of maximum power."),
                Parameter("q", "log", (1.0, 10.0), "", "nu_max over the FWHM of the envelope."),
            ),
            "gaussian with frequency = nu_max and width = nu_max / (2 sqrt(2 ln 2) q)",
            "Mosser et al. 2012, A&A 537, A30 (widths of the power excess of solar-like oscillations)",
            peak=True,
        ),
        Component(
            "harvey",
            (
                Parameter(
                    "variance",
                    "log",
                    (1e-30, 1e30),
                    "{variance}",
                    "Integral of the component over positive frequencies.",
                    is_amplitude=True,
                ),
                Parameter(
                    "characteristic_frequency",
                    "log",
                    (1e-12, 1e6),
                    "Hz",
                    "Frequency at which the power is half of that at zero, 1 / (2 pi timescale).",
                ),
                Parameter("exponent", "linear", (1.5, 8.0), "", "Power falls as f^-exponent."),
            ),
            "(variance / c) (exponent / pi) sin(pi / exponent) / (1 + (f/c)^exponent), "
            "c = characteristic_frequency",
            "Harvey 1985, ESA SP-235, 199; Kallinger et al. 2014, A&A 570, A41",
            peak=True,
        ),
    )
}
LORENTZIANS = ("lorentzian", "lorentz", "lorentzian_numax")
"""Components that may be a QPO: fitted or derived, they have a frequency and a fwhm."""

ENTRY_POINTS = "pipeline.components"
"""Group of the entry points by which installed packages offer components, as ``plugin:NAME``."""

_LOCATION, _FREE, _RANGE = {"loc": 1, "scale": 1}, {"concentration": 0}, {"low": 1, "high": 1}
PRIORS = {
    "uniform": _RANGE,
    "loguniform": _RANGE,
    "normal": _LOCATION,
    "lognormal": {"loc": "log", "scale": 0},
    "truncated_normal": {**_LOCATION, **_RANGE},
    "gamma": {**_FREE, "rate": -1},
    "inverse_gamma": {**_FREE, "rate": 1},
    "beta": {"concentration1": 0, "concentration0": 0},
    "half_normal": {"scale": 1},
    "exponential": {"rate": -1},
    "cauchy": _LOCATION,
    "half_cauchy": {"scale": 1},
    "truncated_cauchy": {**_LOCATION, **_RANGE},
    "student_t": {"df": 0, **_LOCATION},
    "laplace": _LOCATION,
    "asymmetric_laplace": {**_LOCATION, "asymmetry": 0},
    "logistic": _LOCATION,
    "gumbel": _LOCATION,
    "levy": _LOCATION,
    "weibull": {"scale": 1, **_FREE},
    "pareto": {"scale": 1, "alpha": 0},
    "gompertz": {**_FREE, "rate": -1},
    "kumaraswamy": {"concentration1": 0, "concentration0": 0},
    "chi2": {"df": 0},
    "dagum": {**_FREE, "sharpness": 0, "scale": 1},
}
"""Priors that may be named: the arguments of the distribution in numpyro, in order, with the power of
the parameter's unit that each carries ("log": it is the logarithm of a value)."""

POSITIVE_ARGUMENTS = frozenset(
    name
    for arguments in PRIORS.values()
    for name in arguments
    if name not in ("loc", "low", "high")
)
"""Arguments of priors that must be positive, but for the logarithmic ``loc`` and the ends of a range."""

UNITS = {
    "nHz": ("Hz", 1e-9),
    "uHz": ("Hz", 1e-6),
    "mHz": ("Hz", 1e-3),
    "Hz": ("Hz", 1.0),
    "kHz": ("Hz", 1e3),
    "MHz": ("Hz", 1e6),
    "us": ("s", 1e-6),
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "ks": ("s", 1e3),
}
"""Units that the configuration may use: the parameter's own, and how many of it."""


def scaled_prior(name: str, arguments, factor: float) -> list[float]:
    """Return the arguments of a prior for a parameter in a unit that is `factor` times smaller.

    Parameters
    ----------
    name : str
        A key of `PRIORS`.
    arguments : sequence of float
        For the parameter in the larger unit.
    factor : float
        How many smaller units make one larger unit.

    Raises
    ------
    ValueError
        For a distribution on a scale of its own, like that of a fraction.
    """
    powers = PRIORS[name].values()
    if not any(powers):
        raise ValueError(f"prior {name} has no unit: give it without one")
    return [
        a + math.log(factor) if power == "log" else a * factor**power
        for a, power in zip(arguments, powers, strict=True)
    ]


class ComponentError(ValueError):
    """A component that is named does not exist, or is not right; the message is one line."""


_folders = []


def search_in(folder) -> None:
    """Let `find` import modules from a folder too, after all others."""
    if str(folder) not in _folders:
        _folders.append(str(folder))


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
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ComponentError(
            f"{name!r} is not a component; allowed: {', '.join(sorted(COMPONENTS))}, module:name, "
            "plugin:name"
        )
    found = _plugin(attribute) if module == "plugin" else _imported(module, attribute)
    fault = _fault(found)
    if fault:
        raise ComponentError(f"{name!r} {fault}")
    return found


def _imported(module: str, attribute: str):
    """Import an attribute of a module, or say in one line why it cannot be had."""
    sys.path.extend(folder for folder in _folders if folder not in sys.path)
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        kind, text = type(error).__name__, " ".join(str(error).split())
        raise ComponentError(f"module {module!r} cannot be imported: {kind}: {text}") from error
    if not hasattr(found, attribute):
        where = getattr(found, "__file__", module)
        raise ComponentError(f"module {module!r} ({where}) has no {attribute!r}")
    return getattr(found, attribute)


def _plugin(name: str):
    """Load an entry point, or say in one line why it cannot be had."""
    offered = importlib.metadata.entry_points(group=ENTRY_POINTS)
    if name not in offered.names:
        names = ", ".join(sorted(offered.names)) or "none installed"
        raise ComponentError(f"no entry point {name!r} in {ENTRY_POINTS}; allowed: {names}")
    module, _, attribute = offered[name].value.partition(":")
    return _imported(module, attribute)


def _fault(found) -> str:
    """Say what keeps an object from being fitted as a component; empty if nothing does."""
    if not isinstance(found, Component):
        return f"is {type(found).__name__}; allowed: a pipeline.models.Component"
    if not found.name.isidentifier() or found.name in COMPONENTS:
        return f"has the name {found.name!r}; allowed: an identifier that is not built in"
    if not callable(found.function):
        return "has no function"
    if not isinstance(found.parameters, tuple) or not found.parameters:
        return "has no tuple of parameters"
    for p in found.parameters:
        if not isinstance(p, Parameter):
            return f"has the parameter {p!r}; allowed: a pipeline.models.Parameter"
        if p.scale not in ("log", "linear") or not p.bounds[0] < p.bounds[1]:
            return f"has the parameter {p.name!r} without scale log or linear, or bounds lo < hi"
        if p.scale == "log" and p.bounds[0] <= 0:
            return f"has the parameter {p.name!r} on a log scale with bounds that are not positive"
    if len(set(found.names)) < len(found.names) or not all(n.isidentifier() for n in found.names):
        return "has parameters whose names are not different identifiers"
    if not _takes(found.function, 1 + len(found.parameters)):
        return f"has a function that does not take frequency, {', '.join(found.names)}"
    places = {"frequency", "nu_max", "characteristic_frequency", "fwhm"}
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
