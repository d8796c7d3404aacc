"""Archives of pages: what is listed, and what a bad server costs."""

import base64
import hashlib

import pytest

from pipeline.config.base import ConfigError
from pipeline.ingest.archive import http


def test_pages_are_followed_below_the_archive_only(filled, pages, survey):
    rows = survey.listed()
    names = {p.relative_to(filled.root).as_posix() for p in filled.root.rglob("*") if p.is_file()}
    assert set(rows) == names
    for name, row in rows.items():
        content = (filled.root / name).read_bytes()
        assert row.size == len(content)
        assert row.version == f"v-{hashlib.md5(content).hexdigest()}"
        assert row.mtime_ns == int((filled.root / name).stat().st_mtime) * 10**9
    assert not any("elsewhere" in path for _, path, _ in pages.asked)


def test_without_versions_size_and_time_are_one(filled, pages, survey):
    pages.etags = False
    row = survey.listed()["plain.evt"]
    assert row.version == f"{row.size}-{row.mtime_ns}"


def test_a_listing_that_did_not_change_is_left_as_it_is(filled, pages, survey):
    survey.listed()
    before = survey.listing.stat()
    survey.listed()
    assert survey.listing.stat().st_mtime_ns == before.st_mtime_ns
    filled.events("new.evt", header={"OBS_ID": "200"})
    assert "new.evt" in survey.listed()


def test_a_page_that_fails_is_no_smaller_archive(filled, pages, survey):
    pages.faults["xmm/"] = [503] * 3
    with pytest.raises(ConnectionError, match=r"/xmm/: the server answers 503"):
        survey.listed()
    pages.faults["xmm/"] = [403]
    assert survey.listed()["xmm"].problem


def test_an_archive_that_is_not_there_is_a_mistake_of_the_configuration(filled, pages, survey):
    survey.url += "/nowhere"
    with pytest.raises(ConfigError, match=r"archive: .*/nowhere/: is not there"):
        survey.listed()


def test_a_password_comes_from_netrc_and_goes_nowhere_else(
    filled, pages, survey, monkeypatch, tmp_path, capfd
):
    pages.password = f"Basic {base64.b64encode(b'me:my-secret').decode()}"
    with pytest.raises(ConfigError, match="answers 401: see to its address, and to credentials"):
        survey.listed()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password my-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert "plain.evt" in survey.listed()
    survey.plan()
    assert survey.download() == {}
    assert "secret" not in "".join(capfd.readouterr())
    for file in survey.folder.rglob("*"):
        assert not file.is_file() or b"secret" not in file.read_bytes(), file


def test_folders_without_end_are_not_followed(filled, pages, survey, monkeypatch):
    monkeypatch.setattr(http, "_DEEPEST", 3)
    (filled.root / "loop").symlink_to(filled.root)
    listed = survey.listed()
    assert "a loop of links?" in listed["loop/loop/loop/loop"].problem
    assert listed["loop/plain.evt"].problem == ""
