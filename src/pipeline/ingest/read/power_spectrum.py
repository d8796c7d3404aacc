"""A power spectrum from its table: its normalisation, its noise level, the ordinates of its bins."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from astropy import units

from pipeline.config.ingest import IngestOptions
from pipeline.config.tables import TableOptions
from pipeline.ingest.files import spectrum_header
from pipeline.ingest.files.spectrum_header import SpectrumHeader
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.keyword import number
from pipeline.ingest.missions.calibration import Bounds
from pipeline.ingest.read import noise_level, oversampling, spectrum
from pipeline.ingest.read.noise_level import NoiseLevel
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.read.spectrum import Edges, Spectrum
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status
from pipeline.units import UNITS

LEAHY_LEVELS = (1.0, 4.0)
"""Least and largest noise level of a power spectrum in Leahy's normalisation: 2, lowered by dead time, or raised."""

LARGEST_RMS = 3.0
"""Fractional rms above which a normalisation is doubted."""

_DISAGREEING = 0.25
"""Fraction by which a stated noise level may differ from the one that powers and errors imply."""

_NO_FLAG = Flag(0)
_NO_ROWS = "the power spectrum has no rows: nothing was measured"
_FEW_ORDINATES = 10
_LEAST = 0.05
"""Least power of few ordinates, as a fraction of the noise level, where the noise was subtracted."""


def read(opened: Opened, bounds: Bounds | None) -> Observation:
    """Read a power spectrum.

    Parameters
    ----------
    opened : Opened
        The file.
    bounds : Bounds or None
        Channels and their edges in the response of an OGIP spectrum; None where the table has
        frequencies.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when it has no bin that can be used.
    """
    hdu, options = opened.hdu, opened.options
    columns = spectrum_header.columns_of(hdu.columns) if bounds is None else {}
    unit = hdu.unit(columns["power"]) if columns else ""
    header = spectrum_header.read({**opened.hdus[0].header, **hdu.header}, unit)
    table = hdu.entry or TableOptions.model_construct(files="", columns={})
    norm = _norm(header, table, options)
    flags = Flag.NORM_DOUBTFUL if norm.doubtful else Flag(0)
    if bounds is not None:
        raw = _of_channels(hdu, bounds)
    else:
        raw = _of_frequencies(hdu, columns, header.factor)
        raw, oversampled = _prepared(raw, header, table)
        flags |= oversampled
    noisy = _with_noise(raw, header, norm.name, bounds is None, options)
    result, noise = noisy.spectrum, noisy.level
    flags |= result.flags | _doubts(result, norm.name, noise)
    return Observation(
        product=opened.product(),
        flags=flags,
        frequency_lo=result.frequency_lo,
        frequency_hi=result.frequency_hi,
        power=result.power,
        power_err=result.power_err,
        n=np.asarray(result.n, float),
        noise=noise,
        norm=norm.name,
    )


def _prepared(raw: Spectrum, header: SpectrumHeader, table: TableOptions) -> tuple[Spectrum, Flag]:
    """Return powers at frequencies as an entry of the configuration wants them, with their ordinates."""
    if table.integrated:
        raw = spectrum.density(raw)
    raw = spectrum.selected(raw, table.frequencies, table.mask)
    if not len(raw.power_err) and not len(raw.n):
        flags = oversampling.check(raw.power, table.oversampling)
        raw, size = _averaged(raw, table)
        own = header.m if header.m > 0 else 1.0
        return replace(raw, n=own * size / table.oversampling), flags
    if header.m > 0 and not len(raw.n) and not _is_rebinned(raw):
        n = np.full(len(raw.power), header.m / table.oversampling)
        return replace(raw, n=n), Flag(0)
    return raw, Flag(0)


@dataclass(frozen=True)
class _Norm:
    """A normalisation.

    Attributes
    ----------
    name : str
        ``leahy``, ``frac`` or ``abs``.
    doubtful : bool
        Whether it is contradicted, not known, or assumed.
    """

    name: str
    doubtful: bool


def _norm(header: SpectrumHeader, table: TableOptions, options: IngestOptions) -> _Norm:
    """Return the normalisation by the configuration or the header, else Leahy's."""
    stated = table.norm or header.norm or options.spectrum_norm
    contradicted = bool(table.norm and header.norm and table.norm != header.norm)
    unknown = bool(header.unknown) and not table.norm
    return _Norm(stated or "leahy", contradicted or not stated or unknown)


def _averaged(raw: Spectrum, table: TableOptions) -> tuple[Spectrum, np.ndarray]:
    """Return averages of raw powers as an entry of the configuration wants them, and the number in each."""
    if table.rebin:
        least = max(table.average, round(table.oversampling))
        return spectrum.rebinned(raw, table.rebin, least)
    averages = spectrum.average(raw, table.average)
    return averages, np.full(len(averages.power), float(table.average))


def _of_channels(hdu: Hdu, bounds: Bounds) -> Spectrum:
    """Read RATE or COUNTS of channels, and turn them into powers."""
    names = hdu.columns
    error = next((c for c in ("STAT_ERR", "STAT_ERROR") if c in names), None)
    column = next((c for c in ("RATE", "COUNTS") if c in names), None)
    if column is None or error is None:
        raise Rejected(
            Status.BAD_SPECTRUM, "a power spectrum needs columns RATE or COUNTS, and STAT_ERR"
        )
    counts = hdu.read(column).ravel()
    n = len(counts)
    if not n:
        raise Rejected(Status.NO_DATA, _NO_ROWS)
    channel = hdu.read("CHANNEL").ravel() if "CHANNEL" in names else bounds.channel[:n]
    quality = hdu.read("QUALITY").ravel() if "QUALITY" in names else np.zeros(n)
    errors = hdu.read(error).ravel()
    if not len(channel) == len(errors) == len(quality) == n:
        reason = (
            f"{n} {column}, {len(channel)} channels, {len(errors)} {error}, {len(quality)} QUALITY"
        )
        raise Rejected(Status.BAD_SPECTRUM, f"{reason}: fetch it again")
    exposure = number(hdu.header, "EXPOSURE") if column == "COUNTS" else None
    if exposure and exposure > 0:
        counts, errors = counts / exposure, errors / exposure
    return spectrum.of_channels(channel, counts, errors, quality != 0, bounds)


def _of_frequencies(hdu: Hdu, columns: Mapping[str, str], factor: float) -> Spectrum:
    """Read powers at frequencies, with their errors, ordinates and noise levels if there are columns of them."""
    found = {role: hdu.read(name).ravel() for role, name in columns.items()}
    for role in ("frequency", "frequency_lo", "frequency_hi", "half_width"):
        if role in found:
            unit = hdu.unit(columns[role]) or hdu.unit(columns.get("frequency", columns[role]))
            found[role] = found[role] * _hertz(unit)
    lengths = {len(values) for values in found.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{len(found[role])} {name}" for role, name in columns.items())
        raise Rejected(Status.BAD_SPECTRUM, f"columns of different lengths: {sizes}")
    if lengths == {0}:
        raise Rejected(Status.NO_DATA, _NO_ROWS)
    nothing = np.zeros(0)
    lower, upper = found.get("frequency_lo"), found.get("frequency_hi")
    edges = None if lower is None or upper is None else Edges(lower, upper)
    if lower is None and "half_width" in found:
        edges = spectrum.about(found["frequency"], found["half_width"])
    return spectrum.with_frequencies(
        found.get("frequency"),
        edges,
        found["power"] * factor,
        found["error"] * factor if "error" in found else nothing,
        found.get("n", nothing),
        found["noise"] * factor if "noise" in found else nothing,
    )


def _hertz(unit: str) -> float:
    """Return the Hz in a unit of frequency; 1 if the unit is empty."""
    base, factor = UNITS.get(unit or "Hz", ("", 0.0))
    if base != "Hz":
        try:
            text = re.sub(r"^\s*(cycles?|cyc|c)\s*(?=/|\s|d)", "1 ", unit.replace("day", "d"))
            base, factor = "Hz", float(units.Unit(text).to("Hz"))
        except (ValueError, TypeError, units.UnitConversionError):
            base = ""
    if base != "Hz":
        allowed = ", ".join(name for name, (of, _) in UNITS.items() if of == "Hz")
        raise Rejected(
            Status.BAD_SPECTRUM,
            f"{unit!r} is no unit of frequency that is known ({allowed}, 1/d): say one in "
            "ingest.tables.units",
        )
    return factor


def _is_rebinned(raw: Spectrum) -> bool:
    """Return whether bins have different widths, so that they do not all have one number of ordinates."""
    width = raw.frequency_hi - raw.frequency_lo
    return bool(width.max() > 1.5 * width.min())


@dataclass(frozen=True)
class _Noisy:
    """A power spectrum with its noise in its powers.

    Attributes
    ----------
    spectrum : Spectrum
        The power spectrum.
    level : float
        Its noise level; NaN if unknown.
    """

    spectrum: Spectrum
    level: float


@dataclass(frozen=True)
class _Level:
    """A noise level.

    Attributes
    ----------
    level : float
        NaN if unknown.
    subtracted : bool or None
        Whether it was subtracted from the powers; None if unknown.
    flags : Flag
        NORM_DOUBTFUL, NOISE_ESTIMATED.
    """

    level: float
    subtracted: bool | None
    flags: Flag = _NO_FLAG


def _with_noise(
    raw: Spectrum,
    header: SpectrumHeader,
    norm: str,
    has_frequencies: bool,
    options: IngestOptions,
) -> _Noisy:
    """Return a power spectrum with its noise level in its powers.

    The level is the one of the file or of the configuration, if powers and errors do not contradict it; else
    the one that powers and errors imply; else that of counts. Whether it was subtracted, the file says; else
    the errors tell, or powers that lie below the level.
    """
    width = raw.frequency_hi - raw.frequency_lo
    given = options.spectrum_noise is not None or math.isfinite(header.noise) or len(raw.noise) > 0
    estimated = None
    if given and len(raw.power_err):
        estimated = noise_level.estimate(raw.power, raw.power_err, width)
    stated = _stated(raw, header, norm, has_frequencies, options)
    noise = _compared(stated, estimated)
    level = noise.level
    if given and not math.isfinite(level):
        level = header.level(norm)
    n = estimated.n if estimated is not None and not len(raw.n) else raw.n
    result = replace(raw, n=n, flags=raw.flags | noise.flags)
    if not math.isfinite(level):
        if len(result.power_err) and (result.power <= 0).any():
            result = replace(result, n=np.zeros(0))  # powers below zero are data: errors take them
        return _Noisy(replace(result, flags=result.flags | Flag.NOISE_UNKNOWN), level)
    subtracted = noise.subtracted
    if subtracted is None:
        subtracted = noise_level.lowest(raw.power, width) < level / 2
    result = spectrum.plus(result, level if subtracted else 0.0)
    if len(result.n):
        few = (result.power <= 0) & (result.n < _FEW_ORDINATES)
        result = replace(result, power=np.where(few, _LEAST * level, result.power))
    return _Noisy(result, level)


def _compared(stated: _Level, estimated: NoiseLevel | None) -> _Level:
    """Return the stated noise level, or the one that powers and errors imply if that contradicts it."""
    level, subtracted, flags = stated.level, stated.subtracted, Flag(0)
    if estimated is None:
        return stated
    if estimated.level > 0 and subtracted is not False:
        allowed = max(_DISAGREEING * level, 5 * estimated.level_err)
        if math.isfinite(level) and abs(estimated.level - level) > allowed:
            flags, level = Flag.NORM_DOUBTFUL, math.nan
        if not math.isfinite(level):
            flags, level = flags | Flag.NOISE_ESTIMATED, estimated.level
        return _Level(level, True, flags)
    return _Level(level, False if subtracted is None else subtracted)


def _stated(
    raw: Spectrum,
    header: SpectrumHeader,
    norm: str,
    has_frequencies: bool,
    options: IngestOptions,
) -> _Level:
    """Return the noise level in a column, in the header, or in the configuration."""
    if len(raw.noise):
        width = raw.frequency_hi - raw.frequency_lo
        return _Level(float(np.average(raw.noise, weights=width)), header.subtracted)
    if math.isfinite(header.noise):
        return _Level(header.noise, header.subtracted)
    level = options.spectrum_noise
    if isinstance(level, float) and norm == (options.spectrum_norm or "leahy"):
        assumed = header.subtracted is None and not has_frequencies
        return _Level(level, True if assumed else header.subtracted)
    return _Level(math.nan, header.subtracted)


def _doubts(result: Spectrum, norm: str, noise: float) -> Flag:
    """Return NORM_DOUBTFUL where powers are implausible for their normalisation."""
    width = result.frequency_hi - result.frequency_lo
    if norm == "leahy":
        lowest = noise_level.lowest(result.power, width)
        known = noise if math.isfinite(noise) else lowest
        within = LEAHY_LEVELS[0] <= known <= LEAHY_LEVELS[1] and lowest >= LEAHY_LEVELS[0] / 2
        return Flag(0) if within or not math.isfinite(noise) else Flag.NORM_DOUBTFUL
    if norm == "frac" and math.isfinite(noise):
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float((result.power - noise) @ width)
        return Flag.NORM_DOUBTFUL if variance > LARGEST_RMS**2 else Flag(0)
    return Flag(0)
