"""How much a peak stands out, by which the fit and the catalogue say which of several is the QPO."""

import numpy as np


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
