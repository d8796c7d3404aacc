"""Event lists: arrival times and energies inside the good time intervals."""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import clock
from pipeline.ingest.times import gti as good_time
from pipeline.status import Flag, Status

NO_TIME = (
    f"column TIME has no finite value within {clock.FURTHEST:g} s of the reference epoch: fetch "
    "the file again, or mend TIMEZERO and TIMEUNIT"
)


@dataclass(frozen=True)
class Events:
    """Events that were kept.

    Attributes
    ----------
    start : float
        Start of the first good time interval, s from the reference epoch.
    time : ndarray, shape (n,)
        Arrival times in order, s from `start`.
    energy : ndarray of float32, shape (n,) or (0,)
        Their energies, keV; empty if none were given.
    gti : ndarray, shape (m, 2)
        Good time intervals, s from `start`.
    flags : Flag
        UNSORTED, TIMES_DROPPED, NO_GTI.
    """

    start: float
    time: np.ndarray
    energy: np.ndarray
    gti: np.ndarray
    flags: Flag


def in_good_time(
    time: np.ndarray,
    energy: np.ndarray | None,
    gti: np.ndarray,
    band: tuple[float, float] | None = None,
    tick: float = 0.0,
) -> Events:
    """Keep the events of a band in the good time intervals.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Arrival times, s from the reference epoch, in any order.
    energy : ndarray, shape (n,), or None
        Energies, keV; None if they are unknown, or nobody asks for them.
    gti : ndarray, shape (m, 2)
        Merged good time intervals on the same scale. If there are none, the span of the times is used,
        without gaps that are far longer than by chance.
    band : (float, float), optional
        Energies to keep, keV. Not applied without energies.
    tick : float, optional
        Spacing of the frames of the detector, s; 0 if there are none.

    Raises
    ------
    Rejected
        BAD_TIME without a finite time, NO_DATA when nothing is left.
    """
    if not len(time):
        raise Rejected(Status.NO_DATA, "the event list has no rows: nothing was detected")
    time, energy, flags = _in_order(time, energy)
    if len(gti):
        keep = good_time.inside_in_order(time, gti)
        if not keep.any():
            raise Rejected(Status.NO_DATA, _outside(time, gti))
    else:
        gti = good_time.of_times(time) + np.array([-tick / 2, tick / 2])
        flags |= Flag.NO_GTI | (Flag.GTI_FROM_DATA if len(gti) > 1 else Flag(0))
        keep = good_time.inside_in_order(time, gti)
    if energy is None:
        energy = np.empty(0)
    elif band is not None:
        keep &= (energy >= band[0]) & (energy < band[1])
    if band is not None and not keep.any():
        raise Rejected(
            Status.NO_DATA,
            f"none of {len(time)} events lies in the band {band[0]:g}-{band[1]:g} keV: "
            "widen ingest.band",
        )
    if not keep.all():
        time = time[keep]
        energy = energy[keep] if len(energy) else energy
    start = gti[0, 0]
    return Events(start, time - start, energy.astype(np.float32), gti - start, flags)


def _in_order(
    time: np.ndarray, energy: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, Flag]:
    """Return the finite times in order, their energies, and what was wrong with the order."""
    if good_time.in_order(time):
        return time, energy, Flag(0)
    finite = np.isfinite(time)
    if not finite.any():
        raise Rejected(Status.BAD_TIME, NO_TIME)
    flags = Flag(0) if finite.all() else Flag.TIMES_DROPPED
    if not good_time.in_order(time[finite]):
        flags |= Flag.UNSORTED
    order = np.flatnonzero(finite)[np.argsort(time[finite], kind="stable")]
    return time[order], None if energy is None else energy[order], flags


def _outside(time: np.ndarray, gti: np.ndarray) -> str:
    """Say that no event lies in the good time intervals."""
    return (
        f"none of {len(time)} events lies in the good time intervals ({len(gti)} from "
        f"{gti[0, 0]:.10g} to {gti[-1, 1]:.10g} s, {good_time.total(gti):g} s in all): mend them"
    )
