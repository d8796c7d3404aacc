"""Only events in good time and in the band count, and they count from the first good second."""

import numpy as np
import pytest

from pipeline.ingest.read.events import in_good_time
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag

GTI = np.array([[10.0, 20.0], [30.0, 40.0]])


def test_events_outside_good_time_are_left_out_and_the_rest_is_sorted():
    result = in_good_time(np.array([35.0, 25.0, 5.0, 11.0, 41.0]), None, GTI)
    assert result.start == 10.0
    assert result.time.tolist() == [1.0, 25.0]
    assert result.gti.tolist() == [[0.0, 10.0], [20.0, 30.0]]
    assert result.flags == Flag.UNSORTED


def test_energies_follow_their_events():
    result = in_good_time(np.array([15.0, 12.0, np.nan]), np.array([5.0, 2.0, 3.0]), GTI)
    assert result.energy.tolist() == [2.0, 5.0]
    assert result.flags == Flag.UNSORTED | Flag.TIMES_DROPPED


def test_the_band_is_half_open_so_that_bands_side_by_side_share_no_event():
    time, energy = np.array([11.0, 12.0, 13.0]), np.array([0.5, 2.0, 9.0])
    assert in_good_time(time, energy, GTI, (0.5, 2.0)).energy.tolist() == [0.5]
    assert in_good_time(time, energy, GTI, (2.0, 10.0)).energy.tolist() == [2.0, 9.0]


def test_without_good_time_the_span_is_used():
    result = in_good_time(np.array([100.0, 110.0]), None, np.empty((0, 2)))
    assert Flag.NO_GTI in result.flags
    assert result.gti.tolist() == [[0.0, 10.0]]
    framed = in_good_time(np.array([100.0, 110.0]), None, np.empty((0, 2)), tick=2.0)
    assert framed.start == 99.0
    assert framed.gti.tolist() == [[0.0, 12.0]]


@pytest.mark.parametrize(
    ("time", "energy", "band", "status"),
    [
        ([], None, None, "no_data"),
        ([np.nan, np.inf], None, None, "bad_time"),
        ([11.0], [1.0], (2.0, 3.0), "no_data"),
        ([25.0], [1.0], None, "no_data"),
    ],
)
def test_nothing_left_is_said(time, energy, band, status):
    energy = None if energy is None else np.array(energy)
    with pytest.raises(Rejected) as caught:
        in_good_time(np.array(time), energy, GTI, band)
    assert caught.value.status == status
    assert caught.value.reason


@pytest.mark.parametrize("damage", [1e300, -1e18, np.inf, np.nan])
def test_what_cannot_be_a_time_is_left_out(archive, damage):
    archive.events(time=[1.0, damage, 3.0])
    row = archive.read("a.evt")
    np.testing.assert_array_equal(row["time"], [1.0, 3.0])
    assert Flag(row["flags"]) & Flag.TIMES_DROPPED
