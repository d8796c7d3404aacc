"""Products of the transforms of several series over their common segments: auto and cross spectra from one pass.

Each segment is binned once for all series and transformed once for each. Every power and every cross spectrum is a
mean of products of these transforms, so a segment that one series has, the others have too.

The cross spectrum of x and y is C = <X* Y>. With the sign of the transform, sum x(t) exp(-2 pi i f t), a series x that
lags y by tau has arg C = +2 pi f tau. So x is the band of interest, the harder one of two, y the reference, and a positive
lag says that x comes later. This is the convention of Stingray's ``AveragedCrossspectrum(x, y)``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from pipeline.segment.spectrum.periodogram import slices

Pair = tuple[int, int]


@dataclass(frozen=True)
class Products:
    """Averages over the common segments of several series, in the units of the rate squared per Hz ("abs").

    Attributes
    ----------
    auto : ndarray, shape (series, n_frequency)
        Mean power of each series, noise included, at all positive frequencies of a segment.
    cross : ndarray of complex, shape (pairs, n_frequency)
        Mean of X* Y for each pair of `pairs`.
    pairs : tuple of (int, int)
        Numbers of the series x and y of each cross spectrum.
    m : int
        Segments averaged.
    mean_rate : ndarray, shape (series,)
        Mean rate of each series in them, ct/s.
    """

    auto: np.ndarray
    cross: np.ndarray
    pairs: tuple[Pair, ...]
    m: int
    mean_rate: np.ndarray


def channel_blocks(
    time: np.ndarray, channel: np.ndarray, channels: int, start: np.ndarray, n_bin: int, dt: float
) -> Iterator[np.ndarray]:
    """Yield the binned rates of segments of an event list in several channels of energy.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing.
    channel : ndarray of int, shape (n_event,)
        Channel of each event, from 0 to below `channels`; events of other numbers are in none.
    channels : int
        Number of channels.
    start : ndarray, shape (m,)
        Starts of disjoint segments, s, increasing; bins start there.
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.

    Yields
    ------
    ndarray, shape (channels, k, n_bin)
        Rates, ct/s.
    """
    length = n_bin * dt
    begins = np.searchsorted(time, start)
    ends = np.searchsorted(time, start + length)
    for block in slices(len(start), n_bin):
        segments = range(block.start, block.stop)
        index = np.empty(int((ends[block] - begins[block]).sum()), np.int64)
        filled = 0
        for number, k in enumerate(segments):
            some = slice(begins[k], ends[k])
            bins = ((time[some] - start[k]) / dt).astype(np.int64)
            np.minimum(bins, n_bin - 1, out=bins)  # by rounding
            bins += (channel[some].astype(np.int64) * len(segments) + number) * n_bin
            known = (channel[some] >= 0) & (channel[some] < channels)
            bins = bins if known.all() else bins[known]
            index[filled : filled + len(bins)] = bins
            filled += len(bins)
        counts = np.bincount(index[:filled], minlength=channels * len(segments) * n_bin)
        yield counts.reshape(channels, len(segments), n_bin) / dt


def average(
    blocks: Iterable[np.ndarray], n_bin: int, dt: float, pairs: Sequence[Pair], total: bool = False
) -> Products:
    """Average the products of the transforms of segments.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (series, k, n_bin)
        Rates of some segments in all series, ct/s; at least one segment.
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.
    pairs : sequence of (int, int)
        Which cross spectra are wanted.
    total : bool, optional
        Whether the sum of all series is one more, the last.
    """
    auto: np.ndarray | float = 0.0
    cross: np.ndarray | float = 0.0
    rate: np.ndarray | float = 0.0
    m = 0
    for block in blocks:
        transform = fft.rfft(block, axis=2)[:, :, 1:]
        sums = block.sum(axis=(1, 2))
        if total:
            transform = np.concatenate([transform, transform.sum(axis=0, keepdims=True)])
            sums = np.append(sums, sums.sum())
        m += block.shape[1]
        rate = rate + sums
        auto = auto + _squares(transform)
        cross = cross + _products(transform, pairs)
    scale = 2 * dt / (m * n_bin)
    return Products(
        auto=np.asarray(auto) * scale,
        cross=np.asarray(cross) * scale,
        pairs=tuple(pairs),
        m=m,
        mean_rate=np.asarray(rate) / (m * n_bin),
    )


def _squares(transform):
    """Return the squared absolute values, summed over segments, shape (series, n_frequency)."""
    real, imaginary = transform.real, transform.imag
    return np.einsum("skf,skf->sf", real, real) + np.einsum("skf,skf->sf", imaginary, imaginary)


def _products(transform, pairs):
    """Return X* Y of each pair, summed over segments, shape (pairs, n_frequency)."""
    out = np.empty((len(pairs), transform.shape[2]), complex)
    for row, (x, y) in zip(out, pairs, strict=True):
        np.sum(transform[x].conj() * transform[y], axis=0, out=row)
    return out
