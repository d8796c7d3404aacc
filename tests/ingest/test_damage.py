"""Every kind of damage is a status and a reason, never an exception."""

import gzip

import numpy as np
import pytest

HTML = b"<!DOCTYPE html><html><body>404</body></html>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (HTML, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5"),
        (b"1.0 2.0\n3.0 4.0\n", "text"),
        (b"PK\x03\x04" + bytes(50), "zip"),
        (bytes(range(256)), "does not begin with SIMPLE"),
        (gzip.compress(HTML, mtime=0), "web page"),
        (b"SIMPLE  =" + b"\xff" * 5000, "header"),
    ],
)
def test_what_is_not_fits_is_named(archive, content, words):
    (archive.root / "x.fits").write_bytes(content)
    row = archive.observations()["x.fits"]
    assert row["status"] == "unreadable"
    assert words in row["reason"]
    assert row["source_id"] == ""


def test_a_file_cut_in_its_data_keeps_the_source_it_names(archive):
    path = archive.events(time=np.arange(1000.0), intervals=[[0, 1000]])
    path.write_bytes(path.read_bytes()[:9000])
    row = archive.observations("object")["a.evt"]
    assert row["status"] == "truncated"
    assert "HDU 1 (EVENTS)" in row["reason"]
    assert (row["source_id"], row["object"]) == ("GRS1915+105", "GRS 1915+105")


def test_a_file_cut_in_a_header_is_cut_short(archive):
    path = archive.events()
    path.write_bytes(path.read_bytes()[: 2880 * 3 + 1000])
    assert archive.observations()["a.evt"]["status"] == "truncated"


def test_a_file_without_padding_at_its_end_is_sound(archive):
    path = archive.events()
    path.write_bytes(path.read_bytes()[: -2880 + 100])
    assert archive.read("a.evt")["status"] == "ok"


def test_a_gzip_stream_that_ends_early(archive):
    path = archive.events("a.evt.gz", time=np.random.default_rng(1).random(4000) * 10)
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0)[:20000])
    row = archive.observations()["a.evt.gz"]
    assert row["status"] == "truncated"
    assert "gzip" in row["reason"]
    assert row["source_id"] == "nicer:1050010101"


def test_a_file_that_decompresses_without_end_is_refused(archive):
    (archive.root / "bomb.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    row = archive.scan("bomb.gz", max_decompressed=1_000_000)
    assert row["status"] == "unreadable"
    assert "ingest.max_decompressed" in row["reason"]


def test_a_table_that_says_it_is_a_light_curve_but_has_no_times(archive, make):
    head = make.nicer | {"HDUCLAS1": "LIGHTCURVE"}
    archive.add("a.lc", make.table("RATE", {"RATE": np.ones(3)}, head))
    row = archive.read("a.lc")
    assert row["status"] == "bad_time"
    assert "HDU 1 (RATE)" in row["reason"]
    assert "no column TIME" in row["reason"]
    assert row["source_id"] == "nicer:1050010101"


def test_times_that_are_not_numbers(archive):
    archive.events(time=[np.nan, np.nan])
    row = archive.read("a.evt")
    assert row["status"] == "bad_time"
    assert "TIME" in row["reason"]


def test_an_event_list_without_events(archive):
    archive.events(time=[], intervals=[[0.0, 3.5e6]])
    assert archive.read("a.evt")["status"] == "no_data"


def test_one_bin_without_a_width(archive, make):
    archive.add("a.lc", make.table("RATE", {"TIME": [1.0], "RATE": [1.0]}, make.nicer))
    row = archive.read("a.lc")
    assert row["status"] == "bad_time"
    assert "TIMEDEL" in row["reason"]


@pytest.mark.parametrize(
    ("respfile", "words"),
    [("lost.rmf", "lost.rmf, which is not in the archive"), ("", "RESPFILE"), ("a.txt", "a.txt")],
)
def test_a_power_spectrum_without_its_response(archive, make, respfile, words):
    columns = {"CHANNEL": np.arange(3), "COUNTS": np.ones(3), "STAT_ERR": np.ones(3)}
    head = {"HDUCLAS1": "SPECTRUM", "OBJECT": "GX 339-4", "RESPFILE": respfile}
    archive.add("a.pha", make.table("SPECTRUM", columns, head))
    (archive.root / "a.txt").write_text("no response")
    row = archive.observations("object")["a.pha"]
    assert row["status"] == "missing_response"
    assert words in row["reason"]
    assert row["source_id"] == "GX339-4"


def test_the_same_bytes_twice_are_used_once(archive):
    original = archive.events("b/first.evt")
    (archive.root / "z").mkdir()
    (archive.root / "z/copy.evt").write_bytes(original.read_bytes())
    rows = archive.observations()
    assert rows["b/first.evt"]["status"] == "ok"
    assert rows["z/copy.evt"]["status"] == "duplicate"
    assert "b/first.evt" in rows["z/copy.evt"]["reason"]
    assert rows["z/copy.evt"]["source_id"] == rows["b/first.evt"]["source_id"]


def test_no_reason_has_a_line_end(archive, make):
    archive.add("a.fits", make.table("X", {"A": np.ones(2)}))
    (archive.root / "b.fits").write_bytes(b"\n\n\n")
    for row in archive.observations().values():
        assert row["reason"].isprintable()


NONE = np.empty(0)


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("EVENTS", {"TIME": NONE}, "the event list has no rows: nothing was detected"),
        ("RATE", {"TIME": NONE, "RATE": NONE}, "the light curve has no rows"),
        ("RATE", {"TIME": NONE, "RATE": np.empty((0, 3))}, "the light curve has no rows"),
        ("RATE", {"TIME": NONE, "RATE1": NONE, "RATE2": NONE}, "the light curve has no rows"),
        ("POWER", {"FREQUENCY": NONE, "POWER": NONE}, "the power spectrum has no rows"),
        ("POWER", {"FREQUENCY": NONE, "POWER": NONE, "ERROR": NONE}, "the power spectrum has no"),
    ],
)
@pytest.mark.parametrize("header", [{}, {"TIMEDEL": 1.0}, {"TELESCOP": "RXTE", "INSTRUME": "PCA"}])
def test_a_table_without_rows_has_no_data(archive, make, name, columns, words, header):
    archive.add("a.fits", make.table(name, columns, header), make.gti([(0.0, 10.0)]))
    row = archive.read("a.fits")
    assert (row["status"], words in row["reason"]) == ("no_data", True), row["reason"]
