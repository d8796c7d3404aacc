"""XSPEC's counts a channel become power density again."""

import numpy as np
import pytest

from pipeline.ingest.missions.calibration import Bounds
from pipeline.ingest.read import spectrum
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag

BOUNDS = Bounds(np.array([3, 1, 2]), np.array([4.0, 1.0, 2.0]), np.array([8.0, 2.0, 4.0]))


def _convert(counts, error, channel=(1, 2, 3), bad=None, bounds=BOUNDS):
    bad = np.zeros(len(counts), bool) if bad is None else np.array(bad)
    return spectrum.of_channels(np.array(channel), np.array(counts), np.array(error), bad, bounds)


def test_counts_are_power_times_width():
    result = _convert([1.0, 4.0, 8.0], [0.1, 0.2, 0.4])
    assert result.frequency_lo.tolist() == [1.0, 2.0, 4.0]
    assert result.frequency_hi.tolist() == [2.0, 4.0, 8.0]
    assert result.power.tolist() == [1.0, 2.0, 2.0]
    assert result.power_err == pytest.approx([0.1, 0.1, 0.1])
    assert result.flags == 0


def test_channels_are_matched_by_number():
    result = _convert([8.0, 1.0], [0.4, 0.1], channel=(3, 1))
    assert result.power.tolist() == [1.0, 2.0]


def test_channels_that_are_bad_or_have_no_error_are_left_out():
    result = _convert([1.0, 4.0, np.nan], [0.1, 0.0, 0.4], bad=[False, False, False])
    assert result.frequency_lo.tolist() == [1.0]
    assert result.flags == Flag.TIMES_DROPPED
    assert len(_convert([1.0, 4.0, 8.0], [0.1] * 3, bad=[True, False, False]).power) == 2


@pytest.mark.parametrize(("channel", "error"), [((7, 8, 9), 0.1), ((1, 2, 3), 0.0)])
def test_a_response_of_another_spectrum_and_no_errors_at_all_are_said(channel, error):
    with pytest.raises(Rejected) as caught:
        _convert([1.0, 1.0, 1.0], [error] * 3, channel=channel)
    assert caught.value.status == "bad_spectrum"


def test_bins_that_overlap_are_said():
    bounds = Bounds(BOUNDS.channel, np.array([0.0, 0.5, 2.0]), np.array([1.0, 1.0, 3.0]))
    with pytest.raises(Rejected, match=r"bins overlap: 0-1 and 0\.5-1 Hz; mend EBOUNDS"):
        _convert([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], bounds=bounds)
