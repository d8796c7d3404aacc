"""The channels of a response and their edges."""

import functools
from collections.abc import Iterable
from pathlib import Path

from pipeline.ingest.archive.copies import Copies, locate
from pipeline.ingest.files import fits_file
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions.calibration import Bounds
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def bounds_in(hdus: Iterable[Hdu]) -> Bounds | None:
    """Return the channels in the EBOUNDS of a file, None if it has none."""
    names = ("CHANNEL", "E_MIN", "E_MAX")
    for hdu in hdus:
        if {*names} <= set(hdu.columns):
            channel, lower, upper = (hdu.read(name).ravel() for name in names)
            if len(channel) and len(channel) == len(lower) == len(upper):
                return Bounds(channel, lower, upper)
    return None


def bounds_of(opened: Opened) -> Bounds | None:
    """Return the channels in the response that a plan gives a file, None if it gives none.

    Raises
    ------
    Rejected
        MISSING_RESPONSE where the response has no table with its channels; otherwise as
        `fits_file.open_fits` and `copies.locate`.
    """
    entry = opened.entry
    if not entry.response:
        return None
    limit = opened.options.max_decompressed
    return _read(opened.archive, entry.response, entry.response_version, limit)


@functools.lru_cache(maxsize=16)
def _read(archive: Path | Copies, file: str, version: str, max_decompressed: int) -> Bounds:
    """Read a response, which many power spectra may share."""
    path = locate(archive, file, version)
    with fits_file.open_fits(path, max_decompressed) as hdus:
        bounds = bounds_in(hdus)
    if bounds is None:
        reason = f"{file} has no table with CHANNEL, E_MIN and E_MAX (EBOUNDS)"
        raise Rejected(Status.MISSING_RESPONSE, reason)
    return bounds
