"""Averaged periodograms of segments, in the units of the rate squared per Hz ("abs").

The other normalisations are multiples of it, see `pipeline.segment.spectrum.average`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import fft

from pipeline.segment.spectrum import leakage, stationarity, taper
from pipeline.segment.spectrum.stationarity import NOT_COMPARED, Scatter
from pipeline.segment.spectrum.taper import UNTREATED, Treatment
from pipeline.segment.spectrum.variability import Squares, scatter

BLOCK = 1 << 16
"""Bins transformed at a time: 512 kiB of rates. They stay in the processor's cache until all sums are taken, and their memory
is used again for the next ones."""

EMPTY_BY_CHANCE = 20.0
"""Mean counts in a segment above which an empty segment (probability e^-20) means that the detector was off."""


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
    scatter : Scatter
        Of the power of the segments about their mean, see `pipeline.segment.spectrum.stationarity`.
    window_rate : float
        Mean rate weighted by the square of the window, which the noise follows, ct/s.
    compared : Compared
        Power with and without a window, see `pipeline.segment.spectrum.leakage`; None where it was not compared.
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
    scatter: Scatter = NOT_COMPARED
    window_rate: float = np.nan
    compared: leakage.Compared | None = None

    @property
    def net_rate(self) -> float:
        """Mean rate less the background, ct/s."""
        return self.mean_rate - self.background_rate


@dataclass(frozen=True)
class Ordinates:
    """The ordinates of a periodogram that are kept; both arrays have shape (n_frequency,).

    Attributes
    ----------
    frequency : ndarray
        Hz, the Nyquist frequency included when the number of bins is even (and it is not passed over).
    weight : ndarray
        1, but 1/2 at the Nyquist frequency, where the transform is real: its power has one
        degree of freedom, not two, and it stands for half the width in frequency.
    """

    frequency: np.ndarray
    weight: np.ndarray


@lru_cache(maxsize=8)
def frequencies(n_bin: int, dt: float, treated: Treatment = UNTREATED) -> Ordinates:
    """Return the frequencies of a segment that are kept and the weight of the ordinate at each.

    Parameters
    ----------
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.
    treated : Treatment, optional
        What the segments went through; without a window all positive frequencies are kept.
    """
    kept = taper.ordinates(n_bin, treated)
    found = Ordinates(kept / (n_bin * dt), np.where(2 * kept == n_bin, 0.5, 1.0))
    found.frequency.setflags(write=False)
    found.weight.setflags(write=False)
    return found


def occupied(total: np.ndarray, counting: bool = True) -> np.ndarray:
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


@dataclass(frozen=True)
class Block:
    """Some segments of an observation.

    Attributes
    ----------
    rate : ndarray, shape (k, n_bin)
        ct/s.
    missing : ndarray of bool, shape (k, n_bin), or None
        Bins that were filled; None: no bin is missing.
    """

    rate: np.ndarray
    missing: np.ndarray | None = None


def event_blocks(time: np.ndarray, start: np.ndarray, n_bin: int, dt: float) -> Iterator[Block]:
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
    """
    length = n_bin * dt
    edges = np.searchsorted(time, np.append(start, start[-1] + length))
    numbers = np.diff(edges)
    for block in slices(len(start), n_bin):
        begin, number = start[block], numbers[block]
        since = time[edges[block.start] : edges[block.stop]] - np.repeat(begin, number)
        offset = np.repeat(n_bin * np.arange(len(begin)), number)
        if since.max(initial=0.0) >= length:  # events between two segments
            inside = since < length
            since, offset = since[inside], offset[inside]
        since /= dt
        index = since.astype(np.int64)
        if index.max(initial=0) >= n_bin:  # by rounding
            index = np.minimum(index, n_bin - 1)
        index += offset
        counts = np.bincount(index, minlength=len(begin) * n_bin)
        yield Block(counts.reshape(len(begin), n_bin) / dt)


def curve_blocks(
    rate: np.ndarray, filled: np.ndarray, first: np.ndarray, n_bin: int
) -> Iterator[Block]:
    """Yield the rates of segments of a regular light curve, a block of segments at a time.

    Parameters
    ----------
    rate, filled : ndarray, shape (n,)
        See `pipeline.segment.intervals.curve.Curve`.
    first : ndarray of int, shape (m,)
        Index of the first bin of each segment.
    n_bin : int
        Bins in a segment.
    """
    for block in slices(len(first), n_bin):
        index = first[block, None] + np.arange(n_bin)
        yield Block(rate[index], filled[index])


def average(
    blocks: Iterable[Block],
    n_bin: int,
    dt: float,
    coarse: int = 1,
    counting: bool = False,
    treated: Treatment = UNTREATED,
) -> Periodogram:
    """Average the periodograms of segments.

    Parameters
    ----------
    blocks : iterable of Block
        See `event_blocks` and `curve_blocks`; at least one segment.
    n_bin : int
        Bins in a segment.
    dt : float
        Their width, s.
    coarse : int, optional
        Bins to average before the variance is taken.
    counting : bool, optional
        Whether rate x dt are Poisson counts.
    treated : Treatment, optional
        What the segments go through first.
    """
    sums = _Sums(n_bin, dt, counting)
    for block in blocks:
        sums.add(block, scatter(block.rate, block.missing, coarse), treated)
    return sums.average()


@dataclass
class _Sums:
    """Sums over the segments.

    Attributes
    ----------
    n_bin, dt, counting
        As of `average`.
    m : int
        Segments.
    power : float or ndarray, shape (n_frequency,)
        Squared transforms of the treated segments, at the ordinates that are kept.
    total, weighted : float
        Rates, and rates weighted by the squared window.
    squares, n_variance : float, int
        Squared deviations, and how many bins.
    plain, windowed : float or ndarray, shape (n_ordinate,)
        Squared transforms of the untreated segments, without and with a window.
    banded, noise : list of ndarray
        For each block, the power of its segments in bands, and their counting noise.
    """

    n_bin: int
    dt: float
    counting: bool
    m: int = 0
    power: float | np.ndarray = 0.0
    total: float = 0.0
    weighted: float = 0.0
    squares: float = 0.0
    n_variance: int = 0
    plain: np.ndarray | float = 0.0
    windowed: np.ndarray | float = 0.0
    banded: list[np.ndarray] = field(default_factory=list)
    noise: list[np.ndarray] = field(default_factory=list)

    @property
    def compared(self) -> bool:
        """Whether segments are long enough to be compared with each other."""
        return self.n_bin >= stationarity.LEAST_BINS

    def add(self, block: Block, squares: Squares, treated: Treatment) -> None:
        """Add the segments of a block."""
        rate = block.rate
        total = rate.sum()
        self.m += len(rate)
        self.total += total
        self.squares += squares.total
        self.n_variance += squares.bins
        transform = self._transform(rate)
        squared = summed_squares(transform)[1:]
        self.power += squared if treated == UNTREATED else taper.power(rate, treated).sum(axis=0)
        if treated.window == "none":
            self.weighted += total
        else:
            self.weighted += (rate @ taper.window(treated.window, self.n_bin) ** 2).sum()
        if self.compared:
            self.plain += squared
            each = stationarity.windowed(transform)
            self.windowed += each.sum(axis=0)
            self.banded.append(stationarity.bands(each))
            if self.counting:
                self.noise.append(stationarity.counting_noise(rate, self.dt))

    def _transform(self, rate: np.ndarray) -> np.ndarray:
        """Transform segments; frequency zero is not used.

        The mean would cost digits where it is very much larger than the scatter, which that of counts is not.
        """
        if not self.counting:
            rate = rate - rate.mean(axis=1, keepdims=True)
        return fft.rfft(rate, axis=1)

    def average(self) -> Periodogram:
        """Return the averages over all segments."""
        bins = self.m * self.n_bin
        return Periodogram(
            power=np.asarray(self.power * 2 * self.dt / bins),
            m=self.m,
            mean_rate=self.total / bins,
            variance=self.squares / max(self.n_variance - self.m, 1),
            n_variance=self.n_variance,
            scatter=self._scatter(),
            window_rate=self.weighted / bins,
            compared=self._compared(),
        )

    def _scatter(self) -> Scatter:
        """Compare the power of the segments with each other."""
        if not self.compared:
            return NOT_COMPARED
        expected = np.concatenate(self.noise) if self.counting else None
        return stationarity.scatter_of_power(
            np.concatenate(self.banded), np.asarray(self.windowed / self.m), expected
        )

    def _compared(self) -> leakage.Compared | None:
        """Compare the power without a window with that under a window."""
        if not self.compared:
            return None
        level = 0.0
        if self.counting:
            expected = np.concatenate(self.noise).sum() / stationarity.MEAN_SQUARE
            level = self.total / self.dt - expected
        factor = 2 * self.dt / (self.n_bin * self.m)
        plain, windowed = np.asarray(self.plain), np.asarray(self.windowed)
        return leakage.compare(
            factor * plain[1:-1],
            factor * (windowed / stationarity.MEAN_SQUARE),
            factor * level,
            self.m,
        )


def summed_squares(transform: np.ndarray) -> np.ndarray:
    """Return the squared absolute values, summed over segments; they are read as pairs of real numbers, which is faster."""
    pairs = transform.view(float)
    total = np.einsum("ij,ij->j", pairs, pairs)
    return total[::2] + total[1::2]


def slices(m: int, n_bin: int) -> Iterator[slice]:
    """Yield slices of `m` segments that keep a block small."""
    size = max(1, BLOCK // n_bin)
    for lo in range(0, m, size):
        yield slice(lo, min(lo + size, m))
