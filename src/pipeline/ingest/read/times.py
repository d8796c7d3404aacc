"""The times of a table in seconds, and the common part of observations of events and light curves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from pipeline.ingest.files import undefined
from pipeline.ingest.files.recognise import time_column
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import registry
from pipeline.ingest.missions.band import Band
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times.clock import Clock
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.ingest.times.reference import clock_of, of_pairs
from pipeline.ingest.times.ticks import Grain, grain_of
from pipeline.status import Flag, Status

_Item = TypeVar("_Item")

_DEAD = 0.99
"""A smaller live fraction is flagged."""


@dataclass(frozen=True)
class Times:
    """The times of a table.

    Attributes
    ----------
    keywords : TimeKeywords
        Those that hold for the table.
    clock : Clock
        The clock of the column.
    seconds : ndarray, shape (n,)
        s from the reference epoch; NaN where there is no time.
    grain : Grain
        How finely they are kept.
    """

    keywords: TimeKeywords
    clock: Clock
    seconds: np.ndarray
    grain: Grain


def read_times(hdus: Iterable[Hdu], hdu: Hdu) -> Times:
    """Read the times of a table.

    Parameters
    ----------
    hdus : iterable of Hdu
        All of the file, the primary one first.
    hdu : Hdu
        The table.

    Raises
    ------
    Rejected
        BAD_TIME where there is no column of times, or its unit is not understood.
    """
    name = time_column(hdu.columns)
    if not name:
        found = ", ".join(hdu.columns[:8])
        raise Rejected(Status.BAD_TIME, f"no column TIME among {found}")
    number = hdu.number(name)
    keywords = TimeKeywords.of(hdu.header, next(iter(hdus)).header, number)
    unit = hdu.unit(name) or str(hdu.header.get(f"TCUNI{number}", "")).strip()
    values = undefined.clean(hdu.read(name)).values
    clock = clock_of(keywords, unit, name, values)
    if (pairs := of_pairs(values, clock)) is not None:
        values, clock = pairs.times, pairs.clock
    return Times(keywords, clock, clock.seconds(values.ravel()), grain_of(values, clock.unit))


def other_times(hdus: Iterable[Hdu], hdu: Hdu, clock: Clock) -> np.ndarray | None:
    """Return the times of column TIME, if `ingest.tables` names another column in its place.

    Parameters
    ----------
    hdus, hdu
        See `read_times`.
    clock : Clock
        The clock of the other column.

    Returns
    -------
    ndarray, shape (n,), or None
        s from the epoch of the other column; None where TIME itself was chosen, or cannot be read.
    """
    inside = hdu.in_file
    if hdu.name_in_file("TIME") == "TIME" or inside is hdu or "TIME" not in inside.columns:
        return None
    keywords = TimeKeywords.of(inside.header, next(iter(hdus)).header, inside.number("TIME"))
    values = inside.read("TIME")
    try:
        own = clock_of(keywords, inside.unit("TIME"), "TIME", values)
    except Rejected:
        return None
    if values.size != len(values):
        return None
    return own.seconds(values.ravel()) + own.since(clock)


class Selected(Protocol):
    """The selected part of a series: `Events` or `LightCurve`."""

    @property
    def start(self) -> float:
        """Seconds from the reference epoch."""

    @property
    def time(self) -> np.ndarray:
        """Times, s from `start`."""

    @property
    def gti(self) -> np.ndarray:
        """Good time intervals, shape (m, 2), s from `start`."""

    @property
    def flags(self) -> Flag:
        """Caveats of the selection."""


def timed(
    opened: Opened, clock: Clock, keywords: TimeKeywords, selected: Selected, band: Band
) -> Observation:
    """Return the part of an observation that events and light curves have in common.

    Parameters
    ----------
    opened : Opened
        The file.
    clock, keywords
        The clock and the time keywords of its table.
    selected : Events or LightCurve
        The selected part of the series.
    band : Band
        Its energies.
    """
    flags = selected.flags
    if clock.day < 0:
        flags |= Flag.NO_MJDREF
    if not clock.barycentred:
        flags |= Flag.NOT_BARYCENTRED
    if not registry.is_known(opened.who.mission):
        flags |= Flag.UNKNOWN_MISSION
    if keywords.live_fraction < _DEAD and not keywords.dead_time_applied:
        flags |= Flag.DEAD_TIME
    return Observation(
        flags=flags,
        live_fraction=keywords.live_fraction,
        band_lo=band.lo,
        band_hi=band.hi,
        time_system=clock.system,
        mjd_ref=clock.day,
        mjd_ref_frac=clock.fraction,
        t_start=selected.start,
        time=selected.time,
        gti_start=selected.gti[:, 0],
        gti_stop=selected.gti[:, 1],
    )


def each_band(
    items: Iterable[_Item],
    product: Callable[[_Item], str],
    make: Callable[[_Item], Observation],
) -> list[Observation]:
    """Return an observation of each item; one without data, with the reason, where it is rejected.

    Parameters
    ----------
    items : iterable
        Bands or light curves.
    product : callable
        Returns the name of the product of an item.
    make : callable
        Returns the observation of an item.

    Raises
    ------
    Rejected
        The first one, if all items are rejected.
    """
    made, faults = [], []
    for item in items:
        name = product(item)
        try:
            made.append(replace(make(item), product=name))
        except Rejected as rejected:
            faults.append(rejected)
            made.append(Observation.refused(rejected, name))
    if len(faults) == len(made):
        raise faults[0]
    return made
