"""Bins of events whose times are whole frames of the detector: whole numbers of frames, with edges between frames."""

from collections.abc import Sequence

import numpy as np

COARSE = 0.01
"""Length of a frame, in bins, above which frames and bins beat."""

SAME = 0.01
"""Relative difference that the widths of bins may have which are averaged; the barycentric correction causes some."""

_PHASES = 128
_LOOKED_AT = 4096
_LAST = 1e-3
_TOGETHER = 0.5


def beats(tick: float, dt: float) -> bool:
    """Return whether bins of `dt` seconds must be whole numbers of frames of `tick` seconds (0: there are none)."""
    return tick > COARSE * dt


def bin_width(requested: float, resolution: float, tick: float) -> float:
    """Return the bin width for events: never finer than the detector resolves.

    Where the frames, or the resolution, are coarse enough to beat against the bins, the width is a whole
    multiple of them.

    Parameters
    ----------
    requested, resolution, tick : float
        s; `resolution` and `tick` are 0 if unknown.
    """
    if not beats(tick, requested):
        tick = 0.0
    unit = tick or resolution
    if not beats(unit, requested) or not unit < np.inf:
        return requested
    wanted = max(requested, resolution if resolution < np.inf else 0.0)
    return unit * max(1.0, np.ceil(wanted / unit - (_LAST if tick else 1e-6)))


def common_widths(
    requested: float, resolutions: Sequence[float], ticks: Sequence[float]
) -> list[float]:
    """Return a bin width for each of the event lists that are averaged, alike within `SAME`.

    Parameters
    ----------
    requested : float
        s.
    resolutions, ticks : sequence of float
        s, one each a list; 0 if unknown.

    Returns
    -------
    list of float
        s: multiples of the tick of each list, where multiples exist that are alike; else the widest of all for
        each list.
    """
    longest = max(bin_width(requested, r, t) for r, t in zip(resolutions, ticks, strict=True))
    coarse = [tick if beats(tick, longest) else 0.0 for tick in ticks]
    if not any(coarse):
        return [longest] * len(coarse)
    for factor in range(1, 5):
        wanted = factor * longest
        widths = [tick * max(1, round(wanted / tick)) if tick else wanted for tick in coarse]
        if max(abs(width - wanted) for width in widths) <= SAME * wanted:
            return widths
    return [longest] * len(coarse)


def align(
    time: np.ndarray, start: np.ndarray, stop: np.ndarray, tick: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move good time intervals so that they begin between two frames and hold whole frames.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing.
    start, stop : ndarray, shape (n_interval,)
        Sorted, disjoint intervals, s.
    tick : float
        Spacing of the frames, s.

    Returns
    -------
    start, stop : ndarray, shape (n_interval,)
        They move by at most half a frame. Where several detectors have frames of their own, the edges lie
        in the widest gap between the frames. An interval without events stays as it is.
    """
    start, stop = np.array(start, float), np.array(stop, float)
    first, last = np.searchsorted(time, [start, stop])
    for i in np.flatnonzero(last > first):
        some = time[first[i] : min(last[i], first[i] + _LOOKED_AT)] - start[i]
        frame = (_edge(some / tick % 1.0) + 0.5) % 1.0
        frames = np.floor((stop[i] - start[i]) / tick - frame - _LAST) + 1
        start[i] += (frame - 0.5) * tick
        stop[i] = start[i] + frames * tick
    return start, stop


def _edge(phase: np.ndarray) -> float:
    """Return the middle of the widest empty part of a circle of phases, all from 0 to 1."""
    ordered = np.unique(np.round(phase * _PHASES).astype(int) % _PHASES)
    gaps = np.diff(ordered, append=ordered[0] + _PHASES)
    widest = int(np.argmax(gaps))
    if len(ordered) > 1 and gaps[widest] > 2:
        low, high = ordered[widest], (ordered[widest] + gaps[widest]) % _PHASES
        below = phase[np.round(phase * _PHASES).astype(int) % _PHASES == low]
        above = phase[np.round(phase * _PHASES).astype(int) % _PHASES == high]
        return float((_centre(below) + _turn(_centre(above) - _centre(below)) / 2) % 1.0)
    return float((_centre(phase) + 0.5) % 1.0)


def _turn(difference: float) -> float:
    """Return a difference of phases as one from 0 to 1."""
    return difference % 1.0


def _centre(phase: np.ndarray) -> float:
    """Return the mean of phases on a circle."""
    return float(np.angle(np.mean(np.exp(2j * np.pi * phase))) / (2 * np.pi))


def follow(time: np.ndarray, start: np.ndarray, length: float, tick: float) -> np.ndarray:
    """Move segments so that their edges stay between frames that drift.

    Times at the solar-system barycentre, or of a clock that is not the detector's, drift against their
    mean spacing by a little.

    Parameters
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing.
    start : ndarray, shape (m,)
        Starts of disjoint segments, s, increasing; frames are in the middle between multiples of
        `tick` from there, or were at the start of the interval.
    length, tick : float
        Of a segment and of a frame, s.

    Returns
    -------
    ndarray, shape (m,)
        Their starts, moved by at most half a frame. A segment stays where its frames have no common phase, as
        those of several detectors.
    """
    begin, end = np.searchsorted(time, [start, start + length])
    segment = np.repeat(np.arange(len(start)), end - begin)
    index = np.arange(len(segment)) + np.repeat(
        begin - np.cumsum(end - begin) + (end - begin), end - begin
    )
    angle = 2 * np.pi * ((time[index] - start[segment]) / tick % 1.0 - 0.5)
    cosine = np.bincount(segment, np.cos(angle), len(start))
    sine = np.bincount(segment, np.sin(angle), len(start))
    together = np.hypot(cosine, sine) > _TOGETHER * np.maximum(end - begin, 1)
    shift = np.where(together, np.arctan2(sine, cosine) / (2 * np.pi), 0.0)
    return start + shift * tick
