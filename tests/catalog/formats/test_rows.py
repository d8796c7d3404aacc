"""Rows are read in blocks of one size, and their extent is known before the first of them."""

import pyarrow as pa
import pytest

from pipeline.catalog.formats.rows import Extent, Rows, regrouped
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.samples import SAMPLES
from pipeline.tables import to_arrow


@pytest.mark.parametrize("sizes", [[], [0], [3], [1, 2, 7], [10, 1, 0, 4]])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_blocks_have_the_size_that_is_asked_for(sizes, size):
    total = sum(sizes)
    numbers = iter(range(total))
    blocks = [
        pa.table({"k": pa.array([next(numbers) for _ in range(n)], pa.int64())}) for n in sizes
    ]
    found = list(regrouped(blocks, [size] * (total + 1)))
    assert [k for block in found for k in block["k"].to_pylist()] == list(range(total))
    assert all(block.num_rows == size for block in found[:-1])


@pytest.mark.parametrize("table", CATALOGUE, ids=[t.name for t in CATALOGUE])
def test_a_row_group_has_about_a_million_cells(table):
    rows = Rows.of(table, to_arrow(table, [{}])).extent.rows_in_a_group
    assert 2**18 < rows * len(table.columns) <= 2**20


def test_elements_of_lists_are_cells():
    """Row groups of SAMPLES would have 65,000 times 1,000 draws."""
    draws = Rows.of(SAMPLES, to_arrow(SAMPLES, [{"value": [1.0] * 1000}, {"value": [2.0] * 1000}]))
    assert draws.extent.rows_in_a_group == 1024
    huge = Rows.of(SAMPLES, to_arrow(SAMPLES, [{"value": [1.0] * 2**21}]))
    assert huge.extent.rows_in_a_group == 1


def test_the_extent_of_parts_is_that_of_the_whole():
    rows = [
        {"source_id": "½\n", "covariance": [1.0] * 4, "limit_frequency": [1.0, 2.0]},
        {"source_id": "four", "components": ["a", "bcd"], "limit_frequency": [3.0, 4.0]},
        {"source_id": "B", "covariance": [1.0]},
    ]
    data, parts = to_arrow(MODELS, rows), Extent(MODELS)
    for k in range(3):
        parts.add(data.slice(k, 1))
    assert parts == Rows.of(MODELS, data).extent
    assert (parts.rows, parts.characters["source_id"], parts.widths["source_id"]) == (3, 4, 5)
    assert (parts.characters["components"], parts.widths["components"]) == (3, 5)
    covariance = parts.lists["covariance"]
    assert (covariance.shortest, covariance.longest, covariance.elements) == (1, 4, 5)
    assert parts.vector(MODELS.column("covariance")) is None
    assert parts.vector(MODELS.column("limit_frequency")) == 2


def test_the_bytes_are_those_of_a_fits_table(tables, tmp_path):
    from astropy.io import fits

    from pipeline.catalog.formats.write_fits import write_fits

    write_fits(tmp_path / "c.fits", tables, "T")
    with fits.open(tmp_path / "c.fits") as hdus:
        for table in (SOURCES, MODELS):
            header = hdus[table.name].header
            size = header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]
            assert size == tables[table].extent.nbytes
