"""Quantities that follow from the parameters of a component."""

from dataclasses import dataclass

from pipeline.components.arrays import Array


@dataclass(frozen=True)
class Calibration:
    """What turns the power of spectra into a fractional rms; each array has shape (lanes,).

    Attributes
    ----------
    to_fraction : array
        What a variance is multiplied by to be a fraction of the squared mean rate; NaN if not known.
    time_bin : array
        Length of the time bins that the rates were averaged over, s; NaN if not known.
    """

    to_fraction: Array
    time_bin: Array

    @property
    def known(self) -> Array:
        """Where the fractional rms is known, bool array of shape (lanes,)."""
        return self.to_fraction == self.to_fraction

    def kept(self, frequency: Array) -> Array:
        """Return the fraction of the power at a frequency that is left after averaging over time bins.

        The square of sin(x) / x with x = pi frequency time_bin (van der Klis 1989, NATO ASI C 262, 27); 1
        where the time bin is not known, as of ready-made spectra.
        """
        import numpy as np

        known = np.isfinite(self.time_bin)
        return np.where(known, np.sinc(frequency * np.where(known, self.time_bin, 0.0)) ** 2, 1.0)


@dataclass(frozen=True)
class Derived:
    """A quantity that follows from the parameters of a component.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    value : array, shape (lanes,)
        Its value.
    log_slopes : array, shape (p, lanes)
        Derivatives of its logarithm by the logarithms of the parameters.
    unit : str
        Its unit.
    known : bool array, shape (lanes,), optional
        Which lanes have it; None: all.
    """

    name: str
    value: Array
    log_slopes: Array
    unit: str = ""
    known: Array | None = None
