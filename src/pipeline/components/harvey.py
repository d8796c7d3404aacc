"""Granulation and activity of stars."""

import math
from collections.abc import Sequence

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.base import Component, Grid
from pipeline.components.parameters import Parameter
from pipeline.components.quantities import Calibration, Derived


class Harvey(Component):
    """A Harvey profile; its normalisation is 2 / pi for exponent 2 and 2 sqrt(2) / pi for 4."""

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, whose integral from zero to infinity is the variance."""
        variance, characteristic_frequency, exponent = values
        norm = exponent / xp.pi * xp.sin(xp.pi / exponent) / characteristic_frequency
        ratio = xp.exp(exponent * (grid.log_frequency - xp.log(characteristic_frequency)))
        return variance * norm / (1 + ratio)

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return the timescale, 1 / (2 pi characteristic_frequency), and the rms."""
        import numpy as np

        variance, frequency, _ = values
        zero, one = np.zeros_like(frequency), np.ones_like(frequency)
        rms = np.sqrt(variance * calibration.to_fraction)
        return [
            Derived("timescale", 1 / (2 * math.pi * frequency), np.stack([zero, -one, zero]), "s"),
            Derived("rms", rms, np.stack([0.5 * one, zero, zero]), known=calibration.known),
        ]


HARVEY = Harvey(
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
)
