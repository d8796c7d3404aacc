"""A first look at one file: what it is, of whom, when; headers only."""

import math
from collections.abc import Mapping
from pathlib import Path

from pipeline.config import IngestOptions
from pipeline.ingest import fits_file, fits_time, identity, mapping
from pipeline.ingest.recognise import KINDS, Recognised, has_frequencies, recognise
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def scan_file(item: Mapping, archive: Path, options: IngestOptions) -> dict:
    """Look at one file.

    Parameters
    ----------
    item : mapping
        ``file``, ``size``, ``mtime_ns``, and ``problem``: why it must not be opened, or empty.
    archive : Path
        Folder that `file` is relative to.
    options : IngestOptions
        How files are read.

    Returns
    -------
    dict
        Row of MANIFEST, as far as one file by itself can tell: ``observation_id`` is OBS_ID,
        ``response`` is RESPFILE, ``source_id`` is empty.
    """
    row = {key: item[key] for key in ("file", "size", "mtime_ns")} | {
        "kind": "other",
        "status": Status.OK,
    }
    try:
        if item["problem"]:
            raise Rejected(Status.UNREADABLE, item["problem"])
        path = Path(archive) / item["file"]
        row["sha256"] = fits_file.sha256(path)
        with mapping.open_file(path, item["file"], options) as hdus:
            found = recognise(hdus)
            row |= _about(hdus, found)
            if has_frequencies(hdus[found.index].columns):
                row["response"] = item["file"]  # it needs no other
            if found.what:
                row |= {"status": Status.SET_ASIDE, "reason": f"{found.what}: not an observation"}
    except Rejected as rejected:
        row |= _what_is_left(rejected.hdus)
        row |= {"status": rejected.status, "reason": rejected.reason}
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}): check its permissions and the disk"
        row |= {"status": Status.UNREADABLE, "reason": reason}
    return row


def failed(item: Mapping, status: Status, reason: str) -> dict:
    """Return the row of a file at which looking failed."""
    keys = ("file", "size", "mtime_ns")
    return {key: item[key] for key in keys} | {"kind": "other", "status": status, "reason": reason}


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
