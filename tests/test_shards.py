"""A source has one shard, the same on every machine."""

from pipeline.shards import shard_name, shard_of


def test_a_source_has_one_shard_on_every_machine():
    assert shard_of("SIMJ0001+0102", 1024) == 202
    shards = [shard_of(f"source {i}", 4) for i in range(4000)]
    assert min(shards.count(i) for i in range(4)) > 900
    assert shard_name(3) == "shard-0003"
