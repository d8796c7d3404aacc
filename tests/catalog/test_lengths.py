"""What segments were too short for, and slopes that may be those of leakage."""

from math import nan

import pytest

from pipeline.status import Flag

from .builders import lorentzian, model, parameter, product, row


def spectrum(name="p", series="p", size=16.0, longest=100.0, **more):
    return product(name, segment_size=size, longest_interval=longest, **{"series": series} | more)


def is_flagged(flag, parameters, *products):
    """Whether the source of the first product, which has most segments, has a flag."""
    first, *others = products
    models = [model("m", product=p["product"], best=True) for p in products]
    found = row(products=[first | {"m": 99}, *others], models=models, parameters=parameters)
    assert found["product"] == first["product"]
    return bool(found["flags"] & flag)


def peak(frequency, fwhm, name="p"):
    return [p | {"product": name} for p in lorentzian("lorentzian.1", 0.01, frequency, fwhm)]


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
    found = is_flagged(Flag.SHORT_SEGMENTS, peak(frequency, fwhm), spectrum(longest=longest))
    assert found is expected


def test_segments_are_not_too_short_where_longer_ones_are_another_product():
    products = [spectrum("p:16s"), spectrum("p:64s", size=64.0), spectrum("q", "q", 99.0)]
    narrow = peak(1.0, 0.03, "p:16s")
    assert not is_flagged(Flag.SHORT_SEGMENTS, narrow, *products)
    assert is_flagged(Flag.SHORT_SEGMENTS, narrow, *products[::2])


def test_segments_are_too_short_for_a_bend_below_the_lowest_frequency():
    for bend, expected in ((0.05, True), (0.07, False)):
        bends = [parameter("bending_power_law.1", "bend_frequency", bend)]
        assert is_flagged(Flag.SHORT_SEGMENTS, bends, spectrum()) is expected


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
    power_law = [parameter("power_law.1", "slope", slope, errors=(0.1, 0.1))]
    found = is_flagged(Flag.LEAKAGE, power_law, spectrum(taper=taper, leakage_p=leakage_p))
    assert found is expected
