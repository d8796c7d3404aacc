"""Lorentzians, in four parametrisations.

Belloni, Psaltis & van der Klis 2002, ApJ 572, 392: with the half width Delta = fwhm / 2, the centroid nu0 and
Q = nu0 / (2 Delta), frequency times power is largest at nu_max, nu_max^2 = nu0^2 + Delta^2, and the fraction
1/2 + atan(2 Q) / pi of the integral is at positive frequencies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.base import Component, Grid, centroid_and_fwhm
from pipeline.components.parameters import FREQUENCY, FWHM, VARIANCE, Parameter
from pipeline.components.quantities import Calibration, Derived


@dataclass(frozen=True)
class Shape:
    """A Lorentzian by its integral over all frequencies, negative ones included.

    Attributes
    ----------
    variance, frequency, fwhm : array, shape (lanes,)
        The integral, the centroid frequency and the full width at half maximum.
    log_slopes : array, shape (3, p, lanes)
        Derivatives of their logarithms by the logarithms of the component's parameters.
    """

    variance: Array
    frequency: Array
    fwhm: Array
    log_slopes: Array


def positive_fraction(frequency: Array, fwhm: Array, xp: ArrayFunctions) -> Array:
    """Return the fraction of the integral of a Lorentzian that is at positive frequencies."""
    return 0.5 + xp.arctan(2 * frequency / fwhm) / xp.pi


def positive_slope(q: Array, fraction: Array, xp: ArrayFunctions) -> Array:
    """Return d ln fraction / d ln q of `positive_fraction`, with q = frequency / fwhm."""
    return 2 * q / (1 + 4 * q**2) / xp.pi / fraction


def lorentzian(
    xp: ArrayFunctions, grid: Grid, variance: Array, centroid: Array, fwhm: Array
) -> Array:
    """Return the power density of a Lorentzian whose integral over all frequencies is `variance`."""
    half = fwhm / 2
    if grid.width is None:
        return variance * half / xp.pi * (half**2 + (grid.frequency - centroid) ** 2) ** -1
    low, high = (edge - centroid for edge in grid.edges())
    # the difference of two arcus tangens, without cancellation far from the peak
    inside = xp.angle((high - low) * half, half**2 + low * high)
    return variance / xp.pi * inside / (high - low)


class Lorentzian(Component):
    """A Lorentzian by variance over all frequencies, centroid frequency and FWHM."""

    knows_mean: ClassVar[bool] = True
    variance_is_positive: ClassVar[bool] = False
    """Whether the parameter `variance` is the integral over positive frequencies alone."""

    @property
    def may_be_qpo(self) -> bool:
        """A Lorentzian with a centroid may be a QPO."""
        return True

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        return lorentzian(xp, grid, *values)

    def shape(self, values: Array) -> Shape:
        """Return the Lorentzian over all frequencies, and how it changes with the parameters."""
        import numpy as np

        variance, frequency, fwhm = values
        slopes = np.repeat(np.eye(3)[:, :, None], np.shape(values)[1], axis=2)
        return Shape(variance, frequency, fwhm, slopes)

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return Q, nu_max and rms, with frequency and FWHM where these are not fitted.

        The rms is that over positive frequencies, without what the averaging over time bins took of it at the
        centroid.
        """
        import numpy as np

        shape = self.shape(values)
        of_variance, of_frequency, of_fwhm = shape.log_slopes
        q = shape.frequency / shape.fwhm
        share = 1 / (1 + 4 * q**2)
        of_q = of_frequency - of_fwhm
        nu_max = np.hypot(shape.frequency, shape.fwhm / 2)
        fraction = positive_fraction(shape.frequency, shape.fwhm, np)
        kept = calibration.kept(shape.frequency)
        rms = np.sqrt(shape.variance * fraction * calibration.to_fraction / kept)
        of_rms = 0.5 * (of_variance + positive_slope(q, fraction, np) * of_q)
        every = (
            Derived("frequency", shape.frequency, of_frequency, "Hz"),
            Derived("fwhm", shape.fwhm, of_fwhm, "Hz"),
            Derived("q", q, of_q),
            Derived("nu_max", nu_max, (1 - share) * of_frequency + share * of_fwhm, "Hz"),
            Derived("rms", rms, of_rms, known=calibration.known),
        )
        return [quantity for quantity in every if quantity.name not in self.names]


class PositiveLorentzian(Lorentzian):
    """A Lorentzian as XSPEC normalises it, by its variance over positive frequencies."""

    variance_is_positive: ClassVar[bool] = True

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        variance, frequency, fwhm = values
        whole = variance / positive_fraction(frequency, fwhm, xp)
        return lorentzian(xp, grid, whole, frequency, fwhm)

    def shape(self, values: Array) -> Shape:
        """Return the Lorentzian over all frequencies, and how it changes with the parameters."""
        import numpy as np

        own = super().shape(values)
        fraction = positive_fraction(own.frequency, own.fwhm, np)
        slope = positive_slope(own.frequency / own.fwhm, fraction, np)
        slopes = own.log_slopes.copy()
        slopes[0] -= slope * (slopes[1] - slopes[2])
        return Shape(own.variance / fraction, own.frequency, own.fwhm, slopes)


class LorentzianByNuMax(Lorentzian):
    """A Lorentzian by its variance, the frequency of its largest f P(f) and Q."""

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        variance, nu_max, q = values
        return lorentzian(xp, grid, variance, *centroid_and_fwhm(nu_max, q))

    def shape(self, values: Array) -> Shape:
        """Return the Lorentzian over all frequencies, and how it changes with the parameters.

        d ln nu0 / d ln Q = 1 / (1 + 4 Q^2) and d ln Delta / d ln Q = -4 Q^2 / (1 + 4 Q^2).
        """
        import numpy as np

        variance, nu_max, q = values
        share = 1 / (1 + 4 * q**2)
        zero, one = np.zeros_like(share), np.ones_like(share)
        slopes = [[one, zero, zero], [zero, one, share], [zero, one, share - 1]]
        return Shape(variance, *centroid_and_fwhm(nu_max, q), np.array(slopes))


class ZeroLorentzian(Component):
    """A Lorentzian centred on zero frequency; half of its variance is at positive frequencies."""

    knows_mean: ClassVar[bool] = True

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        variance, fwhm = values
        return lorentzian(xp, grid, variance, 0.0, fwhm)

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return nu_max and the rms over positive frequencies."""
        import numpy as np

        variance, fwhm = values
        zero, one = np.zeros_like(fwhm), np.ones_like(fwhm)
        rms = np.sqrt(variance / 2 * calibration.to_fraction)
        return [
            Derived("nu_max", fwhm / 2, np.stack([zero, one]), "Hz"),
            Derived("rms", rms, np.stack([0.5 * one, zero]), known=calibration.known),
        ]


LORENTZIAN = Lorentzian(
    "lorentzian",
    (VARIANCE, FREQUENCY, FWHM),
    "(variance d / pi) / (d^2 + (f - frequency)^2), d = fwhm / 2",
    "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 1",
    peak=True,
)
LORENTZIAN_NUMAX = LorentzianByNuMax(
    "lorentzian_numax",
    (
        VARIANCE,
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
)
ZERO_LORENTZIAN = ZeroLorentzian(
    "zero_lorentzian",
    (VARIANCE, FWHM),
    "(variance d / pi) / (d^2 + f^2), d = fwhm / 2",
    "Belloni, Psaltis & van der Klis 2002, ApJ 572, 392, eq. 1 with frequency 0",
    peak=True,
)
LORENTZ = PositiveLorentzian(
    "lorentz",
    (VARIANCE, FREQUENCY, FWHM),
    "lorentzian / (1/2 + atan(2 frequency / fwhm) / pi): variance over 0..infinity",
    "Arnaud 1996, ASP Conf. 101, 17 (XSPEC, model lorentz)",
    peak=True,
)
