"""Where the HDUs of a FITS file lie, by the keywords that say how long they are.

Astropy trusts these keywords: NAXIS or TFIELDS of a thousand million makes it count to there. Here
nothing is believed that the standard does not allow or that the file does not have (FITS 4.0,
sections 4.4.1 and 7.3).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.ingest.reject import Rejected
from pipeline.status import Status

BLOCK = 2880
CARD = 80

MAX_HEADER = 8000 * BLOCK
"""Bytes of headers in a file beyond which they are taken not to end: 288,000 cards, some seconds."""

_MOST = 999
_SIZES = frozenset({8, 16, 32, 64, -32, -64})
_WHOLE = re.compile(rb"[+-]?[0-9]+")
_WANTED = re.compile(rb"XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|GROUPS|TFIELDS|EXTNAME")
_TFORM = re.compile(r"\s*([0-9]*)([LXBIJKAEDCMPQ])")
_WIDTHS = dict(zip("LBIJKAEDCMPQ", (1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))
_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_SUM_BLOCK = 1 << 18


class Slices:
    """The bytes of a file that can seek, for one that cannot be mapped.

    Parameters
    ----------
    handle : binary file
        It is read when bytes are asked for.
    """

    def __init__(self, handle):
        self._handle = handle
        self._size = handle.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        self._handle.seek(start)
        return self._handle.read(max(stop - start, 0))


@dataclass(frozen=True)
class Extent:
    """Where an HDU lies.

    Attributes
    ----------
    header, data : int
        Where its header and its data begin, bytes.
    size : int
        Bytes of data, without what fills the last block.
    """

    header: int
    data: int
    size: int

    @property
    def end(self) -> int:
        """Where its last block ends."""
        return self.data + -(-self.size // BLOCK) * BLOCK


def extents(content) -> tuple[list[Extent], str]:
    """Find the HDUs of a file.

    Parameters
    ----------
    content : bytes, mmap or Slices
        The whole file.

    Returns
    -------
    found : list of Extent
        Those with a whole header; what follows the last one and is no HDU is left alone.
    missing : str
        What is missing at the end of the file; padding may be, as in many sound files.

    Raises
    ------
    Rejected
        UNREADABLE, naming the HDU, when a keyword that the length depends on is missing or wrong.
    """
    found, start, left = [], 0, MAX_HEADER
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


def _cards(content, start, index, most) -> tuple[dict, int]:
    """Return the cards that matter of a header of `most` bytes, and where its data begin.

    If it does not end, that is beyond the end of the file.
    """
    cards = {}
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


def _is_text(block) -> bool:
    return all(32 <= byte < 127 for byte in block)


def _size(cards, index) -> int:
    """Return the bytes of data by the keywords of a header."""

    def whole(key, least=0, most=None, default=None):
        text = cards[key].split(b"/")[0].strip() if key in cards else b""
        value = int(text) if _WHOLE.fullmatch(text) else None if key in cards else default
        if value is None or value < least or (most is not None and value > most):
            said = f"is {text.decode('ascii', 'replace')!r}" if key in cards else "is missing"
            raise _damaged(f"{_place(cards, index)}: keyword {key} {said}")
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


def _place(cards, index) -> str:
    name = cards.get("EXTNAME", b"").split(b"'")[1:2]
    return f"HDU {index} ({name[0].decode('ascii', 'replace').strip() if name else 'unnamed'})"


def _damaged(what) -> Rejected:
    return Rejected(Status.UNREADABLE, f"its FITS headers cannot be read ({what}): fetch it again")


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


def cells(header: Mapping, index: int) -> Cells:
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
    offset, wanted = 0, None
    for i in range(header["TFIELDS"]):
        form = header.get(f"TFORM{i + 1}")
        match = _TFORM.match(str(form))
        if not match:
            said = "is missing" if form is None else f"is {form!r}"
            reason = f"keyword TFORM{i + 1} {said}: fetch the file again"
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


def numbers(content, extent: Extent, header: Mapping, index: int) -> np.ndarray | None:
    """Return a column of numbers of a binary table, as it lies in the file if it is not scaled.

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
        Bits as booleans, integers of which some are undefined (TNULL) as numbers with NaN; None where
        the cells are not numbers. TDIM is not heeded.

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


def checksum(content, start: int, stop: int) -> int:
    """Return the ones' complement sum of the 32-bit words from `start` to `stop` (FITS 4.0, 4.4.2.7).

    Of the data, it is DATASUM; of a whole HDU with a CHECKSUM, all ones.
    """
    total = 0
    for at in range(start, stop, _SUM_BLOCK):
        block = content[at : min(at + _SUM_BLOCK, stop)]
        words = np.frombuffer(block + bytes(-len(block) % 4), ">u4")
        total += int(words.astype(np.uint32).sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
