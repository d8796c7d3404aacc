"""Every format says what it writes, writes that and nothing else, and is light to import."""

import subprocess
import sys

import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd

from pipeline.catalog.formats import ALWAYS, DEFAULT, FORMATS, chosen, outputs
from pipeline.columns.registry import CATALOGUE, TABLES


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_ucd_is_of_the_controlled_vocabulary(table):
    bad = [c for c in table.columns if not check_ucd(c.ucd, check_controlled_vocabulary=True)]
    assert bad == []


@pytest.mark.parametrize("table", CATALOGUE, ids=[t.name for t in CATALOGUE])
def test_every_unit_is_a_unit_in_fits_and_in_votable(table):
    for column in table.columns:
        for form in ("fits", "vounit"):
            units.Unit(column.unit, format=form, parse_strict="raise")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_the_outputs_that_it_declares(tmp_path, tables, name):
    written = FORMATS[name]
    written.write(tmp_path, tables, "A survey")
    declared = written.outputs(list(tables))
    assert {path.name for path in tmp_path.iterdir()} == {output.path for output in declared}
    assert [(tmp_path / output.path).is_dir() for output in declared] == [
        output.is_folder for output in declared
    ]
    assert (tmp_path / written.main).exists()


def test_no_two_outputs_have_one_name_or_one_path():
    every = outputs(FORMATS, CATALOGUE)
    assert len({output.name for output in every}) == len({o.path for o in every}) == len(every)


def test_parquet_is_always_among_the_chosen_formats():
    assert [one.name for one in chosen([])] == list(ALWAYS)
    assert {one.name for one in chosen(DEFAULT)} == set(DEFAULT)


def test_declarations_of_formats_are_light():
    code = "import sys, pipeline.catalog.formats; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"numpy", "jax", "astropy", "pyarrow"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in done.stdout.split())
