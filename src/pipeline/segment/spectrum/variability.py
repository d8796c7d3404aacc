"""Fractional rms from power spectra and excess variance from light curves, with their errors."""

from dataclasses import dataclass

import numpy as np

from pipeline.status import Flag

SIGNIFICANT = 3.0
"""There is an rms where the excess exceeds this number of errors of the variance of noise alone."""
ONE_SIDED = 1.6449
"""Number of errors between the value and its 95 % upper limit."""


@dataclass(frozen=True)
class Rms:
    """A fractional rms with its 68.3 % errors, or an upper limit; all NaN where neither is known."""

    value: float = np.nan
    err_lo: float = np.nan
    err_hi: float = np.nan
    limit: float = np.nan

    @property
    def flag(self) -> Flag:
        """What is to be said of it."""
        if np.isfinite(self.value):
            return Flag(0)
        return Flag.NO_EXCESS if np.isfinite(self.limit) else Flag.RMS_UNKNOWN


@dataclass(frozen=True)
class Excess:
    """A normalised excess variance and its error; NaN where it is not known."""

    value: float = np.nan
    error: float = np.nan


RMS_UNKNOWN = Rms()
EXCESS_UNKNOWN = Excess()


@dataclass(frozen=True)
class Squares:
    """The sum of the squared deviations of `bins` rates."""

    total: float
    bins: int


def scatter(rate: np.ndarray, missing: np.ndarray | None = None, coarse: int = 1) -> Squares:
    """Sum the squared deviations of rates from the mean of their own segment.

    Parameters
    ----------
    rate : ndarray, shape (k, n_bin)
        Rates in k segments.
    missing : ndarray of bool, shape (k, n_bin), optional
        Bins to leave out.
    coarse : int, optional
        Bins to average first; then no bin may be missing.
    """
    if coarse > 1:
        whole = rate.shape[1] // coarse
        rate = rate[:, : whole * coarse].reshape(len(rate), whole, coarse)
        rate = rate @ np.full(coarse, 1 / coarse)
    if missing is None or not missing.any():
        off = rate - rate.mean(axis=1, keepdims=True)
        return Squares(float(np.vdot(off, off)), rate.size)
    used = ~missing
    bins = used.sum(axis=1, keepdims=True)
    mean = np.where(used, rate, 0).sum(axis=1, keepdims=True) / np.maximum(bins, 1)
    return Squares(float((np.where(used, rate - mean, 0) ** 2).sum()), int(bins.sum()))


def excess_variance(variance: float, noise_variance: float, net_rate: float, n_bins: int) -> Excess:
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
    Excess
        The value may be negative. The error is that of the measurement, Vaughan et al. 2003
        (MNRAS 345, 1271), eq. 11; it does not say how far another stretch of the same red noise
        would differ.
    """
    value = (variance - noise_variance) / net_rate**2
    noise = noise_variance / net_rate**2
    error = np.sqrt(2 / n_bins * noise**2 + 4 * noise * max(value, 0.0) / n_bins)
    return Excess(value, float(error))


def rms(power: np.ndarray, noise: float, n: np.ndarray, width: np.ndarray) -> Rms:
    """Return the fractional rms of a power spectrum above its noise level.

    Parameters
    ----------
    power : ndarray, shape (n_frequency,)
        Fractional rms squared per Hz, noise included.
    noise : float
        Noise level; NaN if unknown.
    n : ndarray, shape (n_frequency,)
        Raw ordinates averaged in each power.
    width : ndarray, shape (n_frequency,)
        Width in frequency that each stands for, Hz.

    Returns
    -------
    Rms
        The errors are those of the variance, variance ± its error, carried over to its square root, where
        the interval ends at 0; for a strong signal both are sigma / (2 rms). There is no value, but the 95 %
        upper limit, where noise alone would have as large a variance by chance, that is within `SIGNIFICANT` of
        its errors: the root of a chance excess would look like a measurement.

    Notes
    -----
    A power is S G / n with G ~ Gamma(n), so its variance is S^2 / n, and power^2 / (n + 1) is an
    unbiased estimate of that.
    """
    if np.isnan(noise):
        return RMS_UNKNOWN
    variance = np.sum((power - noise) * width)
    error = np.sqrt(np.sum((power * width) ** 2 / (n + 1)))
    by_chance = noise * np.sqrt(np.sum(width**2 / n))
    if not variance > SIGNIFICANT * by_chance:
        return Rms(limit=float(np.sqrt(max(variance, 0.0) + ONE_SIDED * error)))
    value, low, high = np.sqrt([variance, max(variance - error, 0.0), variance + error])
    return Rms(float(value), float(value - low), float(high - value))
