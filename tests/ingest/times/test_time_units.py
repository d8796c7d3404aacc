"""A unit of time is what its writer meant, or it is none: never seconds by default."""

import numpy as np
import pytest
from astropy.coordinates import EarthLocation
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from pipeline.ingest.times import time_units
from pipeline.status import Flag

DAY = 86400.0
N = 64


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(
            (t, 1.0)
            for t in ("s", "S", "sec", "SECONDS", "[s]", "s (TT)", "elapsed seconds", "1/Hz")
        ),
        *((t, 1e-3) for t in ("ms", "msec", "10**-3 s", "10^-3 s", "1e-3 s", "Milliseconds")),
        *((t, 1e6) for t in ("Ms", "Msec", "10**6 s", "megasecond")),
        *((t, 1e3) for t in ("ks", "Ks", "KS", "ksec")),
        *((t, 1e-6) for t in ("us", "\u00b5s", "\u03bcs", "usec", "microseconds")),
        *((t, 60.0) for t in ("min", "MIN", "minutes")),
        *((t, 3600.0) for t in ("h", "hr", "Hours")),
        *((t, DAY) for t in ("d", "D", "day", "DAYS", "days (TDB)", "d, UTC")),
        *((t, 365.25 * DAY) for t in ("a", "yr", "Julian year")),
        ("Myr", 1e6 * 365.25 * DAY),
        ("cy", 36525 * DAY),
    ],
)
def test_units_with_their_prefixes_and_capitals(text, seconds):
    assert time_units.parse(text).seconds == pytest.approx(seconds, rel=1e-12)
    assert time_units.parse(text).epoch is None


@pytest.mark.parametrize(
    "text",
    [
        "MS",
        "MSEC",
        "m",
        "M",
        "counts",
        "keV",
        "Hz",
        "m/s",
        "s^2",
        "T",
        "decimalyear",
        "tdb",
        "K",
        "-",
    ],
)
def test_what_is_no_unit_of_time_or_may_be_two_is_none(text):
    assert time_units.parse(text) is None


@pytest.mark.parametrize(
    ("text", "epoch", "barycentred"),
    [
        ("BJD - 2457000, days", 2457000, True),
        ("BJD \u2212 2457000, days", 2457000, True),
        ("BJD\u20132457000 d", 2457000, True),
        ("BJD \ufffd\ufffd\ufffd 2457000, days", 2457000, True),
        ("BJD - 2454833", 2454833, True),
        ("BJD_TDB - 2450000.0 (days)", 2450000, True),
        ("btjd", 2457000, True),
        ("BKJD", 2454833, True),
        ("BJD_TDB", 0, True),
        ("JD-2400000.5", 2400000.5, False),
        ("HJD - 2,450,000", 2450000, False),
        ("MJD - 50000", 2450000.5, False),
        ("MJD (TT)", 2400000.5, False),
        ("Modified Julian Date", 2400000.5, False),
        ("MJD days", 2400000.5, False),
        ("days since 2000-01-01T12:00:00", 2451545, False),
        ("days since MJD 50000", 2450000.5, False),
    ],
)
def test_units_that_name_their_epoch(text, epoch, barycentred):
    unit = time_units.parse(text)
    assert unit.seconds == DAY
    assert unit.epoch[0] + unit.epoch[1] + 2400000.5 == epoch
    assert unit.barycentred is barycentred


def test_a_number_of_hours_is_no_julian_date():
    assert time_units.parse("BJD - 2457000 hours") is None


def _curve(make, archive, column, header=None, unit=None):
    """A light curve with a column of times as given, and the row that is read of it."""
    columns = {"TIME": (np.asarray(column), unit), "RATE": np.arange(N) + 1.0, "ERROR": np.ones(N)}
    head = {"TELESCOP": "NICER", "HDUCLAS1": "LIGHTCURVE"} | (header or {})
    archive.add("a.lc", make.table("RATE", columns, head))
    return archive.read("a.lc")


FORMATS = ("jd", "mjd", "unix", "unix_tai", "gps", "cxcsec", "galexsec", "jyear", "byear")


@pytest.mark.parametrize("name", FORMATS)
def test_the_numeric_formats_of_astropy_over_a_leap_second(make, archive, name):
    """Every hour about the leap second of 2016-12-31, and the instant that Astropy gives.

    Astropy stretches the day of that second, POSIX does not: they differ by up to a second in it.
    """
    definition = {"unix": "utc", "galexsec": "utc", "gps": "tai", "unix_tai": "tai"}
    times = Time(57753.0, np.arange(N) / 24, format="mjd", scale="tt")
    scale = definition.get(name, "tt")
    row = _curve(make, archive, getattr(times, scale).to_value(name), unit=name)
    assert row["status"] == "ok", row["reason"]
    assert row["dt"] == pytest.approx(3600.0, abs=2e-3)
    start = row["mjd_ref"] + row["mjd_ref_frac"] + (row["t_start"] + row["time"]) / DAY
    if scale == "tt":
        assert start == pytest.approx(times.mjd, abs=1e-9)
    else:
        assert row["time_system"] == "TT"
        same = (times.utc.mjd < 57753) | (times.utc.mjd >= 57754) | (scale != "utc")
        assert start[same] == pytest.approx(times.tt.mjd[same], abs=1e-9)
        assert start == pytest.approx(times.tt.mjd, abs=1.001 / DAY)


@pytest.mark.parametrize("scale", ["tdb", "tt", "tai", "utc"])
@pytest.mark.parametrize("first", [True, False])
def test_a_column_of_two_doubles_as_astropy_writes_times(archive, scale, first):
    """To the microsecond, which a Julian date in one double does not hold."""
    place = EarthLocation.from_geodetic(0, 50) if scale == "utc" else None
    times = Time(58000.25, np.arange(N) * 0.125 / DAY, format="mjd", scale=scale, location=place)
    columns = {"time": times, "rate": np.arange(N) + 1.0, "error": np.ones(N)}
    table = Table(columns if first else dict(reversed(columns.items())))
    table.meta["EXTNAME"] = "RATE"
    table.write(archive.root / "a.fits")
    row = archive.read("a.fits")
    assert row["status"] == "ok", row["reason"]
    assert np.diff(row["time"]) == pytest.approx(0.125, abs=1e-9)
    assert row["dt"] == pytest.approx(0.125, abs=1e-9)
    wanted = times.tdb if scale == "tdb" else times.tt
    day = row["mjd_ref"] + row["mjd_ref_frac"]
    seconds = row["t_start"] + row["time"][0]
    found = (day - wanted[0].mjd) * DAY + seconds
    assert found == pytest.approx(0, abs=2e-6)
    assert row["time_system"] == ("TDB" if scale == "tdb" else "TT")
    assert Flag(row["flags"]) & Flag.NOT_BARYCENTRED


def test_a_time_series_of_astropy(archive):
    from astropy import units as u

    series = TimeSeries(
        time=Time("2020-01-01T00:00:00") + np.arange(N) * 2 * u.s, data={"flux": np.arange(N) + 1.0}
    )
    table = Table(series, copy=True)
    table.meta["EXTNAME"] = "LIGHTCURVE"
    table.write(archive.root / "a.fits")
    row = archive.read("a.fits")
    assert row["dt"] == pytest.approx(2.0, abs=1e-9)
    assert len(row["time"]) == N


@pytest.mark.parametrize(("name", "zero"), [("btjd", 2457000), ("bkjd", 2454833), ("jd", 0)])
def test_a_light_curve_as_lightkurve_saves_it(make, archive, name, zero):
    """The name of the format is the unit; neither epoch nor TIMEUNIT is written."""
    row = _curve(make, archive, 2459000.25 - zero + np.arange(N) / 720, unit=name)
    assert row["dt"] == pytest.approx(120.0, abs=1e-4)
    start = row["mjd_ref"] + row["mjd_ref_frac"] + (row["t_start"] + row["time"][0]) / DAY
    assert start == pytest.approx(58999.75, abs=1e-8)
    assert bool(Flag(row["flags"]) & Flag.NOT_BARYCENTRED) is (name == "jd")


@pytest.mark.parametrize(
    ("unit", "header", "named"),
    [("counts", {}, "counts"), (None, {"TIMEUNIT": "MS"}, "MS"), ("TDB", {}, "TDB")],
)
def test_a_unit_that_is_not_understood_is_said(make, archive, unit, header, named):
    row = _curve(make, archive, np.arange(N), header, unit)
    assert row["status"] == "bad_time"
    assert repr(named) in row["reason"]
    assert "ingest.tables.units" in row["reason"]


def test_the_unit_of_the_configuration_wins(make, archive):
    columns = {"TIME": (np.arange(N) / DAY, "fluxons"), "FLUX": np.arange(N) + 1.0}
    archive.add("a.fits", make.table("LIGHTCURVE", columns, {"TELESCOP": "TESS"}))
    table = {"files": "*", "columns": {"time": "TIME", "rate": "FLUX"}, "units": {"time": "d"}}
    row = archive.read("a.fits", tables=[table])
    assert row["status"] == "ok", row["reason"]
    assert row["dt"] == pytest.approx(1.0, abs=1e-6)


def test_a_scale_in_the_place_of_the_unit_leaves_the_unit_to_timeunit(make, archive):
    row = _curve(make, archive, np.arange(N) / DAY, {"TIMEUNIT": "d", "MJDREFI": 58000}, "TDB")
    assert row["time_system"] == "TDB"
    assert row["dt"] == pytest.approx(1.0, abs=1e-6)


def test_a_minus_of_unicode_in_a_header_is_a_minus(make, archive):
    """As UTF-8, in a file that Astropy would not write."""
    path = archive.add(
        "a.fits",
        make.table(
            "LIGHTCURVE",
            {"TIME": (np.arange(N) / 720, "BJD ~~~ 2457000, days"), "FLUX": np.arange(N) + 1.0},
            {"TELESCOP": "TESS"},
        ),
    )
    content = path.read_bytes()
    assert content.count(b"~~~") == 1
    path.write_bytes(content.replace(b"~~~", "\u2212".encode()))
    row = archive.read("a.fits")
    assert row["dt"] == pytest.approx(120.0)
    assert row["mjd_ref"] == 56999


@pytest.mark.parametrize(
    ("unit", "factor"), [("ms", 1e-3), ("Ms", 1e6), ("ks", 1e3), ("min", 60.0)]
)
def test_events_in_other_units_than_seconds(make, archive, unit, factor):
    time = np.arange(1.0, 100.0)
    events = make.table("EVENTS", {"TIME": (time, unit)}, make.nicer)
    archive.add("a.evt", events, make.gti([[0.0, 100.0 * factor]]))
    row = archive.read("a.evt")
    assert row["time"] == pytest.approx(time * factor)


def test_good_time_in_another_unit_than_events(make, archive):
    events = make.table("EVENTS", {"TIME": ([1000.0, 2000.0], "s")}, make.nicer)
    good = {"START": (np.array([0.5]), "ks"), "STOP": (np.array([3.0]), "ks")}
    archive.add("a.evt", events, make.table("GTI", good))
    row = archive.read("a.evt")
    assert (row["t_start"], row["exposure"]) == (500.0, 2500.0)


def test_headers_of_astropy_keep_their_units():
    """What Astropy reads from a header is what is parsed."""
    header = fits.Header({"TUNIT1": "ms"})
    assert time_units.parse(header["TUNIT1"]).seconds == 1e-3
