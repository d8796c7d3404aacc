"""Exposures are a fraction of a bin, by their unit or by their size; or only relative."""

import numpy as np
import pytest

from pipeline.ingest.read.exposure import bin_width, of_column

DT = 10.0


@pytest.mark.parametrize(
    ("name", "values", "unit", "fraction"),
    [
        ("FRACEXP", [0.5, 1.0], "", [0.5, 1.0]),
        ("FRACEXP", [50.0, 100.0], "", [0.5, 1.0]),
        ("FRACEXP", [5.0, 1.0], "%", [0.05, 0.01]),
        ("EXPOSURE", [5.0, 10.0], "s", [0.5, 1.0]),
        ("EXPOSURE", [5.0, 10.0], "", [0.5, 1.0]),
        ("EXPOSURE", [5e3, 1e4], "ms", [0.5, 1.0]),
        ("EXPOSURE", [0.5, 1.0], "", [0.5, 1.0]),
        ("TIMEDEL", [5.0, 10.0], "s", [0.5, 1.0]),
    ],
)
def test_a_fraction_by_unit_and_size(name, values, unit, fraction):
    found = of_column(name, np.array(values), unit, DT)
    assert found.fraction == pytest.approx(fraction)
    assert not found.relative


@pytest.mark.parametrize("unit", ["cm2 s", "s"])
def test_an_exposure_longer_than_the_bin_or_of_an_area_is_relative(unit):
    found = of_column("EXPOSURE", np.array([1e4, 2e4, 2e4, 10.0]), unit, DT)
    assert found.relative
    assert found.fraction[:3] == pytest.approx(np.array([1e4, 2e4, 2e4]) / 1.5e4)
    assert np.isnan(found.fraction[3])


def test_nothing_said_is_no_exposure_and_all_zero_is_none_exposed():
    assert len(of_column("EXPOSURE", np.full(3, np.nan), "s", DT).fraction) == 0
    assert of_column("EXPOSURE", np.zeros(3), "s", DT).fraction.tolist() == [0.0] * 3


def test_a_column_of_widths_is_one_width_unless_it_varies():
    assert bin_width(np.array([5.0, 5.0, np.nan]), "", 1.0) == 5.0
    assert bin_width(np.array([5.0, 5.0]), "s", 86400.0) == pytest.approx(5 / 86400)
    assert bin_width(np.array([5.0, 9.0]), "", 1.0) is None
    assert bin_width(np.array([np.nan]), "", 1.0) is None
