"""Opening files: their format by their first bytes, decompression with a limit, and complete HDUs."""

import errno
import gzip
import hashlib
import io
import mmap
import os
import re
import stat
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO, Any, BinaryIO

import numpy as np
from astropy.io import fits

from pipeline.faults import MachineFault, own
from pipeline.ingest.files import headers, layout
from pipeline.ingest.files.layout import Extent
from pipeline.ingest.files.room import NoRoom, Room, room
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import time_units
from pipeline.status import Status

_BLOCK = 1 << 20
_IN_MEMORY = 1 << 24
_ASCII_TABLE = "TABLE"
_TABLES = frozenset({"BINTABLE", "A3DTABLE", _ASCII_TABLE})
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
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
    (b"PAR1", "a Parquet file: convert it to FITS"),
)
_DOCUMENTS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
)


@contextmanager
def open_regular(path: str | os.PathLike) -> Iterator[io.BufferedReader]:
    """Open a file to be read. One that would make its reader wait (a FIFO, a device) is an `OSError`."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as handle:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "not a regular file: remove it from the archive", str(path))
        yield handle


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file."""
    with open_regular(path) as handle:
        return sha256_of(handle)


def sha256_of(handle: io.BufferedReader) -> str:
    """Return the SHA-256 of an open file from its beginning."""
    if os.fstat(handle.fileno()).st_size <= _IN_MEMORY:
        return hashlib.sha256(handle.read()).hexdigest()
    return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class FitsHdu(Hdu):
    """An HDU of an open file. Damaged keywords are left out of its header.

    Attributes
    ----------
    content : mmap or Slices
        The whole file.
    extent : Extent
        Where in it the HDU lies.
    """

    content: layout.Content = b""
    extent: Extent = field(default_factory=lambda: Extent(0, 0, 0))

    @classmethod
    def of(cls, index: int, content: layout.Content, extent: Extent) -> "FitsHdu":
        """Read the header of an HDU; a compressed image is an image, though it lies in a table.

        Parameters
        ----------
        index : int
            Number of the HDU, from 0.
        content, extent
            The whole file, and where in it the HDU lies.
        """
        cards = bytes(content[extent.header : extent.data])
        header = headers.keywords(cards)
        if header is None:
            header = _keywords(fits.Header.fromstring(_as_ascii(cards)))
        columns: tuple[str, ...] = ()
        kind = str(header.get("XTENSION", "")).strip()
        if kind in _TABLES and header.get("ZIMAGE") is not True:
            numbers = range(1, header["TFIELDS"] + 1)
            columns = tuple(
                str(header.get(f"TTYPE{i}", f"COL{i}")).strip().upper() for i in numbers
            )
        name = str(header.get("EXTNAME", "" if index else "PRIMARY")).strip()
        return cls(name, header, columns, content, extent)

    def unit(self, name: str) -> str:
        """Return the TUNIT of a column by its upper-case name; empty if there is none."""
        return str(self.header.get(f"TUNIT{self.number(name)}", "")).strip()

    def read(self, name: str) -> np.ndarray:
        """Return a column of numbers by its upper-case name, in the machine's byte order.

        Plain numbers are copied from the file once; other columns are decoded by Astropy.

        Raises
        ------
        Rejected
            UNREADABLE if the column cannot be decoded or does not hold numbers.
        """
        values = self.read_any(name)
        if values.dtype.kind not in "biuf":
            raise Rejected(Status.UNREADABLE, f"column {name} does not hold numbers")
        return np.array(values, values.dtype.newbyteorder("="))

    def read_any(self, name: str) -> np.ndarray:
        """Return a column that need not hold numbers, as it is in the file.

        Raises
        ------
        Rejected
            UNREADABLE if the column cannot be decoded.
        """
        index = self.columns.index(name)
        try:
            values = self._numbers(index)
            if values is None:
                values = np.asarray(self._table().field(index))
                if self._is_ascii and values.dtype.kind in "iuf":
                    values = np.where(self._undefined(index), np.nan, values)
        except Rejected:
            raise
        except Exception as error:  # a damaged header can make Astropy raise anything
            reason = f"column {name} cannot be read ({error}): fetch the file again"
            raise Rejected(Status.UNREADABLE, reason) from error
        return values

    def _numbers(self, index: int) -> np.ndarray | None:
        """Return a column of numbers of a binary table, None if it is not one."""
        if self._is_ascii:
            return None
        place = layout.cells(self.header, index)
        if place.code in "PQ":
            packed = ", the table was compressed with fpack: run funpack"
            reason = f"column {self.columns[index]} holds arrays of variable length"
            raise Rejected(Status.UNREADABLE, reason + packed * (self.header.get("ZTABLE") is True))
        if isinstance(self.content, layout.Slices):
            data = self.content[self.extent.data : self.extent.end]
            return layout.numbers(data, replace(self.extent, data=0), self.header, index)
        return layout.numbers(self.content, self.extent, self.header, index)

    def _table(self) -> fits.FITS_rec:
        """Return the rows of a table as Astropy decodes them."""
        content = bytes(self.content[self.extent.header : self.extent.end])
        return (fits.TableHDU if self._is_ascii else fits.BinTableHDU).fromstring(content).data

    @property
    def _is_ascii(self) -> bool:
        return str(self.header["XTENSION"]).strip() == _ASCII_TABLE

    def _undefined(self, index: int) -> np.ndarray:
        """Return which cells of an ASCII table are TNULL or blank: Astropy reads them as 0."""
        rows, width = self.header["NAXIS2"], self.header["NAXIS1"]
        start = self.header[f"TBCOL{index + 1}"] - 1
        size = int(re.sub(r"^\D*(\d+).*$", r"\1", str(self.header[f"TFORM{index + 1}"])))
        data = self.content[self.extent.data : self.extent.data + rows * width]
        cells = np.frombuffer(data, "S1").reshape(rows, width)[:, start : start + size]
        words = np.char.strip(np.ascontiguousarray(cells).view(f"S{cells.shape[1]}")[:, 0])
        null = str(self.header.get(f"TNULL{index + 1}", "")).strip()
        return (words == b"") | (words == null.encode("ascii", "replace"))


def _as_ascii(cards: bytes) -> str:
    """Return the text of a header, with minus signs and micros of Unicode as those of ASCII."""
    if cards.isascii():
        return cards.decode("ascii")
    rows = (cards[i : i + layout.CARD] for i in range(0, len(cards), layout.CARD))
    return "".join(time_units.plain_text(row).ljust(layout.CARD)[: layout.CARD] for row in rows)


def _keywords(header: fits.Header) -> dict[str, Any]:
    """Return the keywords that have a value that can be read."""
    result: dict[str, Any] = {}
    for card in header.cards:
        try:
            keyword, value = card.keyword, card.value
        except (fits.VerifyError, ValueError):
            continue
        if isinstance(value, (str, bool, int, float)):
            result.setdefault(keyword, value)
    return result


LocalOrOpen = str | os.PathLike | BinaryIO
"""The path of a file, or a file that is open and can seek."""


@contextmanager
def opened(file: LocalOrOpen) -> Iterator[Any]:
    """Yield an open file, from the beginning; one that is given open stays open at the end."""
    if isinstance(file, (str, os.PathLike)):
        with open_regular(file) as handle:
            yield handle
    else:
        file.seek(0)
        yield file


@contextmanager
def open_fits(file: LocalOrOpen, max_decompressed: int) -> Iterator[list[FitsHdu]]:
    """Open a FITS file, gzipped or not, and check that every HDU is complete.

    Parameters
    ----------
    file : path-like or binary file
        Path, whose name does not matter; or a file that is open and can seek.
    max_decompressed : int
        Most bytes that a gzipped file may have when it is decompressed.

    Yields
    ------
    list of FitsHdu
        All of them, the primary one first. Astropy's warnings are caught as long as the file is open.

    Raises
    ------
    Rejected
        UNREADABLE if it is not FITS, TRUNCATED if it ends early. `Rejected.hdus` are the HDUs
        whose headers could be read.
    """
    with opened(file) as handle:
        if handle.peek(2)[:2] == b"\x1f\x8b":
            with (
                _decompressed(handle, max_decompressed) as (content, cut),
                _hdus_of(content, cut) as hdus,
            ):
                yield hdus
        else:
            with _hdus_of(handle, "") as hdus:
                yield hdus


@contextmanager
def _decompressed(handle: BinaryIO, limit: int) -> Iterator[tuple[BinaryIO, str]]:
    """Yield the content of a gzipped file as a file, and the damage of its end; empty if it has none."""
    with room() as place, _temporary() as content:  # the file is gone before the room is another's
        place.content, cut = content, None
        with suppress(NoRoom):
            cut = _inflated(handle, place, limit)
        if cut is None:
            place.wait()
            handle.seek(0)
            cut = _inflated_alone(handle, place, limit)
        with open(content.fileno(), "rb", closefd=False) as written:
            yield written, cut


def _inflated(handle: BinaryIO, place: Room, limit: int) -> str:
    """Unpack a gzipped file, and return the damage of its end; empty if it has none."""
    try:
        with gzip.GzipFile(fileobj=handle) as stream:
            while block := stream.read1(_BLOCK):  # all that comes before the damage
                if place.size + len(block) > limit:
                    raise _too_large(limit)
                with own(tempfile.gettempdir()):
                    place.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"its gzip stream is damaged ({error})"
    return ""


def _inflated_alone(handle: BinaryIO, place: Room, limit: int) -> str:
    """Unpack a gzipped file while no other is; where the disk has no room, the file or the machine is to blame."""
    try:
        return _inflated(handle, place, limit)
    except NoRoom as error:
        handle.seek(0)
        size = 0
        with (
            suppress(EOFError, zlib.error, gzip.BadGzipFile),
            gzip.GzipFile(fileobj=handle) as all_,
        ):
            while block := all_.read1(_BLOCK):
                size += len(block)
                if size > limit:
                    raise _too_large(limit) from None
        raise MachineFault(
            f"{tempfile.gettempdir()}: no space left on device to unpack a file of {size} bytes: make space there, "
            "set TMPDIR, or lower ingest.max_decompressed, then run again"
        ) from error


def _too_large(limit: int) -> Rejected:
    """Return the exception that says that a file unpacks to too much."""
    reason = f"the file decompresses to more than {limit} bytes: raise ingest.max_decompressed, or unpack it"
    return Rejected(Status.UNREADABLE, reason)


def _temporary() -> IO[bytes]:
    """Return a file without a name in the folder for such files."""
    with own(os.environ.get("TMPDIR") or "TMPDIR"):
        return tempfile.TemporaryFile(buffering=0)


@contextmanager
def _hdus_of(handle: BinaryIO, cut: str) -> Iterator[list[FitsHdu]]:
    """Yield the HDUs of an open file, or raise `Rejected`; `cut` says what is wrong with its end."""
    handle.seek(0)
    magic = handle.read(512)
    handle.seek(0)
    if not magic.startswith(b"SIMPLE  ="):
        if not cut and (document := _document(magic)):
            raise Rejected(Status.SET_ASIDE, f"{document}: not an observation")
        if cut:
            raise Rejected(Status.TRUNCATED, f"{cut}: fetch it again")
        raise Rejected(Status.UNREADABLE, _not_fits(magic))
    content = _content(handle)
    places, missing = layout.extents(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            hdus = [FitsHdu.of(index, content, place) for index, place in enumerate(places)]
        except Rejected:  # the file is on a server, which did not give it
            raise
        except Exception as error:  # a damaged header can make Astropy raise anything
            reason = f"its FITS headers cannot be read ({type(error).__name__}: {error})"
            status = Status.TRUNCATED if cut or missing else Status.UNREADABLE
            raise Rejected(status, f"{reason}: fetch it again") from error
        if cut or missing:
            reason = f"the file is cut short: {cut or missing}; fetch it again"
            raise Rejected(Status.TRUNCATED, reason, hdus)
        yield hdus


def _content(handle: BinaryIO) -> layout.Content:
    """Return the bytes of an open file; a large file of this machine is mapped into memory."""
    try:
        number = handle.fileno()
        if (size := os.fstat(number).st_size) <= _IN_MEMORY:
            content = os.pread(number, size, 0)
            if len(content) == size:
                return content
        # the map is never closed by hand: an array of it may still be in use
        return mmap.mmap(number, 0, access=mmap.ACCESS_READ)
    except (AttributeError, OSError):
        return layout.Slices(handle)


def _document(magic: bytes) -> str:
    """Return the kind of a picture or a text, in words; empty if the file may be data."""
    for signature, document in _DOCUMENTS:
        if magic.startswith(signature):
            return document
    if not magic.strip() or any(magic.startswith(signature) for signature, _ in _FOREIGN):
        return ""
    text = _is_text(magic) and magic.lstrip()[:1] != b"<"
    return "a text" if text and not any(map(_has_numbers, magic.splitlines())) else ""


def _has_numbers(line: bytes) -> bool:
    """Return whether a line belongs to a table: it has two numbers or more and little else."""
    cells = line.replace(b",", b" ").split()
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)
    return numbers >= 2 and 2 * numbers >= len(cells)


def _is_text(magic: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in magic)


def _not_fits(magic: bytes) -> str:
    """Return why a file is not FITS, with its kind and a remedy."""
    if not magic.strip(b"\0"):
        return "the file is empty: fetch it again"
    for signature, description in _FOREIGN:
        if magic.startswith(signature):
            return f"not a FITS file but {description}"
    start = magic.lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "not a FITS file but a web page (a failed download?): fetch it again"
    if _is_text(magic):
        return (
            "not a FITS file but text: say in ingest.tables what its columns are, or move it out of "
            "the archive"
        )
    return "not a FITS file (it does not begin with SIMPLE): fetch it again, or move it out"


def checksum_fails(hdus: Iterable[Hdu]) -> bool:
    """Return whether a CHECKSUM or DATASUM does not match."""
    return any(_checksum_fails(hdu) for hdu in hdus if isinstance(hdu, FitsHdu))


def _checksum_fails(hdu: FitsHdu) -> bool:
    """Return whether the header has a sum of the data, or of the HDU, that does not match."""
    datasum, place = hdu.header.get("DATASUM"), hdu.extent
    if datasum is None and "CHECKSUM" not in hdu.header:
        return False
    data = layout.checksum(hdu.content, place.data, place.end)
    if datasum is not None and str(datasum).strip() != str(data):
        return True
    if "CHECKSUM" not in hdu.header:
        return False
    header = layout.checksum(hdu.content, place.header, place.data)
    return (header + data) % 0xFFFFFFFF != 0
