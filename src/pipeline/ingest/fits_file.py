"""Opening files: what they are by their first bytes, decompression with a limit, HDUs that are all there."""

import gzip
import hashlib
import os
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from pipeline.ingest.recognise import Hdu
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_BLOCK = 1 << 20
_IN_MEMORY = 64 << 20
_FOREIGN = (
    (b"version https://git-lfs.", "a Git-LFS pointer: run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer: run `git annex get`"),
    (b"\x89HDF", "HDF5 or netCDF-4: convert it to FITS"),
    (b"CDF\x01", "netCDF: convert it to FITS"),
    (b"CDF\x02", "netCDF: convert it to FITS"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"BZh", "compressed with bzip2: unpack it, or compress it with gzip"),
    (b"\x1f\x9d", "compressed with compress: unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz: unpack it, or compress it with gzip"),
    (b"%PDF", "a PDF document: move it out of the archive"),
    (b"PAR1", "a Parquet file: convert it to FITS"),
)


def sha256(path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class FitsHdu(Hdu):
    """An HDU of an open file, whose damaged keywords are as good as absent.

    Attributes
    ----------
    source : astropy.io.fits HDU
        Where the data come from.
    """

    source: object = None

    @classmethod
    def of(cls, source) -> "FitsHdu":
        """Describe an HDU of Astropy's."""
        table = isinstance(source, (fits.BinTableHDU, fits.TableHDU))
        table = table and not isinstance(source, fits.CompImageHDU)
        columns = tuple(name.upper() for name in source.columns.names) if table else ()
        return cls(source.name, _keywords(source.header), columns, source)

    def unit(self, name: str) -> str:
        """Return the TUNIT of a column by its upper-case name; empty if there is none."""
        return (self.source.columns[self.columns.index(name)].unit or "").strip()

    def read(self, name: str) -> np.ndarray:
        """Return a column by its upper-case name, in the machine's byte order.

        Raises
        ------
        Rejected
            UNREADABLE if the column cannot be decoded or does not hold numbers.
        """
        try:
            values = np.asarray(self.source.data.field(self.columns.index(name)))
        except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
            reason = f"column {name} cannot be read ({error}): fetch the file again"
            raise Rejected(Status.UNREADABLE, reason) from error
        if values.dtype.kind not in "biuf":
            raise Rejected(Status.UNREADABLE, f"column {name} does not hold numbers")
        return values.astype(values.dtype.newbyteorder("="), copy=False)


def _keywords(header) -> dict:
    """Return the keywords that have a value that can be read."""
    result = {}
    for card in header.cards:
        try:
            keyword, value = card.keyword, card.value
        except (fits.VerifyError, ValueError):
            continue
        if isinstance(value, (str, bool, int, float)):
            result.setdefault(keyword, value)
    return result


@contextmanager
def open_fits(file, max_decompressed: int) -> Iterator[list[FitsHdu]]:
    """Open a FITS file, gzipped or not, of which every HDU is known to be complete.

    Parameters
    ----------
    file : path-like or binary file
        File, whose name does not matter; or one that is open and can seek.
    max_decompressed : int
        Bytes that a gzipped file may grow to.

    Yields
    ------
    list of FitsHdu
        All of them, the primary one first. Astropy's warnings are caught as long as it is open.

    Raises
    ------
    Rejected
        UNREADABLE if it is not FITS, TRUNCATED if it ends early. `Rejected.hdus` are the HDUs
        whose headers could be read.
    """
    local = isinstance(file, (str, os.PathLike))
    with open(file, "rb") if local else nullcontext(file) as handle:
        if handle.peek(2)[:2] == b"\x1f\x8b":
            with (
                _decompressed(handle, max_decompressed) as (content, cut),
                _hdus_of(content, cut, memmap=False) as hdus,
            ):
                yield hdus
        else:
            with _hdus_of(handle, "", memmap=local) as hdus:
                yield hdus


@contextmanager
def _decompressed(handle, limit):
    """Yield the content of a gzipped file as a file, and how its end is missing, if it is."""
    cut, size = "", 0
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
        try:
            with gzip.GzipFile(fileobj=handle) as stream:
                while block := stream.read1(_BLOCK):  # what there is before the damage
                    size += len(block)
                    if size > limit:
                        raise Rejected(
                            Status.UNREADABLE,
                            f"the file decompresses to more than {limit} bytes: raise "
                            "ingest.max_decompressed, or unpack it",
                        )
                    content.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            cut = f"its gzip stream is damaged ({error})"
        yield content, cut


@contextmanager
def _hdus_of(handle, cut, *, memmap):
    """Yield the HDUs of an open file, or raise `Rejected`."""
    size = handle.seek(0, os.SEEK_END)
    handle.seek(0)
    magic = handle.read(512)
    handle.seek(0)
    if not magic.startswith(b"SIMPLE  ="):
        raise Rejected(Status.TRUNCATED if cut else Status.UNREADABLE, cut or _not_fits(magic))
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        try:
            opened = stack.enter_context(fits.open(handle, mode="readonly", memmap=memmap))
            hdus = [FitsHdu.of(hdu) for hdu in opened]
            missing = cut or _missing(opened, handle, size)
        except Rejected:  # of a file that is not on this machine
            raise
        except Exception as error:  # a damaged header can make Astropy raise anything
            reason = f"its FITS headers cannot be read ({type(error).__name__}: {error})"
            status = Status.TRUNCATED if cut else Status.UNREADABLE
            raise Rejected(status, f"{reason}: fetch it again") from error
        if missing:
            reason = f"the file is cut short: {missing}; fetch it again"
            raise Rejected(Status.TRUNCATED, reason, hdus)
        yield hdus


def _missing(hdus, handle, size) -> str:
    """Say what is missing at the end of a file; padding may be, as in many sound files."""
    end = 0
    for index, hdu in enumerate(hdus):
        info = hdu.fileinfo()
        end = info["datLoc"] + info["datSpan"]
        needed = info["datLoc"] + hdu.size
        if needed > size:
            return f"HDU {index} ({hdu.name or 'unnamed'}) needs {needed} bytes, there are {size}"
    handle.seek(end)
    if handle.read(8) == b"XTENSION":
        return f"the header of HDU {len(hdus)} does not end"
    return ""


def _not_fits(magic: bytes) -> str:
    """Say what a file is that is not FITS."""
    if not magic.strip(b"\0"):
        return "the file is empty: fetch it again"
    for signature, what in _FOREIGN:
        if magic.startswith(signature):
            return f"not a FITS file but {what}"
    start = magic.lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "not a FITS file but a web page (a failed download?): fetch it again"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in magic):
        return "not a FITS file but text: convert it to FITS, or move it out of the archive"
    return "not a FITS file (it does not begin with SIMPLE): fetch it again, or move it out"


def checksum_fails(hdus: Iterable[FitsHdu]) -> bool:
    """Return whether a CHECKSUM or DATASUM does not match; call it before data are read."""
    try:
        return any(
            hdu.source.verify_datasum() == 0 or hdu.source.verify_checksum() == 0 for hdu in hdus
        )
    except (ValueError, TypeError, fits.VerifyError):  # the keyword is there but is no number
        return True
