"""Does the power of low frequencies leak into the others? A comparison of the same segments with and without a window tells.

Where nothing leaks, both powers estimate the same spectrum, and their ratio differs from one by chance only. The power without
a window, S G, and that under a Hann window share part of their chance: in a band of n ordinates the variance of the
logarithm of their ratio is (1 + 1.944 - 2) / n, for 1.944 is the variance of a sum of correlated ordinates over that of
independent ones (Harris 1978, Proc. IEEE 66, 51), and the covariance is that of the power without a window.

Power that falls faster than f^-2 from the lowest frequencies on leaks, unless the two ends of a segment happen to be equal.
In a single segment they may be; then nothing leaks, but the spectrum is as wrong as if it did. So steep power counts too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, ndtr

from pipeline.segment.spectrum.stationarity import HANN

FIRST = 4
"""The first ordinate that is compared: below it the window itself mixes neighbours."""
LEAST_ORDINATES = 32
"""Segments times ordinates that a band needs, for the logarithm of its power to be nearly normal."""
UNEVEN = 1.2
"""How much larger the variance is where the power, multiplied by f^2, varies like f^2 or f^-2 over an octave."""
ALPHA = 1e-3
"""Power leaks where its excess without a window has, by chance, a smaller probability than this."""
STEP = 1.2
"""Least ratio of the powers, multiplied by f^2, of one band and the next where they are steep."""
STEEP_ALPHA = 0.01
"""Power is steeper than f^-2 where such a fall has, by chance, a smaller probability than this."""
LEAST_EXCESS = 0.1
"""Least excess of power, in the logarithm, for which a window is used, because a window costs half of the ordinates."""


@dataclass(frozen=True)
class Compared:
    """Power in bands of an octave, each ordinate multiplied by its squared frequency; shapes (bands,).

    Attributes
    ----------
    plain, windowed : ndarray
        Without and with a window, summed over segments. Any unit, the same for both.
    ordinates : ndarray
        Segments times ordinates in each band.
    """

    plain: np.ndarray
    windowed: np.ndarray
    ordinates: np.ndarray


def compare(plain: np.ndarray, windowed: np.ndarray, noise: float, m: int) -> Compared:
    """Sum powers over the bands.

    Parameters
    ----------
    plain, windowed : ndarray, shape (n,)
        Power of the ordinates 2, 3, ..., averaged over m segments, without and with a Hann window
        of mean square 1.
    noise : float
        Counting noise contained in `plain` less that in `windowed`: it is not the same where the rate
        changes along a segment.
    m : int
        Segments.
    """
    number = np.arange(2, 2 + len(plain))
    edges = FIRST * 2 ** np.arange(int(np.log2(max((len(plain) + 2) / FIRST, 1))))
    first = edges - 2
    count = np.diff(np.append(first, len(plain)))
    if not len(first):
        return Compared(*(np.zeros(0) for _ in range(3)))
    square = number.astype(float) ** 2
    return Compared(
        m * np.add.reduceat(plain * square, first),
        m * np.add.reduceat((windowed + noise) * square, first),
        m * count,
    )


@dataclass(frozen=True)
class Assessed:
    """The result of the comparison.

    Attributes
    ----------
    p_value : float
        Probability of as much power without a window if nothing leaked: of the band with the most
        significant excess, times the number of bands; NaN where no band has enough ordinates.
    excess : float
        Logarithm of the ratio of the powers in that band.
    steep : bool
        Whether the power under the window falls faster than f^-2 from the lowest band on.
    """

    p_value: float
    excess: float
    steep: bool

    @property
    def leaks(self) -> bool:
        """Whether a window is needed."""
        return bool(self.p_value < ALPHA and self.excess > LEAST_EXCESS) or self.steep


def assess(observations: Sequence[tuple[Compared, float]]) -> Assessed:
    """Say whether power leaks, from all observations of a product together.

    Parameters
    ----------
    observations : sequence of (Compared, float)
        Each with the factor that its power is multiplied by before the observations are added up.
    """
    size = max((len(c.plain) for c, _ in observations), default=0)
    plain, windowed, n = np.zeros((3, size))
    for one, factor in observations:
        plain[: len(one.plain)] += one.plain * factor
        windowed[: len(one.plain)] += one.windowed * factor
        n[: len(one.plain)] += one.ordinates
    used = (n >= LEAST_ORDINATES) & (plain > 0) & (windowed > 0)
    steep = is_steep(windowed, n)
    if not used.any():
        return Assessed(np.nan, np.nan, steep)
    excess = np.log(plain[used] / windowed[used])
    sigma = excess / np.sqrt((HANN - 1) * UNEVEN / n[used])
    best = int(np.argmax(sigma))
    p_value = float(min(1.0, used.sum() * ndtr(-sigma[best])))
    return Assessed(p_value, float(excess[best]), steep)


def is_steep(windowed: np.ndarray, n: np.ndarray) -> bool:
    """Return whether power, multiplied by f^2, falls from the lowest band to the next two at least.

    Parameters
    ----------
    windowed, n : ndarray, shape (bands,)
        See `Compared`. Two steps are asked for because a peak in the lowest band makes one.
    """
    n = np.asarray(n, float)
    if len(n) < 3 or not (np.asarray(windowed) > 0).all():
        return False
    mean = windowed / n
    falls = mean[:-1] > STEP * mean[1:]
    last = len(falls) if falls.all() else int(np.argmin(falls))
    if last < 2:
        return False
    dof = 2 * n / (HANN * UNEVEN)
    return bool(fdtrc(dof[0], dof[last], mean[0] / mean[last]) < STEEP_ALPHA)
