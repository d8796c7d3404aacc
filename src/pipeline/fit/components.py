"""The functions behind `pipeline.models.COMPONENTS`: power densities of frequency and parameters.

Each takes a `Grid` of frequencies and its parameters in the order of the declaration, in their own
units, and broadcasts. Derivatives come from autodiff, so a component is only its formula.
"""

from typing import NamedTuple

import jax.numpy as jnp

from pipeline.fit.likelihood import log


class Grid(NamedTuple):
    """Frequencies and their logarithms, arrays of one shape.

    The logarithm is taken once a spectrum: inside the iteration it would cost as much as a component.
    """

    frequency: jnp.ndarray
    log_frequency: jnp.ndarray

    @classmethod
    def of(cls, frequency) -> "Grid":
        """Make a grid of frequencies in Hz."""
        frequency = jnp.asarray(frequency)
        return cls(frequency, log(frequency))


def constant(grid, level):
    """White noise: ``level`` (Leahy et al. 1983)."""
    return jnp.broadcast_to(level, jnp.broadcast_shapes(grid.frequency.shape, jnp.shape(level)))


def power_law(grid, amplitude, slope):
    """``amplitude f^-slope`` with the amplitude at 1 Hz (Vaughan 2005)."""
    return amplitude * jnp.exp(-slope * grid.log_frequency)


def bending_power_law(grid, amplitude, slope_low, slope_high, bend_frequency):
    """A power law that bends from ``slope_low`` to ``slope_high`` (McHardy et al. 2004, eq. 2)."""
    low = amplitude * jnp.exp(-slope_low * grid.log_frequency)
    ratio = jnp.exp((slope_high - slope_low) * (grid.log_frequency - jnp.log(bend_frequency)))
    return low / (1 + ratio)


def lorentzian(grid, variance, centroid, fwhm):
    """Lorentzian whose integral over all frequencies, negative ones too, is ``variance``.

    Belloni, Psaltis & van der Klis 2002, eq. 1, with half width Delta = fwhm / 2.
    """
    half = fwhm / 2
    return variance * half / jnp.pi * (half**2 + (grid.frequency - centroid) ** 2) ** -1


def zero_lorentzian(grid, variance, fwhm):
    """`lorentzian` centred on zero frequency; ``variance / 2`` is at positive frequencies."""
    half = fwhm / 2
    return variance * half / jnp.pi * (half**2 + grid.frequency**2) ** -1


def lorentz(grid, variance, centroid, fwhm):
    """Lorentzian as XSPEC normalises it: its integral from zero to infinity is ``variance``."""
    return lorentzian(grid, variance / positive_fraction(centroid, fwhm), centroid, fwhm)


def positive_fraction(centroid, fwhm):
    """Fraction of a Lorentzian's integral that lies at positive frequencies."""
    return 0.5 + jnp.arctan(2 * centroid / fwhm) / jnp.pi


FUNCTIONS = {
    function.__name__: function
    for function in (
        constant,
        power_law,
        bending_power_law,
        lorentzian,
        zero_lorentzian,
        lorentz,
    )
}
PEAKS = ("lorentzian", "lorentz", "zero_lorentzian")
"""Components that are found in the residuals of the others rather than started from the data."""
