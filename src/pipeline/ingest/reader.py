"""Reading one observation from its file: FITS in, a row of INGEST out."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.config import IngestOptions
from pipeline.ingest import (
    band,
    calibration,
    events,
    fits_file,
    fits_time,
    gti,
    identity,
    lightcurve,
    spectrum,
)
from pipeline.ingest.recognise import rate_column, recognise
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status


def read_observation(entry: Mapping, archive: Path, options: IngestOptions) -> dict:
    """Read the observation of one entry of a plan.

    Parameters
    ----------
    entry : mapping
        Row of a shard of the plan.
    archive : Path
        Folder that its paths are relative to.
    options : IngestOptions
        How to read.

    Returns
    -------
    dict
        Row of INGEST: with data, or with the status and the reason why there are none.
    """
    row = carried(entry) | {"status": Status.OK, "reason": ""}
    try:
        path = _unchanged(archive, entry["file"], entry["sha256"])
        with fits_file.open_fits(path, options.max_decompressed) as hdus:
            flags = Flag.CHECKSUM if fits_file.checksum_fails(hdus) else Flag(0)
            index = recognise(hdus).index
            who = identity.identify(hdus[index].header, hdus[0].header)
            row |= {k: getattr(who, k) for k in ("mission", "instrument", "object", "ra", "dec")}
            try:
                data = _READERS[entry["kind"]](hdus, index, who, entry, archive, options)
            except Rejected as rejected:
                reason = f"HDU {index} ({hdus[index].name}): {rejected.reason}"
                raise Rejected(rejected.status, reason) from rejected
        row |= data | {"flags": int(flags | data["flags"])}
    except Rejected as rejected:
        row |= {"status": rejected.status, "reason": rejected.reason}
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}): check its permissions and the disk"
        row |= {"status": Status.UNREADABLE, "reason": reason}
    return row


def carried(entry: Mapping) -> dict:
    """Return a row of INGEST without data for an entry of a plan, with its status and reason."""
    keys = ("source_id", "observation_id", "file", "sha256", "kind", "status", "reason")
    return {key: entry[key] for key in keys} | {"mjd_ref": -1}


def _unchanged(archive, file, sha256) -> Path:
    """Return the path of a file that is still what was planned, or raise `Rejected`."""
    path = Path(archive) / file
    try:
        found = fits_file.sha256(path)
    except OSError as error:
        raise Rejected(
            Status.UNREADABLE, f"{file} cannot be opened: {error.strerror or error}"
        ) from error
    if found != sha256:
        raise Rejected(Status.UNREADABLE, f"{file} has changed since the plan was made: run again")
    return path


def _read_events(hdus, index, who, entry, archive, options) -> dict:
    """Read an event list."""
    hdu = hdus[index]
    header, clock, seconds = _times(hdus, index)
    energy = _energies(hdus, hdu, who.mission)
    if energy is not None and len(energy) != len(seconds):
        energy = None
    intervals = _good_times(hdus, clock, seconds)
    result = events.select(seconds, energy, intervals, options.band)
    known = not result.flags & Flag.NO_ENERGY
    selected = band.of_events(options.band if known else None)
    return _timing(who, clock, result, selected) | {
        "product": identity.product("events", who.mission, who.instrument, selected.label),
        "exposure": gti.total(result.gti),
        "energy": result.energy,
        "dt": (fits_time.number(header, "TIMEDEL") or 0.0) * fits_time.header_unit(header),
        "counting": True,
    }


def _energies(hdus, hdu, mission) -> np.ndarray | None:
    """Return the energies of events, keV; None if the file does not tell them."""
    if "ENERGY" in hdu.columns and (unit := band.kev(hdu.unit("ENERGY"))):
        energy = hdu.read("ENERGY").ravel() * unit
        if np.isfinite(energy).any():
            return energy
    convert = calibration.of_pi(mission)
    if "PI" in hdu.columns and convert:
        return convert(hdu.read("PI").ravel())
    bounds = _bounds(hdus)
    channel = next((c for c in ("PI", "PHA", "CHANNEL") if c in hdu.columns), None)
    if bounds is None or channel is None:
        return None
    return calibration.of_ebounds(*bounds)(hdu.read(channel).ravel())


def _read_light_curve(hdus, index, who, entry, archive, options) -> dict:
    """Read a light curve."""
    hdu = hdus[index]
    header, clock, seconds = _times(hdus, index)
    finite = seconds
    if not gti.in_order(seconds):
        finite = np.sort(seconds[np.isfinite(seconds)])
    dt, measured = fits_time.bin_width(header, finite)
    if len(finite) and not dt > 0:
        raise Rejected(
            Status.BAD_TIME, "one time and no keyword TIMEDEL: the bin width is not known"
        )
    seconds = fits_time.bin_centres(seconds, dt, header)
    columns = _light_curve_columns(hdu, len(seconds), dt, who.mission)
    result = lightcurve.select(
        seconds,
        columns["rate"],
        columns["rate_err"],
        columns["fracexp"],
        columns["bad"],
        _good_times(hdus, clock, seconds),
        dt,
        options.min_fracexp,
    )
    net = _is_net(hdu.header) or columns["flux"]
    selected = band.of_light_curve(hdu.header, who.mission, identity.stem(entry["file"]))
    common = _timing(who, clock, result, selected)
    name = identity.product("lightcurve", who.mission, who.instrument, selected.label, dt)
    return common | {
        "product": name,
        "flags": common["flags"] | (Flag.NO_TIMEDEL if measured else Flag(0)),
        "exposure": result.exposure,
        "dt": dt,
        "rate": result.rate,
        "rate_err": result.rate_err,
        "fracexp": result.fracexp,
        "counting": not net
        and (columns["counts"] or lightcurve.is_counting(result.rate, result.rate_err, dt)),
        "background_rate": math.nan if net else columns["background_rate"],
    }


def _light_curve_columns(hdu, n, dt, mission) -> dict:
    """Read rate, error, exposed fraction, quality and background of `n` bins of `dt` seconds."""
    names = hdu.columns

    def series(*candidates):
        for name in candidates:
            if name in names:
                return lightcurve.as_series(hdu.read(name), n).astype(float, copy=False)
        return np.empty(0)

    column = rate_column(names)
    if not column:
        raise Rejected(Status.NO_DATA, "no column with a rate, counts or a flux")
    rate = series(column)
    if column == "PDCSAP_FLUX" and "SAP_FLUX" in names and not np.isfinite(rate).any():
        column, rate = "SAP_FLUX", series("SAP_FLUX")
    number = column.removeprefix("RATE") if column.startswith("RATE") else ""
    error = series(
        f"{column}_ERR", f"{column}_ERROR", f"ERROR{number}", "ERR_RATE", "STAT_ERR", "ERROR"
    )
    counts = column == "COUNTS"
    fracexp = series("FRACEXP")
    if counts and not len(fracexp):
        fracexp = series("EXPOSURE") / dt
    quality = series("SAP_QUALITY", "QUALITY")
    bits = lightcurve.QUALITY_BITS.get(mission, 0)
    background = series("NORM_BG_COUNTS") / dt if counts else series("BACKV")
    return {
        "rate": rate / dt if counts else rate,
        "rate_err": error / dt if counts else error,
        "fracexp": fracexp,
        "bad": (np.nan_to_num(quality).astype(np.int64) & bits) > 0
        if len(quality)
        else np.zeros(n, dtype=bool),
        "background_rate": float(np.nanmean(background))
        if np.isfinite(background).any()
        else math.nan,
        "counts": counts,
        "flux": column.endswith("FLUX"),
    }


def _is_net(header) -> bool:
    """Return whether the background was subtracted from a light curve."""
    return str(header.get("HDUCLAS2", "")).strip().upper() == "NET" or header.get("BACKAPP") is True


def _times(hdus, index):
    """Return the time keywords of a table, its clock, and its times in seconds, one-dimensional."""
    hdu = hdus[index]
    if "TIME" not in hdu.columns:
        found = ", ".join(hdu.columns[:8])
        raise Rejected(Status.BAD_TIME, f"no column TIME among {found}")
    header = fits_time.keywords(hdu.header, hdus[0].header)
    clock = fits_time.clock(header, hdu.unit("TIME"))
    return header, clock, clock.seconds(hdu.read("TIME").ravel())


def _good_times(hdus, clock, seconds) -> np.ndarray:
    """Return the good time intervals of a file on the clock of its data; none if it has none."""
    tables = [
        hdu
        for hdu in hdus
        if {"START", "STOP"} <= set(hdu.columns)
        and ("GTI" in hdu.name.upper() or str(hdu.header.get("HDUCLAS1", "")).strip() == "GTI")
    ]
    chosen = [tables[i] for i in gti.standard([hdu.name for hdu in tables])]
    first, last = np.fmin.reduce(seconds, initial=np.inf), np.fmax.reduce(seconds, initial=-np.inf)
    if not chosen or first > last:
        return np.empty((0, 2))
    lists = []
    for hdu in chosen:
        try:
            lists.append(_intervals(hdu, clock, first, last))
        except Rejected as rejected:
            reason = f"its good time intervals ({hdu.name}): {rejected.reason}"
            raise Rejected(rejected.status, reason) from rejected
    each = any(
        gti.is_per_detector(hdu.name) or "CCD_ID" in hdu.header or "CCDNR" in hdu.header
        for hdu in chosen
    )
    return gti.combine(lists, each)


def _intervals(hdu, clock, first, last) -> np.ndarray:
    """Return one table of good time intervals in seconds on the clock of the data.

    A table without TIMEZERO of its own shares that of the data, as RXTE's do, unless that moves
    it away from them: NuSTAR's light curves count from TIMEZERO, their intervals do not.
    """
    header = hdu.header
    own = fits_time.clock(fits_time.keywords(header, {}), hdu.unit("START"))
    stated = hdu.unit("START") or "TIMEUNIT" in header
    unit = own.unit if stated else clock.unit
    edges = [hdu.read(name).ravel() for name in ("START", "STOP")]
    if len(edges[0]) != len(edges[1]):
        reason = f"{len(edges[0])} values of START, {len(edges[1])} of STOP: fetch the file again"
        raise Rejected(Status.BAD_TIME, reason)
    raw = np.column_stack(edges).astype(float) * unit + own.since(clock)
    declared = fits_time.offset(header)
    candidates = (clock.zero, 0.0) if declared is None else (declared,)
    shifted = [gti.merge(raw + zero) for zero in candidates]
    near = [s for s in shifted if len(s) and s[0, 0] <= last and s[-1, 1] >= first]
    return near[0] if near else shifted[0]


def _timing(who, clock, result, selected) -> dict:
    """Return what events and light curves have in common in a row."""
    flags = result.flags
    if clock.day < 0:
        flags |= Flag.NO_MJDREF
    if not clock.barycentred:
        flags |= Flag.NOT_BARYCENTRED
    if not identity.is_known(who.mission):
        flags |= Flag.UNKNOWN_MISSION
    return {
        "flags": flags,
        "band_lo": selected.lo,
        "band_hi": selected.hi,
        "time_system": clock.system,
        "mjd_ref": clock.day,
        "mjd_ref_frac": clock.fraction,
        "t_start": result.start,
        "time": result.time,
        "gti_start": result.gti[:, 0],
        "gti_stop": result.gti[:, 1],
    }


def _read_spectrum(hdus, index, who, entry, archive, options) -> dict:
    """Read a power spectrum and the frequencies in its response."""
    hdu = hdus[index]
    names = hdu.columns
    error = next((c for c in ("STAT_ERR", "STAT_ERROR") if c in names), None)
    if "COUNTS" not in names or error is None:
        raise Rejected(Status.BAD_SPECTRUM, "a power spectrum needs columns COUNTS and STAT_ERR")
    bounds = _response(
        archive, entry["response"], entry["response_sha256"], options.max_decompressed
    )
    counts = hdu.read("COUNTS").ravel()
    n = len(counts)
    channel = hdu.read("CHANNEL").ravel() if "CHANNEL" in names else bounds[0][:n]
    quality = hdu.read("QUALITY").ravel() if "QUALITY" in names else np.zeros(n)
    noise, errors = options.spectrum_noise, hdu.read(error).ravel()
    if not len(channel) == len(errors) == len(quality) == n:
        reason = (
            f"{n} COUNTS, {len(channel)} channels, {len(errors)} {error}, {len(quality)} QUALITY"
        )
        raise Rejected(Status.BAD_SPECTRUM, f"{reason}: fetch it again")
    result = spectrum.convert(channel, counts, errors, quality != 0, bounds, noise)
    return {
        "product": identity.product("spectrum", who.mission, who.instrument),
        "flags": result.flags,
        "frequency_lo": result.frequency_lo,
        "frequency_hi": result.frequency_hi,
        "power": result.power,
        "power_err": result.power_err,
        "noise": math.nan if noise is None else noise,
        "norm": options.spectrum_norm,
    }


@functools.lru_cache(maxsize=16)
def _response(archive, file, sha256, max_decompressed):
    """Return channels and their edges from a response, which many power spectra may share."""
    path = _unchanged(archive, file, sha256)
    with fits_file.open_fits(path, max_decompressed) as hdus:
        bounds = _bounds(hdus)
    if bounds is None:
        reason = f"{file} has no table with CHANNEL, E_MIN and E_MAX (EBOUNDS)"
        raise Rejected(Status.MISSING_RESPONSE, reason)
    return bounds


def _bounds(hdus):
    """Return channels and their lower and upper edges from the EBOUNDS of a file, None if it has none."""
    names = ("CHANNEL", "E_MIN", "E_MAX")
    for hdu in hdus:
        if {*names} <= set(hdu.columns):
            bounds = tuple(hdu.read(name).ravel() for name in names)
            if len(bounds[0]) and len({len(b) for b in bounds}) == 1:
                return bounds
    return None


_READERS = {
    "events": _read_events,
    "lightcurve": _read_light_curve,
    "spectrum": _read_spectrum,
}
