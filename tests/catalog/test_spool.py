"""Rows that do not fit into memory come back sorted, as if they did."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import spool
from pipeline.catalog.spool import Spool, folder_for_sorting

KEYS = {"T": ("source_id", "product"), "U": ("number",)}


def table(count, seed=1):
    """Rows of 50 sources with two products each, in any order, and text outside ASCII."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "source_id": [f"S{'½' * (k % 3)}{k:02d}" for k in rng.integers(0, 50, count)],
            "product": [f"p{k}" for k in rng.integers(0, 2, count)],
            "place": np.arange(count),
            "list": [[float(k)] * (k % 4) for k in range(count)],
        }
    )


@pytest.fixture
def small(monkeypatch):
    """Parts so small that every table is in many of them."""
    monkeypatch.setattr(spool, "BATCH", 512)
    monkeypatch.setattr(spool, "BLOCK", 2048)


def filled(folder, data, limit):
    spooled = Spool(folder, KEYS, limit)
    for start in range(0, data.num_rows, 17):
        spooled.add("T", data.slice(start, 17))
        spooled.add("U", pa.table({"number": [-start]}))
    return spooled


def test_rows_come_back_sorted_and_equal_ones_in_their_order(tmp_path, small):
    data = table(1000)
    spooled = filled(tmp_path, data, 4000)
    assert len(list(tmp_path.rglob("*.arrow"))) > 10
    blocks = list(spooled.blocks("T"))
    assert len(blocks) > 5
    expected = sorted(data.to_pylist(), key=lambda r: (r["source_id"], r["product"]))
    assert pa.concat_tables(blocks).to_pylist() == expected
    numbers = pa.concat_tables(spooled.blocks("U"))["number"].to_pylist()
    assert numbers == sorted(numbers)


def test_the_rows_of_a_source_are_in_one_block(tmp_path, small):
    blocks = [
        set(b["source_id"].to_pylist()) for b in filled(tmp_path, table(1000), 4000).blocks("T")
    ]
    assert sum(map(len, blocks)) == len(set().union(*blocks))


def test_what_fits_into_memory_makes_no_file(tmp_path):
    spooled = filled(tmp_path, table(100), 1 << 20)
    assert sum(b.num_rows for b in spooled.blocks("T")) == 100
    assert list(tmp_path.rglob("*.arrow")) == []
    assert list(Spool(tmp_path, KEYS).blocks("T")) == []


def test_one_file_is_open_at_a_time(tmp_path, small, monkeypatch):
    """A table of many runs would otherwise need as many files."""
    spooled, opened = filled(tmp_path, table(1000), 2000), []
    memory_map = pa.memory_map

    def counted(path):
        assert all(file.closed for file in opened)
        opened.append(memory_map(path))
        return opened[-1]

    monkeypatch.setattr(pa, "memory_map", counted)
    assert sum(b.num_rows for b in spooled.blocks("T")) == 1000
    assert len(opened) > 64


def test_the_folder_is_removed_at_the_end_also_of_a_run_that_was_stopped(tmp_path):
    (tmp_path / ".sorting.tmp").mkdir()
    (tmp_path / ".sorting.tmp" / "0.arrow").write_bytes(b"old")
    with folder_for_sorting(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        (folder / "x").touch()
    assert list(tmp_path.iterdir()) == []
