"""What segments were too short for, and slopes that may be those of leakage."""

from math import nan

import pytest

from pipeline.catalog.lengths import leaked, too_short
from pipeline.catalog.qpo import index


def spectrum(name, series="p", size=16.0, longest=100.0, taper="none", leakage_p=0.5):
    return {
        **{"product": name, "series": series, "segment_size": size, "longest_interval": longest},
        **{"taper": taper, "leakage_p": leakage_p},
    }


def peak(frequency, fwhm):
    values = {"frequency": frequency, "fwhm": fwhm}
    return index(
        {"component": "lorentzian.1", "parameter": p, "value": v} for p, v in values.items()
    )


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
    product = spectrum("p", longest=longest)
    assert too_short(product, peak(frequency, fwhm), [product]) is expected


def test_segments_are_not_too_short_where_longer_ones_are_another_product():
    products = [spectrum("p:16s"), spectrum("p:64s", size=64.0), spectrum("q", "q", 99.0)]
    assert not too_short(products[0], peak(1.0, 0.03), products)
    assert too_short(products[0], peak(1.0, 0.03), products[::2])


def test_segments_are_too_short_for_a_bend_below_the_lowest_frequency():
    for bend, expected in ((0.05, True), (0.07, False)):
        row = {"component": "bending_power_law.1", "parameter": "bend_frequency", "value": bend}
        assert too_short(spectrum("p"), index([row]), [spectrum("p")]) is expected


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
