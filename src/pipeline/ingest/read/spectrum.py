"""Power spectra from channels, as XSPEC spectra have them, or from frequencies; their averages."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.ingest.missions.calibration import Bounds
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status

_NOTHING = np.zeros(0)
_TOLERANCE = 0.01
"""Fraction of its width by which a bin may reach into the next one, because edges are rounded."""

_TOLERANCE_OF_TABLES = 0.1
"""The same for edges that are written to a few digits."""

_HOLE = 0.1
"""Fraction of the width of a bin that may be missing between the raw powers that are averaged in it."""


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
    n : ndarray, shape (n,) or (0,)
        Number of raw ordinates that were averaged; empty if there is no column of it.
    noise : ndarray, shape (n,) or (0,)
        Noise level; empty if there is no column of it.
    """

    frequency_lo: np.ndarray
    frequency_hi: np.ndarray
    power: np.ndarray
    power_err: np.ndarray
    flags: Flag
    n: np.ndarray = field(default_factory=lambda: np.zeros(0))
    noise: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Edges:
    """Lower and upper edges of bins, shape (n,) each, Hz."""

    lower: np.ndarray
    upper: np.ndarray


def of_channels(
    channel: np.ndarray,
    counts: np.ndarray,
    error: np.ndarray,
    bad: np.ndarray,
    bounds: Bounds,
) -> Spectrum:
    """Turn counts a channel into power density.

    Parameters
    ----------
    channel, counts, error : ndarray, shape (n,)
        Numbers of the channels; in each the power times the width of the bin, and its error.
    bad : ndarray of bool, shape (n,)
        Channels marked as bad.
    bounds : Bounds
        The channels of the response; their edges are in Hz, though XSPEC labels them keV.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when the response has no channel of the spectrum, bins overlap, or no bin can be
        used.
    """
    order = np.argsort(bounds.channel, kind="stable")
    known, lower, upper = (
        np.asarray(column, dtype=float)[order]
        for column in (bounds.channel, bounds.lower, bounds.upper)
    )
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
    _refuse_overlaps(start, stop, "mend EBOUNDS of the response")
    return Spectrum(
        frequency_lo=start,
        frequency_hi=stop,
        power=(counts[good] / width)[by_frequency],
        power_err=(error[good] / width)[by_frequency],
        flags=Flag(0) if good.all() else Flag.TIMES_DROPPED,
    )


def with_frequencies(
    frequency: np.ndarray | None,
    edges: Edges | None,
    power: np.ndarray,
    error: np.ndarray,
    n: np.ndarray = _NOTHING,
    noise: np.ndarray = _NOTHING,
) -> Spectrum:
    """Make a power spectrum of powers at known frequencies.

    Parameters
    ----------
    frequency : ndarray, shape (n,), or None
        Frequencies of the powers, Hz; None if there are edges.
    edges : Edges or None
        Edges of the bins; None: half-way to the neighbours.
    power : ndarray, shape (n,)
        Power density.
    error, n, noise : ndarray, shape (n,) or (0,)
        Its error, its number of ordinates and its noise level; empty if there is no column of them.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when no bin can be used.
    """
    power = np.asarray(power, float)
    if edges is None:
        assert frequency is not None
        edges = _half_way(frequency)
    lo, hi = edges.lower, edges.upper
    good = np.isfinite(power) & np.isfinite(lo) & np.isfinite(hi) & (hi > lo) & (hi > 0)
    if frequency is not None:
        good &= frequency > 0  # at 0 is the mean
    for column in (error, n):
        if len(column):
            good &= np.isfinite(column) & (column > 0)
    if len(noise):
        good &= np.isfinite(noise)
    if not good.any():
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"none of {len(power)} bins has a positive frequency, a finite power and, if there is a "
            "column of errors, a positive error",
        )
    order = np.flatnonzero(good)[np.argsort(lo[good], kind="stable")]
    _refuse_overlaps(lo[order], hi[order], "mend its frequencies", _TOLERANCE_OF_TABLES)
    return Spectrum(
        frequency_lo=np.maximum(lo[order], 0.0),
        frequency_hi=hi[order],
        power=power[order],
        power_err=error[order] if len(error) else error,
        flags=Flag(0) if good.all() else Flag.TIMES_DROPPED,
        n=np.asarray(n[order] if len(n) else np.zeros(0), float),
        noise=np.asarray(noise[order] if len(noise) else np.zeros(0), float),
    )


def _refuse_overlaps(
    start: np.ndarray, stop: np.ndarray, remedy: str, tolerance: float = _TOLERANCE
) -> None:
    """Raise Rejected where a bin reaches into the next one; bins are in order."""
    width = np.minimum(stop[1:] - start[1:], stop[:-1] - start[:-1])
    overlaps = np.flatnonzero(stop[:-1] - start[1:] > tolerance * width)
    if len(overlaps):
        i = overlaps[0]
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"bins overlap: {start[i]:g}-{stop[i]:g} and {start[i + 1]:g}-{stop[i + 1]:g} Hz; {remedy}",
        )


def about(frequency: np.ndarray, half_width: np.ndarray) -> Edges | None:
    """Return the edges of bins by their half-widths; None if a half-width is not positive."""
    if not (np.isfinite(half_width) & (half_width > 0)).all():
        return None
    return Edges(frequency - half_width, frequency + half_width)


def density(raw: Spectrum) -> Spectrum:
    """Return a power spectrum with powers, errors and noise levels divided by the widths of the bins."""
    width = raw.frequency_hi - raw.frequency_lo
    columns = {name: getattr(raw, name) for name in ("power", "power_err", "noise")}
    return replace(raw, **{name: c / width for name, c in columns.items() if len(c)})


def selected(
    raw: Spectrum, ranges: Sequence[tuple[float, float]], mask: Sequence[tuple[float, float]]
) -> Spectrum:
    """Return the bins of a power spectrum that are wanted.

    Parameters
    ----------
    raw : Spectrum
        The power spectrum.
    ranges : sequence of (float, float)
        The middle of a bin must lie in one of these, Hz; empty: all bins.
    mask : sequence of (float, float)
        A bin must not touch any of these, Hz.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when no bin is left.
    """
    middle = (raw.frequency_lo + raw.frequency_hi) / 2
    inside = np.any([(middle >= lo) & (middle <= hi) for lo, hi in ranges], axis=0)
    keep = inside if len(ranges) else np.ones(len(middle), bool)
    for lo, hi in mask:
        keep = keep & ~((raw.frequency_lo < hi) & (raw.frequency_hi > lo))
    if not keep.any():
        raise Rejected(
            Status.BAD_SPECTRUM,
            "no bin is left by ingest.tables.frequencies and ingest.tables.mask: widen them",
        )
    names = ("frequency_lo", "frequency_hi", "power", "power_err", "n", "noise")
    kept = {name: getattr(raw, name)[keep] for name in names if len(getattr(raw, name))}
    return replace(raw, **kept)


def _half_way(frequency: np.ndarray) -> Edges:
    """Return the edges of bins half-way between frequencies, which may be in any order."""
    known = np.unique(frequency[np.isfinite(frequency)])
    if len(known) < 2:
        raise Rejected(Status.BAD_SPECTRUM, "fewer than two frequencies: a spectrum needs more")
    middle = (known[1:] + known[:-1]) / 2
    lower = np.concatenate([[2 * known[0] - middle[0]], middle])
    upper = np.concatenate([middle, [2 * known[-1] - middle[-1]]])
    place = np.clip(np.searchsorted(known, frequency), 0, len(known) - 1)
    there = np.isfinite(frequency)
    return Edges(np.where(there, lower[place], np.nan), np.where(there, upper[place], np.nan))


def average(raw: Spectrum, size: int) -> Spectrum:
    """Average raw powers of neighbouring bins, `size` at a time; an incomplete last average is dropped."""
    count = len(raw.power) // size
    if size == 1 or not count:
        return raw
    lo, hi, power = (
        column[: count * size].reshape(count, size)
        for column in (raw.frequency_lo, raw.frequency_hi, raw.power)
    )
    return replace(raw, frequency_lo=lo[:, 0], frequency_hi=hi[:, -1], power=power.mean(axis=1))


def rebinned(raw: Spectrum, fraction: float, least: int) -> tuple[Spectrum, np.ndarray]:
    """Average raw powers in bins whose width grows with their frequency.

    No bin reaches over a hole in the frequencies that is wider than a tenth of the bin, such as a mask leaves.
    The last powers, and those before a hole, are a bin if they are `least` or more; else they are dropped.

    Parameters
    ----------
    raw : Spectrum
        Raw powers at evenly spaced frequencies, in order.
    fraction : float
        Width of a bin over the frequency at its start.
    least : int
        Least number of raw powers in a bin.

    Returns
    -------
    Spectrum
        Of shape (bins,): the mean of the raw powers in each bin.
    ndarray, shape (bins,)
        Number of raw powers in each bin.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when there are no `least` raw powers side by side.
    """
    lo, hi = raw.frequency_lo, raw.frequency_hi
    spacing = float(np.median(hi - lo))
    width = np.maximum(fraction * (lo + hi) / 2, least * spacing)
    holes = 1 + np.flatnonzero(lo[1:] - hi[:-1] > _HOLE * width[1:])
    starts: list[int] = []
    stops: list[int] = []
    for start, stop in zip([0, *holes], [*holes, len(lo)], strict=True):
        at = start
        while at + least <= stop:
            # half a spacing more: rounding must not lose the last power of a whole number of spacings
            end = np.searchsorted(hi[at:stop], lo[at] + width[at] + spacing / 2, side="right")
            starts.append(at)
            at = min(at + max(int(end), least), stop)
            stops.append(at)
    if not starts:
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"no {least} raw powers lie side by side: lower ingest.tables.average or oversampling",
        )
    first, last = np.array(starts), np.array(stops)
    total = np.concatenate([[0.0], np.cumsum(raw.power)])
    mean = (total[last] - total[first]) / (last - first)
    bins = replace(raw, frequency_lo=lo[first], frequency_hi=hi[last - 1], power=mean)
    return bins, last - first


def plus(raw: Spectrum, level: float) -> Spectrum:
    """Add a noise level to powers that it was subtracted from."""
    return replace(raw, power=raw.power + level) if level else raw
