"""Archives on a server: what is looked at and downloaded, and what a bad server costs."""

import hashlib
import re

import pytest

from pipeline.faults import MachineFault
from pipeline.ingest.archive import copies, remote
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def test_looking_downloads_headers_only_and_looking_again_nothing(filled, pages, survey):
    big = filled.events("big.evt", time=range(50_000), header={"OBS_ID": "300"})
    survey.listed()
    in_archive = survey.plan()
    assert {row["status"] for row in in_archive.values()} <= {Status.OK, Status.UNRECOGNISED}
    assert in_archive["big.evt"]["observation_id"] == "300"
    asked = [r for p, r in pages.bodies() if p == "big.evt"]
    edges = [re.findall(r"\d+", r) for r in asked]
    assert sum(int(b) - int(a) + 1 for a, b in edges) < 0.5 * big.stat().st_size
    assert survey.copies.is_dir()  # what is compressed has to be here to be looked at
    pages.asked.clear()
    survey.listed()
    assert survey.plan().keys() == in_archive.keys()
    assert pages.bodies() == []


def test_an_archive_on_a_server_gives_the_rows_that_the_folder_gives(filled, pages, survey):
    survey.listed()
    in_archive = survey.plan()
    assert survey.download() == {}
    rows = survey.ingest()
    here = filled.observations()
    for file, row in rows.items():
        assert row["status"] == Status.OK
        assert row["time"].tolist() == filled.read(file)["time"].tolist()
        assert row["sha256"] == hashlib.sha256((filled.root / file).read_bytes()).hexdigest()
    for file, row in here.items():
        for key in ("kind", "source_id", "observation_id", "status", "size"):
            assert in_archive[file][key] == row.get(key, ""), (file, key)
    pages.asked.clear()
    survey.download()
    assert pages.asked == []


def test_a_download_goes_on_where_it_broke(filled, pages, survey):
    content = (filled.root / "plain.evt").read_bytes()
    pages.faults["plain.evt"] = []
    item = survey.listed()["plain.evt"]
    pages.asked.clear()
    pages.faults["plain.evt"] = [None, "drop", 503, None, *([500] * 3)]
    with pytest.raises(Rejected, match="3 times"):
        survey.server().fetch(item)
    path = copies.Copies(survey.copies, survey.url).path("plain.evt", item.version)
    assert not path.exists()
    assert path.with_name(f"{path.name}.part").stat().st_size == 2 * remote._BLOCK
    pages.asked.clear()
    assert survey.server().fetch(item) == path
    assert path.read_bytes() == content
    assert pages.bodies()[0] == ("plain.evt", f"bytes={2 * remote._BLOCK}-{3 * remote._BLOCK - 1}")
    assert not path.with_name(f"{path.name}.part").exists()
    pages.asked.clear()
    survey.server().fetch(item)
    assert pages.asked == []


@pytest.mark.parametrize("faults", [[], ["drop", 502]])
def test_a_server_that_gives_only_whole_files_is_asked_for_those(filled, pages, survey, faults):
    pages.ranges = False
    item = survey.listed()["plain.evt"]
    pages.faults["plain.evt"] = [None, *faults]
    content = (filled.root / "plain.evt").read_bytes()
    assert survey.server().fetch(item).read_bytes() == content
    assert survey.plan()["plain.evt"]["status"] == Status.OK


def test_what_does_not_match_its_checksum_is_fetched_again_and_then_refused(filled, pages, survey):
    content = (filled.root / "plain.evt").read_bytes()
    pages.checksums = "md5=" + "A" * 22 + "=="
    item = survey.listed()["plain.evt"]
    assert item.checksum == "md5:" + "0" * 32
    with pytest.raises(Rejected, match="does not match its checksum"):
        survey.server().fetch(item)
    assert not survey.server().copies.has(item.key)
    right = item._replace(checksum=f"sha-256:{hashlib.sha256(content).hexdigest()}")
    assert survey.server().fetch(right).read_bytes() == content


def test_a_file_that_changed_after_the_listing_is_not_taken_for_it(filled, pages, survey):
    item = survey.listed()["plain.evt"]
    filled.events("plain.evt", time=[5.0], header={"OBS_ID": "103"})
    with pytest.raises(Rejected, match="has changed since the archive was listed"):
        survey.server().fetch(item)


@pytest.mark.usefixtures("without_workers")
def test_a_file_that_is_not_given_is_a_row_and_the_next_run_tries_again(filled, pages, survey):
    survey.listed()
    survey.plan()
    pages.faults["xmm/1.evt"] = [500] * 3
    pages.faults["plain.evt"] = [403]
    failed = survey.download()
    assert failed.keys() == {"xmm/1.evt", "plain.evt"}
    assert f"{survey.url}/xmm/1.evt: the server answers 500, 3 times" in failed["xmm/1.evt"]
    assert "403: see to its address" in failed["plain.evt"]
    rows = survey.ingest()
    for file, row in rows.items():
        assert row["status"] == (Status.NOT_DOWNLOADED if file in failed else Status.OK), file
        assert row["source_id"]
    assert rows["xmm/1.evt"]["reason"] == failed["xmm/1.evt"]
    assert survey.outputs_to_remake() == ["shard-0000.tsv"]
    assert survey.download() == {}
    assert survey.outputs_to_remake() == []


def test_a_file_that_cannot_be_looked_at_is_in_the_table_of_files_and_looked_at_again(
    filled, pages, survey
):
    pages.faults["plain.evt"] = [404, 404]  # HEAD, and GET instead of it
    assert "answers 404" in survey.listed()["plain.evt"].problem
    pages.faults["xmm/1.evt"] = ["drop"] * 3
    in_archive = survey.plan()
    assert in_archive["plain.evt"]["status"] == Status.NOT_DOWNLOADED
    assert f"{survey.url}/plain.evt" in in_archive["plain.evt"]["reason"]
    assert in_archive["xmm/1.evt"]["status"] == Status.NOT_DOWNLOADED
    assert "the connection fails" in in_archive["xmm/1.evt"]["reason"]
    assert survey.outputs_to_remake() == ["observations.parquet"]
    assert survey.plan()["xmm/1.evt"]["status"] == Status.OK
    assert survey.outputs_to_remake() == []  # of plain.evt the listing will say when there is hope
    assert survey.listed()["plain.evt"].problem == ""
    assert survey.plan()["plain.evt"]["status"] == Status.OK


def test_copies_that_are_gone_are_downloaded_by_the_next_run(filled, pages, survey):
    item = survey.listed()["plain.evt"]
    survey.plan()
    survey.download()
    survey.server().copies.path(*item.key).unlink()
    with pytest.raises(ConnectionError, match="1 copies are gone"):
        survey.ingest()
    assert not survey.receipts.exists()
    with pytest.raises(ConnectionError, match="is not there"):
        survey.ingest()
    assert survey.download() == {}
    assert survey.server().copies.has(item.key)


@pytest.mark.usefixtures("without_workers")
@pytest.mark.parametrize(
    "name",
    [
        "part",
        ".part",
        "a.part",
        "x" * 240 + ".evt",
        "carriage\rreturn",
        "a\nb",
        "-rf",
        "a b%41",
        '"{x}"',
    ],
)
def test_a_file_may_be_called_anything_the_second_time_too(filled, survey, name):
    filled.events(name, header={"OBS_ID": "105"})
    for _ in range(2):
        survey.listed()
        assert survey.plan()[name]["status"] == Status.OK
        assert survey.download() == {}
        assert survey.ingest()[name]["status"] == Status.OK


def test_a_shard_without_sources_needs_no_file(pages, survey):
    pages.folder.joinpath("page.html").write_text("<html></html>")
    survey.listed()
    survey.plan()
    assert survey.download() == survey.ingest() == {}


def test_a_disk_that_is_full_is_said(filled, pages, survey):
    item = survey.listed()["plain.evt"]
    survey.copies.write_text("not a folder")
    with pytest.raises(MachineFault, match=f"^{survey.copies}/.*: not a directory"):
        survey.server().fetch(item)
