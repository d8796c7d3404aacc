"""Observations cut into intervals, with a width of a bin for each."""

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.cuts import Cuts
from pipeline.segment.intervals.lengths import Length
from pipeline.segment.observation import Observations
from pipeline.status import Status


def _cuts(*observations, dt=1 / 16):
    return Cuts(Observations.held(observations), dt, 2)


def test_events_have_the_width_that_is_asked_for_and_light_curves_their_own(events, lightcurve):
    assert _cuts(events(), events(dt=0.5)).steps == [0.5, 0.5]
    assert _cuts(lightcurve(np.ones(100), dt=4.0)).steps == [4.0]
    with pytest.raises(Refusal, match="TIMEDEL") as caught:
        _cuts(lightcurve(np.ones(9), np.nan, time=np.arange(9.0), gti_start=[0], gti_stop=[9]))
    assert caught.value.status == Status.BAD_TIME


def test_the_longest_interval_of_all_is_known_with_its_file(events):
    cuts = _cuts(
        events(gti=((0.0, 10.0), (20.0, 32.0)), file="short"),
        events(gti=((0.0, 100.0), (150.0, 400.0)), file="long"),
    )
    assert [bins.tolist() for bins in cuts.bins] == [[160, 192], [1600, 4000]]
    assert (cuts.longest, cuts.longest_interval, cuts.longest_file) == (1, 250.0, "long")
    options = SegmentOptions(dt=1 / 16)
    assert cuts.segment_bins(options, Length(25.0, 8)) == 400
    with pytest.raises(Refusal, match="long: the longest good time interval holds 250 s"):
        cuts.segment_bins(options, Length(500.0, 8))


def test_an_observation_and_its_intervals_come_together(events):
    cuts = _cuts(events(seed=1, file="a"), events(seed=2, file="b"))
    observation, series = cuts[1]
    assert observation.header.file == "b"
    assert series.time is observation.time
    assert len(cuts) == 2
