"""What a hostile archive cannot do: run code, lead us to a file, fill the memory, or make us wait."""

import ast
import bz2
import gzip
import io
import lzma
import os
import signal
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import pipeline
from pipeline.config.base import ConfigError
from pipeline.config.ingest import IngestOptions
from pipeline.config.survey import load
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.files import fits_file
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.read.reader import read_products

MODULES = sorted(Path(pipeline.__file__).parent.rglob("*.py"))
PEAK = 30_000_000


@pytest.fixture
def soon():
    """Whatever takes longer than a minute hangs."""

    def late(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def little_memory():
    """What is done allocates less than `PEAK` bytes at a time."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < PEAK


def calls(path):
    """Return the names of the functions that a module calls, with what they are looked up in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_nothing_that_is_read_is_run():
    for path in MODULES:
        called = calls(path)
        assert not called & {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}, (
            path
        )
        assert not {c for c in called if c.startswith(("marshal.", "shelve.", "dill."))}, path
        assert "os.system" not in called, path
        unpickles = {c for c in called if c.startswith("pickle.load")} | called & {"np.load"}
        # compiled programs are read from a folder that nobody else can write to (tests/fit/engine)
        kept = {"pickle.loads"} if path.name == "store.py" else set()
        assert not unpickles - kept, path


def test_a_configuration_runs_nothing(tmp_path):
    made = tmp_path / "made"
    config = tmp_path / "config.yaml"
    config.write_text(f"archive: !!python/object/apply:os.system ['touch {made}']\n")
    with pytest.raises(ConfigError):
        load(config)
    assert not made.exists()


def spectrum(make, respfile):
    columns = {"CHANNEL": np.arange(3), "COUNTS": np.ones(3), "STAT_ERR": np.ones(3)}
    head = {"HDUCLAS1": "SPECTRUM", "RESPFILE": respfile}
    return make.table("SPECTRUM", columns, head)


def bounds(make):
    edges = np.arange(4.0)
    columns = {"CHANNEL": np.arange(3), "E_MIN": edges[:-1], "E_MAX": edges[1:]}
    return make.table("EBOUNDS", columns, {"HDUCLAS1": "RESPONSE"})


def test_a_response_outside_the_archive_is_not_opened(archive, make):
    archive.add("../secret.rmf", bounds(make))
    for name in ("../secret.rmf", str(archive.root.parent / "secret.rmf"), "..", "/", "%2e%2e/x"):
        archive.add("a.pha", spectrum(make, name))
        row = archive.observations()["a.pha"]
        assert row["status"] == "missing_response", row["reason"]
        assert row["response"] == ""


def test_a_path_in_a_header_is_a_name(archive, make):
    archive.add("a.pha", spectrum(make, "../../../etc/b.rmf"))
    archive.add("b.rmf", bounds(make))
    assert archive.observations()["a.pha"]["response"] == "b.rmf"
    assert archive.read("a.pha")["status"] == "ok"


def zipped(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.fits", content)
    return out.getvalue()


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, zipped])
def test_what_is_not_decompressed_is_no_bomb(archive, pack, little_memory):
    (archive.root / "x.fits").write_bytes(pack(bytes(2 * PEAK)))
    tracemalloc.reset_peak()
    row = archive.scan("x.fits", max_decompressed=1_000_000)
    assert row["status"] == "unreadable"
    assert "unpack it" in row["reason"]


def test_a_bomb_that_begins_as_fits_does_is_refused_on_reading_too(archive, little_memory):
    path = archive.events()
    entry = archive.entry("a.evt")
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(2 * PEAK), mtime=0))
    tracemalloc.reset_peak()
    entry = replace(entry, version=archive.listed("a.evt").version)
    (found,) = read_products(entry, archive.root, IngestOptions(max_decompressed=1_000_000))
    assert found.status == "unreadable"
    assert "raise ingest.max_decompressed" in found.reason


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("cards", "status"),
    [
        ({"NAXIS2": 1 << 40}, "truncated"),
        ({"NAXIS1": 1 << 62}, "truncated"),
        ({"NAXIS1": 1 << 62, "NAXIS2": 0}, "unreadable"),
        ({"PCOUNT": 1 << 50}, "truncated"),
        ({"GCOUNT": 1 << 50}, "truncated"),
        ({"TFORM1": "999999999999D"}, "unreadable"),
        ({"TFORM1": "1PD(2147483647)"}, "unreadable"),
        ({"TDIM1": "(99999,99999)"}, "ok"),
        ({"TFIELDS": 999_999_999}, "unreadable"),
        ({"NAXIS": 999_999_999}, "unreadable"),
        ({"THEAP": 1 << 40}, "ok"),
    ],
)
def test_sizes_in_headers_are_not_believed(archive, cards, status, compress, soon, little_memory):
    path = archive.events(header={"SPARE": 0})
    content = bytearray(path.read_bytes())
    table = content.index(b"XTENSION")
    for key, value in cards.items():
        card = fits.Card(key, value).image.encode()
        place = f"{key:8}=".encode()
        at = content.index(place if place in content[table:] else b"SPARE   =", table)
        content[at : at + 80] = card
    path.write_bytes(gzip.compress(content, mtime=0) if compress else content)
    row = archive.scan("a.evt")
    if row["status"] == "ok":
        row = archive.read("a.evt")
    assert row["status"] == status, row["reason"]
    assert status == "ok" or "HDU 1" in row["reason"]


@pytest.mark.parametrize("name", ["a.fits", "a.evt.gz", "a.lc", "a"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><head><title>Login</title>", "a web page"),
        (b"\n\n <!DOCTYPE HTML PUBLIC>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s9--1.fits\n", "git annex get"),
        (b"1.0 2.0\n\x00\xff\x07 3.0\n", "does not begin with SIMPLE"),
    ],
)
def test_what_only_has_the_name_of_data_is_recognised(archive, name, content, words):
    (archive.root / name).write_bytes(content)
    row = archive.scan(name)
    assert row["status"] == "unreadable"
    assert words in row["reason"]


def test_nothing_in_a_folder_makes_the_walk_wait(archive, soon):
    root = archive.root
    archive.events("sound.evt")
    (root / "deep").mkdir()
    os.mkfifo(root / "deep/pipe.evt")
    os.symlink("..", root / "deep/up")
    os.symlink("loop.evt", root / "loop.evt")
    os.symlink("b.evt", root / "a.evt")
    os.symlink("a.evt", root / "b.evt")
    os.symlink("/dev/zero", root / "zero.evt")
    os.symlink("deep/pipe.evt", root / "piped.evt")
    found = {listed.file: listed.problem for listed in list_folder(root)}
    assert found.pop("sound.evt") == ""
    assert set(found) >= {"deep/pipe.evt", "loop.evt", "a.evt", "b.evt", "zero.evt", "piped.evt"}
    assert not {file for file in found if file.startswith("deep/up/")}
    assert all(found.values())


def test_a_file_that_became_a_pipe_is_not_waited_for(archive, soon):
    path = archive.events()
    entry = archive.entry("a.evt")
    path.unlink()
    os.mkfifo(path)
    listed = next(list_folder(archive.root))
    assert "not a regular file" in listed.problem
    late = replace(entry, version=listed.version)
    for planned, status in ((entry, "inaccessible"), (late, "unreadable")):
        # before its state was looked at, when it may be as it was again in another run, and after
        (read,) = read_products(planned, archive.root, IngestOptions())
        assert read.status == status
    assert "not a regular file" in read.reason
    looked = scan_file(listed._replace(problem=""), archive.root, IngestOptions())
    assert (looked.status, looked.version) == ("unreadable", "")


def test_a_device_is_not_read():
    with pytest.raises(OSError, match="not a regular file"):
        fits_file.sha256("/dev/zero")


@pytest.mark.parametrize("fracexp", [np.inf, 1e30, np.nan])
def test_a_fraction_that_is_none_is_a_gap(archive, make, fracexp):
    columns = {
        "TIME": (np.arange(3.0), "s"),
        "RATE": np.array([1.0, 2.0, 3.0]),
        "FRACEXP": np.array([1.0, fracexp, 1.0]),
    }
    archive.add("a.lc", make.table("RATE", columns, make.nicer | {"TIMEDEL": 1.0}))
    row = archive.read("a.lc")
    assert row["rate"].tolist() == [1.0, 3.0]
    assert row["exposure"] == 2.0


@pytest.mark.parametrize("forms", ["1D 2D", "PD() D", "5A D"])
def test_good_times_that_cannot_be_read_name_their_table(archive, make, forms):
    start, stop = forms.split()
    intervals = fits.BinTableHDU.from_columns(
        [
            fits.Column("START", start, array=np.array([[0.0]], object) if "P" in start else None),
            fits.Column("STOP", stop),
        ],
        nrows=1,
        name="GTI",
    )
    archive.add("a.evt", make.table("EVENTS", {"TIME": np.arange(3.0)}, make.nicer), intervals)
    row = archive.read("a.evt")
    assert row["status"] in ("unreadable", "bad_time")
    assert "its good time intervals (GTI): " in row["reason"]


def test_a_form_that_is_none_is_named(archive):
    path = archive.events()
    path.write_bytes(
        path.read_bytes().replace(b"'D       '", b"'8Q?     '", 1).replace(b"8Q?", b"?8Q")
    )
    row = archive.read("a.evt")
    assert row["status"] == "unreadable"
    assert "HDU 1 (EVENTS): keyword TFORM1 is '?8Q'" in row["reason"]
