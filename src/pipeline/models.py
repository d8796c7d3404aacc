"""The components a power-spectral model is composed of, declared once, without JAX.

`pipeline.config` validates models against this table, `pipeline.fit.components` implements it
(a test holds the two together), and the parameter table of the catalogue takes units from it.
"""

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
    """

    name: str
    scale: str
    bounds: tuple[float, float]
    unit: str
    description: str

    def unit_in(self, norm: str) -> str:
        """Return the unit of this parameter for spectra normalised as `norm`."""
        variance = {"frac": "", "leahy": "Hz", "abs": "ct2 / s2"}[norm]
        return self.unit.replace("{power}", POWER_UNITS[norm]).replace("{variance}", variance)


@dataclass(frozen=True)
class Component:
    """A component: its parameters in order, and the formula they enter."""

    name: str
    parameters: tuple[Parameter, ...]
    formula: str
    source: str

    def parameter(self, name: str) -> Parameter:
        """Return the parameter called `name`; raises KeyError if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)


_AMPLITUDE = Parameter("amplitude", "log", (1e-30, 1e30), "{power}", "Power density at 1 Hz.")
_VARIANCE = Parameter(
    "variance", "log", (1e-30, 1e30), "{variance}", "Integral of the component over frequency."
)
_FREQUENCY = Parameter("frequency", "log", (1e-12, 1e6), "Hz", "Centroid frequency.")
_FWHM = Parameter("fwhm", "log", (1e-12, 1e6), "Hz", "Full width at half maximum.")

COMPONENTS = {
    c.name: c
    for c in (
        Component(
            "constant",
            (Parameter("level", "log", (1e-30, 1e30), "{power}", "White-noise level."),),
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
        ),
        Component(
            "zero_lorentzian",
            (_VARIANCE, _FWHM),
            "(variance d / pi) / (d^2 + f^2), d = fwhm / 2",
            "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 1 with frequency 0",
        ),
        Component(
            "lorentz",
            (_VARIANCE, _FREQUENCY, _FWHM),
            "lorentzian / (1/2 + atan(2 frequency / fwhm) / pi): variance over 0..infinity",
            "Arnaud 1996, ASP Conf. 101, 17 (XSPEC, model lorentz)",
        ),
    )
}
