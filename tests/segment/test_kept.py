"""What is small is made once; of what is large only the last is held."""

import numpy as np

from pipeline.segment.kept import Kept


def _passes(sizes, most):
    """Go through all values twice; return what was made, in order."""
    made = []

    def make(number):
        made.append(number)
        return np.zeros(sizes[number], np.uint8)

    kept = Kept(make, lambda value: value.nbytes, most)
    for _ in range(2):
        for number in range(len(sizes)):
            assert len(kept(number)) == sizes[number]
            kept(number)
    return made, kept


def test_values_that_are_small_together_are_made_once():
    assert _passes([10, 20, 30], 60)[0] == [0, 1, 2]


def test_from_the_first_that_does_not_fit_on_each_is_made_again():
    made, kept = _passes([10, 20, 40, 5], 60)
    assert made == [0, 1, 2, 3, 2, 3]
    assert sorted(kept._kept) == [0, 1]


def test_a_large_value_is_held_until_another_one_is_asked_for():
    assert _passes([100], 60)[0] == [0]
