"""The power spectra that are injected, in fractional rms squared per Hz, one-sided."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.components.lorentzians import positive_fraction

NONE = float("nan")


@dataclass(frozen=True)
class PowerSpectrum:
    """A true power spectrum: a continuum that may bend, and a quasi-periodic oscillation.

    The parameters are those of the components ``power_law``, ``bending_power_law`` and
    ``lorentzian`` of `pipeline.components`; those of a component that is not there are NaN.

    Attributes
    ----------
    amplitude : float
        Factor of the continuum, at 1 Hz where it does not bend; 0: no continuum.
    slope : float
        Power falls as f^-slope; above the bend, where there is one.
    slope_low, bend_frequency : float
        Slope below the bend, and where it is, Hz.
    qpo_frequency, qpo_fwhm : float
        Centroid and full width at half maximum of the Lorentzian, Hz.
    qpo_rms : float
        Its fractional rms over all positive frequencies.
    floor_frequency : float
        The continuum is flat below this frequency, Hz, which should be just below the lowest one that is
        analysed. If the continuum rose further, the power that leaks from below into a finite segment would
        not be small compared with the stated spectrum, for slopes near 2.
    """

    amplitude: float = 0.0
    slope: float = NONE
    slope_low: float = NONE
    bend_frequency: float = NONE
    qpo_frequency: float = NONE
    qpo_fwhm: float = NONE
    qpo_rms: float = NONE
    floor_frequency: float = 0.0

    @property
    def is_white(self) -> bool:
        """Whether nothing varies."""
        return not self.amplitude and not self.has_qpo

    @property
    def has_qpo(self) -> bool:
        """Whether there is a Lorentzian."""
        return np.isfinite(self.qpo_rms)

    def continuum(self, frequency: float | np.ndarray) -> np.ndarray:
        """Return the power density of the continuum at `frequency` (Hz)."""
        f = np.maximum(frequency, self.floor_frequency)
        if not self.amplitude:
            return np.zeros_like(f)
        if np.isnan(self.bend_frequency):
            return self.amplitude * f**-self.slope
        # McHardy et al. 2004, MNRAS 348, 783, eq. 2
        bend = 1.0 + (f / self.bend_frequency) ** (self.slope - self.slope_low)
        return self.amplitude * f**-self.slope_low / bend

    def oscillation(self, frequency: float | np.ndarray) -> np.ndarray:
        """Return the power density of the Lorentzian at `frequency` (Hz)."""
        if not self.has_qpo:
            return np.zeros_like(frequency)
        half = 0.5 * self.qpo_fwhm
        variance = self.qpo_rms**2 / positive_fraction(self.qpo_frequency, self.qpo_fwhm, np)
        offset = frequency - self.qpo_frequency
        return variance * half / np.pi / (half**2 + offset**2)

    def __call__(self, frequency: float | np.ndarray) -> np.ndarray:
        """Return the power density at `frequency` (Hz), without the noise of the measurement."""
        frequency = np.asarray(frequency, dtype=float)
        return self.continuum(frequency) + self.oscillation(frequency)

    def scaled(self, factor: float) -> "PowerSpectrum":
        """Return the same spectrum with `factor` times the power."""
        return replace(
            self, amplitude=self.amplitude * factor, qpo_rms=self.qpo_rms * np.sqrt(factor)
        )

    def variance(self, lowest: float, highest: float) -> float:
        """Return the integral of the density between two frequencies (Hz)."""
        frequency = np.geomspace(lowest, highest, 4096)
        return float(np.trapezoid(self(frequency) * frequency, np.log(frequency)))
