"""Event times that are whole frames of a detector: found, and moved to the middle of their frame."""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.hdu import Hdu
from pipeline.ingest.times import good_time, gti, ticks
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.ingest.times.ticks import Grain

_SAME, _LONGER = 0.01, 1.5
_LOOKED_AT = 1 << 17


@dataclass(frozen=True)
class Framed:
    """Event times, and the frames they are in.

    Attributes
    ----------
    tick : float
        Spacing of the frames, s; 0 if times are not whole frames.
    seconds : ndarray, shape (n,)
        The times, in the middle of their frame if there are frames.
    """

    tick: float
    seconds: np.ndarray


def centred(
    hdu: Hdu,
    keywords: TimeKeywords,
    seconds: np.ndarray,
    photon: np.ndarray | None,
    grain: Grain,
) -> Framed:
    """Find the frames of an event list, and put its times in the middle of theirs.

    Parameters
    ----------
    hdu : Hdu
        Its table. Where the times of all detectors together have no frames, those of the detector with the
        most events may have: each has its own phase.
    keywords : TimeKeywords
        TIMEPIXR says where in a frame of TIMEDEL its time is.
    seconds : ndarray, shape (n,)
        Its times, s, in any order.
    photon : ndarray of bool, shape (n,), or None
        Which rows are events; None: all.
    grain : Grain
        How finely times are kept.
    """
    stated = keywords.resolution
    times = seconds if photon is None else seconds[photon]
    if not gti.in_order(times):
        times = np.sort(times[np.isfinite(times)])
    tick = ticks.find_tick(times, grain.step, stated)
    hdu = hdu.in_file
    if column := good_time.detector_column(hdu):
        of_one = _of_one_detector(hdu.read_any(column), seconds, photon)
        own = ticks.find_tick(of_one, grain.step, stated)
        tick = own if own > _LONGER * tick else tick
    if not tick and grain.single:
        tick = grain.step
    position = keywords.position
    if position is None or abs(tick - stated) > _SAME * stated:
        return Framed(tick, seconds)
    if position == 0.5 or not tick:
        return Framed(tick, seconds)
    return Framed(tick, seconds + (0.5 - position) * tick)


def _of_one_detector(
    detector: np.ndarray, seconds: np.ndarray, photon: np.ndarray | None
) -> np.ndarray:
    """Return the times of the detector with the most events, in order; none if there is only one."""
    if detector.shape != seconds.shape or detector.dtype.kind not in "iu":
        return np.empty(0)
    detector, seconds = detector[:_LOOKED_AT], seconds[:_LOOKED_AT]
    usable = np.isfinite(seconds)
    if photon is not None:
        usable &= photon[:_LOOKED_AT]
    number, count = np.unique(detector, return_counts=True)
    if not 2 <= len(number) <= good_time.MOST_DETECTORS:
        return np.empty(0)
    return np.sort(seconds[usable & (detector == number[np.argmax(count)])])
