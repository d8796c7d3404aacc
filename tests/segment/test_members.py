"""What is gathered of the observations that are averaged."""

import numpy as np
import pytest

from pipeline.refusal import Refusal
from pipeline.segment.cuts import Cuts
from pipeline.segment.members import gather
from pipeline.segment.observation import Observations
from pipeline.segment.spectrum.taper import UNTREATED, Treatment
from pipeline.status import Flag, Status


def _cuts(*observations):
    return Cuts(Observations.held(observations), 1 / 16, 2)


def test_observations_that_are_too_short_are_named_and_the_others_kept(events):
    gathered = gather(_cuts(events(), events(gti=((0.0, 3.0),), file="short")), 256, UNTREATED)
    assert gathered.m.tolist() == [6]
    assert gathered.flags & Flag.PARTIAL
    assert gathered.reason.startswith("1 observations not used; short: no good time interval")
    with pytest.raises(Refusal) as caught:
        gather(_cuts(events(gti=((0.0, 3.0),))), 256, UNTREATED)
    assert caught.value.status == Status.TOO_SHORT


def test_an_observation_is_looked_at_while_it_is_in_memory(events):
    def look(observation, series, averaged):
        return observation.header.file, series.dt, averaged.m

    cuts = _cuts(events(file="a"), events(seed=2, file="b"))
    gathered = gather(cuts, 256, UNTREATED, look)
    assert [part.seen for part in gathered.parts] == [("a", 1 / 16, 6), ("b", 1 / 16, 6)]
    again = gathered.again(cuts, 256, Treatment("hann", "linear"))
    assert [part.seen for part in again.parts] == [part.seen for part in gathered.parts]
    assert len(again.periodograms[0].power) < len(gathered.periodograms[0].power)


def test_flags_of_all_members_are_flags_of_the_average(events):
    flagged = events(flags=int(Flag.NO_GTI)), events(seed=2, flags=int(Flag.UNSORTED))
    gathered = gather(_cuts(*flagged), 256, UNTREATED)
    assert gathered.flags == Flag.NO_GTI | Flag.UNSORTED
    assert 1e-3 < gathered.stationarity(1.0) <= 1
    assert not gathered.leakage().leaks
    assert np.isfinite(gathered.leakage().p_value)
