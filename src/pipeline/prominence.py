"""How much a peak stands out and whether it is narrow: by which fit and catalogue say what is the QPO."""

import numpy as np

SIGMAS = 1.645
"""Errors by which the logarithm of a quality factor is above the least one: 95 % confidence, one-sided."""


def is_narrow(q, q_err, min_q):
    """Return whether the data say that a peak is narrow: whether its Q is above the least with 95 % confidence.

    A component whose Q is the least one within its error is as well a part of the broad noise.

    Parameters
    ----------
    q, q_err : float or array
        Quality factor and its error on the lower side; where that is NaN or infinite, q itself decides.
    min_q : float
        Least quality factor.
    """
    q, q_err = np.asarray(q, float), np.asarray(q_err, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.isfinite(q_err) & (q_err < q)
        error = np.where(known, -np.log1p(-np.where(known, q_err / q, 0.0)), 0.0)
        return q > min_q * np.exp(SIGMAS * error)


def prominence(variance, frequency, fwhm, bin_width=0.0):
    """Return frequency times power density at the centroid of a Lorentzian, averaged over a bin.

    In this representation equal areas are equal variances a decade, and a peak is as high as it looks
    (Belloni et al. 1997, A&A 322, 857). A broad component may have more variance than the QPO that it lies under.

    Parameters
    ----------
    variance, frequency, fwhm : float or array
        Of the Lorentzian: integral over frequency, Hz, Hz.
    bin_width : float or array, optional
        Width of the bin about the centroid, Hz: what is narrower is not higher for it.
    """
    width, fwhm = np.asarray(bin_width, float), np.asarray(fwhm, float)
    x = width / fwhm
    inside = np.where(x > 1e-6, np.arctan(x) / np.where(x > 1e-6, x, 1.0), 1.0)
    return 2 * variance * frequency / (np.pi * fwhm) * inside
