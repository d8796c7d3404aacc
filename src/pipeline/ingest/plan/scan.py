"""A first look at one file: what it is, of whom, when; headers only."""

import math
import os
from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.files import fits_file, headers, selection
from pipeline.ingest.files.recognise import KINDS, Recognised, has_frequencies, recognise
from pipeline.ingest.missions import identity
from pipeline.ingest.read import mapping
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import fits_time
from pipeline.status import Status

_FROM_ITEM = "file", "size", "mtime_ns", "version"


def scan_file(item: Mapping, archive: Path, options: IngestOptions) -> dict:
    """Look at one file.

    Parameters
    ----------
    item : mapping
        ``file``, ``size``, ``mtime_ns``, ``version``, and ``problem``: why it must not be opened,
        or empty.
    archive : Path or RemoteArchive
        Folder that `file` is relative to, or what opens it.
    options : IngestOptions
        How files are read.

    Returns
    -------
    dict
        Row of OBSERVATIONS, as far as one file by itself can tell: ``observation_id`` is OBS_ID,
        ``response`` is RESPFILE, ``source_id`` is empty; ``version`` is empty where the file itself
        could not be read, and looking again may help.
    """
    row = {key: item[key] for key in _FROM_ITEM} | {"kind": "other", "status": Status.OK}
    try:
        if item["problem"]:
            row["version"] = ""
            here = isinstance(archive, Path)
            raise Rejected(Status.UNREADABLE if here else Status.NOT_DOWNLOADED, item["problem"])
        with (
            _opened(item, archive) as file,
            mapping.open_file(file, item["file"], options, open_fits=_headers) as hdus,
        ):
            found = recognise(hdus)
            row |= _about(hdus, found)
            if has_frequencies(hdus[found.index].columns) or _has_bounds(found, row, hdus):
                row["response"] = item["file"]  # it needs no other
            if found.what:
                row |= {"status": Status.SET_ASIDE, "reason": f"{found.what}: not an observation"}
    except Rejected as rejected:
        row |= _what_is_left(rejected.hdus)
        row |= {"status": rejected.status, "reason": rejected.reason}
        if rejected.status == Status.NOT_DOWNLOADED:
            row["version"] = ""
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}): check its permissions and the disk"
        row |= {"status": Status.UNREADABLE, "reason": reason, "version": ""}
    return row


def _opened(item, archive):
    """Return a file to look at as a context: open already if it is not on this machine."""
    if isinstance(archive, Path):
        return nullcontext(archive / item["file"])
    return archive.open(item)


def _has_bounds(found: Recognised, row, hdus) -> bool:
    """Return whether the frequencies of a power spectrum's channels are in its own file."""
    named = {"CHANNEL", "E_MIN", "E_MAX"}
    within = any(named <= set(hdu.columns) for hdu in hdus)
    return found.kind == "spectrum" and not row["mission"] and within


def parts_of(row: Mapping, item: Mapping, archive: Path, options: IngestOptions) -> list[dict]:
    """Return a row for each object in a file that `ingest.tables` says holds several; else its one row.

    Parameters
    ----------
    row : mapping
        What `scan_file` returned of `item`.
    item, archive, options
        As in `scan_file`.
    """
    table = mapping.find(item["file"], options.tables)
    if row["status"] != Status.OK or table is None or "object" not in table.columns:
        return [dict(row)]
    try:
        with (
            _opened(item, archive) as file,
            mapping.open_file(file, item["file"], options) as hdus,
        ):
            hdu = hdus[recognise(hdus).index]
            found = selection.parts(hdu.inside, hdu.table, hdu.roles)
    except Rejected as rejected:
        return [{**row, "status": rejected.status, "reason": rejected.reason}]
    obs_id = f"{row['observation_id']}#" if row["observation_id"] else ""
    rows = []
    for name, place in found.items():
        own = {key: value for key, value in place.items() if math.isfinite(value)}
        said = str(table.keywords.get("OBJECT", "{object}")).replace("{object}", name)
        about = {"object": said, "observation_id": f"{obs_id}{name}"}
        rows.append(selection.named({**row, **own, **about}, name))
    return rows


@contextmanager
def _headers(file, max_decompressed):
    """Yield the HDUs of a file, as far as looking at it needs them."""
    with fits_file.open_regular(file) if isinstance(file, Path) else nullcontext(file) as handle:
        size = handle.seek(0, os.SEEK_END)
        hdus = headers.read(handle, size)
        if hdus is not None:
            yield hdus
            return
        handle.seek(0)
    with fits_file.open_fits(file, max_decompressed) as opened:
        yield opened


def failed(item: Mapping, status: Status, reason: str) -> dict:
    """Return the row of a file at which looking failed."""
    row = {key: item[key] for key in _FROM_ITEM} | {"version": ""}
    return row | {"kind": "other", "status": status, "reason": reason}


def _what_is_left(hdus) -> dict:
    """Return what the headers of a damaged file tell, nothing if they do not say what it was."""
    try:
        return _about(hdus, recognise(hdus))
    except Rejected:
        return {}


def _about(hdus, found: Recognised) -> dict:
    """Return what headers say of the contents of a file."""
    hdu = hdus[found.index]
    who = identity.identify(hdu.header, hdus[0].header)
    time = fits_time.keywords(hdu.header, hdus[0].header)
    start, stop = fits_time.mjd_span(time)
    row = {
        "kind": found.kind,
        "hdu": hdu.name or str(found.index),
        "mission": who.mission,
        "instrument": who.instrument,
        "observation_id": who.obs_id,
        "object": who.object,
        "ra": who.ra,
        "dec": who.dec,
        "mjd_start": start,
        "mjd_stop": stop,
        "exposure": _exposure(hdu.header, time) if found.kind in KINDS[:2] else math.nan,
    }
    if found.kind in ("spectrum", "events"):
        row["response"] = " ".join(str(hdu.header.get("RESPFILE", "")).split())
    return row


def _exposure(header, time) -> float:
    """Return the good time in a header, s; NaN if there is none.

    It is in seconds by OGIP; Kepler's and TESS's is in TIMEUNIT, days. In days it would be longer
    than the observation if it were in seconds.
    """
    start, stop = fits_time.span(time)
    for key in ("EXPOSURE", "LIVETIME", "ONTIME"):
        value = fits_time.number(header, key)
        if value is not None and value > 0:
            scaled = value * fits_time.header_unit(time)
            return value if scaled > 1.1 * (stop - start) else scaled
    return math.nan
