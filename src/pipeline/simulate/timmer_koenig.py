"""Gaussian noise with a given power spectrum (Timmer & Koenig 1995, A&A 300, 707)."""

from collections.abc import Callable

import numpy as np
from scipy import fft

LONGER = 10
"""How many times longer than what is returned a series is simulated, for red-noise leakage."""


def fourier_amplitudes(power: np.ndarray, rng: np.random.Generator, *, nyquist: bool) -> np.ndarray:
    """Draw the Fourier amplitudes of one realisation of a noise process.

    Parameters
    ----------
    power : ndarray, shape (m,)
        Expected squared modulus of each amplitude, from frequency zero upwards.
    rng : numpy.random.Generator
        Where the draws come from.
    nyquist : bool
        Whether the last frequency is the Nyquist frequency, as in a series of even length.

    Returns
    -------
    ndarray of complex, shape (m,)
        Real and imaginary parts are normal with variance ``power / 2``. Frequency zero and the
        Nyquist frequency have no imaginary part: there the real part alone has all the variance.
    """
    scale, size = np.sqrt(0.5 * np.asarray(power)), len(power)
    amplitudes = np.empty(size, complex)
    np.multiply(rng.standard_normal(size), scale, out=amplitudes.real)
    np.multiply(rng.standard_normal(size), scale, out=amplitudes.imag)
    real = [0, -1] if nyquist else [0]
    amplitudes.real[real] *= np.sqrt(2.0)
    amplitudes.imag[real] = 0.0
    return amplitudes


def series(
    density: Callable[[np.ndarray], np.ndarray],
    n: int,
    dt: float,
    rng: np.random.Generator,
    *,
    finer: int = 1,
) -> np.ndarray:
    """Simulate a stretch of a stationary Gaussian process.

    A series `LONGER` times longer is drawn, on a grid `finer` times finer, and a stretch of it is
    averaged over the bins: so the stretch has power below its own lowest frequency, as in nature,
    and above its Nyquist frequency.

    Parameters
    ----------
    density : callable
        One-sided power density at an array of positive frequencies (Hz), in 1/Hz.
    n : int
        Number of bins.
    dt : float
        Width of a bin, s.
    rng : numpy.random.Generator
        Where the draws come from.
    finer : int, optional
        Points of the grid in a bin.

    Returns
    -------
    ndarray, shape (n,)
        The series. The mean over the long series is zero, not that over the stretch.
    """
    step = dt / finer
    total = fft.next_fast_len(LONGER * n * finer, real=True)
    frequency = fft.rfftfreq(total, step)
    power = np.zeros(len(frequency))
    # A one-sided density S is |X|^2 = S N / (2 dt) for the unnormalised transform.
    np.multiply(density(frequency[1:]), total, out=power[1:])
    power[1:] /= 2.0 * step
    amplitudes = fourier_amplitudes(power, rng, nyquist=total % 2 == 0)
    stretch = fft.irfft(amplitudes, total, overwrite_x=True)[: n * finer]
    return stretch.reshape(n, finer).mean(axis=1)
