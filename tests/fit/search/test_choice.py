"""Which model is best: the rule, whatever the order of the models."""

from itertools import permutations

import numpy as np
import pytest

from pipeline.fit import fit_spectra
from pipeline.fit.model.likelihood import sample_size
from pipeline.fit.search.choice import best_model
from pipeline.segment.spectrum.rebin import logarithmic


def best(models, margin):
    """Name of the best of models {name: (n_free, bic)}, in every order of them; it must be one."""
    found = set()
    for order in permutations(models):
        n_free = np.array([[models[name][0]] for name in order])
        bic = np.array([[float(models[name][1])] for name in order])
        (chosen,) = best_model(np.ones(bic.shape, bool), n_free, bic, float(margin))
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
    assert best_model(np.ones(bic.shape, bool), n_free, bic).tolist() == [1, 0, -1]


@pytest.mark.slow
@pytest.mark.parametrize("variance", [0.0, 0.4, 1.0])
def test_the_choice_hardly_moves_when_the_same_data_are_rebinned(variance):
    """4,096 frequencies of 16 segments, and the same in some 200 bins."""
    rng, spectra, length = np.random.default_rng(5), 24, 128.0
    frequency = np.arange(1, 4097) / length
    expected = 2 + 0.2 / frequency + variance * 0.25 / np.pi / (0.25**2 + (frequency - 5) ** 2)
    power = rng.gamma(16, expected / 16, (spectra, frequency.size))
    ones = np.ones(frequency.size)
    binned = [logarithmic(frequency, ones, p, 16, 1 / length, 0.03) for p in power]
    wide = binned[0]
    assert 150 < wide.power.size < 250
    told = {
        "raw": (power, frequency, {"n": 16}),
        "wide": (np.array([b.power for b in binned]), wide.frequency, {"n": wide.n}),
    }
    chosen, rise = {}, {}
    for name, (p, f, more) in told.items():
        if name == "wide":
            more["width"] = wide.frequency_hi - wide.frequency_lo
        fits = [
            fit_spectra(["constant", "power_law", *peak], p, f, **more)
            for peak in ([], ["lorentzian"])
        ]
        bic = np.array([r.bic for r in fits])
        chosen[name] = best_model(
            np.isfinite(bic), np.array([r.free.sum(axis=1) for r in fits]), bic
        )
        rise[name] = bic[0] - bic[1]
    assert (chosen["raw"] == chosen["wide"]).mean() >= 0.9
    # counted by bins, the three parameters of the peak would cost 9 less in the wide ones
    assert abs(np.median(rise["raw"] - rise["wide"])) < 2 + 0.02 * np.median(rise["raw"])


@pytest.mark.parametrize(
    ("likelihood", "weight", "size"),
    [
        ("gamma", [8.0, 16.0, 0.0], 24),
        ("gaussian_model", [8.0, 16.0, 0.0], 24),
        ("gaussian", [8 / 4, 16 / 9, 0.0], 24),  # n / P^2
        ("gaussian", [1e-9, 1e-9, 0.0], 2),  # noise subtracted, nothing left
        ("poisson", [100.0, 100.0, 0.0], 2),
    ],
)
def test_the_sample_size_is_the_number_of_ordinates(likelihood, weight, size):
    power = np.array([[2.0], [3.0], [1.0]])
    assert sample_size(likelihood, power, np.array(weight)[:, None]) == pytest.approx(size)
