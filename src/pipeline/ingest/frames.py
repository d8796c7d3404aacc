"""Event times that are whole frames of a detector: found, and moved to the middle of their frame."""

from collections.abc import Mapping

import numpy as np

from pipeline.ingest import fits_time, good_time, gti, ticks

_SAME = 0.01


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
    usable = np.isfinite(seconds) if photon is None else np.isfinite(seconds) & photon
    times = seconds if photon is None and gti.in_order(seconds) else np.sort(seconds[usable])
    tick = ticks.find(times, grain, stated)
    if not tick and (column := good_time.detector_column(hdu)):
        tick = ticks.find(_of_one_detector(hdu.read_any(column), seconds, usable), grain, stated)
    if not tick and single:
        tick = grain
    position = fits_time.number(header, "TIMEPIXR")
    if position is None or not 0 <= position <= 1 or abs(tick - stated) > _SAME * stated:
        return tick, seconds
    return tick, seconds + (0.5 - position) * tick if position != 0.5 and tick else seconds


def _of_one_detector(detector, seconds, usable) -> np.ndarray:
    """Return the times in order of the detector with the most events; none if it does not tell them apart."""
    if detector.shape != seconds.shape or detector.dtype.kind not in "iu":
        return np.empty(0)
    some = detector[:: 1 + len(detector) // ticks.MOST]
    number, count = np.unique(some, return_counts=True)
    if len(number) < 2 or len(number) > good_time.MOST_DETECTORS:
        return np.empty(0)
    return np.sort(seconds[usable & (detector == number[np.argmax(count)])])
