"""How a survey is spread over shards and workers does not touch what is in its catalogue."""

import pytest

from pipeline.columns.registry import CATALOGUE
from pipeline.tables import read_parquet

from .conftest import Workplace, light_curve

NAMES = ("NOISE A", "RED A", "RED B", "RED C")


@pytest.mark.slow
@pytest.mark.parametrize(("shards", "workers"), [(3, 1), (1, 3), (64, 0)])
def test_one_shard_or_many_and_one_worker_or_many_have_the_same_rows(shards, workers, one):
    place, expected = one
    run = place.run(shards=shards, cluster={"workers": workers})
    assert run.code == 0, run.output
    found = tables(place)
    assert {name for name in expected if found[name] != expected[name]} == set()


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> tuple[Workplace, dict[str, str]]:
    """A survey of one shard that one worker reads, and its catalogue."""
    place = Workplace(tmp_path_factory.mktemp("one"))
    place.archive.mkdir()
    for seed, name in enumerate(NAMES):
        light_curve(name, seed).writeto(place.archive / f"{name.replace(' ', '')}.lc")
    run = place.run(shards=1, cluster={"workers": 1})
    assert run.code == 0, run.output
    return place, tables(place)


def tables(place: Workplace) -> dict[str, str]:
    """Return the rows of the tables of a catalogue in the order of their keys, to the last digit."""
    found = {}
    for table in CATALOGUE:
        rows = read_parquet(place.results / "catalog" / f"{table.name.lower()}.parquet", table)
        found[table.name] = repr(rows.sort_by([(n, "ascending") for n in table.key]).to_pylist())
    return found
