"""What is measured of spectra before anything is fitted, and the bounds and starts that follow from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.parameters import CENTRES, WIDTHS

_SLOPES = (1.5, 1.0, 2.0, 0.5)
"""Slope of a power law in each start."""
_BENDS = ((0.5, 2.0, 0.5), (0.0, 1.5, 0.3), (1.0, 3.0, 0.5), (0.5, 1.5, 0.7))
"""Low slope, high slope and place of the bend (in log frequency, 0 to 1) of a bending one in each start."""


@dataclass(frozen=True)
class Extent:
    """The frequencies and powers that spectra have, from which default bounds follow.

    Attributes
    ----------
    lowest, highest : array, shape (lanes,)
        Lowest and highest frequency, Hz.
    finest : array, shape (lanes,)
        Width of the narrowest bin, Hz.
    total : array, shape (lanes,)
        Integral of the absolute power over frequency.
    largest : array, shape (lanes,)
        Largest absolute power.
    """

    lowest: Array
    highest: Array
    finest: Array
    total: Array
    largest: Array

    def bounds(self, name: str) -> tuple[Array, Array] | None:
        """Return the bounds of a parameter by its name; None where the data do not tell them."""
        if name in (*CENTRES, "bend_frequency"):
            return self.lowest, self.highest
        if name in WIDTHS:
            return self.finest / WIDTHS[name], 10 * self.highest
        if name == "level":
            return 1e-9 * self.largest, 1e3 * self.largest
        if name == "variance":
            return 1e-9 * self.total, 1e3 * self.total
        if name == "q":
            return 0.01, self.highest / self.finest
        return None


@dataclass(frozen=True)
class Sketch:
    """What spectra look like before anything is fitted, from which starting values follow.

    Attributes
    ----------
    level : array, shape (lanes,)
        Mean power at high frequencies.
    middle : array, shape (lanes,)
        Middle of the frequencies on a logarithmic scale, Hz.
    log_lowest, log_highest : array, shape (lanes,)
        Natural logarithms of the frequencies in Hz between which a bend is placed.
    amplitude : callable
        Function of a slope that returns the power at 1 Hz of the power law with that slope through the
        excess over the level at low frequencies, shape (lanes,).
    number : int
        Number of the start, from 0; each tries other shapes.
    """

    level: Array
    middle: Array
    log_lowest: Array
    log_highest: Array
    amplitude: Callable[[float], Array]
    number: int

    def start(self, name: str, names: Sequence[str], xp: ArrayFunctions) -> Array | None:
        """Return the start of a parameter by its name; None where the data do not tell it.

        Parameters
        ----------
        name : str
            Its name.
        names : sequence of str
            Names of all parameters of its component.
        xp : module
            Functions of arrays.
        """
        slope = _SLOPES[self.number % len(_SLOPES)]
        low, high, bend = _BENDS[self.number % len(_BENDS)]
        if name in ("level", "variance"):
            return self.level
        if name == "amplitude":
            return self.amplitude(low if "slope_low" in names else slope)
        if name in ("slope", "slope_low", "slope_high"):
            return {"slope": slope, "slope_low": low, "slope_high": high}[name]
        if name == "bend_frequency":
            return xp.exp(self.log_lowest + bend * (self.log_highest - self.log_lowest))
        if name in CENTRES:
            return self.middle
        return self.middle / WIDTHS[name] if name in WIDTHS else None
