"""A first look at one file: its kind, its object and its time. Only headers are read."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.config.ingest import IngestOptions
from pipeline.faults import of_machine
from pipeline.ingest.archive.access import refusal
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.archive.walk import may_pass
from pipeline.ingest.files import fits_file, headers, mapping, selection
from pipeline.ingest.files.fits_file import LocalOrOpen
from pipeline.ingest.files.recognise import KINDS, Recognised, has_frequencies, recognise
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.keyword import positive
from pipeline.ingest.missions import identity
from pipeline.ingest.plan.found import FoundFile
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times.keywords import TimeKeywords
from pipeline.ingest.times.reference import mjd_span
from pipeline.status import MAY_HEAL, Flag, Status


class Opener(Protocol):
    """An archive that is not on this machine and opens its files, as `RemoteArchive` does."""

    def open(self, listed: ArchiveFile) -> AbstractContextManager[Any]:
        """Open a file, or yield the path of its copy."""


def scan_file(listed: ArchiveFile, archive: Path | Opener, options: IngestOptions) -> FoundFile:
    """Look at one file.

    Parameters
    ----------
    listed : ArchiveFile
        The file.
    archive : Path or RemoteArchive
        Folder that its path is relative to, or an archive on a server.
    options : IngestOptions
        How files are read.

    Returns
    -------
    FoundFile
        The observation is OBS_ID, the response is the name in RESPFILE, and the source is empty: `complete`
        fills them in.

    Raises
    ------
    Exception
        For a fault of the machine, see `pipeline.faults.of_machine`.
    """
    found, note = FoundFile.of_listed(listed), ""
    try:
        if listed.problem:
            found.version = ""
            raise Rejected(_status_of(listed.problem, archive), listed.problem)
        with (
            _opened(listed, archive) as file,
            mapping.open_file(file, listed.file, options, open_fits=_headers) as hdus,
        ):
            recognised = recognise(hdus)
            note = _describe(found, hdus, recognised)
            if has_frequencies(hdus[recognised.index].columns) or _has_bounds(found, hdus):
                found.response = listed.file  # it needs no other
            if recognised.description:
                found.status = Status.SET_ASIDE
                found.reason = f"{recognised.description}: not an observation"
    except Rejected as rejected:
        if of_machine(rejected):
            raise
        note = _describe_damaged(found, rejected.hdus) or note
        found.status, found.reason = rejected.status, rejected.reason
        if rejected.status in MAY_HEAL:
            found.version = ""
    except OSError as error:
        why = refusal(error, listed.file, archive)
        found.status, found.reason, found.version = why.status, why.reason, ""
    if note:
        found.flags |= int(Flag.NAME_CUT)
        found.reason = "; ".join(filter(None, [found.reason, note]))
    return found


def _status_of(problem: str, archive: Path | Opener) -> Status:
    """Return the status of a file that the listing has a problem with."""
    if not isinstance(archive, Path):
        return Status.NOT_DOWNLOADED
    return Status.INACCESSIBLE if may_pass(problem) else Status.UNREADABLE


def _opened(listed: ArchiveFile, archive: Path | Opener) -> AbstractContextManager[Any]:
    """Return, as a context, the path of a file, or the open file if it is not on this machine."""
    if isinstance(archive, Path):
        return nullcontext(archive / listed.file)
    return archive.open(listed)


def _has_bounds(found: FoundFile, hdus: Sequence[Hdu]) -> bool:
    """Return whether the frequencies of a power spectrum's channels are in its own file."""
    named = {"CHANNEL", "E_MIN", "E_MAX"}
    within = any(named <= set(hdu.columns) for hdu in hdus)
    return found.kind == "spectrum" and not found.mission and within


def objects_in(
    found: FoundFile, listed: ArchiveFile, archive: Path | Opener, options: IngestOptions
) -> list[FoundFile]:
    """Return each object in a file that holds several by `ingest.tables`; the file itself if it does not.

    Parameters
    ----------
    found : FoundFile
        The file, from `scan_file`.
    listed, archive, options
        As in `scan_file`.
    """
    table = mapping.entry_for(listed.file, options.tables)
    if found.status != Status.OK or table is None or "object" not in table.columns:
        return [found]
    try:
        with (
            _opened(listed, archive) as file,
            mapping.open_file(file, listed.file, options) as hdus,
        ):
            hdu = hdus[recognise(hdus).index]
            assert isinstance(hdu, mapping.MappedHdu)
            objects = selection.objects_of(hdu.inside, hdu.table, hdu.roles)
    except Rejected as rejected:
        if of_machine(rejected):
            raise
        version = "" if rejected.status in MAY_HEAL else found.version
        return [replace(found, status=rejected.status, reason=rejected.reason, version=version)]
    except OSError as error:
        why = refusal(error, listed.file, archive)
        return [replace(found, status=why.status, reason=why.reason, version="")]
    prefix = f"{found.observation_id}#" if found.observation_id else ""
    spelt = str(table.keywords.get("OBJECT", "{object}"))
    return [
        replace(
            found,
            file=f"{found.file}#{name}",
            part=name,
            object=identity.bounded(spelt.replace("{object}", name)),
            observation_id=identity.bounded(f"{prefix}{name}"),
            ra=place.ra if math.isfinite(place.ra) else found.ra,
            dec=place.dec if math.isfinite(place.dec) else found.dec,
        )
        for name, place in objects.items()
    ]


@contextmanager
def _headers(file: LocalOrOpen, max_decompressed: int) -> Iterator[list[Hdu]]:
    """Yield the HDUs of a file, without data if its headers are plain."""
    with fits_file.opened(file) as handle:
        size = handle.seek(0, os.SEEK_END)
        hdus = headers.read(handle, size)
        if hdus is not None:
            yield hdus
            return
        handle.seek(0)
    with fits_file.open_fits(file, max_decompressed) as whole:
        yield list(whole)


def _describe_damaged(found: FoundFile, hdus: Sequence[Hdu]) -> str:
    """Do as `_describe` with a damaged file, if its headers show what it was."""
    try:
        return _describe(found, hdus, recognise(hdus))
    except Rejected:
        return ""


def _describe(found: FoundFile, hdus: Sequence[Hdu], recognised: Recognised) -> str:
    """Fill in the contents of a file by its headers; return the note on names that are too long."""
    hdu = hdus[recognised.index]
    who = identity.identify(hdu.header, hdus[0].header)
    keywords = TimeKeywords.of(hdu.header, hdus[0].header)
    span = mjd_span(keywords)
    found.kind = recognised.kind
    found.hdu = identity.bounded(hdu.name) or str(recognised.index)
    found.mission, found.instrument = who.mission, who.instrument
    found.observation_id, found.object = who.obs_id, who.object
    found.ra, found.dec = who.ra, who.dec
    found.mjd_start, found.mjd_stop = span.start, span.stop
    if recognised.kind in KINDS[:2]:
        found.exposure = _exposure(hdu.header, keywords)
    if recognised.kind in ("spectrum", "events"):
        found.response = " ".join(str(hdu.header.get("RESPFILE", "")).split())
    return who.note


def _exposure(header: Mapping[str, Any], keywords: TimeKeywords) -> float:
    """Return the good time in a header, s; NaN if there is none.

    By OGIP it is in seconds. Kepler's and TESS's is in TIMEUNIT, days: then, taken for days, it is not
    longer than the observation.
    """
    for key in ("EXPOSURE", "LIVETIME", "ONTIME"):
        if (value := positive(header, key)) > 0:
            scaled = value * keywords.unit
            return value if scaled > 1.1 * (keywords.stop - keywords.start) else scaled
    return math.nan
