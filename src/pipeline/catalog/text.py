"""Text as FITS and VOTable can hold it."""

import re

import pyarrow as pa
import pyarrow.compute as pc

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


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a chunked array as one array, also where it has no chunk or several."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
