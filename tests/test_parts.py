"""Items become parts in workers, and parts become one table; nothing else is left."""

import os
from collections import Counter

import pyarrow.parquet as pq
import pytest

from pipeline.columns.base import Column, Table
from pipeline.config.cluster import ClusterOptions
from pipeline.parts import each_outcome, print_counts, scratch_folder
from pipeline.tables import TableError, read_parquet, rows_of, write_parquet
from pipeline.temporary import machine

CLUSTER = ClusterOptions(workers=2)
SQUARES = Table(
    "SQUARES",
    "Squares of numbers.",
    (
        Column("number", "int32", "Number."),
        Column("square", "int32", "Its square."),
        Column("status", "str", "Whether there is one."),
    ),
    key=("number",),
)


def _work(folder, table):
    """Work that writes a part, raises on 3 and dies on 5; pickled by value."""

    def square(number):
        if number == 3:
            raise ValueError("three\nis bad")
        if number == 5:
            os._exit(9)
        row = {"number": number, "square": number**2, "status": "ok"}
        write_parquet(folder / f"{number}.parquet", table, [row])
        return True

    return square


def test_a_table_is_joined_in_order_though_one_item_raised_and_one_died(tmp_path, capsys):
    output, numbers = tmp_path / "shard-0000.parquet", [7, 5, 3, 1, 4]
    with scratch_folder(output) as folder:
        coming = each_outcome(_work(folder, SQUARES), numbers, CLUSTER, "square")
        outcomes = sorted(coming, key=lambda outcome: outcome.index)
        assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4]
        assert [outcome.died for outcome in outcomes] == [False, True, False, False, False]
        assert outcomes[2].error == "ValueError: three is bad"

        def joined():
            for number, outcome in zip(numbers, outcomes, strict=True):
                if outcome.value:
                    yield from rows_of(read_parquet(folder / f"{number}.parquet", SQUARES))
                else:
                    yield {"number": number, "status": "error"}

        write_parquet(output, SQUARES, joined(), rows_per_group=2)
    rows = rows_of(read_parquet(output, SQUARES))
    print_counts(output.stem, Counter(row["status"] for row in rows))
    assert capsys.readouterr().err == "shard-0000: 2 error, 3 ok\n"
    assert os.listdir(tmp_path) == [output.name]
    assert pq.ParquetFile(output).num_row_groups == 3
    assert [(row["number"], row["square"]) for row in rows] == [
        (7, 49),
        (5, 0),
        (3, 0),
        (1, 1),
        (4, 16),
    ]


def test_what_a_run_that_was_killed_left_is_removed(tmp_path):
    output = tmp_path / "deep" / "shard.parquet"
    dead = output.with_name(f".{output.name}.{machine()}-{2**22 + 1}.parts")
    (dead / "sub").mkdir(parents=True)
    with scratch_folder(output) as folder:
        assert not dead.exists()
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_two_processes_that_make_the_same_table_do_not_meet(tmp_path):
    output = tmp_path / "shard.parquet"
    other = output.with_name(f".{output.name}.{machine()}-{os.getppid()}.parts")
    other.mkdir()
    with scratch_folder(output) as folder:
        assert folder != other
    assert other.is_dir()


def test_an_error_leaves_neither_scratch_nor_output(tmp_path):
    output = tmp_path / "shard.parquet"
    rows = [{"number": 1, "status": "ok"}] * 2
    with pytest.raises(TableError, match="two rows"), scratch_folder(output):
        write_parquet(output, SQUARES, rows, rows_per_group=1)
    assert os.listdir(tmp_path) == []


def test_without_items_no_cluster_is_started_and_nothing_is_counted(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("pipeline.parts.connect", None)
    assert list(each_outcome(print, [], CLUSTER, "square")) == []
    write_parquet(tmp_path / "t.parquet", SQUARES, [], rows_per_group=1)
    print_counts("empty", {})
    assert capsys.readouterr().err == "empty: nothing\n"
