"""Arrays of what an instrument records of a source with a given power spectrum."""

from collections.abc import Sequence

import numpy as np

from pipeline.simulate import timmer_koenig
from pipeline.simulate.spectra import PowerSpectrum

EVENT_STEP = 1.0 / 512.0
"""Width of the bins in which the rate behind an event list is constant, s."""
LIGHT_CURVE_FINER = 8
"""Points at which the rate is simulated in each bin of a light curve."""


def good_bins(segments: Sequence[int], segment_bins: int, rng: np.random.Generator) -> np.ndarray:
    """Lay out stretches of good data with gaps between them.

    Parameters
    ----------
    segments : sequence of int
        Segments that fit into each stretch.
    segment_bins : int
        Bins of a segment.
    rng : numpy.random.Generator
        Draws the bins to spare in each stretch, and the gaps.

    Returns
    -------
    ndarray of int, shape (len(segments), 2)
        First bin of each stretch, and the one after its last.
    """
    good = np.asarray(segments) * segment_bins + rng.integers(8, 40, len(segments))
    gaps = rng.integers(30, 120, len(segments))
    stop = np.cumsum(good + gaps) - gaps
    return np.column_stack([stop - good, stop])


def relative_rate(
    spectrum: PowerSpectrum,
    exposure: np.ndarray,
    dt: float,
    rng: np.random.Generator,
    *,
    finer: int = 1,
) -> np.ndarray:
    """Draw the rate of an observation over the source's mean.

    Parameters
    ----------
    spectrum : PowerSpectrum
        Power spectrum of the rate over the mean of the observation.
    exposure : ndarray, shape (n,)
        Exposed fraction of each bin, or whether it is exposed; the mean is taken over these.
    dt : float
        Width of a bin, s.
    rng : numpy.random.Generator
        Where the draws come from.
    finer : int, optional
        Points at which the rate is simulated in each bin.

    Returns
    -------
    ndarray, shape (n,)
        Never negative. The rms is proportional to the mean of the observation, which wanders with
        the red noise (Uttley & McHardy 2001, MNRAS 323, L26): so the fractional rms, which is
        measured against that mean, is the one that is injected and not one that wanders as well.
    """
    if spectrum.is_white:
        return np.ones(len(exposure))
    deviation = timmer_koenig.series(spectrum, len(exposure), dt, rng, finer=finer)
    mean = np.average(deviation, weights=exposure)
    return max(1.0 + mean, 0.0) * np.maximum(1.0 + deviation - mean, 0.0)


def event_times(
    spectrum: PowerSpectrum, mean_rate: float, gti: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the arrival times of events.

    Parameters
    ----------
    spectrum : PowerSpectrum
        Power spectrum of the rate over the mean of the observation.
    mean_rate : float
        Events a second.
    gti : ndarray, shape (k, 2)
        Good time intervals in s from zero, multiples of `EVENT_STEP`.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    ndarray, shape (n_events,)
        Times in s, in order, inside the good time intervals: a Poisson process, without dead time.
    """
    edges = np.rint(np.asarray(gti) / EVENT_STEP).astype(int)
    good = inside(edges, edges[-1, 1])
    rate = relative_rate(spectrum, good, EVENT_STEP, rng) * mean_rate
    counts = rng.poisson(rate * good * EVENT_STEP)
    bins = np.repeat(np.arange(len(counts)), counts)
    times = (bins + rng.random(len(bins))) * EVENT_STEP
    times.sort()
    return times


def inside(pieces: np.ndarray, n: int) -> np.ndarray:
    """Return which of `n` bins lie in one of the `pieces` (start, stop), as booleans."""
    mask = np.zeros(n, dtype=bool)
    for start, stop in pieces:
        mask[start:stop] = True
    return mask


def binned_counts(
    spectrum: PowerSpectrum,
    mean_rate: float,
    dt: float,
    fracexp: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the counts of a light curve.

    Parameters
    ----------
    spectrum : PowerSpectrum
        Power spectrum of the rate over the mean of the observation.
    mean_rate : float
        Counts a second.
    dt : float
        Width of a bin, s.
    fracexp : ndarray, shape (n,)
        Exposed fraction of each bin.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    ndarray of int, shape (n,)
        Counts.
    """
    rate = relative_rate(spectrum, fracexp, dt, rng, finer=LIGHT_CURVE_FINER)
    return rng.poisson(mean_rate * rate * dt * fracexp)


def photometry(
    spectrum: PowerSpectrum,
    mean_flux: float,
    flux_err: float,
    dt: float,
    good: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the flux in bins of `dt` seconds, with a Gaussian error `flux_err` in each.

    `good`, shape (n,), says which bins the observation keeps, see `relative_rate`.
    """
    rate = relative_rate(spectrum, good, dt, rng, finer=LIGHT_CURVE_FINER)
    return mean_flux * rate + flux_err * rng.standard_normal(len(good))


def isolated_bins(pieces: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return which bins are bad one by one: about a `fraction` of those in each piece.

    The first and the last bins of a piece stay good, so that no bad bin is part of a longer gap, and no two
    bad bins are neighbours.
    """
    bad = np.zeros(pieces[-1, 1], dtype=bool)
    for start, stop in pieces:
        candidates = np.arange(start + 4, stop - 4, 4)
        bad[rng.choice(candidates, int(fraction * (stop - start)), replace=False)] = True
    return bad


def logarithmic_bins(first: int, last: int, factor: float) -> np.ndarray:
    """Group the ordinates of a periodogram into bins of growing width.

    Parameters
    ----------
    first, last : int
        First ordinate, and the one after the last.
    factor : float
        Relative width of a bin; at least one ordinate goes into each.

    Returns
    -------
    ndarray of int, shape (n_bins + 1,)
        First ordinate of each bin, and `last`.
    """
    starts = [first]
    while starts[-1] < last:
        starts.append(min(starts[-1] + max(1, int(starts[-1] * factor)), last))
    return np.array(starts)


def averaged_leahy_powers(
    spectrum: PowerSpectrum,
    mean_rate: float,
    df: float,
    starts: np.ndarray,
    n_segments: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw averaged powers in the Leahy normalisation straight from their distribution.

    Parameters
    ----------
    spectrum : PowerSpectrum
        Power spectrum of the rate over its mean.
    mean_rate : float
        Counts a second.
    df : float
        Distance of the ordinates, Hz.
    starts : ndarray of int, shape (n_bins + 1,)
        As from `logarithmic_bins`.
    n_segments : int
        Periodograms averaged.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    power, n : ndarray, shape (n_bins,)
        Power, noise level 2 included, and the number of ordinates averaged in it: the power is a
        Gamma variate of shape n whose mean is that of the spectrum over the ordinates.
    """
    ordinates = np.diff(starts)
    density = spectrum(np.arange(starts[0], starts[-1]) * df)
    mean = np.add.reduceat(density, starts[:-1] - starts[0]) / ordinates * mean_rate + 2.0
    n = ordinates * n_segments
    return rng.gamma(n, mean / n), n
