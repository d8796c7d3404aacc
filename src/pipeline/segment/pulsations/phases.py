"""Phases of events at a trial frequency: the phasors of blocks of time, and whether their directions agree."""

from dataclasses import dataclass

import numpy as np
from scipy.special import i0e

CHUNK = 1 << 14
"""Events whose phases are computed at a time: few enough to stay in the processor's cache."""

KNOWN, FEWEST_KNOWN = 4.0, 6
"""Length of a phasor over its noise at which its phase is known; and phases that must be, to say how they agree."""

_PHASE_BINS = 128
_ROUNDING = 1e-6
_CONCENTRATIONS = np.geomspace(1e-2, 1e5, 141)


@dataclass(frozen=True)
class Pieces:
    """Good time cut at the edges of a raster of cells; all arrays have shape (n_piece,).

    Attributes
    ----------
    start, stop : ndarray
        s from the start of the raster.
    counts : ndarray
        Events in it if the rate were that of its neighbourhood.
    """

    start: np.ndarray
    stop: np.ndarray
    counts: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """Middle of each, s."""
        return (self.start + self.stop) / 2

    def phasors(self, frequency: float, cell: float, n_cell: int) -> np.ndarray:
        """Return the phasor of each cell for events of the expected rate; see `cell_phasors`."""
        turn = turned(frequency * self.middle)
        steady = self.counts * np.sinc(frequency * (self.stop - self.start)) * turn
        return sum_in_cells(self.middle, steady, cell, n_cell)


def pieces(
    time: np.ndarray, start: np.ndarray, stop: np.ndarray, cell: float, neighbourhood: float
) -> Pieces:
    """Cut good time into cells, and expect in each the rate of its neighbourhood.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing; the raster begins at 0.
    start, stop : ndarray, shape (n_gti,)
        Good time intervals, sorted and disjoint, s.
    cell, neighbourhood : float
        s; the rate is the mean in the good time within each multiple of `neighbourhood`, apart in
        each interval.
    """
    lo, hi = _cut(start, stop, neighbourhood)
    counts = np.diff(np.searchsorted(time, np.column_stack([lo, hi])), axis=1)[:, 0]
    rate = counts / (hi - lo)
    begin, end = _cut(lo, hi, cell)
    of = np.searchsorted(lo, (begin + end) / 2, side="right") - 1
    return Pieces(begin, end, rate[of] * (end - begin))


def _cut(start: np.ndarray, stop: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut disjoint intervals at the multiples of a width."""
    first, last = np.floor(start / width) + 1, np.ceil(stop / width) - 1
    count = np.maximum(last - first + 1, 0).astype(np.int64)
    before = np.cumsum(count) - count
    inner = (np.repeat(first - before, count) + np.arange(count.sum())) * width
    lo, hi = np.sort(np.concatenate([start, inner])), np.sort(np.concatenate([stop, inner]))
    solid = hi > lo
    return lo[solid], hi[solid]


def sum_in_cells(time: np.ndarray, values: np.ndarray, cell: float, n_cell: int) -> np.ndarray:
    """Sum values, real or complex, in the cells of a raster that begins at 0.

    Parameters
    ----------
    time : ndarray, shape (n,)
        s.
    values : ndarray, shape (n,)
        What is summed.
    cell : float
        Width of a cell, s.
    n_cell : int
        Cells; what comes later is in the last.
    """
    index = np.minimum((time / cell).astype(np.int64), n_cell - 1)
    total = np.bincount(index, np.real(values), n_cell)
    return (
        total + 1j * np.bincount(index, values.imag, n_cell) if values.dtype.kind == "c" else total
    )


def cell_phasors(
    time: np.ndarray, weight: np.ndarray | None, frequency: float, cell: float, n_cell: int
) -> np.ndarray:
    """Return the phasor of each cell of a raster.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        s from the start of the raster, increasing.
    weight : ndarray, shape (n_event,) or None
        Of each; None: 1.
    frequency : float
        Hz.
    cell, n_cell
        See `sum_in_cells`.

    Returns
    -------
    ndarray of complex, shape (n_cell,)
        Sum of weight exp(-2 pi i f t) in each, phases counted from the start of the raster.
    """
    total = np.zeros(n_cell, complex)
    for lo in range(0, len(time), CHUNK):
        part = time[lo : lo + CHUNK]
        index = np.minimum((part / cell).astype(np.int64), n_cell - 1)
        cells = np.arange(index[0], index[-1] + 2)
        first = np.searchsorted(index, cells)
        some = first[1:] > first[:-1]
        cells, first = cells[:-1][some], first[:-1][some]
        half, over = _half(frequency * part)
        if weight is None:
            steady = np.diff(first, append=len(part))
        else:
            over *= weight[lo : lo + CHUNK]
            steady = np.add.reduceat(weight[lo : lo + CHUNK], first)
        half *= over
        total.real[cells] += 2 * np.add.reduceat(over, first) - steady
        total.imag[cells] -= 2 * np.add.reduceat(half, first)
    return total


def _half(cycles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u, the tangent of half the angle of each phase, and 1 / (1 + u^2).

    They have cosine, 2 / (1 + u^2) - 1, and sine, 2 u / (1 + u^2), to 1e-15. NumPy computes tangents many times faster than
    sines and cosines in double precision, or than the exponential of an imaginary number.
    """
    half = cycles - np.rint(cycles)
    half *= np.pi
    np.tan(half, out=half)
    over = half * half
    over += 1
    np.reciprocal(over, out=over)
    return half, over


def turned(cycles: np.ndarray) -> np.ndarray:
    """Return exp(-2 pi i cycles), to 1e-15."""
    half, over = _half(cycles)
    result = np.empty(np.shape(cycles), complex)
    np.subtract(2 * over, 1, out=result.real)
    np.multiply(half, -2 * over, out=result.imag)
    return result


def folded_phasors(
    time: np.ndarray,
    weight: np.ndarray | None,
    frequency: float,
    cell: float,
    n_cell: int,
    harmonics: int,
) -> np.ndarray:
    """Return the phasors of a frequency and its multiples in each cell, from a folded profile.

    Parameters
    ----------
    time, weight, frequency, cell, n_cell
        As of `cell_phasors`.
    harmonics : int
        Multiples of the frequency, at most 32.

    Returns
    -------
    ndarray of complex, shape (n_cell, harmonics)
    """
    profile = np.zeros(n_cell * _PHASE_BINS)
    for lo in range(0, len(time), CHUNK):
        part = time[lo : lo + CHUNK]
        index = np.minimum((part / cell).astype(np.int64), n_cell - 1)
        phase = (np.mod(frequency * part, 1) * _PHASE_BINS).astype(np.int64) % _PHASE_BINS
        some = None if weight is None else weight[lo : lo + CHUNK]
        profile += np.bincount(index * _PHASE_BINS + phase, some, profile.size)
    k = np.arange(1, harmonics + 1)
    total = np.fft.rfft(profile.reshape(n_cell, _PHASE_BINS), axis=1)[:, k]
    return total * np.exp(-1j * np.pi * k / _PHASE_BINS) / np.sinc(k / _PHASE_BINS)


def agreement(phasors: np.ndarray) -> np.ndarray:
    """Return a bound on the probability that phasors of random directions are so aligned.

    Where a source has no strictly periodic signal, the phases of blocks longer than its coherence
    are independent and uniform, however its power is spread over time and frequency: a walk of
    steps of the given lengths in random directions. Markov's inequality on I0(kappa r), r being the
    length of the sum, gives prod I0(kappa |step|) / I0(kappa r), here at the best kappa.

    Parameters
    ----------
    phasors : ndarray of complex, shape (n_block,) or (n_block, n)
        One a block of time.

    Returns
    -------
    ndarray, shape () or (n,)
        Logarithm of the p-value, at most 0.
    """
    step = np.abs(phasors).reshape(len(phasors), -1)
    total = np.abs(np.sum(phasors, axis=0)).reshape(-1)
    scale = np.sqrt(np.sum(step**2, axis=0))
    scale = np.where(scale > 0, scale, 1)
    step, total = step / scale, total / scale
    bound = np.zeros(total.shape)
    some = np.flatnonzero(
        total > 1
    )  # else no kappa gives a bound below 1: log I0(sqrt(x)) is concave
    if len(some):
        bound[some] = np.minimum(_least(step[:, some], total[some]), 0)
    return bound.reshape(np.shape(phasors)[1:])


def may_agree(phasors: np.ndarray, total: np.ndarray, log_p: float) -> bool:
    """Return whether `agreement` can be smaller than a value; False is certain, True is not.

    It costs a twentieth of `agreement`. As log I0(sqrt(x)) is concave, the sum over the steps is at least that of as many
    steps of the longest one's length as have the same sum of squares.

    Parameters
    ----------
    phasors : ndarray of complex, shape (n_block,) or (n_block, n)
        See `agreement`.
    total : ndarray, shape () or (n,)
        Length of the sum, at most.
    log_p : float
        The value.
    """
    step = np.abs(phasors)
    scale = np.sqrt(np.sum(step**2, axis=0))
    some = total > scale
    longest, total = (x[some] / scale[some] for x in (step.max(axis=0), np.asarray(total)))
    kappa = _CONCENTRATIONS[:, None]
    bound = _log_i0(kappa * longest) / longest**2 - _log_i0(kappa * total)
    return bool(np.min(bound, initial=0.0) < log_p + _ROUNDING)


def _least(step: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the least of sum log I0(kappa step) - log I0(kappa total) over `_CONCENTRATIONS`.

    Where no step is longer than the total, it falls with kappa up to one value and grows from there on, because
    x d log A(x) / dx falls with x, A = I1 / I0. So the sign of its derivative tells on which side of a kappa the minimum is.
    The derivative takes a bound of A that is good to 2 % (Amos 1974, Math. Comp. 28, 239), and the values around the kappa
    that is found decide.

    Parameters
    ----------
    step, total : ndarray, shape (n_block, n) and (n,)
        Lengths of the phasors and of their sums.
    """
    low = np.zeros(len(total), np.int64)
    high = np.full(len(total), len(_CONCENTRATIONS) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        kappa = _CONCENTRATIONS[middle]
        rises = np.sum(step * _ratio(kappa * step), axis=0) > total * _ratio(kappa * total)
        high = np.where(rises, middle, high)
        low = np.where(rises, low, np.minimum(middle + 1, high))

    def value(at: np.ndarray) -> np.ndarray:
        kappa = _CONCENTRATIONS[at]
        return _log_i0(kappa * step).sum(axis=0) - _log_i0(kappa * total)

    best = value(low)
    for way in (-1, 1):
        at, moved = low, np.ones(len(total), bool)
        while moved.any():
            at = np.clip(np.where(moved, at + way, at), 0, len(_CONCENTRATIONS) - 1)
            found = value(at)
            moved = found < best
            best = np.minimum(best, found)
    return best


def concentration(phasors: np.ndarray) -> float:
    """Return how well the phases of blocks agree that each are known: 1 for a strict period.

    A QPO whose phase wanders slowly, over many blocks, leaves phases that agree better than chance, but
    not as well as they are known. Neighbouring blocks are added until their phase is known to
    1 / (`KNOWN` sqrt(2)) rad; what is returned is the length of the sum of the added phasors over the
    sum of their lengths (Mardia & Jupp 2000, "Directional Statistics", section 2.3).

    Parameters
    ----------
    phasors : ndarray of complex, shape (n_block,)
        One a block of time, in order.

    Returns
    -------
    float
        NaN where the phases of fewer than `FEWEST_KNOWN` times are known.
    """
    if len(phasors) < FEWEST_KNOWN:
        return np.nan
    neighbours = float(np.mean((phasors[:-1] * np.conj(phasors[1:])).real))
    noise = float(np.mean(np.abs(phasors) ** 2)) - neighbours
    if not neighbours > 0:
        return np.nan
    together = max(1, int(np.ceil(KNOWN**2 * noise / neighbours)))
    count = len(phasors) // together
    if count < FEWEST_KNOWN:
        return np.nan
    added = phasors[: count * together].reshape(count, together).sum(axis=1)
    return float(np.abs(added.sum()) / np.abs(added).sum())


def _log_i0(x: np.ndarray) -> np.ndarray:
    """Return the logarithm of the modified Bessel function I0."""
    return np.log(i0e(x)) + x


def _ratio(x: np.ndarray) -> np.ndarray:
    """Return a lower bound of I1(x) / I0(x), good to 2 %."""
    return x / (0.5 + np.sqrt(x * x + 2.25))
