"""How prominent and how narrow a peak is: the fit and the catalogue choose the QPO by these."""

import numpy as np
from numpy.typing import ArrayLike

SIGMAS = 1.645
"""Errors by which the logarithm of a quality factor exceeds the least one: 95 % confidence, one-sided."""


def is_narrow(q: ArrayLike, q_err: ArrayLike, min_q: float) -> np.ndarray:
    """Return whether the data show that a peak is narrow: its Q exceeds the least one with 95 % confidence.

    A component whose Q agrees with the least one within its error may as well be a part of the broad noise.

    Parameters
    ----------
    q, q_err : float or array
        Quality factor and its error on the lower side. Where the error is NaN or infinite, q alone decides.
    min_q : float
        Least quality factor.
    """
    q, q_err = np.asarray(q, float), np.asarray(q_err, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.isfinite(q_err) & (q_err < q)
        error = np.where(known, -np.log1p(-np.where(known, q_err / q, 0.0)), 0.0)
        return q > min_q * np.exp(SIGMAS * error)


def prominence(
    variance: ArrayLike, frequency: ArrayLike, fwhm: ArrayLike, bin_width: ArrayLike = 0.0
) -> np.ndarray:
    """Return frequency times power density at the centroid of a Lorentzian, averaged over a bin.

    In this representation equal areas are equal variances a decade, and a peak is as high as it looks
    (Belloni et al. 1997, A&A 322, 857). A broad component may have more variance than the QPO above it.

    Parameters
    ----------
    variance, frequency, fwhm : float or array
        Integral of the Lorentzian over frequency, its centroid (Hz) and its full width (Hz).
    bin_width : float or array, optional
        Width of the bin about the centroid, Hz. A Lorentzian that is narrower than the bin is not higher
        for being narrow.
    """
    width, fwhm = np.asarray(bin_width, float), np.asarray(fwhm, float)
    x = width / fwhm
    inside = np.where(x > 1e-6, np.arctan(x) / np.where(x > 1e-6, x, 1.0), 1.0)
    return 2 * np.asarray(variance) * np.asarray(frequency) / (np.pi * fwhm) * inside
