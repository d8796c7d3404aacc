"""Reading one observation from its file: FITS in, a row of INGEST out."""

import functools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.archive.copies import Copies, locate
from pipeline.ingest.files import fits_file, selection, undefined
from pipeline.ingest.files.recognise import has_frequencies, recognise, time_column
from pipeline.ingest.missions import band, calibration, identity, registry, rxte
from pipeline.ingest.read import counts, events, exposure, lightcurve, mapping, power_spectrum
from pipeline.ingest.read.bins import bad_events, bands_of, of_array, of_table
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import cadence, fits_time, frames, good_time, gti, ticks
from pipeline.status import Flag, Status

_DEAD = 0.99
"""Live fraction below which dead time is worth a flag."""


def read_products(entry: Mapping, archive: Path | Copies, options: IngestOptions) -> list[dict]:
    """Read the observation of one entry of a plan.

    Parameters
    ----------
    entry : mapping
        Row of a shard of the plan.
    archive : Path or Copies
        Folder that its paths are relative to, or where files of a remote archive are.
    options : IngestOptions
        How to read.

    Returns
    -------
    list of dict
        Rows of INGEST, at least one: one for each product in the file (energy bands of events, bands
        of a light curve), with data, or with the status and the reason why there are none.
    """
    row = carried(entry) | {"status": Status.OK, "reason": ""}
    try:
        file, part = selection.path_of(entry), entry.get("part", "")
        path = locate(archive, file, entry["version"])
        row["sha256"] = _checksum(path, file)
        with mapping.open_file(path, file, options, part=part) as hdus:
            flags = Flag.CHECKSUM if fits_file.checksum_fails(hdus) else Flag(0)
            index = recognise(hdus).index
            who = identity.identify(hdus[index].header, hdus[0].header)
            row |= {k: getattr(who, k) for k in ("mission", "instrument", "object", "ra", "dec")}
            where = f"HDU {index} ({hdus[index].name})"
            try:
                products = _of_bands(hdus, index, who, entry | {"file": file}, archive, options)
            except Rejected as rejected:
                raise Rejected(rejected.status, f"{where}: {rejected.reason}") from rejected
    except Rejected as rejected:
        return [row | {"status": rejected.status, "reason": rejected.reason}]
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}): check its permissions and the disk"
        return [row | {"status": Status.UNREADABLE, "reason": reason}]
    for data in products:
        data["flags"] = int(flags | data.get("flags", 0))
        if data.get("reason"):
            data["reason"] = f"{where}: {data['reason']}"
    return [row | data for data in products]


def _of_bands(hdus, index, who, entry, archive, options) -> list[dict]:
    """Read a table, a row a product, those of each band of a table that has a column of bands."""
    read, bands = _READERS[entry["kind"]], selection.bands(hdus[index])
    if len(bands) == 1 and not bands[0][0]:
        return read(hdus, index, who, entry, archive, options)
    rows, faults = [], []
    for band_name, hdu in bands:
        label = re.sub(r"[\s/#]+", "-", band_name)
        try:
            one = read(
                [*hdus[:index], hdu, *hdus[index + 1 :]], index, who, entry, archive, options
            )
            rows += [data | {"product": f"{data['product']}/{label}"} for data in one]
        except Rejected as rejected:
            faults.append(rejected)
            name = identity.product(entry["kind"], who.mission, who.instrument, label)
            reason = f"band {band_name}: {rejected.reason}"
            rows.append({"status": rejected.status, "reason": reason, "product": name})
    if len(faults) == len(bands):
        raise faults[0]
    return rows


def _each(items, name: Callable, make: Callable) -> list[dict]:
    """Return what `make` makes of each item, or why it cannot; Rejected where it can of none."""
    rows, faults = [], []
    for item in items:
        try:
            rows.append(make(item) | {"product": name(item)})
        except Rejected as rejected:
            faults.append(rejected)
            fault = {"status": rejected.status, "reason": rejected.reason}
            rows.append(fault | {"product": name(item)})
    if len(faults) == len(rows):
        raise faults[0]
    return rows


def carried(entry: Mapping) -> dict:
    """Return a row of INGEST without data for an entry of a plan, with its status and reason."""
    keys = ("source_id", "observation_id", "file", "kind", "status", "reason")
    return {key: entry[key] for key in keys} | {"mjd_ref": -1}


@functools.lru_cache(maxsize=4)
def _digest(path, size, mtime_ns) -> str:
    """Return the SHA-256 of a file, which may hold many objects that are read one by one."""
    return fits_file.sha256(path)


def _checksum(path, file) -> str:
    try:
        about = path.stat()
        return _digest(path, about.st_size, about.st_mtime_ns)
    except OSError as error:
        reason = f"{file} cannot be opened: {error.strerror or error}"
        raise Rejected(Status.UNREADABLE, reason) from error


def _read_events(hdus, index, who, entry, archive, options) -> list[dict]:
    """Read an event list, a row a band."""
    hdu = hdus[index]
    header, clock, seconds, kept = _times(hdus, index)
    photon, energy = _energies(hdus, hdu, who, clock, seconds, entry, archive, options)
    if energy is not None and len(energy) != len(seconds):
        energy = None
    bad = bad_events(hdu, registry.find(who.mission, who.instrument))
    if bad is not None:
        photon = ~bad if photon is None else photon & ~bad
    dropped = 0 if bad is None else int(np.count_nonzero(bad))
    tick, seconds = frames.centred(hdu, header, seconds, photon, kept)
    good = good_time.read(hdus, hdu, clock, seconds, other=_other_times(hdus, hdu, clock))
    clock = good.clock
    if photon is not None:
        seconds, energy = seconds[photon], energy if energy is None else energy[photon]
    bands = band.of_events(options.band, options.bands) if energy is not None else [band.Band()]

    def make(wanted):
        limits = None if math.isnan(wanted.lo) else (wanted.lo, wanted.hi)
        result = events.select(seconds, energy, good.intervals, limits, tick)
        common = _timing(who, clock, header, result, wanted)
        return common | {
            "flags": common["flags"] | good.flags | Flag.TIMES_DROPPED * bool(dropped),
            "n_dropped": dropped,
            "exposure": gti.total(result.gti),
            "energy": result.energy,
            "dt": fits_time.resolution(header) or tick,
            "tick": tick,
            "counting": True,
        }

    def name(wanted):
        return identity.product("events", who.mission, who.instrument, wanted.label)

    return _each(bands, name, make)


def _energies(hdus, hdu, who, clock, seconds, entry, archive, options):
    """Return which rows are photons (None: all), and their energies, keV (None: not told)."""
    if hdu.name.strip().upper() == rxte.EVENTS:
        return _rxte_energies(hdu, who, clock, seconds)
    for name in ("ENERGY", "ISGRI_ENERGY"):
        if name in hdu.columns and (unit := band.kev(hdu.unit(name))):
            energy = hdu.read(name).ravel() * unit
            if np.isfinite(energy).any():
                return None, energy
    channel = next((c for c in ("PI", "PHA", "CHANNEL") if c in hdu.columns), None)
    if channel is None:
        return None, None
    scale = calibration.of_pi(who.mission, who.instrument) if channel == "PI" else None
    try:
        bounds = _bounds_in_archive(entry, archive, options)
    except Rejected:
        if not scale:
            raise
        bounds = None
    if bounds and scale and not calibration.same_channels(scale, *bounds):
        bounds = None
    if not (bounds or scale):
        bounds = _bounds(hdus)
    convert = calibration.of_ebounds(*bounds) if bounds else scale
    return None, convert and convert(hdu.read(channel).ravel())


def _rxte_energies(hdu, who, clock, seconds):
    """Return which rows of RXTE science events are photons, and their energies; None if not told."""
    ddl = str(hdu.header.get("TEVTB2", ""))
    groups = rxte.group_channels(rxte.channel_groups(ddl))
    photon, detector = None, hdu.read("PCUID").ravel() if "PCUID" in hdu.columns else 1
    if "PHA" in hdu.columns:
        group = np.nan_to_num(hdu.read("PHA").ravel(), nan=-1).astype(int)
    elif "EVENT" in hdu.columns and len(groups) and (bits := hdu.read("EVENT")).ndim == 2:
        photon, group, detector = rxte.event_fields(bits, ddl)
    else:
        return None, None
    finite = seconds[np.isfinite(seconds)]
    mjd = clock.mjd(float(np.median(finite))) if len(finite) else math.nan
    if not who.instrument.startswith("pca") or not len(groups) or not rxte.is_flown(mjd):
        return photon, None
    channel = groups[np.clip(group, 0, len(groups) - 1)]
    return photon, np.where(group < 0, np.nan, rxte.energies(channel, detector, mjd))


def _bounds_in_archive(entry, archive, options):
    """Return the channels' energies in the response that belongs to an event list, None without one."""
    if not entry["response"]:
        return None
    response = entry["response"], entry["response_version"]
    try:
        return _response(archive, *response, options.max_decompressed)
    except Rejected as rejected:
        if rejected.status == Status.MISSING_RESPONSE:
            return None
        raise


class _Bins(NamedTuple):
    """Light curves in bins: middles (s), width (s), the curves, the time keywords, and flags of the times."""

    seconds: np.ndarray
    dt: float
    curves: list
    header: dict
    flags: Flag


def _bins_of_array(hdu, header, clock, seconds, options) -> _Bins:
    """Return the bins of a science array of RXTE, of which a row has many."""
    mjd = clock.mjd(float(seconds[0])) if len(seconds) else math.nan
    wanted = [b for b in band.of_events(options.band, options.bands) if math.isfinite(b.lo)]
    dt, bins, curves = of_array(hdu, header, mjd, wanted)
    seconds = (seconds[:, np.newaxis] + dt * (np.arange(bins) + 0.5)).ravel()
    return _Bins(seconds, dt, curves, header, Flag(0))


def _bins_of_table(hdus, hdu, header, clock, seconds, who, entry) -> _Bins:
    """Return the bins of a table with a row each."""
    rounded, finite = False, seconds
    if not gti.in_order(seconds):
        finite = np.sort(seconds[np.isfinite(seconds)])
    if "TIMEDEL" in hdu.columns and not fits_time.number(header, "TIMEDEL"):
        column = hdu.read("TIMEDEL"), hdu.unit("TIMEDEL")
        width = exposure.bin_width(*column, fits_time.header_unit(header))
        header = header | ({"TIMEDEL": width} if width else {})
    dt, measured = fits_time.bin_width(header, finite, clock.unit)
    if finite is seconds:
        seconds, rounded = cadence.unrounded(seconds, dt)
    if len(finite) and not dt > 0:
        reason = "one time and no keyword TIMEDEL: the bin width is not known"
        raise Rejected(Status.BAD_TIME, reason)
    known = registry.find(who.mission, who.instrument)
    stem = identity.stem(entry["file"])
    bands = bands_of(hdus, hdu.header, who.mission, who.instrument, stem)
    curves = of_table(hdu, len(seconds), dt, known, bands)
    seconds = fits_time.bin_centres(seconds, dt, header)
    flags = Flag.NO_TIMEDEL * measured | Flag.TIMES_ROUNDED * rounded
    return _Bins(seconds, dt, curves, header, flags)


def _read_light_curve(hdus, index, who, entry, archive, options) -> list[dict]:
    """Read a light curve, a row a band."""
    hdu = hdus[index]
    header, clock, seconds, _ = _times(hdus, index)
    if hdu.name.strip().upper() == rxte.ARRAY:
        bins = _bins_of_array(hdu, header, clock, seconds, options)
    else:
        bins = _bins_of_table(hdus, hdu, header, clock, seconds, who, entry)
    seconds, dt, curves, header, marks = bins
    usable = np.where(np.isfinite(curves[0].rate), seconds, np.nan) if curves else seconds
    other = _other_times(hdus, hdu, clock)
    good, net = good_time.read(hdus, hdu, clock, usable, dt, other), counts.is_net(hdu.header)
    clock = good.clock

    def make(curve):
        try:
            result = lightcurve.select(
                seconds,
                curve.rate,
                curve.rate_err,
                curve.fracexp,
                curve.bad,
                good.intervals,
                dt,
                options.min_fracexp,
            )
        except Rejected as rejected:
            raise Rejected(rejected.status, rejected.reason + _and_why(curve.left_out)) from None
        common = _timing(who, clock, header, result, curve.band)
        counting, gross, errors = curve.counting, curve.counting, result.rate_err
        if counting is None and not net:
            noise = counts.of_curve(result.rate, errors, dt, result.fracexp)
            counting, gross, errors = noise.counting, noise.gross, noise.rate_err
        why = [*curve.left_out]
        if hidden := int(np.count_nonzero(curve.fracexp < options.min_fracexp)):
            why.append(f"{hidden} exposed less than {options.min_fracexp:g} (ingest.min_fracexp)")
        remarks = [_left_out(result.dropped, len(seconds), why)]
        if math.isfinite(curve.background_rate) and not (gross or net):
            remarks.append(
                "its background was not used: nothing says that it is still in the rate, whose errors are "
                "not those of counts"
            )
        return common | {
            "reason": "; ".join(filter(None, remarks)),
            "n_dropped": result.dropped,
            "flags": common["flags"] | good.flags | marks | curve.flags,
            "exposure": result.exposure,
            "dt": dt,
            "rate": result.rate,
            "rate_err": errors,
            "fracexp": result.fracexp,
            "counting": bool(counting) and not net,
            "background_rate": curve.background_rate if gross and not net else math.nan,
        }

    def name(curve):
        return identity.product("lightcurve", who.mission, who.instrument, curve.band.label, dt)

    return _each(curves, name, make)


def _left_out(dropped, total, why) -> str:
    """Say how many rows of a light curve were left out, and what is known of why."""
    if not dropped:
        return ""
    return f"{dropped} of {total} rows were left out{': ' * bool(why)}{', '.join(why)}"


def _and_why(why) -> str:
    """Say why no row is left, where something is known of it."""
    if not why:
        return ""
    remedy = "; if they are good, say so in ingest.tables (good, bad_bits, or no quality)"
    return f": {', '.join(why)}{remedy * any(' bad by ' in one for one in why)}"


def _times(hdus, index):
    """Return the time keywords of a table, its clock, its times in seconds, and how finely they are kept."""
    hdu = hdus[index]
    name = time_column(hdu.columns)
    if not name:
        found = ", ".join(hdu.columns[:8])
        raise Rejected(Status.BAD_TIME, f"no column TIME among {found}")
    number = hdu.number(name)
    header = fits_time.keywords(hdu.header, hdus[0].header, number)
    unit = hdu.unit(name) or str(hdu.header.get(f"TCUNI{number}", "")).strip()
    values = undefined.clean(hdu.read(name)).values
    clock = fits_time.clock(header, unit, name, values)
    if (pairs := fits_time.of_pairs(values, clock)) is not None:
        values, clock = pairs
    return header, clock, clock.seconds(values.ravel()), ticks.grain(values, clock.unit)


def _other_times(hdus, hdu, clock) -> np.ndarray | None:
    """Return the times of column TIME, s from the epoch of another column that was chosen, if one was."""
    inside, chosen = getattr(hdu, "inside", None), getattr(hdu, "own", {}).get("TIME", "TIME")
    if chosen == "TIME" or "TIME" not in getattr(inside, "columns", ()):
        return None
    number = inside.number("TIME")
    header = fits_time.keywords(inside.header, hdus[0].header, number)
    values = inside.read("TIME")
    try:
        own = fits_time.clock(header, inside.unit("TIME"), "TIME", values)
    except Rejected:
        return None
    if values.size != len(values):
        return None
    return own.seconds(values.ravel()) + own.since(clock)


def _timing(who, clock, header, result, selected) -> dict:
    """Return what events and light curves have in common in a row."""
    flags = result.flags
    if clock.day < 0:
        flags |= Flag.NO_MJDREF
    if not clock.barycentred:
        flags |= Flag.NOT_BARYCENTRED
    if not identity.is_known(who.mission):
        flags |= Flag.UNKNOWN_MISSION
    live = fits_time.number(header, "DEADC")
    live = live if live is not None and 0 < live <= 1 else math.nan
    if live < _DEAD and not counts.is_true(header.get("DEADAPP")):
        flags |= Flag.DEAD_TIME
    return {
        "flags": flags,
        "live_fraction": live,
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


def _read_spectrum(hdus, index, who, entry, archive, options) -> list[dict]:
    """Read a power spectrum and the frequencies in its response."""
    hdu, bounds = hdus[index], None
    if not has_frequencies(hdu.columns):
        response = entry["response"], entry["response_version"]
        limit = options.max_decompressed
        bounds = _response(archive, *response, limit) if entry["response"] else _bounds(hdus)
    return [power_spectrum.read(hdu, hdus[0].header, bounds, who, options)]


@functools.lru_cache(maxsize=16)
def _response(archive, file, version, max_decompressed):
    """Return channels and their edges from a response, which many power spectra may share."""
    path = locate(archive, file, version)
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
