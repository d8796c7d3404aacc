"""Red noise without a scale, and with one bend."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.base import Component, Grid, Rewritten
from pipeline.components.parameters import Parameter

_AMPLITUDE = Parameter(
    "amplitude", "log", (1e-30, 1e30), "{power}", "Power density at 1 Hz.", is_amplitude=True
)


class PowerLaw(Component):
    """A power law."""

    knows_mean: ClassVar[bool] = True
    source_columns: ClassVar[Mapping[str, str]] = {"slope": "slope"}

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return ``amplitude f^-slope``, or its mean over the bins."""
        amplitude, slope = values
        if grid.bins is None:
            return amplitude * xp.exp(-slope * grid.log_frequency)
        span = grid.bins.log_span
        middle, half = grid.bins.log_low + span / 2, (1 - slope) * span / 2
        # the integral of f^-slope over a bin is f^(1 - slope) span sinh(half) / half at its middle
        square, near = half**2, xp.absolute(half) < 0.1
        up = xp.exp(xp.where(near, 1.0, half))
        series = 1 + square / 6 * (1 + square / 20 * (1 + square / 42))
        shape = xp.where(near, series, (up - 1 / up) / (2 * xp.where(near, 1.0, half)))
        return (
            amplitude
            * xp.exp((1 - slope) * middle)
            * span
            / (grid.bins.high - grid.bins.low)
            * shape
        )


class BendingPowerLaw(Component):
    """A power law with another slope above a bend."""

    source_columns: ClassVar[Mapping[str, str]] = {
        "slope_high": "slope",
        "bend_frequency": "bend_frequency",
    }

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return ``amplitude f^-slope_low / (1 + (f / bend_frequency)^(slope_high - slope_low))``."""
        amplitude, slope_low, slope_high, bend_frequency = values
        low = amplitude * xp.exp(-slope_low * grid.log_frequency)
        ratio = xp.exp((slope_high - slope_low) * (grid.log_frequency - xp.log(bend_frequency)))
        return low / (1 + ratio)

    def rewritten(self, u: Array) -> Rewritten:
        """Exchange the two slopes; the steeper one above the bend is to be published.

        If the amplitude is multiplied by bend_frequency^(slope_high - slope_low) the power stays as it was:
        the likelihood has two optima of the same height.
        """
        import numpy as np

        amplitude, low, high, bend = u
        other = np.stack([amplitude + (high - low) * bend, high, low, bend])
        return Rewritten(other, low > high, changed=(0, 1, 2), order=(0, 2, 1, 3))


POWER_LAW = PowerLaw(
    "power_law",
    (
        _AMPLITUDE,
        Parameter("slope", "linear", (-1.0, 6.0), "", "Power falls as f^-slope."),
    ),
    "amplitude f^-slope",
    "Vaughan 2005, A&A 431, 391",
)
BENDING_POWER_LAW = BendingPowerLaw(
    "bending_power_law",
    (
        _AMPLITUDE,
        Parameter("slope_low", "linear", (-1.0, 4.0), "", "Slope below the bend."),
        Parameter("slope_high", "linear", (-1.0, 8.0), "", "Slope above the bend."),
        Parameter("bend_frequency", "log", (1e-12, 1e6), "Hz", "Bend frequency."),
    ),
    "amplitude f^-slope_low / (1 + (f/bend_frequency)^(slope_high - slope_low))",
    "McHardy et al. 2004, MNRAS 348, 783, eq. 2",
)
