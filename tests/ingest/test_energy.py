"""Channels, energies and bands."""

import math
import warnings

import numpy as np
import pytest

from pipeline.ingest.missions import band, calibration

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it recommends numba
    from stingray.mission_support import get_rough_conversion_function


@pytest.mark.parametrize("mission", ["nicer", "nustar", "xmm", "ixpe", "axaf"])
def test_pi_scales_are_those_of_stingray(mission):
    channel = np.array([1.0, 100.0, 1234.0])
    expected = get_rough_conversion_function(mission)(channel)
    assert calibration.of_pi(mission)(channel) == pytest.approx(expected)


def test_an_unknown_scale_is_not_guessed():
    assert calibration.of_pi("babasone") is None
    assert calibration.of_pi("") is None


def test_channels_with_bounds_are_in_the_middle_of_them_and_others_nowhere():
    convert = calibration.of_bounds(
        calibration.Bounds(np.array([1, 0]), np.array([2.0, 1.0]), np.array([4.0, 2.0]))
    )
    energy = convert(np.array([0, 1, 5]))
    assert energy[:2].tolist() == [1.5, 3.0]
    assert math.isnan(energy[2])


@pytest.mark.parametrize(("unit", "kev"), [("keV", 1), ("", 1), ("eV", 1e-3), ("TeV", 1e9)])
def test_units_of_energy(unit, kev):
    assert band.kev(unit) == kev
    assert band.kev("pixel") is None


@pytest.mark.parametrize(
    ("header", "mission", "stem", "expected"),
    [
        ({"E_MIN": 2.0, "E_MAX": 60.0}, "xte", "x", (2.0, 60.0, "2.0-60.0keV")),
        ({"E_MIN1": 0.2, "E_MAX1": 5.0}, "erosita", "x", (0.2, 5.0, "0.2-5.0keV")),
        ({"CHANMIN": 300.0, "CHANMAX": 1e4}, "xmm", "x", (0.3, 10.0, "0.3-10.0keV")),
        ({"PHALCUT": 35, "PHAHCUT": 1909}, "nustar", "x", (3.02, 77.98, "3.0-78.0keV")),
        ({"CHANMIN": 300.0}, "xmm", "PN_0.3-2.0_20s", (0.3, math.nan, "0.3-2.0keV")),
        ({"CHANMIN": 300.0}, "xmm", "PN_2.0-9.0_20s", (0.3, math.nan, "0.3-keV")),
        ({"MINCHAN": 5, "MAXCHAN": 35}, "xte", "x", (math.nan, math.nan, "ch5-35")),
        ({"MINCHAN": 0, "MAXCHAN": 255}, "xte", "x", (math.nan, math.nan, "")),
        ({}, "", "lc_0.5-1.5keV", (math.nan, math.nan, "0.5-1.5keV")),
        ({}, "", "xp2003301_e3_2010-11", (math.nan, math.nan, "")),
    ],
)
def test_the_band_of_a_light_curve(header, mission, stem, expected):
    (found,) = band.of_light_curve(header, mission, stem)
    assert (found.lo, found.hi) == pytest.approx(expected[:2], nan_ok=True)
    assert found.label == expected[2]
