"""Observations that are averaged although they differ in power or in noise."""

from dataclasses import dataclass

import numpy as np

from pipeline.segment.spectrum.stationarity import NOT_COMPARED, Scatter, band_starts, bands

_VARIES = 4.0
"""A band is compared between observations where its power exceeds the noise by this number of standard errors."""

_MATTERS = 0.25
"""Least squared relative scatter of the power of observations that is flagged. The variance of their average is larger by
this factor."""

_ALIKE = 0.95
"""Observations that are worth at least this part of their segments count as alike: rates always scatter a little."""


def scatter(power: np.ndarray, noise: np.ndarray, m: np.ndarray) -> Scatter:
    """Compare the power of observations that are averaged.

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
    Scatter
        With one degree of freedom less than observations; with none where there is one observation only, where
        nothing varies, or where they differ so little that it changes no p-value much.
    """
    m = np.asarray(m)
    found = _strengths(np.asarray(power), np.asarray(noise), m)
    if not found.differ(m):
        return NOT_COMPARED
    chi2 = np.sum((found.each - found.together) ** 2 / found.variance)
    return Scatter(float(chi2), len(m) - 1)


def effective_segments(power: np.ndarray, noise: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return how many segments of like observations the average of unlike ones is worth at each frequency.

    The average of gamma variates with different means has a larger variance than that of equal ones. It is worth the
    number of equal ones whose average has the same variance (Satterthwaite 1946, Biometrics Bulletin 2, 110). A
    faint observation has much noise in the fractional normalisation, and dominates the average.

    Parameters
    ----------
    power, noise, m
        See `scatter`. Where a noise level is not known, all power counts as that of the source.

    Returns
    -------
    ndarray, shape (ordinates,)
        At most the sum of `m`, and exactly that where observations are alike.
    """
    power, noise, m = (
        np.asarray(power),
        np.nan_to_num(np.asarray(noise, float)),
        np.asarray(m, float),
    )
    if len(power) == 1:
        return np.full(power.shape[1], m[0])
    found = _strengths(power, noise, m)
    amplitude = np.ones(len(m))
    if found.differ(m):
        amplitude = np.maximum(found.each / found.together, 0)
    starts = band_starts(power.shape[1])
    width = np.diff(np.append(starts, power.shape[1]))
    excess = np.maximum(bands(m @ (power - noise[:, None]) / m.sum()) / width, 0)
    density = amplitude[:, None] * excess + noise[:, None]
    square, squares = (m @ density) ** 2, m @ density**2
    number = np.where(squares > 0, square / np.where(squares > 0, squares, 1), m.sum())
    number = np.where(number > _ALIKE * m.sum(), m.sum(), number)
    return np.repeat(number, width)


@dataclass(frozen=True)
class _Strengths:
    """The power of observations above the noise, summed with weights over the bands.

    Attributes
    ----------
    each, variance : ndarray, shape (observations,)
        The sum of each observation, and its variance.
    together : float
        Their mean; 0 where a noise level is not known, or where no band has power above the noise.
    """

    each: np.ndarray
    variance: np.ndarray
    together: float

    def differ(self, m: np.ndarray) -> bool:
        """Return whether observations of `m` segments each differ by so much that it matters."""
        if len(self.each) < 2 or not self.together > 0:
            return False
        squares = (self.each / self.together - 1) ** 2
        return bool(np.average(squares, weights=m) > _MATTERS)


def _strengths(power: np.ndarray, noise: np.ndarray, m: np.ndarray) -> _Strengths:
    """Sum the power above the noise of each observation, with the weights that `scatter` says."""
    excess = m @ (power - noise[:, None]) / m.sum()
    variance = bands((np.maximum(excess, 0) + noise[:, None]) ** 2) / m[:, None]
    mean = bands(excess)
    error = np.sqrt((m / m.sum()) ** 2 @ variance)
    weight = np.where(mean > _VARIES * error, mean, 0) / np.where(error > 0, m @ variance, 1)
    sums, spread = bands(power - noise[:, None]) @ weight, variance @ weight**2
    known = np.isfinite(noise).all() and (spread > 0).all()
    return _Strengths(sums, spread, np.average(sums, weights=1 / spread) if known else 0.0)
