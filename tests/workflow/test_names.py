"""A survey whose folders and files have names of any bytes runs to its end."""

import os

import pytest

from pipeline.columns.catalogue import SOURCES
from pipeline.tables import read_parquet

from .conftest import Workplace, light_curve

NASTY = b"-{x}%s$(touch pwned)`id` '\"\\ \t\r\n{shard} {{y}} *?[a]~;&|<>#! \xc3\xa9\xe2\x80\xa8"


@pytest.mark.slow
def test_a_survey_of_names_of_any_bytes(tmp_path):
    place = Workplace(tmp_path / os.fsdecode(NASTY + b"\xff"))
    place.archive.mkdir(parents=True)
    name = os.fsdecode(NASTY)
    light_curve("RED {A}", 1).writeto(tmp_path / "a.lc")
    (tmp_path / "a.lc").rename(place.archive / f"{name}.lc")
    done = place.run(report={"title": name})
    assert done.code == 0, done.output
    sources = read_parquet(place.results / "catalog" / "sources.parquet", SOURCES)
    assert sources.column("status").to_pylist() == ["ok"]
    assert not (place.folder / "pwned").exists()
    assert place.run("resume").jobs == []
