"""How a survey is spread over shards and workers does not touch what is in its catalogue."""

import math

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
    for name, rows in expected.items():
        assert len(found[name]) == len(rows)
        for row, other in zip(rows, found[name], strict=True):
            assert [key for key in row if not is_same(row[key], other[key])] == [], name


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> tuple[Workplace, dict[str, list]]:
    """A survey of one shard that one worker reads, and its catalogue."""
    place = Workplace(tmp_path_factory.mktemp("one"))
    place.archive.mkdir()
    for seed, name in enumerate(NAMES):
        light_curve(name, seed).writeto(place.archive / f"{name.replace(' ', '')}.lc")
    run = place.run(shards=1, cluster={"workers": 1})
    assert run.code == 0, run.output
    return place, tables(place)


def is_same(one, other) -> bool:
    """Return whether two values are equal; numbers to 1e-9, of which sums over other lanes change 1e-15."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-9) or (math.isnan(one) and math.isnan(other))
    return one == other


def tables(place: Workplace) -> dict[str, list]:
    """Return the rows of the tables of a catalogue in the order of their keys."""
    found = {}
    for table in CATALOGUE:
        rows = read_parquet(place.results / "catalog" / f"{table.name.lower()}.parquet", table)
        found[table.name] = rows.sort_by([(n, "ascending") for n in table.key]).to_pylist()
    return found
