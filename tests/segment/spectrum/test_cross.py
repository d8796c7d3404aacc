"""Products of transforms from one pass: those of Stingray, channel by channel, and the sign of a lag."""

import warnings

import numpy as np
import pytest

from pipeline.segment.spectrum import cross

N_BIN, DT, SEGMENTS = 512, 1 / 64, 12
LENGTH = N_BIN * DT * SEGMENTS
START = np.arange(SEGMENTS) * N_BIN * DT


@pytest.fixture(scope="module")
def photons():
    """Times and channels of 20,000 events that vary together."""
    rng = np.random.default_rng(91)
    time = np.sort(rng.uniform(0, LENGTH, 40_000))
    time = time[rng.uniform(size=len(time)) < 0.5 + 0.4 * np.sin(2 * np.pi * 0.9 * time)]
    return time, rng.integers(0, 3, len(time))


def _products(photons, channels, pairs, total=False):
    blocks = cross.channel_blocks(*photons, channels, START, N_BIN, DT)
    return cross.average(blocks, N_BIN, DT, pairs, total)


def test_powers_and_cross_spectra_are_those_of_stingray(photons, stingray):
    time, channel = photons
    ours = _products(photons, 3, [(1, 0), (2, 1)])
    gti = [[0, LENGTH]]
    lists = [stingray.EventList(time[channel == k], gti=gti) for k in range(3)]
    for number, (x, y) in enumerate(ours.pairs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its errors are for many segments
            theirs = stingray.AveragedCrossspectrum.from_events(
                lists[x], lists[y], dt=DT, segment_size=N_BIN * DT, norm="abs", silent=True
            )
        below = len(theirs.freq)
        assert ours.m == theirs.m
        np.testing.assert_allclose(ours.cross[number, :below], theirs.power, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(ours.auto[x, :below], theirs.pds1.power, rtol=1e-10)


def test_the_sum_of_all_channels_is_one_more_series(photons):
    time, _ = photons
    ours = _products(photons, 3, [(0, 3)], total=True)
    whole = _products((time, np.zeros(len(time), int)), 1, [])
    np.testing.assert_allclose(ours.auto[3], whole.auto[0], rtol=1e-10)
    np.testing.assert_allclose(ours.mean_rate[3], ours.mean_rate[:3].sum(), rtol=1e-12)
    others = _products(photons, 3, [(0, 0), (0, 1), (0, 2)])
    np.testing.assert_allclose(ours.cross[0], others.cross.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(others.cross[0], others.auto[0], atol=1e-9)


def test_events_of_no_channel_are_left_out(photons):
    time, channel = photons
    marked = np.where(channel == 2, -1, channel)
    kept = channel != 2
    one = _products((time, marked), 2, [(0, 1)])
    other = _products((time[kept], channel[kept]), 2, [(0, 1)])
    np.testing.assert_array_equal(one.cross, other.cross)
    np.testing.assert_array_equal(one.auto, other.auto)


def test_the_phase_is_positive_where_the_first_series_comes_later():
    grid = np.arange(N_BIN) * DT
    rate = [[10 + np.cos(2 * np.pi * 2.0 * (grid - late))] for late in (0.05, 0.0)]
    ours = cross.average([np.array(rate)], N_BIN, DT, [(0, 1)])
    frequency = np.arange(1, N_BIN // 2 + 1) / (N_BIN * DT)
    peak = np.argmax(np.abs(ours.cross[0]))
    assert frequency[peak] == 2.0
    assert np.angle(ours.cross[0, peak]) / (2 * np.pi * 2.0) == pytest.approx(0.05, rel=1e-6)
