"""Write tables as one FITS file of binary tables, a block of rows at a time."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits

from pipeline.catalog.formats.checksum import Checksum, combined, encoded
from pipeline.catalog.formats.rows import Rows
from pipeline.catalog.formats.text import (
    FLAG_BITS,
    STATUS_WORDS,
    cut_text,
    fixed_text,
    plain_text,
    vectors,
)
from pipeline.columns.base import Column, Table
from pipeline.nulls import may_be_null, missing
from pipeline.tables import atomic_path

_FORMAT = {"bool": "L", "int32": "J", "int64": "K", "float32": "E", "float64": "D"}
_BLOCK = 2880
_LARGEST = 2**31 - 1
"""Largest offset in a heap that 32 bits hold."""


def write_fits(path: Path, tables: Mapping[Table, Rows], title: str) -> None:
    """Write tables as the extensions of one FITS file, atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    tables : mapping of Table to Rows
        The extensions in order. Every column has TTYPE, TUNIT, TUCD and TCOMM; what has no value is NaN,
        the TNULL of a whole number, false, or empty text. Text of more than `LONGEST_CELL` bytes is cut; Parquet
        and VOTable have all of it. Lists of words are
        text; lists of numbers are vectors where a catalogue has them of one length, or of none, else
        variable-length arrays.
    title : str
        Of the catalogue, for the primary header.

    Notes
    -----
    The header of an HDU is written first, then its rows, then the header again with the checksums, which are
    summed while the rows are written. No table has to fit into memory.
    """
    with atomic_path(path) as temporary, open(temporary, "w+b") as out:
        _write_hdu(out, _primary(title), [], None)
        for rows in tables.values():
            fields = _fields(rows)
            _write_hdu(out, _header(rows, fields), fields, rows)


@dataclass(frozen=True)
class _Field:
    """A column in a binary table.

    Attributes
    ----------
    column : Column
        Its declaration.
    form : str
        TFORM.
    dtype : str
        NumPy type of a cell.
    length : int or None
        Length of its vectors; None: it has no vectors.
    null : int or None
        TNULL; None: there is none.
    heap : int
        Where its elements begin in the heap, and ``heap_bytes`` how many bytes they are.
    """

    column: Column
    form: str
    dtype: str
    length: int | None = None
    null: int | None = None
    heap: int = 0
    heap_bytes: int = 0

    @property
    def element(self) -> np.dtype:
        """Type of an element of its lists."""
        return np.dtype(self.column.dtype).newbyteorder(">")

    @property
    def in_heap(self) -> bool:
        """Whether its lists are in the heap."""
        return self.form[0] in "PQ"


def _fields(rows: Rows) -> list[_Field]:
    """Return the columns of a table; the heap holds the lists of one column after those of another."""
    fields: list[_Field] = []
    extent, heap = rows.extent, 0
    lists = [c for c in rows.table.columns if c.name in extent.lists and extent.vector(c) is None]
    sizes = {c.name: extent.lists[c.name].elements * np.dtype(c.dtype).itemsize for c in lists}
    is_long = sum(sizes.values()) > _LARGEST
    for column in rows.table.columns:
        if column.dtype == "str":
            width = max(1, extent.widths[column.name])
            fields.append(_Field(column, f"{width}A", f"S{width}"))
        elif column.name in sizes:
            form = f"{'Q' if is_long else 'P'}{_FORMAT[column.dtype]}"
            form += f"({extent.lists[column.name].longest})"
            size = sizes[column.name]
            pair = "(2,)>i8" if is_long else "(2,)>i4"
            fields.append(_Field(column, form, pair, heap=heap, heap_bytes=size))
            heap += size
        else:
            fields.append(_scalar(rows, column))
    return fields


def _scalar(rows: Rows, column: Column) -> _Field:
    """Return a column of numbers, of truth values, or of vectors."""
    letter = _FORMAT[column.dtype]
    if column.dtype == "bool":
        return _Field(column, letter, "u1")
    kind = np.dtype(column.dtype).newbyteorder(">").str
    if column.array:
        length = rows.extent.vector(column) or 1
        return _Field(column, f"{length}{letter}", f"({length},){kind}", length=length)
    is_whole = column.dtype[:3] == "int" and may_be_null(rows.table, column)
    null = int(np.iinfo(column.dtype).min) if is_whole else None
    return _Field(column, letter, kind, null=null)


def _primary(title: str) -> fits.Header:
    """A header without data that says what the words and bits of the tables mean."""
    header = fits.Header(
        [
            ("SIMPLE", True, "conforms to FITS standard"),
            ("BITPIX", 8, "array data type"),
            ("NAXIS", 0, "number of array dimensions"),
            ("EXTEND", True),
            ("TITLE", plain_text(pa.chunked_array([[title]]))[0].as_py()),
        ]
    )
    words = [f"{word}: {sentence}" for word, sentence in STATUS_WORDS.items()]
    bits = [f"{bit} {sentence}" for bit, sentence in FLAG_BITS.items()]
    for text in ("Values of the column status:", *words, "Bits of the column flags:", *bits):
        _comment(header, text)
    return header


def _header(rows: Rows, fields: list[_Field]) -> fits.Header:
    """Return the header of a table."""
    width = np.dtype([(f.column.name, f.dtype) for f in fields]).itemsize
    cards: list[tuple] = [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", width, "length of dimension 1"),
        ("NAXIS2", rows.count, "length of dimension 2"),
        ("PCOUNT", sum(f.heap_bytes for f in fields), "number of group parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("TFIELDS", len(fields), "number of table fields"),
    ]
    for number, one in enumerate(fields, start=1):
        about: dict[str, str | int | None] = {"TTYPE": one.column.name, "TFORM": one.form}
        about |= {"TUCD": one.column.ucd, "TCOMM": one.column.description}
        about |= {"TUNIT": one.column.unit or None, "TNULL": one.null}
        cards += [(f"{name}{number}", v) for name, v in about.items() if v is not None]
    header = fits.Header([*cards, ("EXTNAME", rows.table.name, "extension name")])
    _comment(header, rows.table.description)
    return header


def _comment(header: fits.Header, text: str) -> None:
    """Add COMMENT cards that do not break a word."""
    for line in textwrap.wrap(text, 72):
        header.append(("COMMENT", line), end=True)


def _write_hdu(out: BinaryIO, header: fits.Header, fields: list[_Field], rows: Rows | None) -> None:
    """Write a header and the rows of a table, and then the header with their checksums in its place."""
    # The usual comment is the time of writing: the same tables must give the same bytes.
    header["CHECKSUM"] = "0" * 16, "of this HDU"
    header["DATASUM"] = "0", "of this HDU"
    place = out.tell()
    out.write(header.tostring().encode())
    data, size = Checksum(), 0
    if rows is not None:
        size = _write_rows(out, data, fields, rows) + _write_heap(out, data, fields, rows)
    out.write(b"\0" * (-size % _BLOCK))
    header["DATASUM"] = str(data.value)
    whole = Checksum()
    whole.add(header.tostring().encode())
    header["CHECKSUM"] = encoded(combined(whole.value, data.value))
    out.seek(place)
    out.write(header.tostring().encode())
    out.seek(0, 2)


def _write_rows(out: BinaryIO, checksum: Checksum, fields: list[_Field], rows: Rows) -> int:
    """Write the rows of a table, and return their bytes."""
    kind, size = np.dtype([(f.column.name, f.dtype) for f in fields]), 0
    ends = {f.column.name: f.heap for f in fields if f.in_heap}
    for block in rows.blocks():
        records = np.zeros(block.num_rows, kind)
        cells = missing(rows.table, block)
        for field in fields:
            name = field.column.name
            values = block.column(name)
            if name in ends:
                ends[name] = _describe(records[name], values, ends[name], field.element.itemsize)
            else:
                records[name] = _cells(field, values, cells.get(name))
        written = records.view(np.uint8).data
        checksum.add(written)
        out.write(written)
        size += len(written)
    return size


def _cells(field: _Field, values: pa.ChunkedArray, missing: np.ndarray | None) -> np.ndarray:
    """Return the cells of a column; `missing` says which have no value, None: all have one."""
    column = field.column
    if column.dtype == "str":
        text = plain_text(values) if column.array else cut_text(plain_text(values))
        return fixed_text(text, int(field.dtype[1:]))
    if field.length is not None:
        return vectors(column, values, field.length)
    array = values.to_numpy()
    if column.dtype == "bool":
        return np.where(array, np.uint8(ord("T")), np.uint8(ord("F")))
    return array if missing is None or field.null is None else np.where(missing, field.null, array)


def _describe(cells: np.ndarray, values: pa.ChunkedArray, start: int, size: int) -> int:
    """Fill in how many elements each list has and where in the heap they are; return where the last one ends."""
    lengths = pc.list_value_length(values).to_numpy().astype(np.int64)
    ends = start + np.cumsum(lengths) * size
    cells[:, 0], cells[:, 1] = lengths, ends - lengths * size
    return int(ends[-1]) if ends.size else start


def _write_heap(out: BinaryIO, checksum: Checksum, fields: list[_Field], rows: Rows) -> int:
    """Write the elements of the lists of several lengths, and return their bytes."""
    for field in fields:
        if not field.heap_bytes:
            continue
        name = field.column.name
        for block in rows.blocks([name]):
            elements = pc.list_flatten(block.column(name)).to_numpy().astype(field.element)
            checksum.add(elements.data.cast("B") if elements.size else b"")
            out.write(elements)
    return sum(field.heap_bytes for field in fields)
