"""Energy bands from keywords and from the configuration, with their labels."""

import math

import pytest

from pipeline.ingest.missions import band
from pipeline.ingest.missions.band import Band


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


def test_numbered_limits_are_a_band_each_up_to_the_first_that_is_none():
    header = {"E_MIN1": 0.2, "E_MAX1": 1.0, "E_MIN2": 1.0, "E_MAX2": 5.0, "E_MIN3": 9.0}
    found = band.of_light_curve(header, "erosita", "x")
    assert [one.label for one in found] == ["0.2-1.0keV", "1.0-5.0keV"]


@pytest.mark.parametrize("limits", [(5.0, 2.0), (-1.0, 2.0), ("low", "high")])
def test_limits_that_are_no_band_are_none(limits):
    header = dict(zip(("E_MIN", "E_MAX"), limits, strict=True))
    assert band.of_light_curve(header, "", "x") == [Band()]


def test_events_are_selected_in_the_named_bands_or_the_one_or_all():
    named = band.of_events((1.0, 2.0), {"soft": (0.3, 1.0)})
    assert named == [Band(0.3, 1.0, "soft")]
    assert band.of_events((0.05, 2.0), {}) == [Band(0.05, 2.0, "0.05-2.0keV")]
    (everything,) = band.of_events(None, {})
    assert math.isnan(everything.lo)


def test_two_wavelengths_are_a_band_with_the_longer_one_below():
    found = band.of_wavelengths(0.5, 4.0)
    assert (found.lo, found.hi) == (
        pytest.approx(3.0996, abs=1e-4),
        pytest.approx(24.797, abs=1e-3),
    )
