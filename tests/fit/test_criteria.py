"""Which model is best: the rule, whatever the order of the models."""

from itertools import permutations

import numpy as np
import pytest

from pipeline.fit.criteria import choose


def best(models, margin):
    """Name of the best of models {name: (n_free, bic)}, in every order of them; it must be one."""
    found = set()
    for order in permutations(models):
        n_free, bic = np.array([models[name] for name in order], float).T
        (chosen,) = choose(bic[:, None], n_free[:, None], margin)
        found.add(order[chosen] if chosen >= 0 else None)
    (name,) = found
    return name


@pytest.mark.parametrize(
    ("models", "margin", "name"),
    [
        ({"small": (1, 100), "large": (3, 96)}, 0, "large"),
        ({"small": (1, 100), "large": (3, 96)}, 10, "small"),
        ({"small": (1, 100), "large": (3, 89.9)}, 10, "large"),
        # as many parameters: no margin is asked
        ({"a": (5, 100), "b": (5, 95)}, 10, "b"),
        # not greedy: each model is compared with the best one, not with the one before
        ({"two": (2, 100), "three": (3, 92), "four": (4, 86)}, 7, "three"),
        ({"two": (2, 100), "three": (3, 94), "four": (4, 86.5)}, 7, "four"),
        ({"two": (2, 100), "three": (3, 94), "four": (4, 93.5)}, 7, "two"),
        ({"bad": (0, np.nan), "worse": (0, -np.inf), "good": (2, 5.0)}, 0, "good"),
        ({"bad": (1, np.nan), "worse": (2, np.nan)}, 0, None),
    ],
)
def test_the_smallest_model_within_the_margin_of_the_best_wins(models, margin, name):
    assert best(models, margin) == name


def test_each_lane_has_its_own_best_model():
    bic = np.array([[100, 100, np.nan], [96, 104, np.nan]])
    n_free = np.array([[1, 1, 1], [3, 3, 3]])
    assert choose(bic, n_free).tolist() == [1, 0, -1]
