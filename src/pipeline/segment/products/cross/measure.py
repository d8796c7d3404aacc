"""The cross spectrum of two bands, averaged over segments and observations, in bins of frequency."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.cuts import widths
from pipeline.segment.intervals import lengths
from pipeline.segment.members import Member
from pipeline.segment.observation import Header, Read, all_flags
from pipeline.segment.products.cross.common import common
from pipeline.segment.products.power_spectra.ranges import inside
from pipeline.segment.spectrum import cross, periodogram, rebin
from pipeline.segment.spectrum.cross import Products
from pipeline.status import Flag, Status


@dataclass(frozen=True)
class Spectra:
    """Two power spectra and their cross spectrum in the same bins.

    Attributes
    ----------
    x, y : Spectrum
        Of the band of interest and of the reference.
    cross : ndarray of complex, shape (n_bins,)
        Averages of X* Y.
    noise : ndarray, shape (2,)
        Expected noise levels of x and y; NaN if unknown.
    norm : str
        Normalisation of all of them.
    """

    x: rebin.Spectrum
    y: rebin.Spectrum
    cross: np.ndarray
    noise: np.ndarray
    norm: str

    @property
    def coherence(self) -> np.ndarray:
        """Squared raw coherence, shape (n_bins,)."""
        return np.minimum(np.abs(self.cross) ** 2 / (self.x.power * self.y.power), 1 - 1e-12)


@dataclass(frozen=True)
class Measured:
    """What was measured of a pair of bands.

    Attributes
    ----------
    members : sequence of Member
        The observations, by their harder band.
    dt, segment_size : float
        Width of a bin and length of a segment, s.
    m : int
        Segments averaged.
    mean_rate : ndarray, shape (2,)
        Mean rates in them, ct/s.
    spectra : Spectra
        The averages.
    flags : Flag
        Of the observations and of the result.
    reason : str
        Why observations were not used.
    """

    members: Sequence[Member]
    dt: float
    segment_size: float
    m: int
    mean_rate: np.ndarray
    spectra: Spectra
    flags: Flag
    reason: str


@dataclass(frozen=True)
class _Part:
    """One observation: what is kept of it, its products, and its noise levels ("abs")."""

    member: Member
    products: Products
    noise: np.ndarray
    background: np.ndarray


def measure(
    xs: Sequence[Header], ys: Sequence[Header], read: Read, options: SegmentOptions
) -> Measured:
    """Average the cross spectrum of pairs of bands.

    Parameters
    ----------
    xs, ys : sequence of Header
        The harder and the softer band of each observation.
    read : callable
        Returns the observation of a header.
    options : SegmentOptions
        Section ``segment``. Of several lengths of segments, the first is used.

    Raises
    ------
    Refusal
        Where there is nothing to average.
    """
    steps = widths([*xs, *ys], options.dt)[: len(xs)]
    pairs = list(zip(xs, ys, steps, strict=True))
    bins, unused = [], []
    for x, y, dt in pairs:
        try:
            bins.append(common(read(x), read(y), dt, options.max_gap).bins)
        except Refusal as error:
            bins.append(np.zeros(0, np.int64))
            unused.append(error)
    if len(unused) == len(pairs):
        raise unused[0]
    length = lengths.wanted(options.segment_size, options.min_segments)[0]
    n_bin = lengths.segment_bins(bins, steps, options, length, xs[0].file)
    parts = []
    for (x, y, dt), some in zip(pairs, bins, strict=True):
        if (some >= n_bin).any():
            part = _part(read(x), read(y), n_bin, dt, options.max_gap)
            parts += [part] if part else []
    if not parts:
        raise Refusal(Status.NO_DATA, f"{xs[0].file}: every rate in its segments is 0")
    flags = all_flags(part.member.flags for part in parts)
    m = np.array([part.products.m for part in parts])
    flags |= Flag.FEW_SEGMENTS if m.sum() < options.min_segments else Flag(0)
    flags |= Flag.PARTIAL if len(parts) < len(pairs) else Flag(0)
    return Measured(
        members=[part.member for part in parts],
        dt=steps[0],
        segment_size=n_bin * steps[0],
        m=int(m.sum()),
        mean_rate=m @ [part.products.mean_rate for part in parts] / m.sum(),
        spectra=_spectra(parts, n_bin, steps[0], options),
        flags=flags,
        reason=f"{len(unused)} observations not used; {unused[0]}" if unused else "",
    )


def _part(x, y, n_bin, dt, max_gap):
    """Return the averages of an observation; None where its segments hold nothing."""
    both = common(x, y, dt, max_gap)
    blocks = both.blocks(n_bin)
    first = next(blocks, None)
    if first is None:
        return None
    products = cross.average(chain([first], blocks), n_bin, dt, [(0, 1)])
    if not (products.mean_rate > 0).all() or not (products.auto.sum(axis=1) > 0).all():
        return None
    variance = both.noise_variance(n_bin)
    noise = np.where(variance == -1, 2 * products.mean_rate, 2 * dt * variance)
    filled = Flag.GAPS_FILLED if both.gaps_filled else Flag(0)
    rates = np.array([one.header.background_rate for one in (x, y)])
    return _Part(
        member=Member.of(x, Flag(y.header.flags) | filled),
        products=products,
        noise=noise,
        background=np.where(rates > 0, rates, 0.0),
    )


def _spectra(parts, n_bin, dt, options):
    """Normalise the averages of each observation by its own means, average them, and rebin."""
    norm = options.norm
    if norm == "frac" and any((p.products.mean_rate <= p.background).any() for p in parts):
        norm = "abs"
    auto, mixed, noise = np.zeros((2, 1)), np.zeros(1, complex), np.zeros(2)
    m = np.array([part.products.m for part in parts])
    for weight, part in zip(m / m.sum(), parts, strict=True):
        rate = part.products.mean_rate
        scale = {"frac": rate - part.background, "leahy": np.sqrt(rate), "abs": np.ones(2)}[norm]
        auto = auto + weight * part.products.auto / scale[:, None] ** 2
        mixed = mixed + weight * part.products.cross[0] / scale.prod()
        noise = noise + weight * part.noise / scale**2
    ordinates = periodogram.frequencies(n_bin, dt)
    kept = (ordinates.weight == 1) & inside(ordinates.frequency, options)
    if not kept.any():
        raise Refusal(Status.BAD_SPECTRUM, "no frequency within segment.frequency_range")
    frequency, weight = ordinates.frequency[kept], ordinates.weight[kept]

    def binned(power: np.ndarray) -> rebin.Spectrum:
        df = 1 / (n_bin * dt)
        return rebin.logarithmic(frequency, weight, power[kept], float(m.sum()), df, options.rebin)

    x, y, real, imaginary = map(binned, (*auto, mixed.real, mixed.imag))
    return Spectra(x, y, real.power + 1j * imaginary.power, noise, norm)
