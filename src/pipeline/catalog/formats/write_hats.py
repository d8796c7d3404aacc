"""Write a table with positions as a HATS catalogue: Parquet files by HEALPix pixel, and files that describe them.

The layout is that of HATS 1.0 (https://hats.readthedocs.io), which `hats` 0.11 and `lsdb` 0.11 read.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import pipeline
from pipeline.catalog.conservation import RowsLost
from pipeline.catalog.formats.healpix import ORDER, pixels
from pipeline.catalog.formats.rows import Extent, Rows, regrouped
from pipeline.catalog.formats.text import plain_text
from pipeline.catalog.formats.write_parquet import (
    encoding,
    published_schema,
    stored,
    write_parquet_table,
)
from pipeline.catalog.spool import Spool, folder_for_sorting
from pipeline.columns.base import Table
from pipeline.tables import schema

INDEX = "_healpix_29"
"""Column with the pixel of order 29 of each row, by which the rows of a file are sorted."""
APART = "sources_without_position.parquet"
"""File with the rows that have no position."""
MAX_ROWS = 100_000
"""Largest number of rows of a pixel that is not divided."""
MAX_ORDER = 11
"""Order of pixels (of 1.7 arcminutes) that are not divided, however many rows they have."""
_DIRECTORY = 10_000
"""Pixels in a directory."""


@dataclass(frozen=True)
class Pixel:
    """A pixel of the partition.

    Attributes
    ----------
    order, number : int
        Its order, and its number in the nested scheme.
    start, stop : int
        The rows that are in it, in the order of their pixels.
    """

    order: int
    number: int
    start: int
    stop: int

    @property
    def path(self) -> str:
        """Path of its file under the folder ``dataset``."""
        directory = self.number // _DIRECTORY * _DIRECTORY
        return f"Norder={self.order}/Dir={directory}/Npix={self.number}.parquet"


def write_hats(
    folder: Path, sources: Rows, title: str, max_rows: int = MAX_ROWS
) -> Mapping[str, int]:
    """Write a table as a HATS catalogue, the folder whole or not at all.

    Parameters
    ----------
    folder : Path
        Where to; a folder that is there is replaced.
    sources : Rows
        Rows of a table with columns ``ra`` and ``dec``, as they are inside the code.
    title : str
        Description of the catalogue.
    max_rows : int, optional
        Largest number of rows of a file.

    Returns
    -------
    mapping of str to int
        Numbers of rows ``with_position``, and ``without_position``, which are in a table of their own.

    Raises
    ------
    RowsLost
        When the files do not hold all rows.
    """
    table = sources.table
    number = np.concatenate([np.empty(0, np.int64), *map(_pixels, sources.blocks(["ra", "dec"]))])
    number = np.sort(number[number >= 0])
    partition = list(divide(number, max_rows))
    placed, apart = Extent(table), Extent(table)
    with _whole(folder) as temporary, folder_for_sorting(temporary) as sorting:
        spool = Spool(sorting, {table.name: (INDEX,)})
        for block in sources.blocks():
            known = _pixels(block)
            rows, others = (block.filter(pa.array(where)) for where in (known >= 0, known < 0))
            spool.add(table.name, rows.append_column(INDEX, pa.array(known[known >= 0])))
            placed.add(rows)
            apart.add(others)
        written = _write_dataset(temporary / "dataset", placed, spool.blocks(table.name), partition)
        lines = [f"{pixel.order},{pixel.number}" for pixel in partition]
        (temporary / "partition_info.csv").write_text("\n".join(["Norder,Npix", *lines]) + "\n")
        about = _properties(table, placed.rows, partition, title)
        for name in ("hats.properties", "properties"):
            (temporary / name).write_text(about, encoding="utf-8")
        write_parquet_table(temporary / APART, Rows(table, apart, partial(_apart, sources)))
        if written + apart.rows != sources.count:
            raise RowsLost(
                f"hats: {sources.count} rows, {written} written with and {apart.rows} without position"
            )
    return {"with_position": written, "without_position": apart.rows}


def _pixels(data: pa.Table) -> np.ndarray:
    """Return the pixel of order 29 of each row, -1 where there is no position."""
    ra, dec = (data.column(name).to_numpy() for name in ("ra", "dec"))
    known = np.isfinite(ra) & (np.abs(dec) <= 90)
    out = np.full(ra.size, -1)
    out[known] = pixels(ra[known], dec[known])
    return out


def _apart(sources: Rows, names: Sequence[str] | None) -> Iterator[pa.Table]:
    """Yield the rows without a position."""
    for block in sources.blocks():
        rows = block.filter(pa.array(_pixels(block) < 0))
        yield rows.select(names) if names else rows


def divide(number: np.ndarray, max_rows: int, max_order: int = MAX_ORDER) -> Iterator[Pixel]:
    """Divide the sky until no pixel has too many rows, and yield those that have any.

    Parameters
    ----------
    number : int array, shape (rows,)
        Pixels of order 29, sorted.
    max_rows, max_order : int
        Rows above which a pixel is divided in four, and order at which none is.

    Notes
    -----
    Without rows there is one pixel: readers do not open a catalogue that has none.
    """
    if not number.size:
        yield Pixel(0, 0, 0, 0)
        return
    waiting = [(0, base) for base in reversed(range(12))]
    while waiting:
        order, pixel = waiting.pop()
        shift = 2 * (ORDER - order)
        start, stop = np.searchsorted(number, [pixel << shift, (pixel + 1) << shift]).tolist()
        if stop - start > max_rows and order < max_order:
            waiting += [(order + 1, 4 * pixel + part) for part in (3, 2, 1, 0)]
        elif stop > start:
            yield Pixel(order, pixel, start, stop)


def _schema(extent: Extent) -> pa.Schema:
    """Return the schema of the files: that of the table, with the pixel before the other columns."""
    description = f"HEALPix pixel of order {ORDER}, nested scheme, ICRS."
    index = pa.field(INDEX, pa.int64(), False, {"description": description, "ucd": "pos.healpix"})
    published = published_schema(extent)
    metadata = {k: v for k, v in (published.metadata or {}).items() if k != b"table_meta_yaml"}
    return pa.schema([index, *published], metadata)


def _write_dataset(
    folder: Path, extent: Extent, blocks: Iterator[pa.Table], partition: list[Pixel]
) -> int:
    """Write the file of each pixel and what they have in common, and return the number of rows in the files."""
    footers, published, table = [], _schema(extent), extent.table
    own = pa.schema(list(published)[1:])
    pieces = regrouped(blocks, [pixel.stop - pixel.start for pixel in partition])
    empty = schema(table).empty_table().append_column(INDEX, pa.array([], pa.int64()))
    for pixel, piece in zip(partition, pieces if extent.rows else [empty], strict=True):
        path = folder / pixel.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = stored(table, piece.select(table.names), own)
        rows = pa.table([piece.column(INDEX), *rows.columns], schema=published)
        pq.write_table(rows, path, write_page_checksum=True, **encoding(table))
        footer = pq.read_metadata(path)
        footer.set_file_path(pixel.path)
        footers.append(footer)
    pq.write_metadata(published, folder / "_metadata", metadata_collector=footers)
    pq.write_metadata(published, folder / "_common_metadata")
    return sum(footer.num_rows for footer in footers)


def _properties(table: Table, n_rows: int, partition: list[Pixel], title: str) -> str:
    """Return the text of the file of properties.

    It has no date: the same catalogue gives the same bytes, and the provenance says when it was made.
    """
    sky = sum(4.0**-pixel.order for pixel in partition if pixel.stop > pixel.start) / 12
    properties = {
        "obs_collection": table.name.lower(),
        "dataproduct_type": "object",
        "obs_title": plain_text(pa.chunked_array([[title]]))[0].as_py(),
        "obs_description": table.description,
        "hats_nrows": n_rows,
        "hats_col_ra": "ra",
        "hats_col_dec": "dec",
        "hats_col_healpix": INDEX,
        "hats_col_healpix_order": ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_max_rows": max(pixel.stop - pixel.start for pixel in partition),
        "hats_order": max(pixel.order for pixel in partition),
        "moc_sky_fraction": f"{sky:.6g}",
        "hats_builder": f"spectral-timing-pipeline v{pipeline.__version__}",
        "hats_version": "v1.0",
    }
    return "#HATS catalog\n" + "".join(f"{key}={value}\n" for key, value in properties.items())


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; when the block ends without an error, it replaces `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
