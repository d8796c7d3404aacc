"""Cross spectra from events, beside Stingray's: two bands, and ten energies against all others.

`two bands`: 4x10^5 events in 160 segments of 16,384 bins, from arrival times to two power spectra and their cross spectrum. The
peer is Stingray's `AveragedCrossspectrum.from_events`. `ten energies`: 2x10^6 events in the same segments, the powers of ten
channels and their cross spectra with the sum of all; the peer is Stingray's `AveragedCrossspectrum` of each channel with
that of the others. The floor is one histogram and one real transform a channel. `intervals` is from the averages to 68.3 % intervals of
coherence and phase, for 300 bins.

All times are CPU seconds of this process, medians of runs in turns. The results agree to 1e-10, or the script stops.
"""

import resource
import sys
import warnings
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from _common import report
from scipy import fft

from pipeline.segment.spectrum import coherence, cross

sys.path.remove(
    str(Path(__file__).parent)
)  # numba takes coverage.py there for the package of this name
import stingray

SEGMENTS, BINS, DT = 160, 16384, 1 / 512
LENGTH = SEGMENTS * BINS * DT
START = np.arange(SEGMENTS) * BINS * DT
REPEATS = 5


def photons(events, channels):
    """Arrival times and channels of events that vary."""
    rng = np.random.default_rng([events, channels])
    time = np.sort(rng.uniform(0, LENGTH, events))
    return time + 0.02 * np.sin(2 * np.pi * 3.0 * time), rng.integers(0, channels, events)


def ours(time, channel, channels):
    """Powers and cross spectra in one pass: two bands, or each channel against the sum of all."""
    two = channels == 2
    pairs = [(1, 0)] if two else [(k, channels) for k in range(channels)]
    blocks = cross.channel_blocks(time, channel, channels, START, BINS, DT)
    return cross.average(blocks, BINS, DT, pairs, total=not two)


def theirs(time, channel, channels):
    """The same by Stingray, the reference without the channel."""
    gti = np.array([[0.0, LENGTH]])
    found = []
    for k in range(1 if channels == 2 else 0, channels):
        own, other = (
            stingray.EventList(time[mask], gti=gti) for mask in (channel == k, channel != k)
        )
        found.append(
            stingray.AveragedCrossspectrum.from_events(
                own, other, dt=DT, segment_size=BINS * DT, norm="abs", silent=True
            )
        )
    return found


def floor(time, channel, channels):
    """One histogram and one transform a channel."""
    for start in START:
        first, last = np.searchsorted(time, [start, start + BINS * DT])
        index = ((time[first:last] - start) / DT).astype(np.int64) + channel[first:last] * BINS
        counts = np.bincount(index, minlength=channels * BINS)[: channels * BINS]
        fft.rfft(counts.reshape(channels, BINS).astype(float), axis=1)


def cpu(function):
    """Return the CPU seconds of a call, of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    function()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(functions):
    """Return the median CPU seconds of each function; they run in turns, once before without being counted."""
    for function in functions:
        function()
    each = [[cpu(function) for function in functions] for _ in range(REPEATS)]
    return [median(times) for times in zip(*each, strict=True)]


def compare(time, channel, channels):
    """Stop where the cross spectra, without the photons of the channel itself, are not those of Stingray."""
    found = ours(time, channel, channels)
    for mine, (x, _), one in zip(
        found.cross, found.pairs, theirs(time, channel, channels), strict=True
    ):
        apart = mine if channels == 2 else mine - found.auto[x]
        scale = np.abs(one.power).max()
        np.testing.assert_allclose(apart[: len(one.power)], one.power, atol=1e-10 * scale)


def measure(what, events, channels):
    """Print the line of a workload."""
    given = (*photons(events, channels), channels)
    compare(*given)
    mine, peer, least = in_turns([partial(one, *given) for one in (ours, theirs, floor)])
    report(
        "cross",
        f"{what}: {events} events, {SEGMENTS} segments of {BINS} bins",
        "CPU s",
        mine,
        peer=peer,
        peer_name="Stingray, AveragedCrossspectrum.from_events",
        floor=least,
        floor_name="bincount and rfft in double precision",
        times_faster=peer / mine,
        over_floor=mine / least,
    )


def intervals():
    """Print the line of the intervals of a cross spectrum."""
    rng = np.random.default_rng(3)
    measured, n = rng.uniform(0, 1, 300), np.round(rng.uniform(8, 2000, 300))

    def every():
        coherence.phase_error(measured, n)
        for one in (1 - coherence.ONE_SIGMA, coherence.ONE_SIGMA, coherence.LIMIT):
            coherence.bound(measured, n, one)

    report("cross", "intervals of 300 bins", "CPU s", in_turns([every])[0])


def main():
    """Print one line for each workload."""
    warnings.simplefilter("ignore")
    measure("two bands", 400_000, 2)
    measure("ten energies", 2_000_000, 10)
    intervals()


if __name__ == "__main__":
    main()
