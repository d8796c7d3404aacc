"""Observations are averaged where their bins are the same."""

import numpy as np
import pytest

from pipeline.segment.alike import alike
from pipeline.segment.observation import Observations

EDGES = np.geomspace(0.01, 10, 9)


def _groups(*observations):
    return alike(Observations.held(observations))


def test_events_are_alike_and_light_curves_of_the_same_bins(events, lightcurve):
    rate = np.ones(10)
    assert _groups(events(), events(dt=1.0)) == [[0, 1]]
    curves = [lightcurve(rate, dt=dt) for dt in (1.0, 2.0, 1.005, 2.03, 1.0)]
    assert _groups(*curves) == [[0, 2, 4], [1], [3]]
    assert _groups(events(), lightcurve(rate)) == [[0], [1]]


@pytest.mark.parametrize(
    "other",
    [
        {"norm": "leahy"},
        {"noise": np.nan},
        {"noise": np.nan, "n": np.ones(8)},
        {"frequency_lo": EDGES[:-1] * 1.001},
        {"frequency_lo": EDGES[:-2], "frequency_hi": EDGES[1:-1], "power": np.ones(7)},
    ],
)
def test_power_spectra_are_alike_where_bins_noise_and_normalisation_are(observation, other):
    own = {"frequency_lo": EDGES[:-1], "frequency_hi": EDGES[1:], "power": np.ones(8)}
    own |= {"norm": "frac", "noise": 2.0}
    same = [observation("spectrum", **own) for _ in range(2)]
    assert _groups(*same) == [[0, 1]]
    assert _groups(*same, observation("spectrum", **(own | other))) == [[0, 1], [2]]
