"""Groups of rows: the first, the best, and what all of them say together."""

import numpy as np
import pyarrow as pa

from pipeline.catalog.groups import any_of, best_of, bits_of, least_of, objects, pick, rows_in

GROUP = np.array([1, 0, 1, -1, 1])
EVERY = np.ones(5, bool)


def test_the_best_row_is_the_one_with_the_least_keys_then_the_first():
    assert best_of(GROUP, 3, EVERY).tolist() == [1, 0, -1]
    assert best_of(GROUP, 3, EVERY, np.array([3, 3, 2, 0, 2])).tolist() == [1, 2, -1]
    keys = np.array([0, 0, 0, 0, 0]), np.array([2, 0, 1, 0, 1])
    assert best_of(GROUP, 3, EVERY, *keys).tolist() == [1, 2, -1]
    assert best_of(GROUP, 3, ~EVERY).tolist() == [-1, -1, -1]


def test_rows_of_no_group_do_not_count():
    where = np.array([False, False, False, True, False])
    assert any_of(GROUP, 2, where).tolist() == [False, False]
    assert bits_of(GROUP, 2, np.array([1, 8, 2, 64, 2])).tolist() == [8, 3]
    assert least_of(GROUP, 3, np.array([4.0, np.nan, 3.0, 0.0, 5.0])).tolist() == [
        np.inf,
        3,
        np.inf,
    ]


def test_row_minus_one_picks_what_is_empty_also_of_tuples():
    values = objects([("a", "b"), ("c",)])
    assert pick(values, np.array([1, -1, 0]), ()).tolist() == [("c",), (), ("a", "b")]
    assert pick(np.zeros(0), np.array([-1]), np.nan).size == 1


def test_rows_are_found_by_all_their_words():
    keys = pa.table({"a": ["x", "x", "xy"], "b": ["y", "z", ""]})
    table = pa.table({"a": ["x", "xy", "x", "q"], "b": ["z", "", "w", "y"]})
    assert rows_in(keys, table, ["a", "b"]).tolist() == [1, 2, -1, -1]
    assert rows_in(keys.slice(0, 0), table, ["a"]).tolist() == [-1] * 4
