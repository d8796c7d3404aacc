"""Write tables as one VOTable with BINARY2 streams, encoded a block of rows at a time."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.formats.rows import Extent, Rows
from pipeline.catalog.formats.text import (
    FLAG_BITS,
    STATUS_WORDS,
    bytes_of,
    one_array,
    plain_text,
    vectors,
)
from pipeline.columns.base import Column, Table
from pipeline.columns.shared import STATUS
from pipeline.nulls import missing
from pipeline.tables import atomic_path

_DATATYPE = {
    "bool": "boolean",
    "int32": "int",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "char",
}
_LINE = 57
"""Bytes in a line of base64: 76 characters."""


def write_votable(path: Path, tables: Mapping[Table, Rows], title: str) -> None:
    """Write tables as one VOTable 1.4 (IVOA REC 2019-10-21), atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    tables : mapping of Table to Rows
        The TABLE elements in order, each FIELD with UCD, unit and description. What has no value is null;
        lists of words are text, lists of numbers of one length, or of none, are vectors. INFO
        elements say what the bits of ``flags`` mean, VALUES what the words of ``status`` do.
    title : str
        Description of the whole.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as out:
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
            f"<DESCRIPTION>{escape(title)}</DESCRIPTION>\n"
            '<RESOURCE name="catalogue">\n'
        )
        for bit, sentence in FLAG_BITS.items():
            text = escape(sentence)
            head += f'<INFO name="flag_{bit.bit_length() - 1}" value="{bit}">{text}</INFO>\n'
        out.write(f'{head}<COOSYS ID="icrs" system="ICRS"/>\n'.encode())
        for rows in tables.values():
            _write_table(out, rows)
        out.write(b"</RESOURCE>\n</VOTABLE>\n")


def _write_table(out: BinaryIO, rows: Rows) -> None:
    """Write a TABLE element."""
    out.write(_head(rows).encode())
    for lines in _base64_lines(encode_rows(rows.extent, block) for block in rows.blocks()):
        out.write(lines)
    out.write(b"</STREAM></BINARY2></DATA>\n</TABLE>\n")


def encode_rows(extent: Extent, block: pa.Table) -> memoryview:
    """Return rows in the BINARY2 serialisation (VOTable 1.4, section 5.4).

    A row is a mask of its nulls, a bit a column, then its cells, big-endian; a cell of variable length is
    preceded by the number of its elements. Neighbouring columns whose cells have one size are joined as arrays
    of bytes; Arrow joins these with the cells of variable length.
    """
    table = extent.table
    pieces: list[pa.Array] = []
    fixed = [_mask(extent, block)]
    for column in table.columns:
        cells = _cells(column, block.column(column.name), extent)
        fixed.append(cells.fixed)
        if cells.variable is not None:
            pieces += [_binary(np.hstack(fixed)), cells.variable]
            fixed = []
    if fixed:
        pieces.append(_binary(np.hstack(fixed)))
    rows = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
    return bytes_of(rows).data


@dataclass(frozen=True)
class _Cells:
    """The bytes of the cells of a column.

    Attributes
    ----------
    fixed : uint8 array, shape (rows, bytes)
        The cells, where all have the same size; else the numbers of their elements.
    variable : pyarrow.Array, optional
        The elements of each cell as large binary, where cells have several sizes.
    """

    fixed: np.ndarray
    variable: pa.Array | None = None


def _mask(extent: Extent, block: pa.Table) -> np.ndarray:
    """Return which cells of each row are null, a bit each. A list of any length is not null but empty."""
    columns = extent.table.columns
    nulls = np.zeros((block.num_rows, len(columns)), bool)
    cells = missing(extent.table, block)
    for number, column in enumerate(columns):
        if column.name in cells and not (column.array and _vector(extent, column) is None):
            nulls[:, number] = cells[column.name]
    return np.packbits(nulls, axis=1)


def _vector(extent: Extent, column: Column) -> int | None:
    """Return the length of the vectors in a column, None where it has none."""
    is_list = column.array and column.dtype != "str"
    return extent.vector(column) if is_list else None


def _cells(column: Column, values: pa.ChunkedArray, extent: Extent) -> _Cells:
    """Return the bytes of the cells of a column."""
    if column.dtype == "str":
        text = plain_text(values)
        lengths = pc.binary_length(text).to_numpy()
        return _Cells(_big_endian(lengths, "int32"), text.cast(pa.large_binary()))
    if not column.array:
        array = values.to_numpy()
        if column.dtype == "bool":
            return _Cells(np.where(array, np.uint8(ord("T")), np.uint8(ord("F")))[:, None])
        return _Cells(_big_endian(array, column.dtype))
    if (length := extent.vector(column)) is not None:
        return _Cells(_big_endian(vectors(column, values, length), column.dtype))
    lists = one_array(values)
    elements = _big_endian(lists.flatten().to_numpy(), column.dtype)
    lengths = pc.list_value_length(lists).to_numpy()
    ends = np.cumsum(lengths, dtype=np.int64) * elements.shape[1]
    return _Cells(_big_endian(lengths, "int32"), _of_bytes(elements, np.append(0, ends)))


def _big_endian(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return numbers as bytes, shape (rows, bytes in a row)."""
    kind = np.dtype(dtype).newbyteorder(">")
    width = kind.itemsize * int(np.prod(values.shape[1:]))
    return np.ascontiguousarray(values, kind).view(np.uint8).reshape(len(values), width)


def _binary(cells: np.ndarray) -> pa.Array:
    """Return cells of one size, shape (rows, bytes), as large binary."""
    return _of_bytes(cells, np.arange(len(cells) + 1) * cells.shape[1])


def _of_bytes(content: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """Return cells of bytes that follow one another as large binary."""
    buffers = [None, *(pa.py_buffer(np.ascontiguousarray(v)) for v in (offsets, content))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _base64_lines(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    """Yield a stream of bytes as lines of base64; only the last line may be short."""
    rest = b""
    for block in blocks:
        data = b"".join((rest, block))
        whole = len(data) - len(data) % _LINE
        text = np.frombuffer(base64.b64encode(memoryview(data)[:whole]), np.uint8)
        lines = np.full((whole // _LINE, _LINE // 3 * 4 + 1), ord("\n"), np.uint8)
        lines[:, :-1] = text.reshape(len(lines), lines.shape[1] - 1)
        yield lines.tobytes()
        rest = data[whole:]
    yield base64.encodebytes(rest)


def _head(rows: Rows) -> str:
    """Return a TABLE element up to where its stream begins."""
    table = rows.table
    fields = "".join(_field(column, _vector(rows.extent, column)) for column in table.columns)
    name = quoteattr(table.name)
    return (
        f'<TABLE ID={name} name={name} nrows="{rows.count}">\n'
        f"<DESCRIPTION>{escape(table.description)}</DESCRIPTION>\n{fields}"
        '<DATA><BINARY2><STREAM encoding="base64">\n'
    )


def _field(column: Column, length: int | None = None) -> str:
    """Return a FIELD element; `length` is that of a list that is a vector."""
    attributes = {"name": column.name, "datatype": _DATATYPE[column.dtype], "ucd": column.ucd}
    if column.array or column.dtype == "str":
        attributes["arraysize"] = "*" if length is None else str(length)
    if attributes.get("arraysize") == "1":
        del attributes["arraysize"]
    if column.unit:
        attributes["unit"] = column.unit
    if column.ucd.startswith("pos.eq"):
        attributes["ref"] = "icrs"
    inside = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    words = "".join(
        f"<OPTION name={quoteattr(sentence)} value={quoteattr(word)}/>"
        for word, sentence in (STATUS_WORDS.items() if column is STATUS else ())
    )
    values = f"<VALUES>{words}</VALUES>" if words else ""
    return (
        f"<FIELD{inside}><DESCRIPTION>{escape(column.description)}</DESCRIPTION>{values}</FIELD>\n"
    )
