"""The variance in a band of frequencies, with an interval that covers also where few ordinates are averaged.

The power that is summed over a band, noise included, is nearly gamma distributed: exactly where the spectrum is flat. Its
shape is the number of independent ordinates in the band, weighted by their powers (Satterthwaite 1946, Biometrics
Bulletin 2, 110). The noise level is known.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammainccinv, ndtr

SIGNIFICANT = 3.0
"""A variance is measured where noise alone reaches it as rarely as a Gaussian variate exceeds this number of errors."""

ONE_SIGMA = float(ndtr(-1.0))
"""Probability on each side of a 68.3 % interval."""

LIMIT = 0.95
"""Probability of a limit."""

LEAST = 3.0
"""Independent ordinates in a band below which nothing is said of its variance."""


@dataclass(frozen=True)
class Band:
    """What was measured in a band of frequencies.

    Attributes
    ----------
    total : float
        Integral of the power, noise included.
    noise : float
        Integral of the noise level.
    shape : float
        Independent ordinates that the total is worth.
    noise_shape : float
        Those that it would be worth, if there were nothing but noise.
    """

    total: float
    noise: float
    shape: float
    noise_shape: float

    @property
    def variance(self) -> float:
        """Variance of the source in the band; may be negative."""
        return self.total - self.noise

    @property
    def is_measured(self) -> bool:
        """Whether noise alone seldom has as much power."""
        if not self.noise > 0:
            return self.variance > 0
        chance = gammaincc(self.noise_shape, self.noise_shape * self.total / self.noise)
        return bool(chance < ndtr(-SIGNIFICANT))

    def quantile(self, probability: float | np.ndarray) -> np.ndarray:
        """Return the variance that is below the true one with a probability of one less `probability`.

        That is the quantile of its confidence distribution: the total divided by a gamma variate of mean 1.
        """
        return self.total * self.shape / gammainccinv(self.shape, probability) - self.noise


def band(
    lo: float,
    hi: float,
    edges: tuple[np.ndarray, np.ndarray],
    power: np.ndarray,
    noise: float,
    n: np.ndarray,
) -> Band | None:
    """Measure the variance in a band.

    Parameters
    ----------
    lo, hi : float
        Edges of the band, Hz.
    edges : (ndarray, ndarray), each of shape (n_frequency,)
        Edges of the range of frequencies that each ordinate stands for, Hz.
    power : ndarray, shape (n_frequency,)
        Averaged power, noise included.
    noise : float
        Noise level.
    n : ndarray, shape (n_frequency,)
        Raw ordinates averaged in each.

    Returns
    -------
    Band or None
        None where the power is that of fewer than `LEAST` independent ordinates.
    """
    width = np.minimum(edges[1], hi) - np.maximum(edges[0], lo)
    inside = width > 0
    width, power, n = width[inside], power[inside], n[inside]
    if not (power > 0).all() or len(power) < LEAST:
        return None
    number = _shape((edges[0][inside] + edges[1][inside]) / 2, width, power, n)
    if number < LEAST:
        return None
    return Band(
        total=float(width @ power),
        noise=float(noise * width.sum()),
        shape=number,
        noise_shape=float(width.sum() ** 2 / np.sum(width**2 / n)),
    )


def _shape(frequency: np.ndarray, width: np.ndarray, power: np.ndarray, n: np.ndarray) -> float:
    """Return how many independent ordinates a sum of powers is worth.

    It depends on the true powers. Two estimates stand for them, and the smaller number counts. The powers
    themselves are right where a narrow peak has most of the variance, but a few of them scatter much: their
    squares are an estimate of the square of the density times 1 + 1 / n, and one ordinate too many results. A power
    law through them scatters little, but has no peak.
    """
    own = (width @ power) ** 2 / np.sum((width * power) ** 2 / (n + 1)) - 1
    logarithm = np.log(frequency)
    slope, level = np.polyfit(logarithm - logarithm.mean(), np.log(power), 1)
    smooth = np.exp(level + slope * (logarithm - logarithm.mean()))
    return float(min(own, (width @ smooth) ** 2 / np.sum((width * smooth) ** 2 / n)))
