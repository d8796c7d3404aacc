"""Event times that are whole frames of a detector: found, and moved to the middle of their frame."""

from collections.abc import Mapping

import numpy as np

from pipeline.ingest.times import fits_time, good_time, gti, ticks

_SAME, _LONGER = 0.01, 1.5
_LOOKED_AT = 1 << 17


def centred(
    hdu, header: Mapping, seconds: np.ndarray, photon: np.ndarray | None, kept: tuple[float, bool]
) -> tuple[float, np.ndarray]:
    """Find the frames of an event list, and put its times in the middle of theirs.

    Parameters
    ----------
    hdu : Hdu
        Its table. Where the times of all detectors together have no frames, those of the one with the
        most events may have: each has its own phase.
    header : mapping
        Its time keywords. TIMEPIXR says where in a frame of TIMEDEL its time is.
    seconds : ndarray, shape (n,)
        Its times, s, in any order.
    photon : ndarray of bool, shape (n,), or None
        Which rows are events; None: all.
    kept : (float, bool)
        How finely times are kept, and whether in single precision; see `ticks.grain`.

    Returns
    -------
    tick : float
        Spacing of the frames, s; 0 if times are not of frames.
    seconds : ndarray, shape (n,)
        The times in the middle of their frame.
    """
    grain, single = kept
    stated = fits_time.resolution(header)
    times = seconds if photon is None else seconds[photon]
    if not gti.in_order(times):
        times = np.sort(times[np.isfinite(times)])
    tick = ticks.find(times, grain, stated)
    hdu = hdu.inside if hasattr(getattr(hdu, "inside", None), "columns") else hdu
    if column := good_time.detector_column(hdu):
        own = ticks.find(_of_one_detector(hdu.read_any(column), seconds, photon), grain, stated)
        tick = own if own > _LONGER * tick else tick
    if not tick and single:
        tick = grain
    position = fits_time.number(header, "TIMEPIXR")
    if position is None or not 0 <= position <= 1 or abs(tick - stated) > _SAME * stated:
        return tick, seconds
    return tick, seconds + (0.5 - position) * tick if position != 0.5 and tick else seconds


def _of_one_detector(detector, seconds, photon) -> np.ndarray:
    """Return the times in order of the detector with the most events; none if it does not tell them apart."""
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
