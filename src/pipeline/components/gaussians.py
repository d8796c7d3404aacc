"""Gaussians: the power excess of solar-like oscillations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.base import Component, Grid
from pipeline.components.measured import Extent
from pipeline.components.parameters import FREQUENCY, FWHM_OF_GAUSSIAN, VARIANCE, Parameter
from pipeline.components.quantities import Calibration, Derived

LEAST_NU_MAX, LARGEST_NU_MAX = 2.0, 0.8
"""Least nu_max of an envelope over the lowest frequency, and largest over the highest."""


def gaussian(
    xp: ArrayFunctions, grid: Grid, variance: Array, centroid: Array, width: Array
) -> Array:
    """Return the power density of a Gaussian whose integral over all frequencies is `variance`."""
    if grid.width is None:
        height = variance / (width * xp.sqrt(2 * xp.pi))
        return height * xp.exp(-0.5 * ((grid.frequency - centroid) / width) ** 2)
    low, high = grid.edges()
    below, above = (xp.erf((edge - centroid) / (width * math.sqrt(2))) for edge in (low, high))
    return variance * (above - below) / (2 * (high - low))


class Gaussian(Component):
    """A Gaussian by variance over all frequencies, centroid frequency and standard deviation."""

    knows_mean: ClassVar[bool] = True

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        return gaussian(xp, grid, *values)

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return FWHM, Q and rms; the fraction Phi(frequency / width) is at positive frequencies."""
        import numpy as np
        from scipy.special import erfc

        variance, frequency, width = values
        of_variance, of_frequency, of_width = np.repeat(np.eye(3)[:, :, None], width.size, axis=2)
        x = frequency / width
        fraction = 0.5 * erfc(-x / math.sqrt(2))
        slope = x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) / fraction
        rms = np.sqrt(variance * fraction * calibration.to_fraction / calibration.kept(frequency))
        fwhm = FWHM_OF_GAUSSIAN * width
        return [
            Derived("fwhm", fwhm, of_width, "Hz"),
            Derived("q", frequency / fwhm, of_frequency - of_width),
            Derived(
                "rms",
                rms,
                0.5 * (of_variance + slope * (of_frequency - of_width)),
                known=calibration.known,
            ),
        ]


class Envelope(Gaussian):
    """A Gaussian by its frequency and nu_max over its FWHM.

    The width follows from the frequency, so a narrow line is no envelope, nor is what is left of the
    background.
    """

    source_columns: ClassVar[Mapping[str, str]] = {"nu_max": "nu_max"}

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, or its mean over the bins."""
        variance, nu_max, q = values
        return gaussian(xp, grid, variance, nu_max, nu_max / (FWHM_OF_GAUSSIAN * q))

    def bounds(self, extent: Extent, xp: ArrayFunctions) -> list[tuple[Array, Array]]:
        """Return default bounds; both sides of the envelope are within the frequencies.

        At an end of the spectrum there is no maximum, but a background that was not described.
        """
        variance, _, q = super().bounds(extent, xp)
        least, largest = self.parameters[1].bounds
        nu_max = (
            xp.maximum(LEAST_NU_MAX * extent.lowest, least),
            xp.minimum(LARGEST_NU_MAX * extent.highest, largest),
        )
        return [variance, nu_max, q]

    def peak_at(
        self, variance: Array, centre: Array, trial: Array, narrowest: Array, xp: ArrayFunctions
    ) -> list[Array]:
        """Return the values of the parameters of an envelope whose maximum is at a frequency."""
        variance, _, q = super().peak_at(variance, centre, trial, narrowest, xp)
        return [variance, centre, q]

    def place(self, values: Array) -> tuple[Array, Array]:
        """Return nu_max, where a Gaussian has its maximum, and FWHM, Hz."""
        _, nu_max, q = values
        return nu_max, nu_max / q

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return FWHM and rms, as of a Gaussian."""
        import numpy as np

        variance, nu_max, q = values
        of_gaussian = np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, -1]])  # width goes as nu_max / q
        width = nu_max / (FWHM_OF_GAUSSIAN * q)
        found = super().derived(np.stack([variance, nu_max, width]), calibration)
        return [replace(d, log_slopes=of_gaussian.T @ d.log_slopes) for d in found if d.name != "q"]


GAUSSIAN = Gaussian(
    "gaussian",
    (
        VARIANCE,
        FREQUENCY,
        Parameter("width", "log", (1e-12, 1e6), "Hz", "Standard deviation."),
    ),
    "variance / (width sqrt(2 pi)) exp(-(f - frequency)^2 / (2 width^2))",
    "Kallinger et al. 2014, A&A 570, A41 (power excess of solar-like oscillations)",
    peak=True,
)
ENVELOPE = Envelope(
    "envelope",
    (
        VARIANCE,
        Parameter("nu_max", "log", (1e-12, 1e6), "Hz", "Frequency of maximum power."),
        Parameter("q", "log", (1.0, 10.0), "", "nu_max over the FWHM of the envelope."),
    ),
    "gaussian with frequency = nu_max and width = nu_max / (2 sqrt(2 ln 2) q)",
    "Mosser et al. 2012, A&A 537, A30 (widths of the power excess of solar-like oscillations)",
    peak=True,
)
