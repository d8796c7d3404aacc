"""Bins of events whose times are whole frames: a whole number of frames each, their edges between frames."""

import numpy as np

COARSE = 0.01
"""Part of a bin above which a frame is long enough to beat against the bins."""

SAME = 0.01
"""Part by which bin widths may differ that are averaged: as the barycentric correction makes them."""

_PHASES = 128
_LOOKED_AT = 4096
_LAST = 1e-3
_TOGETHER = 0.5


def beats(tick, dt):
    """Return whether bins of `dt` seconds have to heed frames of `tick` seconds (0: there are none)."""
    return tick > COARSE * dt


def bin_width(requested, resolution, tick):
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


def common_widths(requested, resolutions, ticks):
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
        s: multiples of each list's own tick where there are such that are alike; else the widest of
        all, for each.
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


def align(time, start, stop, tick):
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
        By at most half a frame other. Of several detectors, each with frames of its own, the edges lie
        where there is the most room. An interval without events stays as it is.
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


def _edge(phase):
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


def _turn(difference):
    """Return a difference of phases as one from 0 to 1."""
    return difference % 1.0


def _centre(phase):
    """Return the mean of phases on a circle."""
    return float(np.angle(np.mean(np.exp(2j * np.pi * phase))) / (2 * np.pi))


def follow(time, start, length, tick):
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
        Their starts, by at most half a frame other. Where the frames of a segment have no one phase, as
        those of several detectors, it stays.
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
