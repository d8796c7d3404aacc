"""Good time and times come to one clock, or the file says that they do not; gaps are no exposure."""

import numpy as np
import pytest

from pipeline.ingest.times import good_time, gti
from pipeline.status import Flag

EPOCH = {"MJDREFI": 56658, "MJDREFF": 7.775925925925926e-4, "TIMESYS": "TT", "TIMEUNIT": "s"}
GOOD = np.array([(0.0, 900.0), (1300.0, 2200.0), (2600.0, 3500.0)])


def _times(seed=1, rate=5.0, good=GOOD):
    rng = np.random.default_rng(seed)
    return np.sort(
        np.concatenate([rng.uniform(a, b, rng.poisson(rate * (b - a))) for a, b in good])
    )


def _read(
    archive, make, time, good, header=None, gti_header=None, unit="s", columns=None, **options
):
    """An event list whose headers say TIMEREF = LOCAL and the epoch, each as given."""
    head = {"TELESCOP": "NICER", "INSTRUME": "XTI", "TIMEREF": "LOCAL", "HDUCLAS1": "EVENTS"}
    events = make.table(
        "EVENTS", {"TIME": (np.asarray(time), "s")} | (columns or {}), head | EPOCH | (header or {})
    )
    start, stop = np.transpose(good)
    table = make.table("GTI", {"START": (start, unit), "STOP": (stop, unit)}, gti_header)
    archive.add("a.evt", events, table)
    return archive.read("a.evt", **options)


def _sound(row, flagged, exposure=2700.0):
    assert row["status"] == "ok", row["reason"]
    assert row["exposure"] == pytest.approx(exposure, abs=1e-3)
    assert bool(Flag(row["flags"]) & Flag.CLOCKS_DIFFER) is flagged
    assert not Flag(row["flags"]) & Flag.NO_GTI


def test_one_clock_is_not_flagged(archive, make):
    _sound(_read(archive, make, 2e8 + _times(), 2e8 + GOOD, gti_header=EPOCH), False)


def test_good_time_from_another_epoch_and_scale_is_brought_over(archive, make):
    """In UTC from 2010: 66.184 s ahead of TT then, and the days between."""
    days = (56658 - 55197) * 86400 + 7.775925925925926e-4 * 86400
    header = {"MJDREFI": 55197, "MJDREFF": 0.0, "TIMESYS": "UTC", "TIMEUNIT": "s"}
    row = _read(archive, make, 2e8 + _times(), 2e8 + GOOD + days - 66.184, gti_header=header)
    _sound(row, False)
    assert row["gti_start"].tolist() == pytest.approx([0.0, 1300.0, 2600.0], abs=1e-4)


def test_good_time_in_mjd_of_utc_beside_times_in_tt(archive, make):
    start = 56658 + 7.775925925925926e-4 + (2e8 - 67.184) / 86400  # TT - UTC of 2020 is 69.184
    good = start + (GOOD - 2.0) / 86400
    header = {"MJDREFI": 0, "TIMESYS": "UTC", "TIMEUNIT": "d"}
    _sound(_read(archive, make, 2e8 + _times(), good, gti_header=header, unit="d"), False, 2700.0)


@pytest.mark.parametrize(
    ("header", "gti_header"),
    [
        ({"MJDREFI": 0, "MJDREFF": 0.0}, EPOCH),
        ({}, EPOCH | {"MJDREFI": 0, "MJDREFF": 0.0}),
        ({}, EPOCH | {"MJDREFI": 49353}),
        ({}, EPOCH | {"TIMEZERO": 5000.0}),
        ({"TIMEZERO": 5000.0}, EPOCH | {"TIMEZERO": 0.0}),
    ],
)
def test_numbers_that_agree_though_the_headers_do_not(archive, make, header, gti_header):
    """An epoch or an offset that was filled in for one of both."""
    row = _read(archive, make, 2e8 + _times(), 2e8 + GOOD, header, gti_header)
    _sound(row, True)
    assert row["mjd_ref"] == 56658


def test_an_epoch_of_good_time_alone_is_that_of_the_data(archive, make):
    head = {"TELESCOP": "NICER", "TIMEREF": "LOCAL", "HDUCLAS1": "EVENTS"}
    events = make.table("EVENTS", {"TIME": (2e8 + _times(), "s")}, head)
    archive.add("a.evt", events, make.gti(2e8 + GOOD, EPOCH))
    row = archive.read("a.evt")
    _sound(row, False)
    assert row["mjd_ref"] == 56658
    assert not Flag(row["flags"]) & Flag.NO_MJDREF


@pytest.mark.parametrize("shift", [321.5, -321.5, 69.184])
@pytest.mark.parametrize("good", [GOOD, GOOD[:1]])
def test_good_time_that_half_misses_is_noticed(archive, make, shift, good):
    row = _read(archive, make, 2e8 + _times(good=good) + shift, 2e8 + good, gti_header=EPOCH)
    assert row["status"] == "bad_time"
    assert f"{shift:+.0f}"[:3] in row["reason"]
    assert "GTI" in row["reason"]


def test_good_time_that_misses_is_not_given_up(archive, make):
    row = _read(archive, make, _times(), 7e7 + GOOD, gti_header=EPOCH)
    assert row["status"] == "bad_time"
    assert "0 % of the times" in row["reason"]


def test_events_between_good_times_are_no_data(archive, make):
    row = _read(archive, make, [1000.0, 1100.0], GOOD, gti_header=EPOCH)
    assert row["status"] == "no_data"
    assert "good time" in row["reason"]


def test_lists_that_were_not_filtered_have_times_outside(archive, make):
    time = _times(good=[(-500.0, 5000.0)])
    row = _read(archive, make, time, GOOD, gti_header=EPOCH)
    _sound(row, False)
    assert len(row["time"]) == np.count_nonzero(gti.inside(time, GOOD))


def test_a_source_that_comes_up_late_is_no_other_clock(archive, make):
    time = _times(good=[(400.0, 900.0), (1300.0, 2200.0), (2600.0, 3500.0)])
    _sound(_read(archive, make, time, GOOD, gti_header=EPOCH), False)


@pytest.mark.parametrize("drift", [0.0, 1e-4])
def test_another_column_of_times_maps_the_good_time(archive, make, drift):
    """BARYTIME beside TIME, whose good time it is; all is exposure."""
    time = _times()
    bary = 2e8 + time * (1 + drift) + 321.5
    table = {
        "files": "*",
        "kind": "events",
        "columns": {"time": "BARYTIME"},
        "keywords": {"TIMEREF": "SOLARSYSTEM", "TIMESYS": "TDB"},
    }
    columns = {"BARYTIME": (bary, "s")}
    row = _read(
        archive, make, 2e8 + time, 2e8 + GOOD, gti_header=EPOCH, columns=columns, tables=[table]
    )
    _sound(row, True, 2700.0 * (1 + drift))
    assert len(row["time"]) == len(time)


def test_good_time_at_the_satellite_of_times_at_the_barycentre(archive, make):
    """Moved by the light time, as far as the times tell."""
    header = {"TIMEREF": "SOLARSYSTEM", "TIMESYS": "TDB"}
    local = EPOCH | {"TIMEREF": "LOCAL"}
    row = _read(archive, make, 2e8 + _times() + 400.0, 2e8 + GOOD, header, local)
    _sound(row, True)
    assert len(row["time"]) > 0.999 * len(_times())
    far = _read(archive, make, 2e8 + _times() + 600.0, 2e8 + GOOD, header, local)
    assert far["status"] == "bad_time"


def test_xronos_counts_times_from_a_day_and_good_time_from_the_epoch(archive, make):
    """As lcurve writes, and the intervals of the event list after it."""
    head = {
        "CREATOR": "lcurve 1.0 (xronos6.0)",
        "CONTENT": "XRONOS OUTPUT",
        "HDUCLAS1": "LIGHTCURVE",
        "TIMEUNIT": "d",
        "TIMEZERI": 16122,
        "TIMEZERF": 0.9272706481515343,
        "MJDREFI": 55197,
        "MJDREFF": 7.6601852e-4,
    }
    columns = {"TIME": (np.arange(64) * 100.0, "s"), "RATE": np.ones(64), "ERROR": np.ones(64)}
    start = 80000000.0 + np.array([0.0, 2000.0])
    good = make.table("GTI", {"START": start, "STOP": start + 1500.0})
    archive.add("a.lc", make.table("RATE", columns, head), good)
    row = archive.read("a.lc")
    assert row["status"] == "ok", row["reason"]
    assert len(row["time"]) == 30
    assert Flag(row["flags"]) & Flag.CLOCKS_DIFFER


def test_a_light_curve_and_its_good_time_on_two_clocks(archive, make):
    time = 2e8 + np.arange(0.5, 3500.0)
    time = time[gti.inside(time - 2e8, GOOD)]
    head = {"TELESCOP": "NICER", "HDUCLAS1": "LIGHTCURVE", "TIMEDEL": 1.0} | EPOCH
    columns = {"RATE": np.arange(len(time)) + 1.0, "ERROR": np.ones(len(time))}
    for file, shift in (("a.lc", 0.0), ("b.lc", 40.0)):
        table = make.table("RATE", {"TIME": (time + shift, "s")} | columns, head)
        archive.add(file, table, make.gti(2e8 + GOOD, EPOCH))
    assert archive.read("a.lc")["exposure"] == pytest.approx(2700.0)
    assert archive.read("b.lc")["status"] == "bad_time"


def test_without_good_time_gaps_beyond_chance_are_no_exposure(archive, make):
    """A pulsar of 3,305 photons in 116 ks had a QPO at p = 1e-10 by its gaps."""
    orbit = 5700.0 * np.arange(20)
    good = np.column_stack([orbit, orbit + 1500.0])
    time = _times(seed=3, rate=3305 / good.shape[0] / 1500.0, good=good)
    archive.add("a.evt", make.table("EVENTS", {"TIME": (time, "s")}, make.nicer))
    row = archive.read("a.evt")
    assert row["exposure"] == pytest.approx(30000.0, rel=0.03)
    assert len(row["gti_start"]) == 20
    assert len(row["time"]) == len(time)
    assert Flag(row["flags"]) & Flag.NO_GTI
    assert Flag(row["flags"]) & Flag.GTI_FROM_DATA


@pytest.mark.parametrize("rate", [0.01, 1.0, 100.0])
def test_a_steady_source_has_no_gaps(rate):
    """In 200 lists; fewer than one in 10,000 has."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        time = np.cumsum(rng.exponential(1 / rate, int(rng.choice([1, 20, 100, 3000]))))
        assert gti.of_times(time).tolist() == [[time[0], time[-1]]], seed


def test_a_burst_does_not_make_gaps_of_the_quiet_before_and_after():
    rng = np.random.default_rng(4)
    quiet, burst = rng.uniform(0, 10000, 2000), rng.uniform(5000, 5020, 20000)
    assert len(gti.of_times(np.sort(np.append(quiet, burst)))) == 1


def test_frames_and_equal_times_have_gaps_as_others_do():
    rng = np.random.default_rng(5)
    frame = np.sort(rng.integers(0, 4000, 20000)) * 0.05
    time = np.concatenate([frame, 2000.0 + frame])
    assert len(gti.of_times(time)) == 2


@pytest.mark.parametrize(
    ("column", "key", "names"),
    [
        ("CCDNR", "CCDNR", ("STDGTI", "STDGTI")),
        ("DET_ID", "DET_ID", ("GTI", "GTI")),
        ("TIMEDETID", None, ("GTI_TIMEDET0", "GTI_TIMEDET1")),
        ("QUADRANT", None, ("GTI_QUAD0", "GTI_QUAD1")),
        ("PCUID", None, ("GTI_PCU0", "GTI_PCU1")),
        ("ANYTHING", "ANYTHING", ("GTI", "GTI")),
        ("SENSOR", None, ("SENSOR_GTI_0", "SENSOR_GTI_1")),
    ],
)
def test_good_time_by_any_number_of_a_detector(archive, make, column, key, names):
    """Each detector is on for a part of the time: it is good when any is."""
    number = np.repeat([0, 1], 100).astype("i2")
    time = np.concatenate([np.linspace(1, 99, 100), np.linspace(61, 149, 100)])
    events = make.table("EVENTS", {"TIME": (time, "s"), column: number}, make.nicer)
    tables = [
        make.gti([span], {key: i} if key else None, name=name)
        for i, (name, span) in enumerate(zip(names, ([0.0, 100.0], [60.0, 150.0]), strict=True))
    ]
    archive.add("a.evt", events, *tables)
    assert archive.read("a.evt")["exposure"] == 150.0


def test_detectors_that_saw_nothing_add_no_good_time(archive, make):
    events = make.table(
        "EVENTS", {"TIME": (np.linspace(1, 9, 50), "s"), "QUADID": np.full(50, 2, "i2")}, make.nicer
    )
    tables = [make.gti([[0.0, 10.0 * (i + 1)]], name=f"GTI_Q{i}") for i in range(4)]
    archive.add("a.evt", events, *tables)
    assert archive.read("a.evt")["exposure"] == 30.0


def test_two_criteria_are_no_detectors(archive, make):
    """A column of grades that happens to be whole, and tables that no number tells apart."""
    grade = np.arange(100).astype("i2") % 5
    events = make.table(
        "EVENTS", {"TIME": (np.linspace(1, 99, 100), "s"), "GRADE": grade}, make.nicer
    )
    archive.add("a.evt", events, make.gti([[0.0, 80.0]]), make.gti([[20.0, 100.0]]))
    assert archive.read("a.evt")["exposure"] == 60.0


def test_shift_of_times_against_their_good_time():
    times = _times()
    assert good_time.shift(times, GOOD) is None
    assert good_time.shift(times + 50.0, GOOD) == pytest.approx(50.0, abs=1.0)
    assert good_time.shift(times[:10] + 50.0, GOOD) is None
    assert good_time.shift(times, np.empty((0, 2))) is None


@pytest.mark.parametrize("names", good_time.EDGES)
def test_columns_of_good_time_by_other_names(archive, make, names):
    events = make.table("EVENTS", {"TIME": (_times(), "s")}, make.nicer | {"HDUCLAS1": "EVENTS"})
    start, stop = GOOD.T
    table = make.table("GTI", {names[0]: (start, "s"), names[1]: (stop, "s")})
    archive.add("a.evt", events, table)
    _sound(archive.read("a.evt"), False)


def test_keywords_of_the_configuration_are_those_of_the_times(archive, make):
    """An epoch that the file lacks, said in ingest.tables, by which its good time is found."""
    events = make.table("EVENTS", {"TIME": (_times(), "s")}, {"TELESCOP": "NICER"})
    later = EPOCH | {"MJDREFI": EPOCH["MJDREFI"] - 1}
    archive.add("a.evt", events, make.gti(86400.0 + GOOD, later))
    table = {"files": "*", "kind": "events", "columns": {"time": "TIME"}, "keywords": EPOCH}
    row = archive.read("a.evt", tables=[table])
    _sound(row, False)
    assert row["mjd_ref"] == 56658


NO_TIME = {
    "no rows": np.empty((0, 2)),
    "reversed": [(900.0, 0.0), (2200.0, 1300.0)],
    "without a length": [(5.0, 5.0)],
    "no numbers": [(np.nan, np.nan), (0.0, np.nan)],
}


def _both_kinds(archive, make, *tables):
    """An event list and a light curve with tables of good time."""
    time = _times()
    archive.add("a.evt", make.table("EVENTS", {"TIME": (time, "s")}, make.nicer), *tables)
    bins = {"TIME": (np.arange(0.5, 900.0), "s"), "RATE": np.ones(900)}
    archive.add("a.lc", make.table("RATE", bins, make.nicer | {"TIMEDEL": 1.0}), *tables)
    return archive.read("a.evt"), archive.read("a.lc")


@pytest.mark.parametrize("intervals", NO_TIME.values(), ids=NO_TIME)
def test_a_table_without_an_interval_leaves_no_time(archive, make, intervals):
    for row in _both_kinds(archive, make, make.gti(intervals)):
        assert row["status"] == "no_data"
        assert "its good time intervals (GTI) leave no time (" in row["reason"]
        assert not len(row["time"])


def test_an_interval_without_ends_bounds_nothing(archive, make):
    for row in _both_kinds(archive, make, make.gti([(-np.inf, np.inf)])):
        assert row["status"] == "ok"
        assert Flag(row["flags"]) & Flag.NO_GTI


def test_an_interval_that_is_sound_is_used_beside_others_that_are_not(archive, make):
    intervals = [(900.0, 0.0), (np.nan, 5.0), (1300.0, 2200.0)]
    row, _ = _both_kinds(archive, make, make.gti(intervals))
    assert (row["status"], row["exposure"]) == ("ok", 900.0)


@pytest.mark.parametrize("name", ["BKG_GTI", "GTIBACK"])
def test_an_empty_table_of_a_background_says_nothing_of_the_data(archive, make, name):
    empty = make.gti(np.empty((0, 2)), name=name)
    for row in _both_kinds(archive, make, empty):
        assert row["status"] == "ok"
        assert Flag(row["flags"]) & Flag.NO_GTI
    for row in _both_kinds(archive, make, empty, make.gti([(0.0, 900.0)])):
        assert (row["status"], row["exposure"]) == ("ok", 900.0)


def test_a_detector_that_was_never_on_does_not_hide_the_others(archive, make):
    tables = [make.gti(np.empty((0, 2)), name="STDGTI01"), make.gti(GOOD, name="STDGTI02")]
    row, _ = _both_kinds(archive, make, *tables)
    assert (row["status"], row["exposure"]) == ("ok", 2700.0)
