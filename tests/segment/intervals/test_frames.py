"""Bins of whole frames: a constant source is constant in them, wherever its good time begins."""

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.segment.intervals import frames
from pipeline.segment.intervals.series import Events
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.status import Flag

TICK, PER_FRAME = 0.05, 5


def _row(events, time, gti, **columns):
    start, stop = np.transpose(gti)
    return events(gti=gti, time=time, gti_start=start, gti_stop=stop, **columns)


def _counts(time, gti, tick, dt, n_bin):
    from pipeline.segment.spectrum.periodogram import event_blocks

    series = Events.cut(time, *np.transpose(gti), dt, tick)
    from pipeline.segment.intervals import gti as intervals

    interval, offset = intervals.segment_offsets(series.bins, n_bin)
    start = series.start[interval] + offset * dt
    if series.tick:
        start = frames.follow(time, start, n_bin * dt, series.tick)
    return np.concatenate([block.rate * dt for block in event_blocks(time, start, n_bin, dt)])


@pytest.mark.parametrize("dt", [TICK, 3 * TICK])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("rounding", [0.0, 1e-7, 2e-3])
def test_every_bin_of_a_constant_source_holds_the_same(dt, phase, rounding):
    rng = np.random.default_rng(1)
    frame = np.repeat(np.arange(6000), PER_FRAME)
    time = np.sort((frame + phase) * TICK + rng.uniform(-rounding, rounding, len(frame)))
    counts = _counts(time, [(0.0, 100.0), (120.0, 300.0)], TICK, dt, 64)
    wrong = counts != PER_FRAME * round(dt / TICK)
    assert np.count_nonzero(wrong) <= 2 * (
        rounding > 0
    )  # of a frame that the rounding splits at an edge
    assert counts.size > 0.9 * 280 / dt


def test_frames_that_drift_are_followed():
    """By one part in 10^4 from the mean, over 8 minutes and half a frame."""
    time = np.repeat(np.arange(20000), PER_FRAME) * TICK * (1 + 5e-5)
    counts = _counts(time, [(0.0, 999.0)], TICK, TICK, 256)
    assert np.count_nonzero(counts != PER_FRAME) < 1e-3 * counts.size


def test_edges_lie_between_the_frames_of_several_detectors():
    phases = (0.1, 0.35, 0.42)
    time = np.sort(np.concatenate([(np.repeat(np.arange(4000), 2) + p) * TICK for p in phases]))
    for start in (0.0, 0.4 * TICK, 0.9 * TICK):
        counts = _counts(time, [(start, 199.0)], TICK, TICK, 128)
        assert np.count_nonzero(counts != 6) <= 1


def test_good_time_of_whole_frames_loses_none():
    """It begins on a frame, or half a frame before one."""
    time = np.repeat(np.arange(1024), 3) * TICK
    for shift in (0.0, TICK / 2):
        series = Events.cut(time, [-shift], [1024 * TICK - shift], TICK, TICK)
        assert series.bins.tolist() == [1024]


def test_a_fine_tick_is_of_no_account():
    assert Events.cut(np.arange(100.0), [0.5], [99.0], 1.0, 1e-3).tick == 0.0
    assert Events.cut(np.arange(100.0), [0.5], [99.0], 1.0).start.tolist() == [0.5]


@pytest.mark.parametrize(
    ("requested", "resolution", "tick", "expected"),
    [
        (1 / 256, 0.0, 0.05, 0.05),
        (1 / 256, 0.05, 0.05, 0.05),
        (0.12, 0.05, 0.05, 0.15),
        (0.1, 0.05, 0.0500049, 0.1000098),
        (0.1, 0.05, 0.0499951, 0.0999902),
        (1 / 256, 0.0, 1e-5, 1 / 256),
        (1 / 256, 1.0, 0.05, 1.0),
        (1 / 256, 0.0, np.nan, 1 / 256),
    ],
)
def test_bins_are_whole_numbers_of_ticks(requested, resolution, tick, expected):
    assert frames.bin_width(requested, resolution, tick) == pytest.approx(expected)


def test_lists_that_are_averaged_each_keep_their_own_frames():
    widths = frames.common_widths(0.1, [0.05, 0.05], [0.050003, 0.049998])
    assert widths == pytest.approx([0.100006, 0.099996])
    both = frames.common_widths(1 / 256, [0.0734, 0.0057], [0.0734, 0.0057])
    assert [w / t for w, t in zip(both, (0.0734, 0.0057), strict=True)] == pytest.approx(
        [round(both[0] / 0.0734), round(both[1] / 0.0057)]
    )
    assert both[0] == pytest.approx(both[1], rel=0.01)
    assert frames.common_widths(0.1, [0.0, 0.0], [0.0, 0.0]) == [0.1, 0.1]


def test_the_rms_of_a_source_in_frames(events):
    """A constant source has none, a sine of 20 % has 14 %; the review found 91 %."""
    rng = np.random.default_rng(2)
    n = 40000
    for amplitude in (0.0, 0.2):
        wave = 1 + amplitude * np.sin(2 * np.pi * 3.1 * TICK * np.arange(n))
        time = np.repeat(np.arange(n) * TICK, rng.poisson(PER_FRAME * wave))
        row = _row(events, time, ((0.0, n * TICK),), tick=TICK, dt=TICK)
        (made,) = product_rows(Observations.held([row]), SegmentOptions())
        assert Flag(made["flags"]) & Flag.WHOLE_FRAMES
        assert made["dt"] == TICK
        if amplitude:
            assert made["rms"] == pytest.approx(0.2 / np.sqrt(2), rel=0.05)
        else:
            assert not made["rms"] > 0.04
