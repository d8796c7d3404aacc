"""Text and lists as FITS and VOTable can hold them, and the meaning of the words and bits in the tables."""

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


def plain_text(column: pa.ChunkedArray) -> pa.Array:
    """Return text as printable ASCII, lists of words joined by a space.

    Characters outside ASCII become backslash escapes, control characters a space; FITS allows
    neither (FITS standard 4.0, section 3.1). Parquet keeps the text as it was.
    """
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, " ")
    if not pc.any(pc.match_substring_regex(column, r"[^\x20-\x7e]")).as_py():
        return _one_chunk(column)
    words = (_CONTROL.sub(" ", value) for value in column.to_pylist())
    return pa.array([w.encode("ascii", "backslashreplace").decode() for w in words], pa.string())


def vectors(column: Column, values: pa.ChunkedArray) -> np.ndarray | None:
    """Return lists of numbers as an array, shape (rows, length); None where they may have several lengths.

    Lists without elements become NaN. Where all lists are empty, the length is one, whatever is declared: Astropy
    (8.0) cannot open some FITS tables whose variable-length arrays are all empty.
    """
    lengths = pc.list_value_length(values).to_numpy()
    full = np.unique(lengths[lengths > 0])
    if full.size > 1 or (full.size and not column.vector) or column.dtype[:5] != "float":
        return None
    out = np.full((len(values), int(full[0]) if full.size else 1), np.nan, column.dtype)
    if full.size:
        out[lengths > 0] = pc.list_flatten(values).to_numpy().reshape(-1, full[0])
    return out


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a chunked array as one array, also where it has no chunk or several."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
