"""The VOTable is valid and holds the same tables as the catalogue."""

import io
import warnings

import numpy as np
from astropy import units
from astropy.io.votable import parse, validate

from pipeline.catalog.formats.rows import Rows
from pipeline.catalog.formats.write_votable import encode_rows, write_votable
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.registry import CATALOGUE
from pipeline.tables import to_arrow


def test_votable_is_valid_and_reads_back(tmp_path, tables, plain):
    path = tmp_path / "c.vot"
    write_votable(path, tables, "A survey <of> everything & more")
    report = io.StringIO()
    assert validate(str(path), output=report), report.getvalue()
    found = {t.name: t for t in parse(path, verify="exception").iter_tables()}
    assert list(found) == [table.name for table in CATALOGUE]
    sources = found["SOURCES"].to_table()
    assert (sources["source_id"][0], sources["flags"][0], sources["m"][0]) == (plain, 2**62, 2**40)
    assert sources["ra"].unit == units.deg
    assert np.isnan(sources["qpo_frequency"].filled(np.nan)).all()
    models = found["MODELS"].to_table()
    assert [list(c) for c in models["covariance"]] == [[1.0, 0.5, 0.5, 2.0], []]
    assert models["components"][0] == "constant.1 power_law.1"
    for table in CATALOGUE:
        fields = {f.name: f for f in found[table.name].fields}
        for column in table.columns:
            assert fields[column.name].ucd == column.ucd
            assert fields[column.name].description == column.description


def test_votable_blocks_join_to_the_same_stream(tables):
    rows = tables[SOURCES]
    (data,) = rows.blocks()
    parts = [bytes(encode_rows(rows.extent, data.slice(k, 1))) for k in range(2)]
    assert b"".join(parts) == bytes(encode_rows(rows.extent, data))


def test_an_empty_catalogue_is_still_valid(tmp_path):
    write_votable(
        tmp_path / "c.vot", {t: Rows.of(t, to_arrow(t, [])) for t in CATALOGUE}, "Nothing"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = parse(tmp_path / "c.vot", verify="exception").get_first_table()
    assert len(first.to_table()) == 0
