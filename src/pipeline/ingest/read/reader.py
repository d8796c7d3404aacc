"""Reading one observation from its file: FITS or text in, rows of INGEST out."""

import functools
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.config.ingest import IngestOptions
from pipeline.faults import of_machine
from pipeline.ingest.archive.access import refusal
from pipeline.ingest.archive.copies import Copies, locate
from pipeline.ingest.files import fits_file, mapping, selection
from pipeline.ingest.files.fits_file import LocalOrOpen
from pipeline.ingest.files.recognise import has_frequencies, recognise
from pipeline.ingest.missions import identity
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read import curves, event_list, power_spectrum
from pipeline.ingest.read.observation import Observation
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.read.responses import bounds_in, bounds_of
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status


def read_products(
    entry: Entry, archive: Path | Copies, options: IngestOptions, energies: bool = True
) -> list[Observation]:
    """Read the observation of one entry of a plan.

    Parameters
    ----------
    entry : Entry
        Line of a shard of the plan.
    archive : Path or Copies
        Folder that its paths are relative to, or where files of a remote archive are.
    options : IngestOptions
        How to read.
    energies : bool, optional
        Whether the energies of events are wanted.

    Returns
    -------
    list of Observation
        At least one: one for each product in the file (energy bands of events, bands of a light curve), with
        data, or with the status and the reason why there are none.

    Raises
    ------
    Exception
        For a fault of the machine, see `pipeline.faults.of_machine`.
    """
    empty = Observation(status=Status.OK).of_entry(entry)
    try:
        path = locate(archive, entry.path, entry.version)
        with ExitStack() as stack:
            file, digest = _open(path, entry, stack)
            empty = replace(empty, sha256=digest)
            hdus = stack.enter_context(
                mapping.open_file(file, entry.path, options, part=entry.part)
            )
            flags = Flag.CHECKSUM if fits_file.checksum_fails(hdus) else Flag(0)
            index = recognise(hdus).index
            who = identity.identify(hdus[index].header, hdus[0].header)
            empty = empty.identified(who)
            opened = Opened(hdus, index, who, entry, archive, options, energies)
            try:
                products = _products(opened)
            except Rejected as rejected:
                reason = f"{opened.place}: {rejected.reason}"
                raise Rejected(rejected.status, reason) from rejected
    except Rejected as rejected:
        if of_machine(rejected):
            raise
        return [replace(empty, status=rejected.status, reason=rejected.reason)]
    except OSError as error:
        why = refusal(error, entry.path, archive)
        return [replace(empty, status=why.status, reason=why.reason)]
    return [
        replace(
            product.of_entry(entry).identified(who),
            sha256=empty.sha256,
            flags=product.flags | flags,
            reason=f"{opened.place}: {product.reason}" if product.reason else "",
        )
        for product in products
    ]


def _products(opened: Opened) -> list[Observation]:
    """Read a table; if `ingest.tables` names a column of bands, read the rows of each band by themselves."""
    read, hdu = _READERS[opened.entry.kind], opened.hdu
    if "band" not in hdu.roles or not isinstance(hdu, mapping.MappedHdu):
        return read(opened)
    made, faults = [], []
    bands = selection.bands_in(hdu.inside, hdu.roles["band"])
    for band in bands:
        label = identity.bounded(re.sub(r"[\s/#]+", "-", band.name))
        try:
            products = read(opened.with_table(hdu.of_rows(band.rows)))
            made += [replace(one, product=f"{one.product}/{label}") for one in products]
        except Rejected as rejected:
            faults.append(rejected)
            fault = Rejected(rejected.status, f"band {band.name}: {rejected.reason}")
            made.append(Observation.refused(fault, opened.product(label)))
    if len(faults) == len(bands):
        raise faults[0]
    return made


def _read_spectrum(opened: Opened) -> list[Observation]:
    """Read a power spectrum, and the frequencies in its response."""
    bounds = None
    if not has_frequencies(opened.hdu.columns):
        bounds = bounds_of(opened) if opened.entry.response else bounds_in(opened.hdus)
    return [power_spectrum.read(opened, bounds)]


_READERS: dict[str, Callable[[Opened], list[Observation]]] = {
    "events": event_list.read,
    "lightcurve": curves.read,
    "spectrum": _read_spectrum,
}


@functools.lru_cache(maxsize=4)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """Return the SHA-256 of a file, which may hold many objects that are read one by one."""
    return fits_file.sha256(path)


def _open(path: Path, entry: Entry, stack: ExitStack) -> tuple[LocalOrOpen, str]:
    """Open a file once for all that is done with it.

    Returns
    -------
    file : binary file or Path
        A file of several objects is given by its path: what is kept of it for the next object belongs to that.
    sha256 : str
        Its checksum.
    """
    if entry.part:
        about = path.stat()
        return path, _digest(path, about.st_size, about.st_mtime_ns)
    handle = stack.enter_context(fits_file.open_regular(path))
    return handle, fits_file.sha256_of(handle)
