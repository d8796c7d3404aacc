"""White noise."""

from collections.abc import Sequence
from typing import ClassVar

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.base import Component, Grid
from pipeline.components.parameters import Parameter


class Constant(Component):
    """The same power at all frequencies."""

    knows_mean: ClassVar[bool] = True
    is_white_noise: ClassVar[bool] = True

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the level."""
        (level,) = values
        return xp.broadcast_to(level, xp.broadcast_shapes(grid.frequency.shape, xp.shape(level)))


CONSTANT = Constant(
    "constant",
    (Parameter("level", "log", (1e-30, 1e30), "{power}", "White-noise level.", is_amplitude=True),),
    "level",
    "Leahy et al. 1983, ApJ 266, 160",
)
