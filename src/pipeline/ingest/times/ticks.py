"""The frames of a detector: whether event times are whole numbers of frames, and the length of a frame.

Times that are whole frames beat against bins that are not: a bin holds one frame or none, and this pattern
looks like a signal. The spacing is measured on the times themselves: the barycentric correction makes it
differ from that of the header by up to one part in 10,000.
"""

import math
from dataclasses import dataclass

import numpy as np

FINEST = 1e-5
"""Ticks of fewer seconds do not matter: bins are far longer."""

MOST = 4096
"""Events that are looked at, in runs of `RUN` that follow one another."""

RUN = 512
_LEAST = 20
_ON_TICK = 0.9
_NARROW = 0.02
_CHANCE = 30.0
_DIVISORS = np.arange(1, 17)
_REACH = (4.5, 16.5, 64.5, 256.5, 1024.5)
_FIRM = 100.0
_FEW, _SELDOM = 12, 1e-3
_EXACT = 1e-6
_PHASES, _OCCUPIED = 64, 24


@dataclass(frozen=True)
class Grain:
    """How finely the numbers of a column are kept.

    Attributes
    ----------
    step : float
        Distance of neighbouring numbers at the largest of them, s; 0 for whole numbers.
    single : bool
        Whether they are of single precision, or were before they were written in double.
    """

    step: float = 0.0
    single: bool = False


def grain_of(values: np.ndarray, unit: float) -> Grain:
    """Return how finely the numbers of a time column are kept.

    Parameters
    ----------
    values : ndarray
        The column as it is in the file.
    unit : float
        Seconds in its unit.
    """
    if values.dtype.kind != "f" or not values.size:
        return Grain()
    some = values.ravel()[:: 1 + values.size // MOST]
    some = some[np.isfinite(some)]
    if not len(some):
        return Grain()
    largest = np.abs(some).max()
    single = values.dtype.itemsize == 4
    if not single and largest < 3e38:
        single = bool(np.all(some == some.astype(np.float32))) and bool(np.any(some % 1))
    kind = np.float32 if single else np.float64
    return Grain(float(np.spacing(kind(largest))) * unit, single)


def find_tick(time: np.ndarray, kept: float = 0.0, stated: float = 0.0) -> float:
    """Find the spacing of the frames of a detector: times are whole multiples of it plus a common phase.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Arrival times, s, in order.
    kept : float, optional
        How finely they are kept, s; see `Grain.step`.
    stated : float, optional
        Resolution in the header (TIMEDEL), s; 0 if there is none.

    Returns
    -------
    float
        s; 0 where there is none of at least `FINEST`, because times are not quantised.
    """
    near = _differences(time)
    for gaps in (near, np.diff(np.sort(near))):
        gaps = np.sort(gaps[gaps > 2 * kept])
        for tick in _candidates(gaps, stated):
            if tick >= FINEST and (found := _refine(gaps, tick, kept, tick == stated)):
                if found < 0.9 * stated and _is_clumped(time, stated):
                    return stated
                found = _slope(time, found)
                return stated if abs(found - stated) <= _EXACT * stated else found
    return stated if stated >= FINEST and _is_clumped(time, stated) else 0.0


def _runs(n: int) -> list[slice]:
    """Return where the runs that are looked at lie in a list of `n` times."""
    if n <= MOST:
        return [slice(i, i + RUN) for i in range(0, n, RUN)]
    return [slice(i, i + RUN) for i in np.linspace(0, n - RUN, MOST // RUN).astype(int)]


def _differences(time: np.ndarray) -> np.ndarray:
    """Return the differences of neighbouring times in runs spread over a list, s."""
    return np.concatenate([np.empty(0), *(np.diff(time[run]) for run in _runs(len(time)))])


def _is_clumped(time: np.ndarray, tick: float) -> bool:
    """Return whether times have few phases in a tick: frames of several detectors, each with its own.

    Each run of times that is many ticks long is looked at by itself: over a run, phases hardly drift.
    """
    occupied = []
    for run in _runs(len(time)):
        some = time[run]
        if len(some) >= RUN // 2 and some[-1] - some[0] >= _LEAST * tick:
            phase = ((some - some[0]) / tick % 1.0 * _PHASES).astype(int) % _PHASES
            occupied.append(np.count_nonzero(np.bincount(phase, minlength=_PHASES)))
    return bool(occupied) and float(np.median(occupied)) <= _OCCUPIED


def _candidates(gaps: np.ndarray, stated: float) -> list[float]:
    """Return spacings that may be the tick, the longest first.

    They are the stated one, and parts of the shortest gaps: of the shortest of all, and of those that are
    many times as long as the next shorter one, which may be a mere rounding.
    """
    if len(gaps) < _LEAST:
        return []
    jumps = 1 + np.flatnonzero(gaps[1:] > 4 * gaps[:-1])[:6]
    base = gaps[np.concatenate([[0], jumps])]
    base = np.array([np.median(gaps[(gaps >= b) & (gaps <= 1.1 * b)]) for b in base])
    parts = np.unique((base[:, np.newaxis] / _DIVISORS).ravel())[::-1]
    return [*([stated] if stated > 0 else []), *parts]


def _refine(gaps: np.ndarray, tick: float, kept: float, stated: bool) -> float:
    """Return the tick that fits gaps best, 0 if they are not multiples of it.

    Ever longer gaps improve it, because an error grows with the number of ticks in a gap. A stated tick may
    hold for long gaps alone, if there are no short ones.
    """
    found = 0.0
    for reach in _REACH:
        used = gaps[: gaps.searchsorted(reach * tick)]
        used = used[used.searchsorted(_width(tick, kept)) :]
        if len(used) < _LEAST:
            continue
        number = np.rint(used / tick)
        better = float((number * used).sum() / max((number**2).sum(), 1.0))
        if not _multiples(used, better, kept):
            if reach < _FIRM:
                return 0.0
            break  # over so long it drifts
        found = tick = better
    if not found and stated and len(gaps) >= _LEAST and _multiples(gaps, tick, kept):
        found = tick
    return found


def _slope(time: np.ndarray, tick: float) -> float:
    """Return the mean spacing of ticks in the runs.

    The gaps between the last event of a tick and the first of the next are too short where times jitter.
    """
    above = below = 0.0
    for run in _runs(len(time)):
        some = time[run] - time[run.start]
        number = np.concatenate([[0.0], np.cumsum(np.rint(np.diff(some) / tick))])
        number -= number.mean()
        above += float(number @ some)
        below += float(number @ number)
    found = above / below if below > 0 else tick
    return found if abs(found - tick) < 1e-3 * tick else tick


def _width(tick: float, kept: float) -> float:
    """Return how far from a multiple of a tick a gap may be, s."""
    return max(_NARROW * tick, 1.25 * kept)


def _multiples(gaps: np.ndarray, tick: float, kept: float) -> bool:
    """Return whether gaps are multiples of a tick, and more of them than by chance."""
    width = _width(tick, kept)
    if not tick > 0 or width > 0.2 * tick:
        return False
    longer = gaps[gaps > width]
    number = np.rint(longer / tick)
    on = (np.abs(longer - number * tick) <= width) & (number > 0)
    chance = 2 * width / tick
    surprise = _ON_TICK * math.log(_ON_TICK / chance)
    surprise += (1 - _ON_TICK) * math.log((1 - _ON_TICK) / (1 - chance))
    enough = max(_LEAST, _CHANCE / surprise)
    if len(longer) < enough or np.count_nonzero(on) < _ON_TICK * len(longer):
        return False
    counts = np.bincount(np.minimum(number[on], _FEW * _FEW).astype(int))
    some = np.flatnonzero(counts > _SELDOM * len(longer))
    # few different gaps, of which none is one tick long, are multiples of anything
    return 1 in some or len(some) >= _FEW
