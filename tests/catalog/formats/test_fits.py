"""The FITS file holds the same tables as the catalogue, and Astropy reads them."""

import warnings

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import Table as AstropyTable

from pipeline.catalog.formats.rows import Rows
from pipeline.catalog.formats.text import LONGEST_CELL
from pipeline.catalog.formats.write_fits import write_fits
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.spectra import SPECTRA
from pipeline.tables import to_arrow


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


def test_fits_values_read_back(tmp_path, tables, plain):
    write_fits(tmp_path / "c.fits", tables, "A survey")
    sources = AstropyTable.read(tmp_path / "c.fits", hdu="SOURCES")
    assert sources["ra"].unit == units.deg
    assert (sources["source_id"][0], sources["flags"][0], sources["m"][0]) == (plain, 2**62, 2**40)
    assert np.ma.is_masked(sources["ra"][1])
    models = AstropyTable.read(tmp_path / "c.fits", hdu="MODELS")
    assert models["components"][0] == "constant.1 power_law.1"
    assert [len(cell) for cell in models["covariance"]] == [4, 0]
    assert list(models["best"]) == [True, False]


def test_checksums_are_right_and_known_while_the_file_is_written(tmp_path, tables):
    for number, content in enumerate((tables, {t: Rows.of(t, to_arrow(t, [])) for t in CATALOGUE})):
        path = tmp_path / f"{number}.fits"
        write_fits(path, content, "A survey")
        with warnings.catch_warnings(), fits.open(path, checksum=True) as hdus:
            warnings.simplefilter("error")
            hdus.verify("exception")
            assert all(hdu.verify_datasum() == hdu.verify_checksum() == 1 for hdu in hdus)


def test_rows_in_several_blocks_give_the_bytes_of_one(tmp_path, tables, monkeypatch):
    write_fits(tmp_path / "1.fits", tables, "A survey")
    monkeypatch.setattr("pipeline.catalog.formats.rows.CELLS_IN_A_GROUP", 1)
    write_fits(tmp_path / "2.fits", tables, "A survey")
    assert (tmp_path / "1.fits").read_bytes() == (tmp_path / "2.fits").read_bytes()


def test_an_empty_catalogue_is_still_valid(tmp_path):
    write_fits(tmp_path / "c.fits", {t: Rows.of(t, to_arrow(t, [])) for t in CATALOGUE}, "Nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(AstropyTable.read(tmp_path / "c.fits", hdu="PARAMETERS")) == 0


def test_one_long_name_does_not_widen_every_row(tmp_path):
    names = ["short", "A" * 10_000, "A" * 10_000 + "B", "A" * 10_000, "\u00e9" * 300]
    rows = [{"source_id": f"s{k}", "object": name} for k, name in enumerate(names)]
    short = [{"source_id": f"s{k}", "object": "short"} for k in range(5)]
    for name, content in (("long", rows), ("short", short)):
        write_fits(tmp_path / name, {SOURCES: Rows.of(SOURCES, to_arrow(SOURCES, content))}, "T")
    widths = [fits.getheader(tmp_path / name, 1)["NAXIS1"] for name in ("short", "long")]
    assert widths[1] - widths[0] <= LONGEST_CELL
    found = list(fits.getdata(tmp_path / "long", 1)["object"])
    assert found[0] == "short"
    assert found[1] == found[3] != found[2]
    assert all(len(name) == LONGEST_CELL and name[-13] == "~" for name in found[1:])


def test_a_list_of_many_words_is_whole(tmp_path):
    words = [f"observation-{k}" for k in range(300)]
    (rows,) = [Rows.of(SPECTRA, to_arrow(SPECTRA, [{"source_id": "s", "observation_ids": words}]))]
    write_fits(tmp_path / "c.fits", {SPECTRA: rows}, "T")
    assert fits.getdata(tmp_path / "c.fits", 1)["observation_ids"][0].split() == words
