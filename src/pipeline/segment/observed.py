"""Power spectra that come ready-made: their number of ordinates, their averages."""

import numpy as np

from pipeline.segment.rebin import Spectrum

LEAST_ERROR = 1e-9
"""Relative error below which it is none: that of an average of 10^18 ordinates."""


def from_errors(frequency_lo, frequency_hi, power, power_err, noise_known):
    """Turn a power spectrum with Gaussian errors into one with numbers of ordinates.

    The error of an average of n ordinates is S / sqrt(n), so n = (power / error)^2, provided that
    the power includes the noise, as S does; without it the spectrum stays Gaussian.

    Parameters
    ----------
    frequency_lo, frequency_hi : ndarray, shape (n_bins,)
        Edges, Hz.
    power, power_err : ndarray, shape (n_bins,)
        Power and its error.
    noise_known : bool
        Whether the noise level is known and included.

    Returns
    -------
    Spectrum
        Bins that cannot be used (no finite power, no positive error, with known noise no positive
        power) have no weight: n = 0, or an infinite error.
    """
    usable = np.isfinite(power) & np.isfinite(power_err) & (power_err > LEAST_ERROR * np.abs(power))
    if noise_known:
        usable &= power > 0
    error = np.where(usable, power_err, np.inf)
    power = np.where(usable, power, 0.0)
    nothing = np.zeros(0)
    return Spectrum(
        frequency=(frequency_lo + frequency_hi) / 2,
        frequency_lo=frequency_lo,
        frequency_hi=frequency_hi,
        power=power,
        n=(power / error) ** 2 if noise_known else nothing,
        power_err=nothing if noise_known else error,
    )


def from_ordinates(frequency_lo, frequency_hi, power, n):
    """Return a power spectrum, noise included, of which the numbers of ordinates are known.

    Parameters
    ----------
    frequency_lo, frequency_hi, power, n : ndarray, shape (n_bins,)
        Edges, Hz; power; ordinates averaged in each bin.

    Returns
    -------
    Spectrum
        Bins without a positive power have no weight: n = 0.
    """
    usable = np.isfinite(power) & (power > 0)
    return Spectrum(
        frequency=(frequency_lo + frequency_hi) / 2,
        frequency_lo=frequency_lo,
        frequency_hi=frequency_hi,
        power=np.where(usable, power, 0.0),
        n=np.where(usable, n, 0.0),
        power_err=np.zeros(0),
    )


def combine(spectra):
    """Average spectra of the same bins, weighted by their ordinates, or by their median errors.

    Parameters
    ----------
    spectra : sequence of Spectrum
        From `from_errors`, all with `n` or all with `power_err`.

    Returns
    -------
    Spectrum
        Of the bins that have any weight.
    """
    first = spectra[0]
    gaussian = not len(first.n)
    weights = np.array([_precision(s.power_err) if gaussian else s.n for s in spectra])
    total = weights.sum(axis=0)
    used = total > 0
    safe = np.where(used, total, 1)
    power = (weights * [s.power for s in spectra]).sum(axis=0) / safe
    nothing = np.zeros(0)
    return Spectrum(
        frequency=first.frequency,
        frequency_lo=first.frequency_lo,
        frequency_hi=first.frequency_hi,
        power=power,
        n=nothing if gaussian else total,
        power_err=_error(weights, spectra) / safe if gaussian else nothing,
    ).keep(used)


def _precision(error):
    """Return the weights of a spectrum's bins: one for all that can be used.

    Errors follow the power, so that 1 / error^2 of each bin would prefer what came out low.
    """
    good = np.isfinite(error) & (error > 0)
    weight = np.median(error[good]) ** -2.0 if good.any() else 0.0
    return np.where(good, weight, 0.0)


def _error(weights, spectra):
    """Return the error of a weighted sum."""
    errors = np.array(
        [np.where(w > 0, s.power_err, 0) for w, s in zip(weights, spectra, strict=True)]
    )
    return np.sqrt(((weights * errors) ** 2).sum(axis=0))
