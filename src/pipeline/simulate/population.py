"""The sources of the archive: who they are, how they vary, and how they are observed."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.components.lorentzians import positive_fraction
from pipeline.simulate.spectra import PowerSpectrum

DIALECTS = ("events", "rate", "power", "kepler")
_DIALECT_CYCLE = (0, 1, 2, 3, 0, 1, 0, 1, 2, 3)
KINDS = ("qpo", "power_law", "bending_power_law", "noise")
_KIND_CYCLE = (0, 1, 2, 0, 3, 1)
_FILES_CYCLE = (1, 2, 1, 2, 1, 3, 1)


@dataclass(frozen=True)
class Regime:
    """How sources are observed in a dialect. Frequencies are in units of the lowest one analysed.

    Attributes
    ----------
    dt : tuple of float
        Widths of a bin, s; one is chosen. For events, the unit in which their intervals are laid out.
    segment_bins : int
        Bins in a segment; with `dt`, the lowest frequency.
    nyquist : float
        Highest frequency that is analysed.
    rms : tuple of float
        Range of the total fractional rms. Well under one, so that rates never have to be cut at zero.
    crossing : tuple of float
        Range of the frequency where a power law meets the noise: far below Nyquist's, where
        aliasing and the averaging over a bin would show.
    qpo : tuple of float
        Range of the frequency of a QPO.
    """

    dt: tuple[float, ...]
    segment_bins: int
    nyquist: float
    rms: tuple[float, float]
    crossing: tuple[float, float]
    qpo: tuple[float, float]


REGIMES = {
    "events": Regime((0.25,), 256, 8192, (0.17, 0.24), (18, 30), (120, 500)),
    "rate": Regime((1.0, 2.0, 5.0, 10.0, 20.0), 512, 256, (0.15, 0.24), (25, 40), (40, 90)),
    "power": Regime((1 / 128,), 4096, 2048, (0.15, 0.24), (25, 40), (60, 250)),
    "kepler": Regime((1765.463,), 512, 256, (0.002, 0.01), (25, 40), (40, 90)),
}
"""By dialect. The unit of frequency of power spectra is 1/32 Hz, half the lowest that they have."""

_FLOOR = 0.8
"""Where the continuum becomes flat, in units of the lowest frequency.

Power below the lowest frequency leaks into the periodogram of a finite segment, and a floor just
there is itself smeared out. At this one the expected periodogram of segments of 512 bins has the
slope of the spectrum to 0.02 for slopes from 0.8 to 1.8.
"""
_BEND = (12.0, 18.0)
_NOISE_OVER_BEND = (4.0, 5.0)
"""Bends, in units of the lowest frequency, and how far above them the noise takes over."""
_QPO_Q = (4.0, 12.0)
_QPO_MIN_FWHM = 6.0
"""Least width of a QPO in units of the lowest frequency, so that a segment resolves it."""
_QPO_CONTRAST = 30.0
"""Power of a QPO's peak over all else, times the root of the ordinates under it."""


@dataclass(frozen=True)
class Source:
    """A source, its true power spectrum and how it is observed.

    Attributes
    ----------
    index : int
        Number in the archive.
    name : str
        OBJECT in its files.
    ra, dec : float
        Position (ICRS), deg.
    dialect, kind : str
        One of `DIALECTS`; one of `KINDS`.
    n_files : int
        Observations.
    dt : float
        Width of a bin, s.
    spectrum : PowerSpectrum
        The power spectrum that is injected.
    noise : float
        Level of the measurement's noise, fractional rms squared per Hz.
    mean_rate : float
        Mean rate, ct/s, or flux, electron/s.
    """

    index: int
    name: str
    ra: float
    dec: float
    dialect: str
    kind: str
    n_files: int
    dt: float
    spectrum: PowerSpectrum
    noise: float
    mean_rate: float


def draw_source(index: int, rng: np.random.Generator) -> Source:
    """Draw the source number `index`: everything about it depends on `index` and `rng` only."""
    dialect = DIALECTS[_DIALECT_CYCLE[index % len(_DIALECT_CYCLE)]]
    # Sources of a dialect take the kinds in turn, each dialect from another place of the cycle.
    turn = index // len(_DIALECT_CYCLE) + index % len(_DIALECT_CYCLE)
    kind = KINDS[_KIND_CYCLE[turn % len(_KIND_CYCLE)]]
    regime = REGIMES[dialect]
    dt = float(rng.choice(regime.dt))
    spectrum, noise = draw_spectrum(kind, regime, 1.0 / (regime.segment_bins * dt), rng)
    ra, dec = position(index)
    if dialect == "kepler":
        name, mean_rate = f"KIC {10_000_001 + index}", _mean_flux(noise, dt, rng)
    else:
        name, mean_rate = designation(ra, dec), 2.0 / noise
    return Source(
        index=index,
        name=name,
        ra=ra,
        dec=dec,
        dialect=dialect,
        kind=kind,
        n_files=_FILES_CYCLE[index % len(_FILES_CYCLE)],
        dt=dt,
        spectrum=spectrum,
        noise=noise,
        mean_rate=mean_rate,
    )


def draw_spectrum(
    kind: str, regime: Regime, unit: float, rng: np.random.Generator
) -> tuple[PowerSpectrum, float]:
    """Draw a power spectrum and the noise level it is seen over.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    regime : Regime
        Ranges of what is drawn.
    unit : float
        Lowest frequency analysed, Hz.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    spectrum : PowerSpectrum
        Without the noise.
    noise : float
        Its level, fractional rms squared per Hz. White noise gets that of a varying source.
    """
    if kind == "bending_power_law":
        spectrum = _bending(unit, rng)
        crossing = spectrum.bend_frequency * rng.uniform(*_NOISE_OVER_BEND)
    else:
        slope = rng.uniform(0.8, 1.8)
        spectrum = PowerSpectrum(1.0, slope, floor_frequency=_FLOOR * unit)
        crossing = unit * rng.uniform(*regime.crossing)
    # First in units of the noise level; the total rms then sets the scale of both.
    spectrum = spectrum.scaled(1.0 / float(spectrum(crossing)))
    if kind == "qpo":
        spectrum = _with_qpo(spectrum, regime, unit, rng)
    variance = spectrum.variance(unit, regime.nyquist * unit)
    noise = rng.uniform(*regime.rms) ** 2 / variance
    if kind == "noise":
        return PowerSpectrum(floor_frequency=_FLOOR * unit), noise
    return spectrum.scaled(noise), noise


def _bending(unit: float, rng: np.random.Generator) -> PowerSpectrum:
    return PowerSpectrum(
        amplitude=1.0,
        slope=rng.uniform(2.1, 2.5),
        slope_low=rng.uniform(0.0, 0.6),
        bend_frequency=unit * rng.uniform(*_BEND),
        floor_frequency=_FLOOR * unit,
    )


def _with_qpo(
    spectrum: PowerSpectrum, regime: Regime, unit: float, rng: np.random.Generator
) -> PowerSpectrum:
    """Add a QPO to a spectrum in units of the noise level."""
    frequency = unit * np.exp(rng.uniform(*np.log(regime.qpo)))
    fwhm = max(frequency / rng.uniform(*_QPO_Q), _QPO_MIN_FWHM * unit)
    contrast = _QPO_CONTRAST / np.sqrt(8.0 * fwhm / unit)
    peak = contrast * (1.0 + float(spectrum(frequency)))
    variance = peak * np.pi * 0.5 * fwhm * positive_fraction(frequency, fwhm, np)
    return replace(
        spectrum, qpo_frequency=frequency, qpo_fwhm=fwhm, qpo_rms=float(np.sqrt(variance))
    )


def _mean_flux(noise: float, dt: float, rng: np.random.Generator) -> float:
    """Return a flux at which photon noise is far below the errors, which instruments also make."""
    variance = noise / (2.0 * dt)
    return float(rng.uniform(10.0, 40.0) / (variance * dt))


def position(index: int) -> tuple[float, float]:
    """Return a position in whole minutes that no other of the first 10^5 sources has.

    The right ascension comes back after 1440 sources, then at another declination.
    """
    minutes = (index * 17 + 1) % 1440
    degrees = (index * 7 + index // 1440) % 121 - 60
    return minutes / 4.0, degrees + (index % 60) / 60.0


def designation(ra: float, dec: float) -> str:
    """Return a name from a position: ``SIM J0001+0102``."""
    minutes, arcmin = round(ra * 4.0), round(abs(dec) * 60.0)
    sign = "-" if dec < 0 else "+"
    return f"SIM J{minutes // 60:02d}{minutes % 60:02d}{sign}{arcmin // 60:02d}{arcmin % 60:02d}"
