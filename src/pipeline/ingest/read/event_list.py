"""Reading an event list: an observation a band."""

import math
from dataclasses import replace

import numpy as np

from pipeline.ingest.missions import band, registry
from pipeline.ingest.missions.band import Band
from pipeline.ingest.read import events
from pipeline.ingest.read.bins import bad_events
from pipeline.ingest.read.energies import energies_of
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.read.times import each_band, other_times, read_times, timed
from pipeline.ingest.times import frames, good_time, gti
from pipeline.status import Flag


def read(opened: Opened) -> list[Observation]:
    """Read an event list, an observation a band.

    Raises
    ------
    Rejected
        If no band has an event that can be used.
    """
    times = read_times(opened.hdus, opened.hdu)
    energies = energies_of(opened, times)
    photon, known = energies.photon, energies.known(len(times.seconds))
    options = opened.options
    wanted = band.of_events(options.band, options.bands) if known else [Band()]
    asked = opened.energies or any(not math.isnan(one.lo) for one in wanted)
    energy = energies.kev() if known and asked else None
    bad = bad_events(opened.hdu, registry.mission_of(opened.who.mission, opened.who.instrument))
    if bad is not None:
        photon = ~bad if photon is None else photon & ~bad
    framed = frames.centred(opened.hdu, times.keywords, times.seconds, photon, times.grain)
    seconds, tick = framed.seconds, framed.tick
    other = other_times(opened.hdus, opened.hdu, times.clock)
    good = good_time.read(
        opened.hdus,
        good_time.Timed(opened.hdu, times.clock, seconds, other=other),
    )
    if photon is not None:
        seconds, energy = seconds[photon], energy if energy is None else energy[photon]
    dropped = 0 if bad is None else int(np.count_nonzero(bad))
    more = good.flags | (Flag.TIMES_DROPPED if dropped else Flag(0))
    more |= Flag(0) if known else Flag.NO_ENERGY

    def make(wanted: Band) -> Observation:
        limits = None if math.isnan(wanted.lo) else (wanted.lo, wanted.hi)
        kept = events.in_good_time(seconds, energy, good.intervals, limits, tick)
        common = timed(opened, good.clock, times.keywords, kept, wanted)
        return replace(
            common,
            flags=common.flags | more,
            n_dropped=dropped,
            exposure=gti.total(kept.gti),
            energy=kept.energy if opened.energies else np.empty(0, np.float32),
            dt=times.keywords.resolution or tick,
            tick=tick,
            counting=True,
        )

    return each_band(wanted, lambda one: opened.product(one.label), make)
