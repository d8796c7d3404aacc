"""Strictly periodic signals: pulses whose phase is kept over an observation, which no QPO does."""

from dataclasses import dataclass, field, replace
from math import gcd, lcm

import numpy as np
from scipy import fft, ndimage
from scipy.special import gammaincc, gammainccinv, gammaincinv

from pipeline.segment.pulsations import phases
from pipeline.segment.pulsations.folding import Series

_MOST_CELLS = 1 << 20
_MOST_PHASES = 4e8
_CANDIDATES = 8
_CHANCE = 3.0  # bins of noise that stand out so far, on average, and are candidates
_ROUNDING = 1e-6
_OVERSAMPLING = 2
# most that a sum of phasors is larger between the frequencies of a transform twice as fine (Ehlich & Zeller 1964)
_INTERPOLATED = 1 / np.cos(np.pi / 8)
_PEAKS = 8  # of the coherent power of a candidate, that are looked at
_FEWEST_BLOCKS = 4
_HARMONICS = 20
_PARTS = (12, 10, 7, 8, 9)  # of the strongest harmonic, at whose multiples others are looked for
_LINE = 1e-4
_PHASE_KEPT = 0.93  # phases that scatter by 0.06 cycles: a wandering phase is a QPO's


@dataclass(frozen=True)
class Pulsation:
    """The most significant strictly periodic signal of an observation.

    Attributes
    ----------
    p_value : float
        Probability of phases that agree so well at any frequency searched where there is none.
    frequency, frequency_err : float
        Of the pulse (not of the harmonic with most power), Hz; NaN where it is not significant, as
        all that follows.
    h : float
        H of de Jager & Buesching (2010, A&A 517, L9), the power of each harmonic over the local level.
    harmonics : int
        Harmonics in H.
    fraction, fraction_err : float
        Fractional rms of the pulse, of these harmonics, noise subtracted.
    lines : ndarray, shape (n_line, 2)
        Frequencies with coherent power, and the half widths that they spoil in the periodogram, Hz.
    limited : bool
        Whether candidates were left out, because it would have taken too long.
    """

    p_value: float
    frequency: float = np.nan
    frequency_err: float = np.nan
    h: float = np.nan
    harmonics: int = 0
    fraction: float = np.nan
    fraction_err: float = np.nan
    lines: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    limited: bool = False


@dataclass(frozen=True)
class _Candidate:
    """The frequency near a peak at which phases agree best.

    Attributes
    ----------
    frequency : float
        Hz.
    log_p : float
        Logarithm of the probability of phases that agree so well by chance.
    """

    frequency: float
    log_p: float


def candidates(power: np.ndarray, m: float) -> np.ndarray:
    """Return the bins of an averaged periodogram that stand out of their neighbours, strongest first.

    Parameters
    ----------
    power : ndarray, shape (n,)
        Averaged power at evenly spaced frequencies, increasing.
    m : float
        Periodograms averaged.

    Returns
    -------
    ndarray of int
        Positions in `power`, no two of them neighbours.
    """
    level = _level(power) / (gammaincinv(m, 0.5) / m)
    ratio = np.zeros(len(power))
    np.divide(power, level, out=ratio, where=level > 0)
    ratio[:1] = ratio[-1:] = 0.0  # one cycle a segment is none; Nyquist has another distribution
    rare = _CHANCE / len(power)
    some = np.flatnonzero(m * ratio >= (1 - _ROUNDING) * gammainccinv(m, min(rare, 1.0)))
    with np.errstate(divide="ignore"):
        chance = np.log(gammaincc(m, m * ratio[some]))
    found: list[int] = []
    for k in np.argsort(chance, kind="stable"):
        if chance[k] > np.log(rare) or len(found) == _CANDIDATES:
            break
        j = some[k]
        if all(abs(j - other) > 2 for other in found):
            found.append(int(j))
    return np.array(found, np.int64)


def _level(power: np.ndarray) -> np.ndarray:
    """Return the running median of a periodogram, over fewer bins at low frequency."""
    level = ndimage.median_filter(power, min(31, len(power)), mode="nearest")
    low = np.arange(min(32, len(power)))
    reach = np.maximum(2, low // 2)
    first, last = np.maximum(0, low - reach), np.minimum(low + reach, len(power) - 1)
    index = first[:, None] + np.arange(np.max(last - first, initial=0) + 1)
    beyond = index > last[:, None]
    ordered = np.sort(np.where(beyond, np.inf, power[np.where(beyond, 0, index)]), axis=1)
    count = last - first + 1
    level[low] = (ordered[low, (count - 1) // 2] + ordered[low, count // 2]) / 2
    return level


def search(
    series: Series,
    frequency: np.ndarray,
    power: np.ndarray,
    m: int,
    alpha: float,
    background: float = 0.0,
) -> Pulsation | None:
    """Look for a strictly periodic signal at the peaks of an averaged periodogram.

    Each narrow peak is a candidate. What was counted becomes, near its frequency, phasors of blocks of
    time, each of 50 to 100 cycles at least, and the question is whether their phases agree at some frequency
    (`pipeline.segment.pulsations.phases.agreement`). That holds whatever the spectrum: red noise and QPOs of Q
    up to 50 keep no phase for so long.

    Parameters
    ----------
    series : Series
        Events, or a light curve.
    frequency, power : ndarray, shape (n,)
        Averaged periodogram of its segments: evenly spaced frequencies, Hz, and powers in any
        normalisation.
    m : int
        Segments.
    alpha : float
        Largest p-value of a pulsation.
    background : float, optional
        Part of the counts that is background.

    Returns
    -------
    Pulsation or None
        None where there is nothing to test.
    """
    peaks = candidates(power, m)
    if not len(peaks) or series.n_cell > _MOST_CELLS:
        return None
    affordable = max(1, int(_MOST_PHASES / len(series.time)))
    limited = affordable < len(peaks)
    peaks = peaks[:affordable]
    raster = _Raster.of(series)
    trials = len(peaks) * len(raster.near)
    # A peak was chosen for the power of segments, and so for phases that agree within them: where blocks are
    # shorter, all bins of the periodogram are trials.
    shorter = [series.block(frequency[j]) < series.segment for j in peaks]
    chosen = np.where(shorter, len(power) / len(peaks), 1.0)
    found = [
        _coherent(series, raster, frequency[j], -np.log(trials * of_chosen))
        for j, of_chosen in zip(peaks, chosen, strict=True)
    ]
    p_values = np.minimum(np.exp([one.log_p for one in found]) * trials * chosen, 1.0)
    best = int(np.argmin(p_values))
    p_value = float(p_values[best])
    if p_value > alpha:
        return Pulsation(p_value, limited=limited)
    lines = [
        (one.frequency, 1.5 / series.segment)
        for one, p in zip(found, p_values, strict=True)
        if p <= alpha
    ]
    pulse = _pulse(series, _fundamental(series, found[best].frequency), background)
    p_value = min(1.0, max(p_value, float(np.exp(-0.4 * pulse.h)) * trials * chosen[best]))
    if p_value > alpha:
        return Pulsation(p_value, limited=limited)
    all_lines = np.append(pulse.lines, lines, axis=0)
    return replace(pulse, p_value=p_value, lines=all_lines, limited=limited)


@dataclass(frozen=True)
class _Raster:
    """The cells of an observation, and the frequencies near a peak at which their phasors are added.

    Attributes
    ----------
    middle : ndarray, shape (n_cell,)
        Middles of the cells, s.
    n : int
        Cells with the empty ones that are added for the transform.
    near : ndarray of int, shape (n_near,)
        Positions in the transform, in order of frequency.
    offset : ndarray, shape (n_near,)
        Their distances from the frequency of the phasors, Hz.
    """

    middle: np.ndarray
    n: int
    near: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, series: Series) -> "_Raster":
        """Return the raster of a series."""
        n = fft.next_fast_len(_OVERSAMPLING * series.n_cell)
        offset = fft.fftfreq(n, series.cell)
        near = np.flatnonzero(np.abs(offset) <= 1 / series.segment)
        near = near[np.argsort(offset[near])]
        return cls((np.arange(series.n_cell) + 0.5) * series.cell, n, near, offset[near])


def _coherent(series: Series, raster: _Raster, frequency: float, matters: float) -> _Candidate:
    """Return the frequency near a peak at which phases agree best.

    Where the phases are known well enough to see them wander, p is 1. Where its logarithm is certainly larger than
    `matters`, it is not computed, and 1 too.
    """
    phasors = series.phasors(frequency, series.cell, series.n_cell)
    transform = np.abs(fft.fft(phasors, 2 * raster.n))
    each_a_block = series.block(frequency) <= series.cell
    if each_a_block and not phases.may_agree(phasors, _INTERPOLATED * transform.max(), matters):
        return _Candidate(frequency, 0.0)
    power = transform[2 * raster.near] ** 2
    top = np.flatnonzero(ndimage.maximum_filter1d(power, 3) == power)
    top = top[np.argsort(power[top])[::-1][:_PEAKS]]
    middle, offset = raster.middle, raster.offset[top]
    turned = phasors[:, None] * phases.turned(middle[:, None] * offset)
    block = series.blocks(frequency, middle)
    at = np.bincount(block, middle) / np.bincount(block)
    blocks, finer = _climbed(_summed(turned, block), at, 1 / (raster.n * series.cell))
    offset = offset + finer
    if not phases.may_agree(blocks, np.abs(blocks.sum(axis=0)), matters):
        return _Candidate(frequency, 0.0)
    log_p = phases.agreement(blocks)
    # the highest peak of those that agree: the others are its side lobes, of gaps between orbits
    agree = log_p <= 0.5 * log_p.min()
    k = int(np.argmax(np.where(agree, np.abs(blocks.sum(axis=0)), -1)))
    own = turned[:, k] * phases.turned(middle * finer[k])
    kept = phases.concentration(own[own != 0])
    return _Candidate(frequency + offset[k], 0.0 if kept < _PHASE_KEPT else float(log_p[k]))


def _climbed(blocks: np.ndarray, time: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Change the frequencies of blocks' phasors by at most a step to where their sums are largest.

    Returns the phasors, shape (n_block, n), and the changes, Hz, shape (n,).
    """
    changes = np.linspace(-step, step, 33)
    turn = phases.turned(np.outer(changes, time))  # (change, block)
    best = changes[np.argmax(np.abs(turn @ blocks), axis=0)]
    return blocks * phases.turned(np.outer(time, best)), best


def _summed(phasors: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Sum the phasors of cells, shape (n_cell, n), in blocks, in order; shape (n_block, n)."""
    first = np.flatnonzero(np.diff(block, prepend=-1))
    return np.add.reduceat(phasors, first, axis=0)


def _fundamental(series: Series, frequency: float) -> float:
    """Return the frequency of the pulse, given that of one of its harmonics.

    Power is looked for at the multiples of its parts, a half to a twelfth, up to twice the frequency. The pulse is the
    largest frequency that has all multiples with power among its own multiples.
    """
    folded = series.folded(frequency, 1)
    frequency += _offset(folded.phasors, folded.middle, np.ones(1))
    denominators = [1]
    for parts in _PARTS:
        reach = 2.0 if series.resolution == 0 else min(2.0, 0.5 / (series.resolution * frequency))
        multiples = np.array([k for k in range(1, int(reach * parts) + 1) if k % parts])
        if not len(multiples):
            continue
        folded = series.folded(frequency / parts, 2 * parts)
        blocks = series.blocks(frequency, folded.middle)
        log_p = phases.agreement(_summed(folded.phasors, blocks))
        found = multiples[log_p[multiples - 1] < np.log(_LINE / len(multiples))]
        denominators += [parts // gcd(int(k), parts) for k in found]
    return frequency / lcm(*denominators)


def _offset(folded: np.ndarray, middle: np.ndarray, weight: np.ndarray) -> float:
    """Return by how much the frequency must change for most weighted power, at most 1 / span."""
    span = middle[-1] + middle[0]
    lo, hi = -1 / span, 1 / span
    for _ in range(4):
        grid = np.linspace(lo, hi, 41)
        power = [weight @ np.abs(_turned(folded, middle, d).sum(axis=0)) ** 2 for d in grid]
        best, step = grid[int(np.argmax(power))], grid[1] - grid[0]
        lo, hi = best - 2 * step, best + 2 * step
    return best


def _turned(folded: np.ndarray, middle: np.ndarray, offset: float) -> np.ndarray:
    """Return phasors of the harmonics at a frequency changed by an offset."""
    k = np.arange(1, folded.shape[1] + 1)
    return folded * phases.turned(offset * np.outer(middle, k))


def _pulse(series: Series, frequency: float, background: float) -> Pulsation:
    """Measure a pulse."""
    highest = _HARMONICS
    if series.resolution > 0:
        highest = int(np.clip(0.5 / (series.resolution * frequency), 1, _HARMONICS))
    of_cells = series.folded(frequency, highest)
    folded, counts, middle = of_cells.phasors, of_cells.counts, of_cells.middle
    n, k = counts.sum(), np.arange(1, highest + 1)
    level, offset = _levels(folded, counts, series.blocks(frequency, middle)), 0.0
    for _ in range(
        3
    ):  # H and its harmonics follow from the frequency, and the frequency from these
        squares = 2 / n * np.abs(_turned(folded, middle, offset).sum(axis=0)) ** 2
        statistic = np.cumsum(squares / level) - 4 * k + 4
        best = int(np.argmax(statistic))
        offset = _offset(folded[:, : best + 1], middle, 1 / level[: best + 1])
    k, level, squares = k[: best + 1], level[: best + 1], squares[: best + 1]
    signal = np.maximum(squares - 2 * level, 0)
    rms = np.sqrt(signal.sum() / n)
    error = np.sqrt(np.sum(level**2 + level * signal)) / (n * rms)
    sandwich = _sandwich(_turned(folded[:, : best + 1], middle, offset), counts, middle, level)
    error = max(error, sandwich[1] / (n**2 * rms))
    at = np.average(middle, weights=counts)
    spread = np.sqrt(np.average((middle - at) ** 2, weights=counts))
    excess = signal / level * series.segment / series.exposure  # over the level, of a segment
    reach = (1 + np.minimum(np.sqrt(excess) / 2, 8)) / series.segment
    return Pulsation(
        p_value=np.nan,
        frequency=float(frequency + offset),
        frequency_err=max(
            float(1 / (2 * np.pi * spread * np.sqrt(np.sum(k**2 * signal / level)))), sandwich[0]
        ),
        h=float(statistic[best]),
        harmonics=best + 1,
        fraction=float(rms / (1 - background)),
        fraction_err=float(error / (1 - background)),
        lines=np.column_stack([k * (frequency + offset), reach]),
    )


def _sandwich(
    phasors: np.ndarray, counts: np.ndarray, middle: np.ndarray, level: np.ndarray
) -> tuple[float, float]:
    """Return the errors of the frequency and of the power from the scatter of the cells.

    Where most counts are pulsed, the noise of the harmonics is not independent.
    """
    k, total = np.arange(1, phasors.shape[1] + 1), phasors.sum(axis=0)
    since = 2 * np.pi * (middle - np.average(middle, weights=counts))
    along = 2 * np.conj(total) * phasors
    slope = since * (along.imag @ (k / level))
    bend = 2 * np.average(since**2, weights=counts) * (np.abs(total) ** 2 @ (k**2 / level))
    power = along.real.sum(axis=1) - counts / counts.sum() * along.real.sum()
    return float(np.sqrt(np.sum(slope**2)) / bend), float(np.sqrt(np.sum(power**2)))


def _levels(folded: np.ndarray, counts: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the power at each harmonic that is not coherent, over that of Poisson noise; at least 1.

    It is the scatter of the blocks' phasors about their mean, each in proportion to its counts.
    """
    blocks, n = _summed(folded, block), np.bincount(block, counts)
    blocks, n = blocks[n > 0], n[n > 0]
    if len(n) < _FEWEST_BLOCKS:
        return np.ones(folded.shape[1])
    squares = np.sum(np.abs(blocks) ** 2 / n[:, None], axis=0)
    coherent = np.abs(blocks.sum(axis=0)) ** 2 / n.sum()
    return np.maximum((squares - coherent) / (len(n) - 1), 1)
