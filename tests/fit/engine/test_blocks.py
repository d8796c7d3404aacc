"""Blocks hold the lanes that are asked for, and no more of them run at once than there are cores."""

import os
import threading
import time

import numpy as np
import pytest

from pipeline.fit import Spectra
from pipeline.fit.engine import blocks
from pipeline.fit.engine.devices import devices_of


def test_what_all_lanes_share_is_taken_as_it_is_and_one_lane_as_often_as_asked_for():
    arrays = Spectra(*(np.arange(6.0).reshape(2, 3)[:, :n] for n in (1, 3, 1))).on_device(float)
    for lanes in ([0, 1], [2, 0]):
        part = blocks.block_of(arrays, np.array(lanes))
        assert [a.shape for a in part[:3]] == [(2, 1), (2, 2), (2, 1)]
        assert part.power[0].tolist() == lanes
    alone = arrays.take([1])._replace(frequency=arrays.power[:, :1])
    part = blocks.block_of(alone, np.array([0, 0]))
    assert [a.shape for a in part[:3]] == [(2, 2), (2, 2), (2, 2)]


@pytest.mark.parametrize(("told", "cores"), [("1", 1), ("100", None), ("", None), ("many", None)])
def test_blocks_run_on_no_more_cores_than_xla_has(told, cores, monkeypatch):
    monkeypatch.setenv("NPROC", told)
    assert blocks.cores() == (cores or len(os.sched_getaffinity(0)))


def test_every_core_has_a_block_at_once(monkeypatch):
    monkeypatch.setattr(blocks, "cores", lambda: 3)
    meeting = threading.Barrier(3)

    def function(item):
        meeting.wait()  # none goes on before all three are here
        return item

    assert blocks.on_cores(function, [1, 2, 3], devices_of()[:1]) == [1, 2, 3]


def test_nested_calls_share_the_cores_and_keep_their_order(monkeypatch):
    """Five calls of four items each never run on more than three threads."""
    monkeypatch.setattr(blocks, "cores", lambda: 3)
    device, threads = devices_of()[:1], set()

    def leaf(pair):
        threads.add(threading.get_ident())
        return pair

    def outer(i):
        return blocks.on_cores(leaf, [(i, k) for k in range(4)], device)

    found = blocks.on_cores(outer, list(range(5)), device)
    assert found == [[(i, k) for k in range(4)] for i in range(5)]
    assert len(threads) <= 3


def test_an_error_in_a_block_is_raised_and_no_other_block_begins(monkeypatch):
    monkeypatch.setattr(blocks, "cores", lambda: 2)
    begun, failed = [], threading.Event()

    def function(item):
        begun.append(item)
        if item == 0:
            failed.set()
            raise KeyError("block 0")
        failed.wait(60)
        time.sleep(0.001)
        return item

    with pytest.raises(KeyError, match="block 0"):
        blocks.on_cores(function, list(range(100_000)), devices_of()[:1])
    assert len(begun) < 100_000
    assert blocks.on_cores(str, [1, 2, 3], devices_of()[:1]) == ["1", "2", "3"]


def test_data_on_a_device_keep_their_integers_and_masks():
    data = {"rate": np.ones(3), "count": np.arange(3), "used": np.ones(3, bool)}
    placed = blocks.on_device(data, np.float32)
    assert [placed[k].dtype.name for k in data] == ["float32", "int64", "bool"]
