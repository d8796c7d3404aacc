"""Whether the power of a source is the same in all segments: where it is not, p-values are too small."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import chdtrc

BANDS = 32
"""Frequency bands, logarithmic, in which the power of a segment is compared."""
LEAST_BINS, LEAST_SEGMENTS = 32, 4
"""Bins in a segment, and segments, that the comparison needs."""
HANN = 1 + 2 * (2 / 3) ** 2 + 2 * (1 / 6) ** 2
"""Variance of a sum of many ordinates of a Hann window over that of independent ones (Harris 1978, Proc. IEEE 66, 51)."""
MEAN_SQUARE = 3 / 8
"""Mean of the squared Hann window."""


@dataclass(frozen=True)
class Scatter:
    """A sum of squared deviations of powers from their mean, in units of their variance.

    Attributes
    ----------
    chi2 : float
        It follows a chi2 distribution where the powers differ by chance only.
    dof : int
        Degrees of freedom of that; 0 where nothing was compared.
    """

    chi2: float = 0.0
    dof: int = 0

    def __add__(self, other: "Scatter") -> "Scatter":
        return Scatter(self.chi2 + other.chi2, self.dof + other.dof)

    @property
    def p_value(self) -> float:
        """Probability of as large a scatter from a stationary source; NaN where nothing was compared."""
        return float(chdtrc(self.dof, self.chi2)) if self.dof else np.nan


NOT_COMPARED = Scatter()


def counting_noise(rate: np.ndarray, dt: float) -> np.ndarray:
    """Return the expected power of Poisson noise in each segment, under the window, shape (segments,).

    `rate`, shape (segments, n_bin), is in ct/s, and the power that of `windowed`, a squared transform.
    """
    return rate @ _squared_window(rate.shape[1]) / dt


@lru_cache(maxsize=2)
def _squared_window(n_bin: int) -> np.ndarray:
    """Return the squares of the Hann window, shape (n_bin,)."""
    squares = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_bin) / n_bin)) ** 2
    squares.setflags(write=False)
    return squares


def bands(power: np.ndarray) -> np.ndarray:
    """Sum power over the bands.

    Parameters
    ----------
    power : ndarray, shape (…, ordinates)
        See `windowed`.

    Returns
    -------
    ndarray, shape (…, bands)
    """
    return np.add.reduceat(power, band_starts(power.shape[-1]), axis=-1)


@lru_cache(maxsize=8)
def band_starts(count: int) -> np.ndarray:
    """Return the first ordinate of each band, where there are `count` ordinates."""
    starts = np.unique(np.round(np.geomspace(1, count + 1, BANDS + 1)).astype(int))[:-1] - 1
    starts.setflags(write=False)
    return starts


def windowed(transform: np.ndarray) -> np.ndarray:
    """Return the power of segments under a Hann window, shape (segments, ordinates).

    The ordinates are those from the third to the last but one. Without a window, power leaks from below the lowest
    frequency. It is the same for all ordinates of a segment, and would make every steep spectrum look
    non-stationary.

    Parameters
    ----------
    transform : ndarray of complex, shape (segments, n_bin // 2 + 1)
        Fourier transforms without a window, from frequency zero.
    """
    pairs = np.ascontiguousarray(transform).view(float)  # real and imaginary parts
    tapered = pairs[:, 2:-4] + pairs[:, 6:]
    tapered *= -0.5
    tapered += pairs[:, 4:-2]  # twice the transform under the window
    tapered *= tapered
    power = tapered[:, ::2] + tapered[:, 1::2]
    power *= 0.25
    return power


def scatter_of_power(
    banded: np.ndarray, mean: np.ndarray, noise: np.ndarray | None = None
) -> Scatter:
    """Compare the power of segments.

    Each band is compared with its mean over segments, and the bands are averaged with the weights that
    exponentially distributed ordinates of a stationary process have. The sum of squares over segments
    follows a chi2 distribution with one degree of freedom less than there are segments.

    Parameters
    ----------
    banded : ndarray, shape (segments, bands)
        Power summed over the bands.
    mean : ndarray, shape (ordinates,)
        Power averaged over the segments.
    noise : ndarray, shape (segments,), optional
        Noise level of each segment. That of counts follows their mean rate, and is no change of the source.

    Returns
    -------
    Scatter
        Without degrees of freedom where there are too few segments.
    """
    m = len(banded)
    if m < LEAST_SEGMENTS or not (mean > 0).all():
        return NOT_COMPARED
    variance = bands(mean**2) / bands(mean) ** 2
    off = banded - banded.mean(axis=0)
    if noise is not None:
        off = off - (noise - noise.mean())[:, None] * bands(np.ones(mean.shape))
    off = (off / banded.mean(axis=0) / variance).sum(axis=1)
    total = (off**2).sum() / (1 / variance).sum() / HANN
    return Scatter(float(total * m / (m - 1)), m - 1)
