"""Averages over neighbouring frequencies, which keep the number of ordinates."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """A power spectrum in bins of frequency; all arrays have shape (n_bins,).

    Attributes
    ----------
    frequency : ndarray
        Mean frequency of the ordinates in each bin, Hz.
    frequency_lo, frequency_hi : ndarray
        Edges, Hz.
    power : ndarray
        Mean power of the ordinates, noise included.
    n : ndarray
        Raw periodogram ordinates averaged: segments x frequencies, that at Nyquist counted half.
    power_err : ndarray, shape (n_bins,) or (0,)
        Gaussian error where `n` is not known; then `n` is empty.
    """

    frequency: np.ndarray
    frequency_lo: np.ndarray
    frequency_hi: np.ndarray
    power: np.ndarray
    n: np.ndarray
    power_err: np.ndarray

    def keep(self, mask: np.ndarray) -> "Spectrum":
        """Return the bins in which `mask` is true."""
        return Spectrum(*(a[mask] if len(a) else a for a in vars(self).values()))


def logarithmic(
    frequency: np.ndarray,
    weight: np.ndarray,
    power: np.ndarray,
    m: float | np.ndarray,
    df: float,
    fraction: float,
) -> Spectrum:
    """Rebin an averaged periodogram in bins whose width grows with their frequency.

    Parameters
    ----------
    frequency : ndarray, shape (n_frequency,)
        Consecutive Fourier frequencies, Hz.
    weight : ndarray, shape (n_frequency,)
        Weight of each ordinate; see `pipeline.segment.spectrum.periodogram.frequencies`.
    power : ndarray, shape (n_frequency,)
        Power averaged over segments.
    m : float or ndarray, shape (n_frequency,)
        Segments that were averaged, or the number of like segments that they are worth.
    df : float
        Spacing of the frequencies, Hz.
    fraction : float
        Width of a bin over the frequency at its start; 0: one frequency a bin.

    Returns
    -------
    Spectrum
        Powers weighted by `weight`, so that where S is flat each is exactly S Gamma(n) / n, and the
        sum of power x width is the same before and after.
    """
    first = _first_ordinates(np.rint(frequency / df), fraction)
    if not len(first):
        return Spectrum(*(np.zeros(0) for _ in range(6)))
    last = np.append(first[1:], len(frequency)) - 1
    total = np.add.reduceat(weight, first)
    return Spectrum(
        frequency=np.add.reduceat(weight * frequency, first) / total,
        frequency_lo=frequency[first] - df / 2,
        frequency_hi=frequency[last] + df * (weight[last] - 0.5),
        power=np.add.reduceat(weight * power, first) / total,
        n=np.add.reduceat(weight * m, first),
        power_err=np.zeros(0),
    )


def _first_ordinates(number: np.ndarray, fraction: float) -> np.ndarray:
    """Return the position of the first ordinate of each bin, given their multiples of df."""
    if len(number) and number[-1] - number[0] == len(number) - 1:
        return _of_consecutive(int(number[0]), len(number), fraction)
    return _first_of(number, fraction)


@lru_cache(maxsize=8)
def _of_consecutive(first: int, count: int, fraction: float) -> np.ndarray:
    """Return the same for consecutive ordinates, which those of most spectra of a shard are."""
    found = _first_of(np.arange(first, first + count, dtype=float), fraction)
    found.setflags(write=False)
    return found


def _first_of(number: np.ndarray, fraction: float) -> np.ndarray:
    """Return the position of the first ordinate of each bin."""
    if fraction == 0:
        return np.arange(len(number))
    steps = np.maximum(1, np.rint(fraction * number)).astype(np.int64).tolist()
    first, position, end = [], 0, len(steps)
    while position < end:
        first.append(position)
        position += steps[position]
    return np.array(first, np.int64)
