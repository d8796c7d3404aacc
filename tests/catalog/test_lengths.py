"""Several lengths of a segment: one p-value for all, and what segments were too short for."""

from math import nan

import numpy as np
import pytest

from pipeline.catalog.lengths import best_length, corrected, leaked, too_short
from pipeline.catalog.qpo import index


def spectrum(name, series="p", size=16.0, longest=100.0, taper="none", leakage_p=0.5):
    return {
        **{"product": name, "series": series, "segment_size": size, "longest_interval": longest},
        **{"taper": taper, "leakage_p": leakage_p},
    }


def p_of(name, p_value):
    return {"product": name, "lrt_p_value": p_value}


def peak(frequency, fwhm):
    values = {"frequency": frequency, "fwhm": fwhm}
    return index(
        {"component": "lorentzian.1", "parameter": p, "value": v} for p, v in values.items()
    )


NAMES = "p@1s", "p@8s", "p@64s"
PRODUCTS = [spectrum("p@1s"), spectrum("p@8s"), spectrum("p@64s"), spectrum("other", "other")]


def test_the_length_with_the_least_p_value_stands_for_the_source():
    models = [
        p_of("p@1s", 0.3),
        p_of("p@8s", 0.01),
        p_of("p@64s", nan),
        p_of("other", 1e-9),
    ]
    fits = dict.fromkeys(("p@1s", "p@8s", "other"))
    best = best_length(PRODUCTS[0], PRODUCTS, fits, models)
    assert best["product"] == "p@8s"
    found = corrected({"qpo_p_value": 0.01}, best, PRODUCTS, models)
    assert found == {"qpo_p_value": pytest.approx(1 - 0.99**2), "qpo_p_trials": 2}


def test_one_length_has_one_trial():
    models = [p_of("other", 1e-9)]
    assert best_length(PRODUCTS[3], PRODUCTS, {"other": 1}, models) is PRODUCTS[3]
    found = corrected({"qpo_p_value": 1e-9}, PRODUCTS[3], PRODUCTS, models)
    assert found == {"qpo_p_value": 1e-9, "qpo_p_trials": 1}
    assert corrected({}, PRODUCTS[3], PRODUCTS, models) == {}
    assert best_length(None, [], {}, []) is None


def test_without_a_test_the_product_with_most_data_stays():
    models = [p_of("p@1s", nan), p_of("p@8s", nan)]
    assert best_length(PRODUCTS[1], PRODUCTS, {"p@1s": 1, "p@8s": 1}, models) is PRODUCTS[1]


def test_small_p_values_keep_their_digits():
    models = [p_of(name, 1e-18) for name in NAMES]
    found = corrected({"qpo_p_value": 1e-18}, PRODUCTS[0], PRODUCTS, models)
    assert found["qpo_p_value"] == pytest.approx(3e-18, rel=1e-9)
    assert corrected({"qpo_p_value": 1.0}, PRODUCTS[0], PRODUCTS, models)["qpo_p_value"] == 1.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_corrected_p_values_are_uniform_or_too_large(share):
    """Normal statistics of three lengths that share a part of their chance, 20,000 sources, 4 sigma."""
    from scipy.special import ndtr

    rng = np.random.default_rng(7)
    common, own = rng.standard_normal((1, 20_000)), rng.standard_normal((3, 20_000))
    p_values = ndtr(-np.sqrt(share) * common - np.sqrt(1 - share) * own)
    models = [[p_of(n, p) for n, p in zip(NAMES, c, strict=True)] for c in p_values.T]
    found = [
        corrected({"qpo_p_value": min(m["lrt_p_value"] for m in told)}, PRODUCTS[0], PRODUCTS, told)
        for told in models
    ]
    found = np.array([f["qpo_p_value"] for f in found])
    for level in (0.01, 0.1, 0.5):
        spread = np.sqrt(level * (1 - level) / found.size)
        rate = np.mean(found <= level)
        assert rate < level + 4 * spread
        if not share:
            assert rate > level - 4 * spread


@pytest.mark.parametrize(
    ("frequency", "fwhm", "longest", "expected"),
    [
        (1.0, 0.03, 100.0, True),  # narrower than 1/16 Hz
        (1.0, 0.03, 20.0, False),  # but nothing longer is there
        (1.0, 0.03, nan, False),
        (1.0, 0.2, 100.0, False),
        (0.0, 0.1, 100.0, True),  # turns over at 0.05 Hz, below 1/16 Hz
        (0.0, 0.2, 100.0, False),
    ],
)
def test_segments_are_too_short_for_what_longer_ones_would_show(frequency, fwhm, longest, expected):
    assert too_short(spectrum("p", longest=longest), peak(frequency, fwhm)) is expected


def test_segments_are_too_short_for_a_bend_below_the_lowest_frequency():
    for bend, expected in ((0.05, True), (0.07, False)):
        row = {"component": "bending_power_law.1", "parameter": "bend_frequency", "value": bend}
        assert too_short(spectrum("p"), index([row])) is expected


@pytest.mark.parametrize(
    ("slope", "taper", "leakage_p", "expected"),
    [
        (2.05, "none", 0.5, False),  # measured: nothing leaks
        (2.05, "none", 0.01, True),
        (2.05, "", nan, True),  # ready-made: nobody knows
        (2.05, "hann", 1e-9, False),
        (1.5, "none", 0.01, False),
        (nan, "", nan, False),
    ],
)
def test_a_slope_of_two_without_a_window_is_doubtful(slope, taper, leakage_p, expected):
    measured = {"slope": slope, "slope_err_lo": 0.1, "slope_err_hi": 0.1}
    assert leaked(spectrum("p", taper=taper, leakage_p=leakage_p), measured) is expected
