"""Narrow Lorentzians that overlap are one feature, measured as one.

A QPO whose frequency drifts during the observation averages to a skewed peak, which takes two
Lorentzians to fit. Neither of them is the QPO: its frequency is their common centroid.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.components.lorentzians import positive_fraction
from pipeline.prominence import prominence

NARROW = 2.0
"""Q above which a Lorentzian is narrow (by convention: van der Klis 2006, CUP)."""
COMPARABLE = 3.0
"""Peaks of one blend are as prominent within this factor; a shoulder under a peak is not part of it."""
_STEPS = 2001


def find(peaks: Sequence[Any] | np.ndarray) -> list[list[int]]:
    """Return the blends among the peaks of a model.

    Two narrow peaks blend if their half-maximum ranges overlap and they are comparably prominent
    (`pipeline.prominence`).

    Parameters
    ----------
    peaks : array, shape (k, 3)
        Variance, frequency and FWHM of each Lorentzian.

    Returns
    -------
    list of list of int
        Numbers of the peaks of each blend of two or more.
    """
    variance, frequency, fwhm = np.asarray(peaks, float).reshape(-1, 3).T
    order = [k for k in np.argsort(frequency).tolist() if frequency[k] > NARROW * fwhm[k]]
    height = prominence(variance, frequency, fwhm)
    groups: list[list[int]] = []
    for k in order:
        for group in groups:
            if any(
                abs(frequency[k] - frequency[j]) < (fwhm[k] + fwhm[j]) / 2
                and max(height[k], height[j]) < COMPARABLE * min(height[k], height[j])
                for j in group
            ):
                group.append(k)
                break
        else:
            groups.append([k])
    return [sorted(group) for group in groups if len(group) > 1]


def measure(u: Float[np.ndarray, "k3 lanes"]) -> Float[np.ndarray, "4 lanes"]:
    """Return the logarithms of variance, frequency, FWHM and positive variance of a blend.

    Parameters
    ----------
    u : array, shape (3 k, lanes)
        Logarithms of variance, frequency and FWHM of each of its peaks in turn.

    Returns
    -------
    array, shape (4, lanes)
        Sum of the variances; centroid weighted by variance; full width of the sum of the peaks at
        half its maximum; variance at positive frequencies.
    """
    values = np.exp(np.asarray(u))
    return np.log(np.stack([_measure_one(column) for column in values.T], axis=1))


def _measure_one(values):
    """Variance, frequency, FWHM and positive variance of a blend of peaks, from values of shape (3 k,)."""
    variance, frequency, fwhm = values.reshape(-1, 3).T
    total = variance.sum()
    positive = np.sum(variance * positive_fraction(frequency, fwhm, np))
    centroid = np.sum(variance * frequency) / total
    grid = np.linspace((frequency - 2 * fwhm).min(), (frequency + 2 * fwhm).max(), _STEPS)
    half = fwhm[:, None] / 2
    profile = np.sum(
        variance[:, None] * half / (half**2 + (grid - frequency[:, None]) ** 2), axis=0
    )
    return np.array([total, centroid, _width(grid, profile), positive])


def _width(grid, profile):
    """Distance between the outermost crossings of half the maximum, by linear interpolation."""
    above = np.flatnonzero(profile > profile.max() / 2)
    ends = []
    for inside, outside in ((above[0], above[0] - 1), (above[-1], above[-1] + 1)):
        part = (profile[inside] - profile.max() / 2) / (profile[inside] - profile[outside])
        ends.append(grid[inside] + part * (grid[outside] - grid[inside]))
    return ends[1] - ends[0]


def covariance(
    u: Float[np.ndarray, "k3 lanes"], matrix: Float[np.ndarray, "k3 k3 lanes"]
) -> tuple[Float[np.ndarray, "4 lanes"], Float[np.ndarray, "4 4 lanes"]]:
    """Return `measure` of a blend and its covariance, by central differences of a tenth of a sigma.

    Parameters
    ----------
    u : array, shape (3 k, lanes)
        See `measure`.
    matrix : array, shape (3 k, 3 k, lanes)
        Covariance of u; NaN where there is none.

    Returns
    -------
    measured : array, shape (4, lanes)
        See `measure`.
    covariance : array, shape (4, 4, lanes)
        Its covariance.
    """
    variances = np.nan_to_num(np.einsum("iil->il", matrix))
    step = 0.1 * np.sqrt(np.clip(variances, 1e-12, 1.0))
    jacobian = np.empty((4, *u.shape))
    for k in range(len(u)):
        shift = np.zeros(u.shape)
        shift[k] = step[k]
        jacobian[:, k] = (measure(u + shift) - measure(u - shift)) / (2 * step[k])
    return measure(u), np.einsum("ikl,kml,jml->ijl", jacobian, matrix, jacobian)
