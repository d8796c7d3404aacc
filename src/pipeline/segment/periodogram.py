"""Averaged periodograms of segments, in the units of the rate squared per Hz ("abs").

The other normalisations are multiples of it, see `pipeline.segment.average`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from pipeline.segment import leakage, stationarity, taper
from pipeline.segment.variability import scatter

BLOCK = 1 << 21
"""Bins transformed at a time: 16 MiB of rates, and about 64 MiB with what comes of them."""

EMPTY_BY_CHANCE = 20.0
"""Mean counts in a segment above which an empty one (chance: e^-20) means a detector switched off."""


@dataclass(frozen=True)
class Periodogram:
    """Average over the segments of an observation.

    Attributes
    ----------
    power : ndarray, shape (n_frequency,)
        Mean power at the frequencies that are kept (see `frequencies`), (ct/s)^2 / Hz.
    m : int
        Segments averaged.
    mean_rate : float
        Mean rate in them, ct/s.
    variance : float
        Variance of the rate about the mean of its own segment, with N - 1, (ct/s)^2.
    n_variance : int
        Bins that went into it.
    noise_variance : float
        Mean squared error of those bins, (ct/s)^2; NaN if unknown.
    noise : float
        Expected noise level of the power, (ct/s)^2 / Hz; NaN if unknown.
    counts : float
        Counts in the segments; NaN when the rates are not of counts.
    background_rate : float
        Background contained in the mean rate, ct/s; 0 if there is none or it is not known.
    scatter : (float, int)
        Chi2 and degrees of freedom of the power of the segments, see `pipeline.segment.stationarity`.
    window_rate : float
        Mean rate weighted by the square of the window, which the noise follows, ct/s.
    compared : Compared
        Power with and without a window, see `pipeline.segment.leakage`; None where it was not compared.
    """

    power: np.ndarray
    m: int
    mean_rate: float
    variance: float
    n_variance: int
    noise_variance: float = np.nan
    noise: float = np.nan
    counts: float = np.nan
    background_rate: float = 0.0
    scatter: tuple[float, int] = (0.0, 0)
    window_rate: float = np.nan
    compared: leakage.Compared | None = None

    @property
    def net_rate(self) -> float:
        """Mean rate less the background, ct/s."""
        return self.mean_rate - self.background_rate


def frequencies(n_bin, dt, window="none", detrend="constant"):
    """Return the frequencies of a segment that are kept and the weight of the ordinate at each.

    Parameters
    ----------
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.
    window, detrend : str, optional
        What the segments went through, see `pipeline.segment.taper`; without a window all positive
        frequencies are kept.

    Returns
    -------
    frequency : ndarray, shape (n_frequency,)
        Hz, the Nyquist frequency included when `n_bin` is even (and it is not passed over).
    weight : ndarray, shape (n_frequency,)
        1, but 1/2 at the Nyquist frequency, where the transform is real: its power has one
        degree of freedom, not two, and it stands for half the width in frequency.
    """
    kept = taper.ordinates(n_bin, window, detrend)
    return kept / (n_bin * dt), np.where(2 * kept == n_bin, 0.5, 1.0)


def occupied(total, counting=True):
    """Return which segments hold data, given the counts (or the summed rate) in each.

    Parameters
    ----------
    total : ndarray, shape (m,)
        Counts in each segment.
    counting : bool, optional
        Whether they are counts, so that a segment of a faint source may be empty by chance.
        Leaving those out, as is often done, would bias the mean rate.
    """
    if counting and np.mean(total) < EMPTY_BY_CHANCE:
        return np.ones(len(total), bool)
    return total != 0


def event_blocks(time, start, n_bin, dt):
    """Yield the binned rates of segments of an event list, a block of segments at a time.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing.
    start : ndarray, shape (m,)
        Starts of disjoint segments, s, increasing; bins start there.
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.

    Yields
    ------
    rate : ndarray, shape (k, n_bin)
        ct/s.
    missing : None
        No bin is missing.
    """
    length = n_bin * dt
    for block in _blocks(len(start), n_bin):
        begin = start[block]
        first, last = np.searchsorted(time, [begin[0], begin[-1] + length])
        events = time[first:last]
        segment = np.searchsorted(begin, events, side="right") - 1
        since = events - begin[segment]
        inside = since < length
        index = np.minimum((since[inside] / dt).astype(np.int64), n_bin - 1)
        index += segment[inside] * n_bin
        counts = np.bincount(index, minlength=len(begin) * n_bin)
        yield counts.reshape(len(begin), n_bin) / dt, None


def curve_blocks(rate, filled, first, n_bin):
    """Yield the rates of segments of a regular light curve, a block of segments at a time.

    Parameters
    ----------
    rate, filled : ndarray, shape (n,)
        See `pipeline.segment.curve.Curve`.
    first : ndarray of int, shape (m,)
        Index of the first bin of each segment.
    n_bin : int
        Bins in a segment.

    Yields
    ------
    rate : ndarray, shape (k, n_bin)
        ct/s.
    missing : ndarray of bool, shape (k, n_bin)
        Bins that were filled.
    """
    for block in _blocks(len(first), n_bin):
        index = first[block, None] + np.arange(n_bin)
        yield rate[index], filled[index]


def average(blocks, n_bin, dt, coarse=1, counting=False, window="none", detrend="constant"):
    """Average the periodograms of segments.

    Parameters
    ----------
    blocks : iterable of (rate, missing)
        See `event_blocks` and `curve_blocks`; at least one segment.
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.
    coarse : int, optional
        Bins to average before the variance is taken.
    counting : bool, optional
        Whether rate x dt are Poisson counts.
    window, detrend : str, optional
        What segments go through first, see `pipeline.segment.taper`.

    Returns
    -------
    Periodogram
    """
    power, total, squares, n_variance, m = 0.0, 0.0, 0.0, 0, 0
    compared, plain, tapered, banded, noise = n_bin >= stationarity.LEAST_BINS, 0.0, 0.0, [], []
    untouched, weighted = (window, detrend) == ("none", "constant"), 0.0
    weights = None if window == "none" else taper.window(window, n_bin) ** 2
    for rate, missing in blocks:
        m += len(rate)
        total += rate.sum()
        in_block, bins = scatter(rate, missing, coarse)
        squares += in_block
        n_variance += bins
        # the mean, which may be large, would cost digits; it only enters frequency zero
        transform = fft.rfft(rate - rate.mean(axis=1, keepdims=True), axis=1)
        squared = (transform.real**2 + transform.imag**2)[:, 1:].sum(axis=0)
        power += squared if untouched else taper.power(rate, window, detrend).sum(axis=0)
        weighted += rate.sum() if weights is None else (rate @ weights).sum()
        if compared:
            plain += squared
            each = stationarity.windowed(transform)
            tapered += each.sum(axis=0)
            banded.append(stationarity.bands(each))
            if counting:
                noise.append(stationarity.counting_noise(rate, dt))
    changes, both = (0.0, 0), None
    if compared:
        expected = np.concatenate(noise) if counting else None
        changes = stationarity.scatter_of_power(np.concatenate(banded), tapered / m, expected)
        level = total / dt - expected.sum() / stationarity.MEAN_SQUARE if counting else 0.0
        both = leakage.compare(
            *(2 * dt / (n_bin * m) * p for p in (plain[1:-1], tapered / stationarity.MEAN_SQUARE)),
            2 * dt / (n_bin * m) * level,
            m,
        )
    return Periodogram(
        power=power * 2 * dt / (n_bin * m),
        m=m,
        mean_rate=total / (m * n_bin),
        variance=squares / max(n_variance - m, 1),
        n_variance=n_variance,
        scatter=changes,
        window_rate=weighted / (m * n_bin),
        compared=both,
    )


def _blocks(m, n_bin):
    """Yield slices of the segments that keep a block small."""
    size = max(1, BLOCK // n_bin)
    for lo in range(0, m, size):
        yield slice(lo, min(lo + size, m))
