"""Periodograms of solar-like stars: granulation, p modes and white noise."""

import numpy as np

from pipeline.times import DAY


def periodogram(
    rng: np.random.Generator,
    *,
    days: float = 30.0,
    highest: float = 8.3e-3,
    oscillates: bool = True,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Draw a star, and a periodogram of it.

    The background is that of Kallinger et al. 2014 (A&A 570, A41), width and separation of the modes of l = 0, 1 and 2
    those of Mosser et al. 2012 (A&A 537, A30) and Huber et al. 2011 (ApJ 743, 143), with their scatter.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the star, and the noise, come from.
    days : float, optional
        Length of the observation.
    highest : float, optional
        Highest frequency, Hz.
    oscillates : bool, optional
        Whether there are modes in addition to granulation and noise.

    Returns
    -------
    nu_max : float
        Between 250 and 2500 uHz, in Hz.
    frequency, power : ndarray, shape (n,)
        Independent frequencies, Hz, and raw powers, fractional rms squared per Hz.
    """
    spacing = 1 / (days * DAY)
    frequency = np.arange(1, int(highest / spacing)) * spacing
    u = np.exp(rng.uniform(np.log(250), np.log(2500)))  # uHz
    sigma = 0.66e-6 * u**0.88 * rng.lognormal(0, 0.15) / 2.3548
    rms = 3382 * u**-0.609 * rng.lognormal(0, 0.1)
    power = np.zeros(frequency.size)
    for turn in (0.317e-6 * u**0.970, 0.948e-6 * u**0.992):
        turn = turn * rng.lognormal(0, 0.08)
        power += 2 * np.sqrt(2) / np.pi * rms**2 / turn / (1 + (frequency / turn) ** 4)
    nu_max = 1e-6 * u
    height = np.interp(nu_max, frequency, power) * rng.uniform(0.8, 2.5)
    offset, fwhm = rng.uniform(), 1e-6 * rng.lognormal(0.4, 0.4)
    if oscillates:
        power += _modes(frequency, nu_max, sigma, height, offset, fwhm)
    power += height * rng.uniform(0.02, 0.3)
    return nu_max, frequency, 1e-12 * rng.exponential(power)


def _modes(
    frequency: np.ndarray, nu_max: float, sigma: float, height: float, offset: float, fwhm: float
) -> np.ndarray:
    """Lorentzians of three degrees under a Gaussian whose mean power is `height` at nu_max."""
    separation = 0.263e-6 * (1e6 * nu_max) ** 0.772
    power = np.zeros(frequency.size)
    for degree, visibility in enumerate((1.0, 1.5, 0.53)):
        for order in range(1, 60):
            at = separation * (order + degree / 2 + offset - 0.08 * (degree == 2))
            if abs(at - nu_max) < 5 * sigma:
                area = separation * visibility / 3.03
                area *= height * np.exp(-0.5 * ((at - nu_max) / sigma) ** 2)
                power += area * fwhm / (2 * np.pi) / ((frequency - at) ** 2 + fwhm**2 / 4)
    return power


def in_bins(
    frequency: np.ndarray, power: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average consecutive frequencies in bins as wide as a fraction of theirs.

    Parameters
    ----------
    frequency, power : ndarray, shape (n,)
        Multiples of the first frequency from 1 on, and their powers.
    fraction : float
        Width of a bin over the frequency at its start.

    Returns
    -------
    frequency, power, n : ndarray, shape (bins,)
        Means in each bin, and how many frequencies it has.
    """
    first, at = [], 0
    while at < frequency.size:
        first.append(at)
        at += max(1, round(fraction * (at + 1)))
    n = np.diff([*first, frequency.size])
    return np.add.reduceat(frequency, first) / n, np.add.reduceat(power, first) / n, n
