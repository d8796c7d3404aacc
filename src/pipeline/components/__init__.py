"""The components that a power-spectral model is composed of, without JAX."""

from pipeline.components.base import Component, ComponentError, Parameter
from pipeline.components.user import ENTRY_POINTS, load, search_in

__all__ = [
    "COMPONENTS",
    "ENTRY_POINTS",
    "LORENTZIANS",
    "Component",
    "ComponentError",
    "Parameter",
    "find",
    "search_in",
]

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
