"""The published formats hold the same table, and other people's readers agree."""

import io
import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.io.votable import parse, validate
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table as AstropyTable

from pipeline.catalog.fits import write_fits
from pipeline.catalog.votable import encode_rows, write_votable
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.registry import CATALOGUE, TABLES
from pipeline.tables import to_arrow

NAME = "GRS 1915+105 ½ \n<&\"'>"
PLAIN = "GRS 1915+105 \\xbd  <&\"'>"


@pytest.fixture
def tables():
    source = {"source_id": NAME, "ra": 288.8, "flags": 2**62, "status": "ok", "m": 2**40}
    model = {"source_id": "A", "product": "p", "model": "m", "best": True}
    model |= {"components": ["constant.1", "power_law.1"], "covariance": [1.0, 0.5, 0.5, 2.0]}
    rows = {SOURCES: [source, {"source_id": "B"}], MODELS: [model, {"source_id": "B"}]}
    return {t: to_arrow(t, rows.get(t, [])) for t in CATALOGUE}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_ucd_is_of_the_controlled_vocabulary(table):
    bad = [c for c in table.columns if not check_ucd(c.ucd, check_controlled_vocabulary=True)]
    assert bad == []


@pytest.mark.parametrize("table", CATALOGUE, ids=[t.name for t in CATALOGUE])
def test_every_unit_is_a_unit_in_fits_and_in_votable(table):
    for column in table.columns:
        for form in ("fits", "vounit"):
            units.Unit(column.unit, format=form, parse_strict="raise")


def test_fits_has_every_table_with_units_ucds_and_descriptions(tmp_path, tables):
    write_fits(tmp_path / "c.fits", tables, "A survey")
    with fits.open(tmp_path / "c.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == [table.name for table in CATALOGUE]
        assert hdus[0].header["TITLE"] == "A survey"
        for table, hdu in zip(CATALOGUE, hdus[1:], strict=True):
            for number, column in enumerate(table.columns, start=1):
                assert hdu.header[f"TTYPE{number}"] == column.name
                assert hdu.header.get(f"TUNIT{number}", "") == column.unit
                assert hdu.header[f"TUCD{number}"] == column.ucd
                assert hdu.header[f"TCOMM{number}"] == column.description


def test_fits_values_read_back(tmp_path, tables):
    write_fits(tmp_path / "c.fits", tables, "A survey")
    sources = AstropyTable.read(tmp_path / "c.fits", hdu="SOURCES")
    assert sources["ra"].unit == units.deg
    assert (sources["source_id"][0], sources["flags"][0], sources["m"][0]) == (PLAIN, 2**62, 2**40)
    assert np.ma.is_masked(sources["ra"][1])
    models = AstropyTable.read(tmp_path / "c.fits", hdu="MODELS")
    assert models["components"][0] == "constant.1 power_law.1"
    assert [len(cell) for cell in models["covariance"]] == [4, 0]
    assert list(models["best"]) == [True, False]


def test_votable_is_valid_and_reads_back(tmp_path, tables):
    path = tmp_path / "c.vot"
    write_votable(path, tables, "A survey <of> everything & more")
    report = io.StringIO()
    assert validate(str(path), output=report), report.getvalue()
    found = {t.name: t for t in parse(path, verify="exception").iter_tables()}
    assert list(found) == [table.name for table in CATALOGUE]
    sources = found["SOURCES"].to_table()
    assert (sources["source_id"][0], sources["flags"][0], sources["m"][0]) == (PLAIN, 2**62, 2**40)
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


def test_votable_blocks_join_to_the_same_stream(monkeypatch, tables):
    whole = b"".join(encode_rows(SOURCES, tables[SOURCES]))
    monkeypatch.setattr("pipeline.catalog.votable._BLOCK", 1)
    parts = list(encode_rows(SOURCES, tables[SOURCES]))
    assert len(parts) == 2
    assert b"".join(parts) == whole


def test_an_empty_catalogue_is_still_valid(tmp_path):
    empty = {t: to_arrow(t, []) for t in CATALOGUE}
    write_fits(tmp_path / "c.fits", empty, "Nothing")
    write_votable(tmp_path / "c.vot", empty, "Nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(AstropyTable.read(tmp_path / "c.fits", hdu="PARAMETERS")) == 0
        first = parse(tmp_path / "c.vot", verify="exception").get_first_table()
    assert len(first.to_table()) == 0
