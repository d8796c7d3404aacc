"""One observation of a source by the observatory of its dialect: where the file goes, and its HDUs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from pipeline.simulate import dialects, observe
from pipeline.simulate.dialects import Target
from pipeline.simulate.population import REGIMES, Source
from pipeline.times import DAY

EVENT_SEGMENTS = (2, 2, 2, 2)
EVENT_SEGMENTS_REPEATED = (2, 2, 2)
CURVE_SEGMENTS = (7, 7)
CURVE_SEGMENTS_REPEATED = (3, 3)
"""Segments in each stretch of good data, of a source that is observed once or repeatedly.

Together at least the eight that `pipeline.config.segment.SegmentOptions` aims at, and for light curves not so
many that segments of twice the length would do: those would reach below the spectrum's floor.
"""
MISSING_FRACTION = 0.002
"""Bins of a light curve that are bad one by one. Few: to bridge them takes about as much off the noise."""

POWER_DF = 1.0 / 128.0
POWER_BINS = observe.logarithmic_bins(8, 8192, 0.03)
POWER_EDGES = (POWER_BINS - 0.5) * POWER_DF
"""Frequencies of the power spectra, Hz: above the first few ordinates, where a bin is wide."""
RESPONSE_PATH = "pds/powers.rmf"
"""Response of all power spectra, in their folder."""

DESATURATION, SAFE_MODE = 32, 2
"""Bits of Kepler's SAP_QUALITY."""


@dataclass(frozen=True)
class ObservedFile:
    """A file of an observation.

    Attributes
    ----------
    path : str
        Path of the file in the archive; one that ends in ``.gz`` is to be compressed.
    hdus : astropy.io.fits.HDUList
        Its content.
    """

    path: str
    hdus: fits.HDUList


def observe_source(source: Source, number: int, rng: np.random.Generator) -> ObservedFile:
    """Observe a source once.

    Parameters
    ----------
    source : Source
        The source.
    number : int
        Which of its observations: each is 93 days after the one before, and every other one
        but Kepler's spells the name of the object with an underscore.
    rng : numpy.random.Generator
        Where the draws come from.
    """
    name = source.name
    if number % 2 and source.dialect != "kepler":
        name = name.replace(" ", "_")
    target = Target(name, source.ra, source.dec, f"{10_000 + source.index:05d}{number:05d}")
    start = 1e7 + 93 * DAY * number + 1e4 * source.index + float(rng.uniform(0.0, 1e3))
    return _OBSERVATORIES[source.dialect](source, target, start, number, rng)


def _stretches(source: Source, segments: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    return observe.good_bins(segments, REGIMES[source.dialect].segment_bins, rng)


def _curve_stretches(source: Source, rng: np.random.Generator) -> np.ndarray:
    repeated = source.n_files > 1
    return _stretches(source, CURVE_SEGMENTS_REPEATED if repeated else CURVE_SEGMENTS, rng)


def _nicer(
    source: Source, target: Target, start: float, number: int, rng: np.random.Generator
) -> ObservedFile:
    segments = EVENT_SEGMENTS_REPEATED if source.n_files > 1 else EVENT_SEGMENTS
    gti = _stretches(source, segments, rng) * source.dt
    time = observe.event_times(source.spectrum, source.mean_rate, gti, rng)
    pi = np.clip(rng.lognormal(np.log(150.0), 0.6, len(time)), 30, 1200).astype(np.int16)
    time_zero = 3.378 if source.index % 4 == 0 else 0.0
    hdus = dialects.event_list(target, start + time, pi, start + gti, time_zero=time_zero)
    compressed = ".gz" if (source.index + number) % 3 == 0 else ""
    return ObservedFile(f"nicer/{target.obs_id}/ni{target.obs_id}_cl_bary.evt{compressed}", hdus)


def _rate_curve(
    source: Source, target: Target, start: float, number: int, rng: np.random.Generator
) -> ObservedFile:
    dt = source.dt
    pieces = _curve_stretches(source, rng)
    fracexp = observe.inside(pieces, pieces[-1, 1]).astype(float)
    fracexp[observe.isolated_bins(pieces, MISSING_FRACTION, rng)] = 0.3
    counts = observe.binned_counts(source.spectrum, source.mean_rate, dt, fracexp, rng)
    exposure = np.where(fracexp > 0, fracexp, np.nan) * dt
    rate, error = counts / exposure, np.sqrt(np.maximum(counts, 1)) / exposure
    time = start + (np.arange(len(counts)) + 0.5) * dt
    data = (time, rate, error, fracexp, start + pieces * dt, dt)
    if source.index // 10 % 2:
        path = f"xmm/{target.obs_id}/PN_{target.obs_id}_source.lc"
        return ObservedFile(path, dialects.rate_curve_xmm(target, *data))
    path = f"rxte/{target.obs_id}/std1_{target.obs_id}.lc"
    return ObservedFile(path, dialects.rate_curve_xte(target, *data))


def _power_spectrum(
    source: Source, target: Target, start: float, number: int, rng: np.random.Generator
) -> ObservedFile:
    power, n = observe.averaged_leahy_powers(
        source.spectrum, source.mean_rate, POWER_DF, POWER_BINS, int(rng.integers(24, 64)), rng
    )
    hdus = dialects.power_spectrum(target, power, n, POWER_EDGES, RESPONSE_PATH.split("/")[-1])
    return ObservedFile(f"pds/{target.obs_id}.pha", hdus)


def _kepler(
    source: Source, target: Target, start: float, number: int, rng: np.random.Generator
) -> ObservedFile:
    dt = source.dt
    pieces = _curve_stretches(source, rng)
    n = pieces[-1, 1]
    error = source.mean_rate * np.sqrt(source.noise / (2.0 * dt))
    good = observe.inside(pieces, n)
    flux = observe.photometry(source.spectrum, source.mean_rate, error, dt, good, rng)
    desaturation = observe.isolated_bins(pieces, MISSING_FRACTION, rng)
    time = np.where(good, start + (np.arange(n) + 0.5) * dt, np.nan)
    flux[~good | desaturation] = np.nan
    flux_err = np.where(np.isfinite(flux), error, np.nan)
    quality = np.where(good, desaturation * DESATURATION, SAFE_MODE)
    kepler_id = 10_000_001 + source.index
    hdus = dialects.kepler_curve(target, kepler_id, time, flux, flux_err, quality, dt)
    return ObservedFile(f"kepler/kplr{kepler_id:09d}-q{number + 1:02d}_llc.fits", hdus)


_Observatory = Callable[[Source, Target, float, int, np.random.Generator], ObservedFile]
_OBSERVATORIES: dict[str, _Observatory] = {
    "events": _nicer,
    "rate": _rate_curve,
    "power": _power_spectrum,
    "kepler": _kepler,
}
