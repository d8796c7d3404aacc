"""Parameters of components, those that several components have, and what their names mean."""

import math
from dataclasses import dataclass

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.units import POWER_UNITS

FWHM_OF_GAUSSIAN = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""
CENTRES = ("frequency", "nu_max", "characteristic_frequency")
"""Names of parameters that are the place of a peak."""
WIDTHS = {"fwhm": 1.0, "width": FWHM_OF_GAUSSIAN}
"""Names of parameters that are the width of a peak, and its full width at half maximum over each."""
_MIDDLES = (0.5, 0.3, 0.7, 0.1)
"""Places within its bounds where a parameter starts of which the data say nothing, one for each start."""


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

    def default_start(self, number: int = 0) -> float:
        """Return where a fit starts if the data do not tell: as declared, then here and there in the bounds.

        Parameters
        ----------
        number : int, optional
            Number of the start, from 0.
        """
        if self.start is not None and number == 0:
            return self.start
        (lo, hi), place = self.bounds, _MIDDLES[number % len(_MIDDLES)]
        return lo * (hi / lo) ** place if self.scale == "log" else lo + place * (hi - lo)


def narrowed(
    parameter: Parameter, found: tuple[Array, Array] | None, xp: ArrayFunctions
) -> tuple[Array, Array]:
    """Return the declared bounds of a parameter, narrowed to those found in the data."""
    lo, hi = parameter.bounds if found is None else found
    return xp.maximum(lo, parameter.bounds[0]), xp.minimum(hi, parameter.bounds[1])


VARIANCE = Parameter(
    "variance",
    "log",
    (1e-30, 1e30),
    "{variance}",
    "Integral of the component over frequency.",
    is_amplitude=True,
)
FREQUENCY = Parameter("frequency", "log", (1e-12, 1e6), "Hz", "Centroid frequency.")
FWHM = Parameter("fwhm", "log", (1e-12, 1e6), "Hz", "Full width at half maximum.")
