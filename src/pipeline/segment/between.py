"""Observations that are averaged and are not alike: in power, or in noise."""

import numpy as np

from pipeline.segment.stationarity import band_starts, bands

_VARIES = 4.0
"""Standard errors by which a band has power above the noise, to be compared between observations."""

_MATTERS = 0.25
"""Squared relative scatter of the power of observations that is worth a flag: so much larger is the variance
of their average."""

_ALIKE = 0.95
"""Part of their segments that like observations are worth, whose rates scatter as rates do."""


def scatter(power, noise, m):
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
        One less than observations; 0 where there is one only, where nothing varies, or where they differ so
        little that it changes no p-value much.
    """
    sums, spread, together = _strengths(*map(np.asarray, (power, noise, m)))
    if not _differ(sums, together, m):
        return 0.0, 0
    return float(np.sum((sums - together) ** 2 / spread)), len(m) - 1


def effective_segments(power, noise, m):
    """Return how many segments of like observations the average of unlike ones is worth at each frequency.

    The average of gamma variates of different means has a larger variance: their number is that of equal
    ones that have as large a one (Satterthwaite 1946, Biometrics Bulletin 2, 110). A faint observation has
    much noise in the fractional normalisation, and dominates the average.

    Parameters
    ----------
    power, noise, m
        As of `scatter`; where a noise level is not known all power is the source's.

    Returns
    -------
    ndarray, shape (ordinates,)
        At most the sum of `m`, which it is where observations are alike.
    """
    power, noise, m = (
        np.asarray(power),
        np.nan_to_num(np.asarray(noise, float)),
        np.asarray(m, float),
    )
    if len(power) == 1:
        return np.full(power.shape[1], m[0])
    sums, _, together = _strengths(power, noise, m)
    amplitude = np.ones(len(m))
    if _differ(sums, together, m):
        amplitude = np.maximum(sums / together, 0)
    starts = band_starts(power.shape[1])
    width = np.diff(np.append(starts, power.shape[1]))
    excess = np.maximum(bands(m @ (power - noise[:, None]) / m.sum()) / width, 0)
    density = amplitude[:, None] * excess + noise[:, None]
    square, squares = (m @ density) ** 2, m @ density**2
    number = np.where(squares > 0, square / np.where(squares > 0, squares, 1), m.sum())
    number = np.where(number > _ALIKE * m.sum(), m.sum(), number)
    return np.repeat(number, width)


def _strengths(power, noise, m):
    """Return the weighted power above the noise of each observation, its variance, and the mean of all."""
    excess = m @ (power - noise[:, None]) / m.sum()
    variance = bands((np.maximum(excess, 0) + noise[:, None]) ** 2) / m[:, None]
    mean = bands(excess)
    error = np.sqrt((m / m.sum()) ** 2 @ variance)
    weight = np.where(mean > _VARIES * error, mean, 0) / np.where(error > 0, m @ variance, 1)
    sums, spread = bands(power - noise[:, None]) @ weight, variance @ weight**2
    known = np.isfinite(noise).all() and (spread > 0).all()
    return sums, spread, np.average(sums, weights=1 / spread) if known else 0.0


def _differ(sums, together, m) -> bool:
    """Return whether observations differ by so much that it matters."""
    if len(sums) < 2 or not together > 0:
        return False
    return bool(np.average((sums / together - 1) ** 2, weights=m) > _MATTERS)
