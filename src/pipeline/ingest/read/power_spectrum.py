"""A power spectrum from its table: its normalisation, its noise level, the ordinates of its bins."""

import math
import re
from dataclasses import replace

import numpy as np
from astropy import units

from pipeline.config.ingest import IngestOptions
from pipeline.config.tables import TableOptions
from pipeline.ingest.files import spectrum_header
from pipeline.ingest.missions import identity
from pipeline.ingest.read import noise_level, oversampling, spectrum
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import fits_time
from pipeline.status import Flag, Status
from pipeline.units import UNITS

LEAHY_LEVELS = (1.0, 4.0)
"""Noise levels that a power spectrum of Leahy's normalisation has: 2, less by dead time, or more."""

LARGEST_RMS = 3.0
"""Fractional rms above which a normalisation is doubted."""

_DISAGREEING = 0.25
"""Part by which a noise level that is said may differ from what powers and errors tell."""

_FEW_ORDINATES = 10
_LEAST = 0.05
"""Part of the noise level that a power of few ordinates has at least, where the level is estimated."""


def read(hdu, header, bounds, who, options: IngestOptions) -> dict:
    """Read a power spectrum.

    Parameters
    ----------
    hdu : Hdu
        Its table.
    header : mapping
        The primary header.
    bounds : (channel, lower, upper) of ndarray, or None
        Channels and their edges in the response of an OGIP spectrum; None where the table has
        frequencies.
    who : Identity
        Whose it is.
    options : IngestOptions
        How to read.

    Returns
    -------
    dict
        Its columns of INGEST.

    Raises
    ------
    Rejected
        BAD_SPECTRUM when it has no bin that can be used.
    """
    columns = spectrum_header.columns_of(hdu.columns) if bounds is None else {}
    unit = hdu.unit(columns["power"]) if columns else ""
    said = spectrum_header.read({**header, **hdu.header}, unit)
    table = getattr(hdu, "table", None) or TableOptions.model_construct()
    raw, norm_flags = None, Flag(0)
    norm, doubtful = _norm(said, table, options)
    if doubtful:
        norm_flags = Flag.NORM_DOUBTFUL
    if bounds is not None:
        raw = _of_channels(hdu, bounds)
    else:
        raw = _of_frequencies(hdu, columns, said.factor)
        if table.integrated:
            raw = spectrum.density(raw)
        raw = spectrum.selected(raw, table.frequencies, table.mask)
        if not len(raw.power_err) and not len(raw.n):
            norm_flags |= oversampling.check(raw.power, table.oversampling)
            raw, size = _averaged(raw, table)
            own = said.m if said.m > 0 else 1.0
            raw = replace(raw, n=own * size / table.oversampling)
        elif said.m > 0 and not len(raw.n) and not _is_rebinned(raw):
            raw = replace(raw, n=np.full(len(raw.power), said.m / table.oversampling))
    result, noise = _with_noise(raw, said, norm, bounds is None, options)
    result = replace(result, flags=result.flags | norm_flags | _doubts(result, norm, noise))
    return _row(who, result, noise, norm)


def _row(who, result, noise, norm) -> dict:
    """Return what a power spectrum has in a row; `n` is empty where its errors tell it."""
    return {
        "product": identity.product("spectrum", who.mission, who.instrument),
        "flags": result.flags,
        "frequency_lo": result.frequency_lo,
        "frequency_hi": result.frequency_hi,
        "power": result.power,
        "power_err": result.power_err,
        "n": np.asarray(result.n, float),
        "noise": noise,
        "norm": norm,
    }


def _norm(said, table, options) -> tuple[str, bool]:
    """Return the normalisation, and whether it is in doubt: contradicted, not known, or assumed."""
    chosen = table.norm or said.norm or options.spectrum_norm or "leahy"
    contradicted = bool(table.norm and said.norm and table.norm != said.norm)
    told = table.norm or said.norm or options.spectrum_norm
    return chosen, contradicted or not told or (bool(said.unknown) and not table.norm)


def _averaged(raw, table) -> tuple[spectrum.Spectrum, np.ndarray]:
    """Return averages of raw powers as an entry of the configuration wants them, and how many each is of."""
    if table.rebin:
        least = max(table.average, round(table.oversampling))
        return spectrum.rebinned(raw, table.rebin, least)
    averages = spectrum.average(raw, table.average)
    return averages, np.full(len(averages.power), float(table.average))


def _of_channels(hdu, bounds) -> spectrum.Spectrum:
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
    channel = hdu.read("CHANNEL").ravel() if "CHANNEL" in names else bounds[0][:n]
    quality = hdu.read("QUALITY").ravel() if "QUALITY" in names else np.zeros(n)
    errors = hdu.read(error).ravel()
    if not len(channel) == len(errors) == len(quality) == n:
        reason = (
            f"{n} {column}, {len(channel)} channels, {len(errors)} {error}, {len(quality)} QUALITY"
        )
        raise Rejected(Status.BAD_SPECTRUM, f"{reason}: fetch it again")
    exposure = fits_time.number(hdu.header, "EXPOSURE") if column == "COUNTS" else None
    if exposure and exposure > 0:
        counts, errors = counts / exposure, errors / exposure
    return spectrum.convert(channel, counts, errors, quality != 0, bounds, None)


def _of_frequencies(hdu, columns, factor) -> spectrum.Spectrum:
    """Read powers at frequencies, with what else is beside them."""
    found = {role: hdu.read(name).ravel() for role, name in columns.items()}
    for role in ("frequency", "frequency_lo", "frequency_hi", "half_width"):
        if role in found:
            unit = hdu.unit(columns[role]) or hdu.unit(columns.get("frequency", columns[role]))
            found[role] = found[role] * _hertz(unit)
    lengths = {len(values) for values in found.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{len(found[role])} {name}" for role, name in columns.items())
        raise Rejected(Status.BAD_SPECTRUM, f"columns of different lengths: {sizes}")
    nothing = np.zeros(0)
    edges = found.get("frequency_lo"), found.get("frequency_hi")
    if edges[0] is None and "half_width" in found:
        edges = spectrum.about(found["frequency"], found["half_width"])
    return spectrum.with_frequencies(
        found.get("frequency"),
        edges if edges[1] is not None else (None, None),
        found["power"] * factor,
        found["error"] * factor if "error" in found else nothing,
        found.get("n", nothing),
        found["noise"] * factor if "noise" in found else nothing,
    )


def _hertz(unit) -> float:
    """Return the Hz in a unit of frequency, Hz if it is empty."""
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


def _is_rebinned(raw) -> bool:
    """Return whether bins have different widths, so that one number of ordinates is not that of all."""
    width = raw.frequency_hi - raw.frequency_lo
    return bool(width.max() > 1.5 * width.min())


def _with_noise(raw, said, norm, has_frequencies, options) -> tuple[spectrum.Spectrum, float]:
    """Return a power spectrum with its noise level in its powers, and that level, NaN if unknown.

    The level is what the file or the configuration says, if powers and errors do not contradict it;
    else what they tell; else that of counts. Whether it was subtracted is said, or told by the errors,
    or by powers that lie below the level.
    """
    width = raw.frequency_hi - raw.frequency_lo
    given = options.spectrum_noise is not None or math.isfinite(said.noise) or len(raw.noise) > 0
    told = None
    if given and len(raw.power_err):
        told = noise_level.estimate(raw.power, raw.power_err, width)
    level, subtracted = _stated(raw, said, norm, has_frequencies, options)
    flags = Flag(0)
    if told is not None and told.level > 0 and subtracted is not False:
        allowed = max(_DISAGREEING * level, 5 * told.level_err)
        if math.isfinite(level) and abs(told.level - level) > allowed:
            flags, level = Flag.NORM_DOUBTFUL, math.nan
        if not math.isfinite(level):
            flags, level = flags | Flag.NOISE_ESTIMATED, told.level
        subtracted = True
    elif told is not None and subtracted is None:
        subtracted = False
    if given and not math.isfinite(level):
        level = said.level(norm)
    if not math.isfinite(level):
        result = replace(raw, **_ordinates(raw, told))
        if len(result.power_err) and (result.power <= 0).any():
            result = replace(result, n=np.zeros(0))  # powers below zero are data: errors take them
        return replace(result, flags=result.flags | flags | Flag.NOISE_UNKNOWN), level
    if subtracted is None:
        subtracted = noise_level.lowest(raw.power, width) < level / 2
    result = replace(spectrum.plus(raw, level if subtracted else 0.0), **_ordinates(raw, told))
    if len(result.n):
        few = (result.power <= 0) & (result.n < _FEW_ORDINATES)
        result = replace(result, power=np.where(few, _LEAST * level, result.power))
    return replace(result, flags=result.flags | flags), level


def _stated(raw, said, norm, has_frequencies, options) -> tuple[float, bool | None]:
    """Return the noise level that is stated, NaN if none is, and whether it was subtracted."""
    if len(raw.noise):
        width = raw.frequency_hi - raw.frequency_lo
        return float(np.average(raw.noise, weights=width)), said.subtracted
    if math.isfinite(said.noise):
        return said.noise, said.subtracted
    number = options.spectrum_noise
    if isinstance(number, float) and norm == (options.spectrum_norm or "leahy"):
        return number, True if said.subtracted is None and not has_frequencies else said.subtracted
    return math.nan, said.subtracted


def _ordinates(raw, told) -> dict:
    """Return the ordinates that errors tell, where no column says them."""
    return {"n": told.n} if told is not None and not len(raw.n) else {}


def _doubts(result, norm, noise) -> Flag:
    """Return NORM_DOUBTFUL where powers are not those of their normalisation."""
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
