"""Fractional rms from power spectra and excess variance from light curves, with their errors."""

import numpy as np

SIGNIFICANT = 3.0
"""Errors of the variance of noise alone that an excess must have for there to be an rms."""
ONE_SIDED = 1.6449
"""Errors above the value of a 95 % upper limit."""


def scatter(rate, missing=None, coarse=1):
    """Sum the squared deviations of rates from the mean of their own segment.

    Parameters
    ----------
    rate : ndarray, shape (k, n_bin)
        Rates in k segments.
    missing : ndarray of bool, shape (k, n_bin), optional
        Bins to leave out.
    coarse : int, optional
        Bins to average first; then no bin may be missing.

    Returns
    -------
    squares : float
        The sum over all segments.
    bins : int
        Bins that were used.
    """
    if coarse > 1:
        whole = rate.shape[1] // coarse
        rate = rate[:, : whole * coarse].reshape(len(rate), whole, coarse).mean(axis=2)
    used = np.ones(rate.shape, bool) if missing is None else ~missing
    bins = used.sum(axis=1, keepdims=True)
    mean = np.where(used, rate, 0).sum(axis=1, keepdims=True) / np.maximum(bins, 1)
    return float((np.where(used, rate - mean, 0) ** 2).sum()), int(bins.sum())


def excess_variance(variance, noise_variance, net_rate, n_bins):
    """Return the normalised excess variance and its error.

    Parameters
    ----------
    variance : float
        Variance of the rates, with N - 1.
    noise_variance : float
        Mean square of their errors.
    net_rate : float
        Mean rate, background subtracted.
    n_bins : int
        Number of rates, N.

    Returns
    -------
    value, error : float
        The value may be negative. The error is that of the measurement, Vaughan et al. 2003
        (MNRAS 345, 1271), eq. 11; it does not say how far another stretch of the same red noise
        would differ.
    """
    value = (variance - noise_variance) / net_rate**2
    noise = noise_variance / net_rate**2
    error = np.sqrt(2 / n_bins * noise**2 + 4 * noise * max(value, 0.0) / n_bins)
    return value, float(error)


def rms(power, noise, n, width):
    """Return the fractional rms of a power spectrum above its noise level.

    Parameters
    ----------
    power : ndarray, shape (n_frequency,)
        Fractional rms squared per Hz, noise included.
    noise : float
        Noise level.
    n : ndarray, shape (n_frequency,)
        Raw ordinates averaged in each power.
    width : ndarray, shape (n_frequency,)
        Width in frequency that each stands for, Hz.

    Returns
    -------
    value, err_lo, err_hi : float
        The interval of the variance, variance ± its error, carried over to its square root, where
        it reaches 0 at the least; for a strong signal both errors are sigma / (2 rms). NaN where noise alone
        would have as large a variance by chance, that is within `SIGNIFICANT` of its errors: the root
        of a chance excess would look like a measurement.
    limit : float
        The 95 % upper limit there; NaN where there is a value.

    Notes
    -----
    A power is S G / n with G ~ Gamma(n), so its variance is S^2 / n, and power^2 / (n + 1) is an
    unbiased estimate of that.
    """
    variance = np.sum((power - noise) * width)
    error = np.sqrt(np.sum((power * width) ** 2 / (n + 1)))
    by_chance = noise * np.sqrt(np.sum(width**2 / n))
    if not variance > SIGNIFICANT * by_chance:
        return np.nan, np.nan, np.nan, float(np.sqrt(max(variance, 0.0) + ONE_SIDED * error))
    value, low, high = np.sqrt([variance, max(variance - error, 0.0), variance + error])
    return float(value), float(value - low), float(high - value), np.nan
