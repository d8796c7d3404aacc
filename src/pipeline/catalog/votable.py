"""The catalogue as a VOTable with BINARY2 streams, encoded a block of rows at a time.

One million sources have some 10^8 cells; encoding them one by one would take an hour.
"""

import base64
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from pipeline.catalog.text import plain_text
from pipeline.columns import Column, Table
from pipeline.tables import atomic_path

_DATATYPE = {
    "bool": "boolean",
    "int32": "int",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "char",
}
_BIG_ENDIAN = {"int32": ">i4", "int64": ">i8", "float32": ">f4", "float64": ">f8"}
_BLOCK = 30_000
_LINE = 57
"""Bytes in a line of base64: 76 characters."""


def write_votable(path, tables: Mapping[Table, pa.Table], title: str) -> None:
    """Write tables as one VOTable 1.4 (IVOA REC 2019-10-21), atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    tables : mapping of Table to pyarrow.Table
        The TABLE elements in order, each FIELD with UCD, unit and description. Missing floats are
        NaN, missing text is empty; lists of words are text.
    title : str
        Description of the whole.
    """
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as out,
    ):
        out.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
            f"<DESCRIPTION>{escape(title)}</DESCRIPTION>\n"
            '<RESOURCE name="catalogue">\n<COOSYS ID="icrs" system="ICRS"/>\n'
        )
        for table, data in tables.items():
            out.write(_head(table, data.num_rows))
            for text in _base64_lines(encode_rows(table, data)):
                out.write(text)
            out.write("</STREAM></BINARY2></DATA>\n</TABLE>\n")
        out.write("</RESOURCE>\n</VOTABLE>\n")


def encode_rows(table: Table, data: pa.Table) -> Iterator[bytes]:
    """Yield rows in the BINARY2 serialisation (VOTable 1.4, section 5.4), a block at a time.

    A row is a mask of nulls (none: missing values are NaN or empty), then its cells, big-endian;
    a cell of variable length is preceded by the number of its elements.
    """
    mask = np.zeros(((len(table.columns) + 7) // 8,), dtype=np.uint8)
    for start in range(0, data.num_rows, _BLOCK):
        block = data.slice(start, _BLOCK)
        n = block.num_rows
        parts = [(np.full(n, len(mask)), np.tile(mask, n))]
        for column in table.columns:
            parts += _cells(column, block.column(column.name))
        yield _interleave(parts)


def _cells(column: Column, values: pa.ChunkedArray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the bytes of a column's cells as (bytes in each cell, all bytes one after the other)."""
    if column.dtype == "str":
        words = [word.encode() for word in plain_text(values).to_pylist()]
        lengths = np.array([len(word) for word in words], dtype=np.int64)
        return [_fixed(lengths, ">i4"), (lengths, np.frombuffer(b"".join(words), np.uint8))]
    if column.array:
        cells = [cell.values.to_numpy() for cell in values]
        lengths = np.array([len(cell) for cell in cells], dtype=np.int64)
        kind = np.dtype(_BIG_ENDIAN[column.dtype])
        flat = np.concatenate([np.empty(0), *cells]).astype(kind).view(np.uint8)
        return [_fixed(lengths, ">i4"), (lengths * kind.itemsize, flat)]
    if column.dtype == "bool":
        letters = np.where(values.to_numpy(), ord("T"), ord("F"))
        return [_fixed(letters, np.uint8)]
    return [_fixed(values.to_numpy(), _BIG_ENDIAN[column.dtype])]


def _fixed(values: np.ndarray, kind) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of one size as (bytes in each cell, all bytes)."""
    kind = np.dtype(kind)
    flat = np.ascontiguousarray(values, dtype=kind).view(np.uint8)
    return np.full(len(values), kind.itemsize), flat


def _interleave(parts: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Turn columns of cells into rows: every cell's bytes go where its row has come to."""
    sizes = np.array([lengths for lengths, _ in parts])
    row_ends = np.cumsum(sizes.sum(axis=0))
    cursor = row_ends - sizes.sum(axis=0)
    out = np.empty(row_ends[-1], dtype=np.uint8)
    for lengths, flat in parts:
        first = np.cumsum(lengths) - lengths
        out[np.arange(len(flat)) + np.repeat(cursor - first, lengths)] = flat
        cursor = cursor + lengths
    return out.tobytes()


def _base64_lines(blocks: Iterator[bytes]) -> Iterator[str]:
    """Yield a stream of bytes as lines of base64; only the last line may be short."""
    rest = b""
    for block in blocks:
        rest += block
        whole = len(rest) - len(rest) % _LINE
        yield base64.encodebytes(rest[:whole]).decode()
        rest = rest[whole:]
    yield base64.encodebytes(rest).decode()


def _head(table: Table, n_rows: int) -> str:
    """Return a TABLE element up to where its stream begins."""
    fields = "".join(map(_field, table.columns))
    return (
        f'<TABLE name={quoteattr(table.name)} nrows="{n_rows}">\n'
        f"<DESCRIPTION>{escape(table.description)}</DESCRIPTION>\n{fields}"
        '<DATA><BINARY2><STREAM encoding="base64">\n'
    )


def _field(column: Column) -> str:
    attributes = {"name": column.name, "datatype": _DATATYPE[column.dtype], "ucd": column.ucd}
    if column.array or column.dtype == "str":
        attributes["arraysize"] = "*"
    if column.unit:
        attributes["unit"] = column.unit
    if column.ucd.startswith("pos.eq"):
        attributes["ref"] = "icrs"
    inside = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<FIELD{inside}><DESCRIPTION>{escape(column.description)}</DESCRIPTION></FIELD>\n"
