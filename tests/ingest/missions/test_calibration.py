"""Channels become energies by the scale of a mission or by a response, and are not guessed."""

import math
import warnings

import numpy as np
import pytest

from pipeline.ingest.missions import calibration

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Stingray recommends numba
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


def test_channels_are_those_of_pi_if_they_are_as_wide_within_a_fifth():
    scale = calibration.of_pi("nicer")
    edges = np.arange(11) * 0.01
    bounds = calibration.Bounds(np.arange(10), edges[:-1], edges[1:])
    assert calibration.same_channels(scale, bounds)
    wider = calibration.Bounds(np.arange(10), 5 * edges[:-1], 5 * edges[1:])
    assert not calibration.same_channels(scale, wider)
