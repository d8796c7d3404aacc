"""Whether the power of a source is the same in all segments: where it is not, p-values are too small."""

import numpy as np
from scipy.special import chdtrc

BANDS = 32
"""Frequency bands, logarithmic, in which the power of a segment is compared."""
LEAST_BINS, LEAST_SEGMENTS = 32, 4
"""Bins in a segment, and segments, that the comparison needs."""
_VARIES = 4.0
"""Standard errors by which a band has power above the noise, to be compared between observations."""
_MATTERS = 0.25
"""Squared relative scatter of the power of observations that is worth a flag."""
HANN = 1 + 2 * (2 / 3) ** 2 + 2 * (1 / 6) ** 2
"""Variance of a sum of many ordinates of a Hann window over that of independent ones (Harris 1978, Proc. IEEE 66, 51)."""
MEAN_SQUARE = 3 / 8
"""Mean of the squared Hann window."""


def counting_noise(rate, dt):
    """Return the expected power of Poisson noise in each segment, under the window, shape (segments,).

    `rate`, shape (segments, n_bin), is in ct/s, and the power that of `windowed`, a squared transform.
    """
    n_bin = rate.shape[1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_bin) / n_bin)
    return rate @ window**2 / dt


def bands(power):
    """Sum power over the bands.

    Parameters
    ----------
    power : ndarray, shape (…, ordinates)
        See `windowed`.

    Returns
    -------
    ndarray, shape (…, bands)
    """
    count = power.shape[-1]
    first = np.unique(np.round(np.geomspace(1, count + 1, BANDS + 1)).astype(int))[:-1] - 1
    return np.add.reduceat(power, first, axis=-1)


def windowed(transform):
    """Return the power of segments under a Hann window, shape (segments, ordinates).

    From the third ordinate up to the last but one. Without it the power that leaks from below the lowest frequency, the same for all ordinates of a
    segment, would make every steep spectrum look non-stationary.

    Parameters
    ----------
    transform : ndarray of complex, shape (segments, n_bin // 2 + 1)
        Fourier transforms without a window, from frequency zero.
    """
    tapered = transform[:, 2:-1] / 2 - (transform[:, 1:-2] + transform[:, 3:]) / 4
    return tapered.real**2 + tapered.imag**2


def scatter_of_power(banded, mean, noise=None):
    """Compare the power of segments; return a chi2 statistic and its degrees of freedom.

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
        Noise level of each, which follows its mean rate where counts are counted: not a change of the source.

    Returns
    -------
    chi2 : float
        0 where there are too few segments.
    dof : int
        0 there.
    """
    m = len(banded)
    if m < LEAST_SEGMENTS or not (mean > 0).all():
        return 0.0, 0
    variance = bands(mean**2) / bands(mean) ** 2
    off = banded - banded.mean(axis=0)
    if noise is not None:
        off = off - (noise - noise.mean())[:, None] * bands(np.ones(mean.shape))
    off = (off / banded.mean(axis=0) / variance).sum(axis=1)
    total = (off**2).sum() / (1 / variance).sum() / HANN
    return float(total * m / (m - 1)), m - 1


def p_value(chi2, dof):
    """Return the probability of as large a scatter from a stationary source, NaN without segments."""
    return float(chdtrc(dof, chi2)) if dof else np.nan


def between(power, noise, m):
    """Compare the power of observations that are averaged; return a chi2 statistic and its degrees of freedom.

    The power above the noise is summed over the bands that have any, each with the weight that their mean over
    observations and its variance give, which is that of averages of `m` exponentially distributed ordinates.

    Parameters
    ----------
    power : ndarray, shape (observations, ordinates)
        Averaged periodograms in a normalisation in which they are to be the same, noise included.
    noise : ndarray, shape (observations,)
        Noise level of each; NaN if unknown, and then nothing is compared.
    m : ndarray, shape (observations,)
        Segments of each.

    Returns
    -------
    chi2 : float
    dof : int
        One less than observations; 0 where there is one only, where nothing varies, or where the averaged
        powers scatter by less than a quarter more for it in variance, which changes no p-value much.
    """
    power, noise, m = np.asarray(power), np.asarray(noise, float), np.asarray(m, float)
    if len(power) < 2 or not np.isfinite(noise).all():
        return 0.0, 0
    excess = m @ (power - noise[:, None]) / m.sum()
    variance = bands((np.maximum(excess, 0) + noise[:, None]) ** 2) / m[:, None]
    mean = bands(excess)
    error = np.sqrt((m / m.sum()) ** 2 @ variance)
    weight = np.where(mean > _VARIES * error, mean, 0) / (m @ variance)
    sums, spread = bands(power - noise[:, None]) @ weight, variance @ weight**2
    if not (spread > 0).all():
        return 0.0, 0
    together = np.average(sums, weights=1 / spread)
    if not np.average((sums / together - 1) ** 2, weights=m) > _MATTERS:
        return 0.0, 0
    return float(np.sum((sums - together) ** 2 / spread)), len(m) - 1
