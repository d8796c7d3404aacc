"""Power spectra that were written as XSPEC spectra: counts a channel, channels in frequency."""

from dataclasses import dataclass

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status

_TOLERANCE = 0.01
"""Part of its width that a bin may reach into the next one, as edges are rounded."""


@dataclass(frozen=True)
class Spectrum:
    """A power spectrum.

    Attributes
    ----------
    frequency_lo, frequency_hi : ndarray, shape (n,)
        Edges of the bins, Hz, in order.
    power, power_err : ndarray, shape (n,)
        Power density, noise included where it is known, and its error.
    flags : Flag
        TIMES_DROPPED where bins were left out.
    """

    frequency_lo: np.ndarray
    frequency_hi: np.ndarray
    power: np.ndarray
    power_err: np.ndarray
    flags: Flag


def convert(
    channel: np.ndarray,
    counts: np.ndarray,
    error: np.ndarray,
    bad: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray, np.ndarray],
    noise: float | None,
) -> Spectrum:
    """Turn counts a channel into power density.

    Parameters
    ----------
    channel, counts, error : ndarray, shape (n,)
        Channel numbers, and the power times the width of the bin in each with its error.
    bad : ndarray of bool, shape (n,)
        Channels marked as bad.
    bounds : (channel, lower, upper) of ndarray, shape (m,)
        Channel numbers and their edges: Hz, though XSPEC labels them keV.
    noise : float or None
        Noise level that had been subtracted and is added again; None if unknown.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when the response has no channel of the spectrum, bins overlap, or no bin can be
        used.
    """
    order = np.argsort(bounds[0], kind="stable")
    known, lower, upper = (np.asarray(b, dtype=float)[order] for b in bounds)
    place = np.minimum(np.searchsorted(known, channel), len(known) - 1)
    matched = known[place] == channel
    if not matched.any():
        raise Rejected(
            Status.BAD_SPECTRUM,
            "EBOUNDS of the response has none of the spectrum's channels: it is another response",
        )
    lo, hi = lower[place], upper[place]
    good = matched & ~bad & np.isfinite(counts) & np.isfinite(error) & (error > 0)
    good &= np.isfinite(lo) & np.isfinite(hi) & (hi > lo) & (lo >= 0)
    if not good.any():
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"none of {len(channel)} channels has a finite value, a positive STAT_ERR and edges in "
            "order",
        )
    width = (hi - lo)[good]
    by_frequency = np.argsort(lo[good], kind="stable")
    start, stop = lo[good][by_frequency], hi[good][by_frequency]
    overlaps = np.flatnonzero(stop[:-1] - start[1:] > _TOLERANCE * width[by_frequency][1:])
    if len(overlaps):
        i = overlaps[0]
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"bins overlap: {start[i]:g}-{stop[i]:g} and {start[i + 1]:g}-{stop[i + 1]:g} Hz; mend "
            "EBOUNDS of the response",
        )
    columns = (lo[good], hi[good], counts[good] / width + (noise or 0.0), error[good] / width)
    flags = Flag(0) if good.all() else Flag.TIMES_DROPPED
    return Spectrum(*(c[by_frequency] for c in columns), flags)
