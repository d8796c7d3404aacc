"""The cross spectrum of two bands, averaged over segments and observations, in bins of frequency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.intervals import frames, lengths
from pipeline.segment.members import Member
from pipeline.segment.observation import Header, Read
from pipeline.segment.products.cross.common import Common, common
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
    steps = _steps(xs, ys, options.dt)
    pairs = list(zip(xs, ys, steps, strict=True))

    def both(position: int) -> Common:
        x, y, dt = pairs[position]
        return common(read(x), read(y), dt, options.max_gap)

    bins, unused = [], []
    for position in range(len(pairs)):
        try:
            bins.append(both(position).bins)
        except Refusal as error:
            bins.append(np.zeros(0, np.int64))
            unused.append(error)
    if len(unused) == len(pairs):
        raise unused[0]
    length = lengths.wanted(options.segment_size, options.min_segments)[0]
    n_bin = lengths.segment_bins(bins, steps, options, length, xs[0].file)
    parts = []
    for position, some in enumerate(bins):
        if (some >= n_bin).any():
            part = _part(both(position), n_bin, pairs[position], read)
            parts += [part] if part else []
    if not parts:
        raise Refusal(Status.NO_DATA, f"{xs[0].file}: every rate in its segments is 0")
    flags = Flag(0)
    for part in parts:
        flags |= part.member.flags
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


def _steps(xs, ys, requested):
    """Return the width of a bin of each observation, s."""
    if xs[0].kind != "events":
        return [x.dt for x in xs]
    resolutions = [max(x.dt, y.dt) for x, y in zip(xs, ys, strict=True)]
    return frames.common_widths(requested, resolutions, [x.tick for x in xs])


def _part(both, n_bin, pair, read):
    """Return the averages of an observation; None where its segments hold nothing."""
    x, y, dt = pair
    blocks = list(both.blocks(n_bin))
    if not blocks:
        return None
    products = cross.average(blocks, n_bin, dt, [(0, 1)])
    if not (products.mean_rate > 0).all() or not (products.auto.sum(axis=1) > 0).all():
        return None
    variance = both.noise_variance(n_bin)
    noise = np.where(variance == -1, 2 * products.mean_rate, 2 * dt * variance)
    flags = Flag(x.flags) | Flag(y.flags) | (Flag.GAPS_FILLED if both.gaps_filled else Flag(0))
    member = Member.of(read(x), flags)
    background = np.array(
        [max(h.background_rate, 0.0) if h.background_rate > 0 else 0.0 for h in (x, y)]
    )
    return _Part(member, products, noise, background)


def _spectra(parts, n_bin, dt, options):
    """Normalise the averages of each observation by its own means, average them, and rebin."""
    norm = options.norm
    if norm == "frac" and any((p.products.mean_rate <= p.background).any() for p in parts):
        norm = "abs"
    auto, mixed, noise = np.zeros((2, 0)), np.zeros(0, complex), np.zeros(2)
    m = np.array([part.products.m for part in parts])
    for weight, part in zip(m / m.sum(), parts, strict=True):
        rate = part.products.mean_rate
        scale = {"frac": rate - part.background, "leahy": np.sqrt(rate), "abs": np.ones(2)}[norm]
        auto = weight * part.products.auto / scale[:, None] ** 2 + (auto if auto.size else 0)
        mixed = weight * part.products.cross[0] / scale.prod() + (mixed if mixed.size else 0)
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
