"""A source has one shard, the same on every machine."""

from pipeline.shards import shard_lists, shard_name, shard_of


def test_a_source_has_one_shard_on_every_machine():
    assert shard_of("SIMJ0001+0102", 1024) == 202
    shards = [shard_of(f"source {i}", 4) for i in range(4000)]
    assert min(shards.count(i) for i in range(4)) > 900
    assert shard_name(3) == "shard-0003"


def test_the_lists_of_the_shards_are_in_order(tmp_path):
    for name in ("shard-0010.tsv", "shard-0002.tsv", "other.tsv", "shard-0002.txt"):
        (tmp_path / name).touch()
    assert [file.stem for file in shard_lists(tmp_path)] == ["shard-0002", "shard-0010"]
