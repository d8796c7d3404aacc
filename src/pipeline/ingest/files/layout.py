"""Where the HDUs of a FITS file lie, by the keywords that say how long they are.

Astropy trusts these keywords: with NAXIS or TFIELDS of a thousand million it counts to a thousand million.
Here a number is refused that the standard does not allow, or that is more than the file has (FITS 4.0,
sections 4.4.1 and 7.3).
"""

import mmap
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.status import Status

BLOCK = 2880
CARD = 80

MAX_HEADER = 8000 * BLOCK
"""Most bytes of headers in a file, 288,000 cards, which take some seconds; longer headers are taken not to end."""

_MOST = 999
_SIZES = frozenset({8, 16, 32, 64, -32, -64})
_WHOLE = re.compile(rb"[+-]?[0-9]+")
_WANTED = re.compile(rb"XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|GROUPS|TFIELDS|EXTNAME")
_TFORM = re.compile(r"\s*([0-9]{0,18})([LXBIJKAEDCMPQ])")
_WIDTHS = dict(zip("LBIJKAEDCMPQ", (1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))
_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_SUM_BLOCK = 1 << 18


class Slices:
    """The bytes of a file that cannot be mapped into memory, but can seek.

    Parameters
    ----------
    handle : binary file
        It is read when bytes are asked for.
    """

    def __init__(self, handle: BinaryIO):
        self._handle = handle
        self._size = handle.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        self._handle.seek(start)
        return self._handle.read(max(stop - start, 0))


Content = bytes | mmap.mmap | Slices
"""The bytes of a whole file, in slices."""


@dataclass(frozen=True)
class Extent:
    """Where an HDU lies.

    Attributes
    ----------
    header, data : int
        Where its header and its data begin, bytes.
    size : int
        Bytes of data, without the padding of the last block.
    """

    header: int
    data: int
    size: int

    @property
    def end(self) -> int:
        """Where its last block ends."""
        return self.data + -(-self.size // BLOCK) * BLOCK


def extents(content: Content) -> tuple[list[Extent], str]:
    """Return where the HDUs of a file lie.

    Parameters
    ----------
    content : bytes, mmap or Slices
        The whole file.

    Returns
    -------
    found : list of Extent
        Those with a whole header. Bytes behind the last HDU that are no HDU are ignored.
    missing : str
        What is missing at the end of the file; empty if nothing is. Padding may be missing, as in many sound
        files.

    Raises
    ------
    Rejected
        UNREADABLE, naming the HDU, when a keyword that the length depends on is missing or wrong.
    """
    found: list[Extent] = []
    start, left = 0, MAX_HEADER
    while start < len(content) and (not found or content[start : start + 8] == b"XTENSION"):
        cards, data = _cards(content, start, len(found), left)
        left -= data - start
        if data > len(content):
            return found, f"the header of HDU {len(found)} does not end"
        found.append(Extent(start, data, _size(cards, len(found))))
        needed = data + found[-1].size
        if needed > len(content):
            place = _place(cards, len(found) - 1)
            return found, f"{place} needs {needed} bytes, there are {len(content)}"
        start = found[-1].end
    return found, ""


def _cards(content: Content, start: int, index: int, most: int) -> tuple[dict[str, bytes], int]:
    """Return the cards that give the length of an HDU, and where its data begin.

    If the header has no end, the data begin beyond the end of the file. It may have `most` bytes.
    """
    cards: dict[str, bytes] = {}
    last = min(len(content), start + most)
    for at in range(start, last, CARD):
        card = bytes(content[at : at + CARD])
        key = card[:8].rstrip()
        if key == b"END":
            return cards, start + -(-(at + CARD - start) // BLOCK) * BLOCK
        if card[8:9] == b"=" and _WANTED.fullmatch(key):
            cards.setdefault(key.decode(), card[9:])
    if not _is_text(content[start : start + BLOCK]):
        raise _damaged(f"the header of HDU {index} is not text")
    if last < len(content):
        raise _damaged(f"no END of the header of HDU {index} in {MAX_HEADER} bytes of headers")
    return cards, len(content) + 1


def _is_text(block: bytes) -> bool:
    return all(32 <= byte < 127 for byte in block)


def _size(cards: dict[str, bytes], index: int) -> int:
    """Return the bytes of data by the keywords of a header."""

    def whole(key: str, least: int = 0, most: int | None = None, default: int | None = None) -> int:
        text = cards[key].split(b"/")[0].strip() if key in cards else b""
        value = int(text) if _WHOLE.fullmatch(text) else None if key in cards else default
        if value is None or value < least or (most is not None and value > most):
            found = f"is {text.decode('ascii', 'replace')!r}" if key in cards else "is missing"
            raise _damaged(f"{_place(cards, index)}: keyword {key} {found}")
        return value

    if whole("BITPIX", -64, 64) not in _SIZES:
        raise _damaged(f"{_place(cards, index)}: keyword BITPIX is not one of those of FITS")
    axes = [whole(f"NAXIS{i + 1}") for i in range(whole("NAXIS", 0, _MOST))]
    kind = cards.get("XTENSION", b"").strip(b" '")
    if kind.startswith((b"BINTABLE", b"TABLE", b"A3DTABLE")):
        whole("TFIELDS", 0, _MOST)
        if len(axes) != 2:
            raise _damaged(f"{_place(cards, index)}: a table with NAXIS = {len(axes)}, not 2")
    if not axes:
        return 0
    if index == 0 and axes[0] == 0 and cards.get("GROUPS", b"").split(b"/")[0].strip() == b"T":
        axes = axes[1:]
    values = 1
    for axis in axes:
        values *= axis
    group = whole("PCOUNT", default=0) + values
    return abs(whole("BITPIX", -64, 64)) // 8 * whole("GCOUNT", default=1) * group


def _place(cards: dict[str, bytes], index: int) -> str:
    """Return the number and the name of an HDU, for a reason."""
    name = cards.get("EXTNAME", b"").split(b"'")[1:2]
    return f"HDU {index} ({name[0].decode('ascii', 'replace').strip() if name else 'unnamed'})"


def _damaged(damage: str) -> Rejected:
    reason = f"its FITS headers cannot be read ({damage}): fetch it again"
    return Rejected(Status.UNREADABLE, reason)


@dataclass(frozen=True)
class Cells:
    """Where a column of a binary table lies.

    Attributes
    ----------
    code : str
        Its TFORM without the repeat count.
    repeat : int
        Values in a cell.
    offset : int
        Bytes from the start of a row.
    """

    code: str
    repeat: int
    offset: int


def cells(header: Mapping[str, Any], index: int) -> Cells:
    """Return where a column of a binary table lies.

    Parameters
    ----------
    header : mapping
        Keywords of the table.
    index : int
        Number of the column, from 0.

    Raises
    ------
    Rejected
        UNREADABLE when a TFORM is wrong, or the columns are not as wide as a row.
    """
    offset, wanted = 0, Cells("", 0, 0)
    for i in range(header["TFIELDS"]):
        form = header.get(f"TFORM{i + 1}")
        match = _TFORM.match(str(form))
        if not match:
            found = "is missing" if form is None else f"is {form!r}"
            reason = f"keyword TFORM{i + 1} {found}: fetch the file again"
            raise Rejected(Status.UNREADABLE, reason)
        repeat, code = int(match[1] or 1), match[2]
        if i == index:
            wanted = Cells(code, repeat, offset)
        offset += (repeat + 7) // 8 if code == "X" else repeat * _WIDTHS[code]
    if offset != header["NAXIS1"]:
        raise Rejected(
            Status.UNREADABLE,
            f"its columns (TFORM) take {offset} bytes of a row, NAXIS1 says {header['NAXIS1']}: "
            "fetch the file again",
        )
    return wanted


def numbers(
    content: bytes | mmap.mmap, extent: Extent, header: Mapping[str, Any], index: int
) -> np.ndarray | None:
    """Return a column of numbers of a binary table, in the byte order of the file if it is not scaled.

    Parameters
    ----------
    content : bytes or mmap
        The whole file.
    extent : Extent
        Where in it the table lies.
    header : mapping
        Keywords of the table.
    index : int
        Number of the column, from 0.

    Returns
    -------
    ndarray, shape (n_row,) or (n_row, repeat), or None
        Bits are booleans. Integers some of which are undefined (TNULL) are floats with NaN. None where the
        cells are not numbers. TDIM is ignored.

    Raises
    ------
    Rejected
        UNREADABLE, see `cells`.
    """
    place = cells(header, index)
    if not place.repeat or place.code not in ("X", *_NUMBERS):
        return None
    bits = place.code == "X"
    kind = np.dtype("u1" if bits else _NUMBERS[place.code])
    shape = header["NAXIS2"], (place.repeat + 7) // 8 if bits else place.repeat
    strides = header["NAXIS1"], kind.itemsize
    if not shape[0]:
        return np.empty((0,), kind)
    values = np.ndarray(shape, kind, content, extent.data + place.offset, strides)
    if bits:
        return np.unpackbits(values, axis=1, count=place.repeat).astype(bool)
    values = values[:, 0] if place.repeat == 1 else values
    scale, zero = (
        header.get(f"{key}{index + 1}", one) for key, one in (("TSCAL", 1), ("TZERO", 0))
    )
    null = header.get(f"TNULL{index + 1}") if kind.kind in "iu" else None
    if isinstance(null, int) and (undefined := values == null).any():
        return np.where(undefined, np.nan, values * float(scale) + float(zero))
    if (scale, zero) == (1, 0):
        return values
    if scale == 1 and zero == int(zero) and kind.kind in "iu":
        unsigned = kind.itemsize == 8 and zero > 0
        return values.astype(np.uint64 if unsigned else np.int64) + int(zero)
    return values * float(scale) + float(zero)


def checksum(content: Content, start: int, stop: int) -> int:
    """Return the ones' complement sum of the 32-bit words from `start` to `stop` (FITS 4.0, 4.4.2.7).

    For the data it is DATASUM; for a whole HDU with a CHECKSUM it is all ones.
    """
    total = 0
    for at in range(start, stop, _SUM_BLOCK):
        block = content[at : min(at + _SUM_BLOCK, stop)]
        words = np.frombuffer(block + bytes(-len(block) % 4), ">u4")
        total += int(words.astype(np.uint32).sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
