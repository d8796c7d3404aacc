"""Text and lists as FITS and VOTable can hold them, and the meaning of the words and bits in the tables."""

import hashlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns.base import Column
from pipeline.status import Flag, Status

STATUS_WORDS = {s.value: s.sentence for s in Status}
"""Values of the column status, and the meaning of each."""
FLAG_BITS = {f.value: f"{f.name}: {f.sentence}" for f in Flag}
"""Bits of the column flags, and the meaning of each."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
LONGEST_CELL = 512
"""Most bytes of a cell of text in FITS, where every row is as wide as the longest."""
_FIRST, _LAST = 0x20, 0x7E
"""Bytes of the first and of the last printable character of ASCII."""


def plain_text(column: pa.ChunkedArray) -> pa.Array:
    """Return text as printable ASCII, lists of words joined by a space.

    Characters outside ASCII become backslash escapes, control characters a space; FITS allows
    neither (FITS standard 4.0, section 3.1). Parquet keeps the text as it was.
    """
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, " ")
    text = one_array(column)
    content = bytes_of(text)
    if not content.size or (content.min() >= _FIRST and content.max() <= _LAST):
        return text
    words = (_CONTROL.sub(" ", value) for value in text.to_pylist())
    return pa.array([w.encode("ascii", "backslashreplace").decode() for w in words], pa.string())


def cut_text(text: pa.Array) -> pa.Array:
    """Return plain text of at most `LONGEST_CELL` bytes a cell.

    What is cut ends in a hash of all of it, so that names that differ still do, and equal ones are equal.
    """
    is_long = pc.greater(pc.binary_length(text), LONGEST_CELL)
    if not pc.any(is_long).as_py():
        return text
    long = [_cut(cell) for cell in text.filter(is_long).to_pylist()]
    return pc.replace_with_mask(text, is_long, pa.array(long, text.type))


def _cut(cell: str) -> str:
    """Return the beginning of a cell and a hash of all of it."""
    digest = hashlib.sha256(cell.encode()).hexdigest()[:12]
    return f"{cell[: LONGEST_CELL - 13]}~{digest}"


def fixed_text(text: pa.Array, width: int) -> np.ndarray:
    """Return plain text as an array of bytes of one width, filled with zeros."""
    return bytes_of(pc.ascii_rpad(text, width, "\0")).view(f"S{width}")


def words_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the words of a column of text, or of lists of text."""
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column


def bytes_of(text: pa.Array) -> np.ndarray:
    """Return the bytes of all cells of an array of text, one after the other; nothing is copied."""
    offsets = offsets_of(text)
    content = text.buffers()[2]
    if content is None:
        return np.empty(0, np.uint8)
    return np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]


def offsets_of(text: pa.Array) -> np.ndarray:
    """Return where the cells of an array of text begin among its bytes, and where the last one ends."""
    buffer = text.buffers()[1]
    is_large = pa.types.is_large_binary(text.type)
    offsets = (
        np.frombuffer(buffer, np.int64 if is_large else np.int32) if buffer else np.zeros(1, int)
    )
    return offsets[text.offset : text.offset + len(text) + 1]


def vectors(column: Column, values: pa.ChunkedArray, length: int) -> np.ndarray:
    """Return lists of numbers of one length, or of none, as an array of shape (rows, length).

    Lists without elements become NaN.
    """
    out = np.full((len(values), length), np.nan, column.dtype)
    there = pc.list_value_length(values).to_numpy() > 0
    out[there] = pc.list_flatten(values).to_numpy().reshape(-1, length)
    return out


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a chunked array as one array, also where it has no chunk or several."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
