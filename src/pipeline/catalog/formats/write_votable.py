"""Write tables as one VOTable with BINARY2 streams, encoded a block of rows at a time.

One million sources have some 10^8 cells; to encode them one by one would take an hour.
"""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing
import pyarrow as pa

from pipeline.catalog.formats.text import FLAG_BITS, STATUS_WORDS, plain_text, vectors
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
_BIG_ENDIAN = {"int32": ">i4", "int64": ">i8", "float32": ">f4", "float64": ">f8"}
_BLOCK = 30_000
_LINE = 57
"""Bytes in a line of base64: 76 characters."""


def write_votable(path: Path, tables: Mapping[Table, pa.Table], title: str) -> None:
    """Write tables as one VOTable 1.4 (IVOA REC 2019-10-21), atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    tables : mapping of Table to pyarrow.Table
        The TABLE elements in order, each FIELD with UCD, unit and description. What has no value is null;
        lists of words are text, lists of numbers of one length, or of none, are vectors. INFO
        elements say what the bits of ``flags`` mean, VALUES what the words of ``status`` do.
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
            '<RESOURCE name="catalogue">\n'
        )
        for bit, sentence in FLAG_BITS.items():
            text = escape(sentence)
            out.write(f'<INFO name="flag_{bit.bit_length() - 1}" value="{bit}">{text}</INFO>\n')
        out.write('<COOSYS ID="icrs" system="ICRS"/>\n')
        for table, data in tables.items():
            out.write(_head(table, data))
            for text in _base64_lines(encode_rows(table, data)):
                out.write(text)
            out.write("</STREAM></BINARY2></DATA>\n</TABLE>\n")
        out.write("</RESOURCE>\n</VOTABLE>\n")


def encode_rows(table: Table, data: pa.Table) -> Iterator[bytes]:
    """Yield rows in the BINARY2 serialisation (VOTable 1.4, section 5.4), a block at a time.

    A row is a mask of its nulls, a bit a column, then its cells, big-endian; a cell of variable length is
    preceded by the number of its elements.
    """
    lengths = _lengths(table, data)
    for start in range(0, data.num_rows, _BLOCK):
        block = data.slice(start, _BLOCK)
        nulls = np.zeros((block.num_rows, len(table.columns)), bool)
        cells = missing(table, block)
        for number, column in enumerate(table.columns):
            # a list of any length is not null but empty
            if column.name in cells and not (column.array and column.name not in lengths):
                nulls[:, number] = cells[column.name]
        mask = np.packbits(nulls, axis=1)
        parts = [(np.full(len(mask), mask.shape[1]), mask.ravel())]
        for column in table.columns:
            values = block.column(column.name)
            parts += _cells(column, values, lengths.get(column.name))
        yield _interleave(parts)


def _lengths(table: Table, data: pa.Table) -> dict[str, int]:
    """Return the lengths of the lists that are vectors, by column."""
    lists = [c for c in table.columns if c.array and c.dtype != "str"]
    found = {c.name: vectors(c, data.column(c.name)) for c in lists}
    return {name: vector.shape[1] for name, vector in found.items() if vector is not None}


def _cells(
    column: Column, values: pa.ChunkedArray, length: int | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the bytes of a column's cells as (bytes in each cell, all bytes one after the other)."""
    if column.dtype == "str":
        words = [word.encode() for word in plain_text(values).to_pylist()]
        lengths = np.array([len(word) for word in words], dtype=np.int64)
        return [_fixed(lengths, ">i4"), (lengths, np.frombuffer(b"".join(words), np.uint8))]
    if column.array:
        kind = np.dtype(_BIG_ENDIAN[column.dtype])
        if length is not None:
            vector = vectors(column, values)
            if vector is None or vector.shape[1] != length:  # all lists of this block are empty
                vector = np.full((len(values), length), np.nan)
            flat = np.ascontiguousarray(vector, kind).view(np.uint8).ravel()
            return [(np.full(len(values), length * kind.itemsize), flat)]
        cells = [cell.values.to_numpy() for cell in values]
        lengths = np.array([len(cell) for cell in cells], dtype=np.int64)
        flat = np.concatenate([np.empty(0), *cells]).astype(kind).view(np.uint8)
        return [_fixed(lengths, ">i4"), (lengths * kind.itemsize, flat)]
    if column.dtype == "bool":
        letters = np.where(values.to_numpy(), ord("T"), ord("F"))
        return [_fixed(letters, np.uint8)]
    return [_fixed(values.to_numpy(), _BIG_ENDIAN[column.dtype])]


def _fixed(values: np.ndarray, kind: np.typing.DTypeLike) -> tuple[np.ndarray, np.ndarray]:
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


def _head(table: Table, data: pa.Table) -> str:
    """Return a TABLE element up to where its stream begins."""
    lengths = _lengths(table, data)
    fields = "".join(_field(column, lengths.get(column.name)) for column in table.columns)
    name = quoteattr(table.name)
    return (
        f'<TABLE ID={name} name={name} nrows="{data.num_rows}">\n'
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
        for word, sentence in STATUS_WORDS.items()
    )
    values = f"<VALUES>{words}</VALUES>" if column is STATUS else ""
    return (
        f"<FIELD{inside}><DESCRIPTION>{escape(column.description)}</DESCRIPTION>{values}</FIELD>\n"
    )
