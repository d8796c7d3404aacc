"""The frames of a detector are found in its times, and not in times that have none."""

import numpy as np
import pytest

from pipeline.ingest.times import ticks
from pipeline.status import Flag

START, KEPT = 6.2e8 + 0.0123, 1.2e-7


def _frames(mean, tick=0.05, n=20000, seed=1, **options):
    rng = np.random.default_rng(seed)
    frame = np.sort(rng.integers(0, int(n / mean), n))
    return _at(frame, tick, rng, **options)


def _at(frame, tick, rng, jitter=0.0, drift=0.0):
    time = frame * tick * (1 + drift) + rng.normal(0, 1, len(frame)) * jitter
    time += drift / 4 * 860 * np.sin(time / 860)  # a satellite's orbit
    return np.sort(START + time)


@pytest.mark.parametrize("stated", [0.0, 0.05])
@pytest.mark.parametrize("mean", [5.0, 1.0, 0.1, 0.01, 1e-3])
def test_frames_of_bright_and_faint_sources(mean, stated):
    assert ticks.find_tick(_frames(mean), KEPT, stated) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("tick", [1 / 8192, 0.0057, 0.0734, 0.44104, 2.5073, 3.24104, 8.0])
def test_frames_of_the_missions(tick):
    assert ticks.find_tick(_frames(0.5, tick), KEPT) == pytest.approx(tick, rel=1e-5)


def test_frames_that_jitter():
    assert ticks.find_tick(_frames(1.0, jitter=1e-5), KEPT) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("stated", [0.0, 0.05])
@pytest.mark.parametrize("mean", [5.0, 0.1])
def test_barycentred_frames_are_as_long_as_they_are(mean, stated):
    found = ticks.find_tick(_frames(mean, drift=1e-4), KEPT, stated)
    assert found == pytest.approx(0.05 * (1 + 1e-4), rel=3e-5)
    assert found != stated


def test_frames_in_single_precision():
    rng = np.random.default_rng(3)
    for span in (1e3, 1e5):
        column = np.sort(rng.integers(0, int(span / 0.05), 60000) * 0.05).astype(np.float32)
        for values in (column, column.astype(float)):
            grain = ticks.grain_of(values, 1.0)
            kept, single = grain.step, grain.single
            assert single
            assert kept == pytest.approx(float(np.spacing(np.float32(span * 0.999))))
            assert ticks.find_tick(values.astype(float), kept) == pytest.approx(0.05, rel=1e-5)


def test_times_in_double_precision_are_not_taken_for_single():
    assert not ticks.grain_of(np.random.default_rng(4).uniform(0, 100, 100), 1.0).single
    assert not ticks.grain_of(np.arange(100.0), 1.0).single  # whole seconds: nothing was lost
    assert ticks.grain_of(np.arange(100), 1.0) == ticks.Grain(0.0, False)


def test_times_with_few_decimals_have_a_tick():
    rng = np.random.default_rng(5)
    time = np.round(np.cumsum(rng.exponential(0.01, 20000)), 3)
    assert ticks.find_tick(time, 1e-13) == pytest.approx(1e-3, rel=1e-6)


def test_detectors_with_a_phase_each():
    """By the stated length of a frame; all together have no spacing of their own."""
    rng = np.random.default_rng(6)
    phases = rng.uniform(0, 0.05, 3)
    time = np.sort(
        np.concatenate([START + p + rng.integers(0, 20000, 9000) * 0.05 for p in phases])
    )
    assert ticks.find_tick(time, KEPT, 0.05) == pytest.approx(0.05)
    assert ticks.find_tick(time, KEPT) < 0.01


def test_times_that_are_not_quantised_have_no_tick():
    """300 lists of any rate, whatever their header says; one in 10^9 is expected."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n, rate = int(rng.choice([2, 30, 100, 1000, 5000])), 10 ** rng.uniform(-3, 4)
        time = START + np.cumsum(rng.exponential(1 / rate, n))
        assert not ticks.find_tick(time, KEPT, float(rng.choice([0.0, 0.05, 2.5]))), seed


@pytest.mark.parametrize("stated", [0.0, 0.1])
def test_a_pulsar_is_no_detector(stated):
    rng = np.random.default_rng(7)
    phase = np.where(rng.random(20000) < 0.8, rng.normal(0, 0.01, 20000), rng.random(20000))
    time = np.sort(START + (rng.integers(0, 100000, 20000) + phase) * 0.1)
    assert not ticks.find_tick(time, KEPT, stated)


def _list(archive, make, time, header=None, columns=None, intervals=None):
    columns = {"TIME": (time, "s")} | (columns or {})
    hdus = [make.table("EVENTS", columns, make.nicer | {"HDUCLAS1": "EVENTS"} | (header or {}))]
    archive.add("a.evt", *hdus, *([] if intervals is None else [make.gti(intervals)]))
    return archive.read("a.evt")


@pytest.mark.parametrize(
    ("position", "shift"), [(None, 0.0), (0.0, 0.025), (0.5, 0.0), (1.0, -0.025)]
)
def test_timepixr_puts_times_in_the_middle_of_their_frame(archive, make, position, shift):
    time = _frames(1.0)
    header = {"TIMEDEL": 0.05} | ({} if position is None else {"TIMEPIXR": position})
    row = _list(archive, make, time, header, intervals=[[START - 1, START + 1001]])
    assert row["tick"] == row["dt"] == 0.05
    np.testing.assert_allclose(row["time"] + row["t_start"] - shift, time, atol=1e-6)


def test_times_that_are_not_quantised_are_not_moved(archive, make):
    time = np.sort(np.random.default_rng(8).uniform(0, 1000, 5000))
    row = _list(archive, make, time, {"TIMEDEL": 0.05, "TIMEPIXR": 0.0}, intervals=[[0.0, 1000.0]])
    np.testing.assert_allclose(row["time"], time)
    assert (row["tick"], row["dt"]) == (0.0, 0.05)


def test_without_good_time_the_frames_of_the_ends_are_whole(archive, make):
    row = _list(archive, make, START + 0.05 * np.arange(1000.0))
    assert row["exposure"] == pytest.approx(50.0, abs=1e-5)
    assert Flag(row["flags"]) & Flag.NO_GTI


def test_the_frames_of_one_detector_where_all_together_have_none(archive, make):
    rng = np.random.default_rng(9)
    detector = rng.integers(0, 5, 20000).astype("i2")
    phase = rng.uniform(0, 0.05, 5)[detector]
    time = START + rng.integers(0, 20000, 20000) * 0.05 + phase
    row = _list(archive, make, time, columns={"CCDNR": detector}, intervals=[[START, START + 1001]])
    assert row["tick"] == pytest.approx(0.05, rel=1e-6)


def test_single_precision_itself_is_a_tick(archive, make):
    time = np.sort(np.random.default_rng(10).uniform(7e4, 1e5, 5000)).astype("f4")
    row = _list(archive, make, time, intervals=[[7e4, 1e5]])
    assert row["tick"] == row["dt"] == pytest.approx(2.0**-7)
