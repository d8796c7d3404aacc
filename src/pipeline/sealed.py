"""Parquet files with a seal: how they are written and opened. See `pipeline.seals`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.seals import (
    Counts,
    DamagedTable,
    Origin,
    PathLike,
    Seal,
    TableError,
    blank,
    close,
    read_seal,
)


@contextmanager
def sealed_writer(
    path: PathLike, name: str, stored: pa.Schema, origin: Origin, **encoding: Any
) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a row group to a Parquet file, which gets checksums and a seal at the end.

    Parameters
    ----------
    path : path-like
        A temporary file.
    name : str
        Name of the table.
    stored : pyarrow.Schema
        Schema of the file; the elements of its lists are no lists.
    origin : Origin
        What the table is made from.
    **encoding
        How columns are encoded, as `pyarrow.parquet.ParquetWriter` takes it.
    """
    counts, groups = Counts(stored.names), 0
    found: list[pq.FileMetaData] = []
    about: dict[str, Any] = {"write_page_checksum": True, "metadata_collector": found}
    place = native(path, "wb")
    with _closed_once(pq.ParquetWriter(place, stored, **about, **encoding)) as writer:

        def write(data: pa.Table) -> None:
            nonlocal groups
            counts.add(data)
            groups += 1
            writer.write_table(data, row_group_size=max(1, data.num_rows))

        yield write
        seal = Seal(name, origin, counts.found())
        writer.add_key_value_metadata(blank(seal, groups, len(stored)))
    if isinstance(place, pa.NativeFile):
        place.close()
    close(path, seal, found[0])


@contextmanager
def _closed_once(writer: pq.ParquetWriter) -> Iterator[pq.ParquetWriter]:
    """Close a writer at the end. One that cannot be, as on a full disk, would try again when it is collected."""
    try:
        with writer:
            yield writer
    finally:
        writer.is_open = False


@contextmanager
def open_sealed(path: PathLike, name: str, *, pages: bool = False) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, the footer of which is whole.

    The checksums of column chunks are compared by `pipeline.seals.Checksums`.

    Parameters
    ----------
    path : path-like
        A file, which may have no seal.
    name : str
        Name of the table that is expected.
    pages : bool, optional
        Whether the checksums of pages are compared, too; they are where there is no seal.

    Raises
    ------
    DamagedTable, TableError, OSError
        See `told_apart`; also when it is another table.
    """
    with told_apart(path, name):
        seal = read_seal(path)
        if seal is not None and seal.table != name:
            raise DamagedTable(path, f"is a table {seal.table}, not {name}")
        # read_table would look for a dataset: thrice the time
        pages = pages or seal is None
        with pq.ParquetFile(native(path), page_checksum_verification=pages) as file:
            yield file


def native(path: PathLike, mode: str = "rb") -> PathLike | pa.NativeFile:
    """Return a path as Arrow takes it: a name that is no text, with bytes that are not UTF-8, as an open file."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return pa.OSFile(os.fsencode(path), mode)
    return path


@contextmanager
def told_apart(path: PathLike, name: str) -> Iterator[None]:
    """Tell apart what fails while a table is read: whether the file or the machine is at fault.

    Raises
    ------
    DamagedTable
        When the file is not a Parquet file, is cut, or was altered.
    TableError
        When it is not there.
    OSError
        When the machine cannot read it.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise TableError(f"{path} is not a readable {name} table: it is not there") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None):
            raise  # a fault of the machine, not of the file
        raise DamagedTable(path, f"is not a readable {name} table: {error}") from error
