"""Write tables as one FITS file of binary tables."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.io import fits

from pipeline.catalog.formats.text import FLAG_BITS, STATUS_WORDS, plain_text, vectors
from pipeline.columns.base import Column, Table
from pipeline.nulls import missing
from pipeline.tables import atomic_path

_FORMAT = {"bool": "L", "int32": "J", "int64": "K", "float32": "E", "float64": "D"}


def write_fits(path: Path, tables: Mapping[Table, pa.Table], title: str) -> None:
    """Write tables as the extensions of one FITS file, atomically.

    Parameters
    ----------
    path : path-like
        Where to.
    tables : mapping of Table to pyarrow.Table
        The extensions in order. Every column has TTYPE, TUNIT, TUCD and TCOMM; what has no value is NaN,
        the TNULL of a whole number, false, or empty text. Lists of words are
        text; lists of numbers are vectors where a catalogue has them of one length, or of none, else
        variable-length arrays.
    title : str
        Of the catalogue, for the primary header.
    """
    hdus = fits.HDUList([_primary(title), *(_extension(t, data) for t, data in tables.items())])
    with atomic_path(path) as temporary:
        hdus.writeto(temporary)
        with fits.open(temporary, mode="update") as written:
            for hdu in written:
                # The usual comment is the time of writing: the same tables must give the same
                # bytes. Only now are the sizes of the variable-length arrays in the headers.
                hdu.add_checksum(when="of this HDU")


def _primary(title: str) -> fits.PrimaryHDU:
    """A header without data that says what the words and bits of the tables mean."""
    header = fits.Header()
    header["TITLE"] = plain_text(pa.chunked_array([[title]]))[0].as_py()
    words = [f"{word}: {sentence}" for word, sentence in STATUS_WORDS.items()]
    bits = [f"{bit} {sentence}" for bit, sentence in FLAG_BITS.items()]
    for text in ("Values of the column status:", *words, "Bits of the column flags:", *bits):
        _comment(header, text)
    return fits.PrimaryHDU(header=header)


def _extension(table: Table, data: pa.Table) -> fits.BinTableHDU:
    cells = missing(table, data)
    columns = [_column(c, data.column(c.name), cells.get(c.name)) for c in table.columns]
    hdu = fits.BinTableHDU.from_columns(columns, name=table.name)
    for number, column in enumerate(table.columns, start=1):
        hdu.header.set(f"TCOMM{number}", column.description, after=f"TFORM{number}")
        hdu.header.set(f"TUCD{number}", column.ucd, after=f"TFORM{number}")
    _comment(hdu.header, table.description)
    return hdu


def _comment(header: fits.Header, text: str) -> None:
    """Add COMMENT cards that do not break a word."""
    for line in textwrap.wrap(text, 72):
        header["COMMENT"] = line


def _column(
    column: Column, values: pa.ChunkedArray, missing: np.ndarray | None = None
) -> fits.Column:
    """Return a column; `missing` says which cells have no value, None: all have one."""
    unit, name = column.unit or None, column.name
    if column.dtype == "str":
        encoded = [word.encode() for word in plain_text(values).to_pylist()]
        width = max([1, *map(len, encoded)])
        array = np.array(encoded, dtype=f"S{width}")
        return fits.Column(name, f"{width}A", unit=unit, array=array)
    letter = _FORMAT[column.dtype]
    if column.array:
        vector = vectors(column, values)
        if vector is not None:
            array = vector[:, 0] if vector.shape[1] == 1 else vector
            return fits.Column(name, f"{vector.shape[1]}{letter}", unit=unit, array=array)
        cells = np.empty(len(values), dtype=object)
        cells[:] = [cell.values.to_numpy() for cell in values]
        return fits.Column(name, f"P{letter}()", unit=unit, array=cells)
    array = values.to_numpy()
    if missing is None or letter in "EDL":  # Astropy warns of truth values without a value
        return fits.Column(name, letter, unit=unit, array=array)
    null = int(np.iinfo(column.dtype).min)
    return fits.Column(name, letter, unit=unit, null=null, array=np.where(missing, null, array))
