"""A cache spares files that did not change, and is of no use to another version of the code."""

from pipeline.ingest.plan import cache
from pipeline.ingest.plan.found import FoundFile

FILES = [
    FoundFile("a.evt", version="1", ra=2.5),
    FoundFile("b.csv#x", part="x", version="2"),
    FoundFile("b.csv#y", part="y", version="2"),
    FoundFile("unread", version=""),
]


def test_objects_come_back_by_the_file_that_they_are_in(tmp_path):
    path = tmp_path / "cache.parquet"
    cache.save(path, "now", FILES)
    known = cache.load(path, "now")
    assert known.keys() == {"a.evt", "b.csv"}
    assert [(one.part, one.version) for one in known["b.csv"]] == [("x", "2"), ("y", "2")]
    assert known["a.evt"][0].ra == 2.5
    for one, saved in zip([*known["a.evt"], *known["b.csv"]], FILES, strict=False):
        assert list(map(str, one.row().values())) == list(map(str, saved.row().values()))


def test_a_cache_of_another_version_damaged_or_missing_is_empty(tmp_path):
    path = tmp_path / "cache.parquet"
    cache.save(path, "then", FILES)
    assert cache.load(path, "now") == {}
    path.write_bytes(b"PAR1")
    assert cache.load(path, "now") == {}
    assert cache.load(tmp_path / "none", "now") == cache.load(None, "now") == {}
    cache.save(None, "now", FILES)
    assert list(tmp_path.iterdir()) == [path]
