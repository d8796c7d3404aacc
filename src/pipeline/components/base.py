"""What a component of a power-spectral model is: its parameters and the formula they enter."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.units import POWER_UNITS


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


class ComponentError(ValueError):
    """A component that is named does not exist, or is not right; the message is one line."""
