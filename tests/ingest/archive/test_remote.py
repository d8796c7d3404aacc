"""Archives on a server: what is listed, looked at and downloaded, and what a bad server costs."""

import base64
import hashlib
import re
import threading
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from pipeline.cluster import Outcome
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.config.archive import RemoteOptions, SourceOptions
from pipeline.config.base import ConfigError
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import download_driver, driver, list_driver, plan_driver
from pipeline.ingest.archive import copies, http, receipts, remote, retries
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.plan import shard
from pipeline.ingest.reject import Rejected
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of

BLOCK = 1 << 12
QUICK = {"tries": 3, "pause": 0.001, "connections": 4, "timeout": 5.0}


class Pages(ThreadingHTTPServer):
    """A server of a folder as index pages, which misbehaves as told.

    Attributes
    ----------
    faults : dict of str to list
        Path to what the next requests of it get: a status, or ``drop``: half of what was asked.
    asked : list of (str, str, str)
        Method, path and Range of every request.
    ranges, etags : bool
        Whether it gives parts and versions.
    checksums, password : str or False
        What it says in Digest, and what Authorization it wants.
    """

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.faults, self.asked = folder, {}, []
        self.ranges = self.etags = True
        self.checksums = self.password = False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/data"

    def bodies(self):
        """Return paths and ranges of the requests for content, without pages."""
        return [
            (p, r) for method, p, r in self.asked if method == "GET" and p[-1:] not in ("", "/")
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        name = unquote(urlsplit(self.path).path).removeprefix("/data/")
        self.server.asked.append((self.command, name, self.headers.get("Range", "")))
        faults = self.server.faults.get(name)
        fault = faults.pop(0) if faults and (body or faults[0] != "drop") else None
        path = self.server.folder / name
        if self.server.password and self.headers.get("Authorization") != self.server.password:
            return self._send(401, b"", {}, body)
        if isinstance(fault, int):
            return self._send(fault, b"", {"Retry-After": "0"}, body)
        if not path.exists():
            return self._send(404, b"", {}, body)
        if path.is_dir():
            entries = sorted(path.iterdir())
            links = [f"{quote(entry.name)}{'/' * entry.is_dir()}" for entry in entries]
            links += ["../", "?C=N;O=D", "/elsewhere/", "http://other.invalid/x", "#top"]
            page = "".join(f'<a href="{link}">{link}</a>\n' for link in links)
            return self._send(200, page.encode(), {"Content-Type": "text/html"}, body)
        content = path.read_bytes()
        about = {"Last-Modified": formatdate(path.stat().st_mtime, usegmt=True)}
        digest = hashlib.md5(content)
        if self.server.etags:
            about["ETag"] = f'"v-{digest.hexdigest()}"'
        if self.server.checksums:
            about["Digest"] = self.server.checksums
        status, asked = 200, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and self.server.ranges:
            start, stop = int(asked[1]), int(asked[2]) + 1
            about["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            status, content = 206, content[start:stop]
        return self._send(status, content, about, body, drop=fault == "drop")

    def _send(self, status, content, headers, body, drop=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if drop else content)
        if drop:
            self.wfile.flush()
            self.close_connection = True


@pytest.fixture
def pages(archive, monkeypatch):
    """A server of the archive's folder, whose files are downloaded a few kB at a time."""
    monkeypatch.setattr(remote, "_BLOCK", BLOCK)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("NETRC", "/dev/null")
    server = Pages(archive.root)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def filled(archive):
    archive.events("xmm/1.evt", header={"OBS_ID": "101"})
    archive.events("xmm/2 +&é.evt", time=range(3000), header={"OBS_ID": "102"})
    archive.events("plain.evt", header={"OBS_ID": "103"})
    events = archive.events("packed.evt", header={"OBS_ID": "104"})
    compressed = archive.add("x.gz", compress=True).read_bytes()
    events.with_name("empty.fits.gz").write_bytes(compressed)
    (archive.root / "x.gz").unlink()
    return archive


class Survey:
    """The first two stages of a survey of an archive on a server."""

    def __init__(self, url, folder, **options):
        self.url, self.folder = url, folder
        self.options = RemoteOptions(**QUICK | options)
        self.copies = folder / "copies"
        self.listing = folder / "listing.parquet"
        self.list = folder / "plan/shard-0000.tsv"
        self.receipts = folder / "download/shard-0000.tsv"

    def server(self):
        return remote.RemoteArchive(self.url, self.options, self.copies)

    def listed(self):
        list_driver.run(archive=self.url, output=self.listing, options=self.options)
        rows = rows_of(read_parquet(self.listing, LISTING))
        return {row["file"]: ArchiveFile.of_row(row) for row in rows}

    def plan(self):
        plan_driver.run(
            archive=self.url,
            observations=self.folder / "observations.parquet",
            plan=self.folder / "plan",
            cache=self.folder / "cache.parquet",
            options=IngestOptions(),
            source=SourceOptions(),
            cluster=ClusterOptions(),
            shards=1,
            listing=self.listing,
            copies=self.copies,
            remote=self.options,
        )
        rows = rows_of(read_parquet(self.folder / "observations.parquet", OBSERVATIONS))
        return {row["file"]: row for row in rows}

    def download(self):
        download_driver.run(
            archive=self.url,
            plan=self.list,
            listing=self.listing,
            copies=self.copies,
            output=self.receipts,
            options=self.options,
        )
        return {file: reason for (file, _), reason in receipts.read_failures(self.receipts).items()}

    def outputs_to_remake(self):
        files = download_driver.outputs_to_remake(
            listing=self.listing,
            observations=self.folder / "observations.parquet",
            downloads=self.receipts.parent,
        )
        return [file.name for file in files]

    def ingest(self):
        driver.run(
            archive=self.url,
            plan=self.list,
            output=self.folder / "ingest.parquet",
            options=IngestOptions(),
            cluster=ClusterOptions(workers=1),
            copies=self.copies,
            downloaded=self.receipts,
        )
        rows = rows_of(read_parquet(self.folder / "ingest.parquet", INGEST))
        return {row["file"]: row for row in rows}


@pytest.fixture
def without_workers(monkeypatch):
    """Let files be read in this process."""

    def run_here(work, items, *_):
        return [Outcome(index, work(item)) for index, item in enumerate(items)]

    monkeypatch.setattr(driver, "run_items", run_here)


@pytest.fixture
def survey(pages, tmp_path):
    return Survey(pages.url, tmp_path / "survey")


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


def test_looking_downloads_headers_only_and_looking_again_nothing(filled, pages, survey):
    big = filled.events("big.evt", time=range(50_000), header={"OBS_ID": "300"})
    survey.listed()
    manifest = survey.plan()
    assert {row["status"] for row in manifest.values()} <= {Status.OK, Status.UNRECOGNISED}
    assert manifest["big.evt"]["observation_id"] == "300"
    asked = [r for p, r in pages.bodies() if p == "big.evt"]
    edges = [re.findall(r"\d+", r) for r in asked]
    assert sum(int(b) - int(a) + 1 for a, b in edges) < 0.5 * big.stat().st_size
    assert survey.copies.is_dir()  # what is compressed has to be here to be looked at
    pages.asked.clear()
    survey.listed()
    assert survey.plan().keys() == manifest.keys()
    assert pages.bodies() == []


def test_an_archive_on_a_server_gives_the_rows_that_the_folder_gives(filled, pages, survey):
    survey.listed()
    manifest = survey.plan()
    assert survey.download() == {}
    rows = survey.ingest()
    here = filled.observations()
    for file, row in rows.items():
        assert row["status"] == Status.OK
        assert row["time"].tolist() == filled.read(file)["time"].tolist()
        assert row["sha256"] == hashlib.sha256((filled.root / file).read_bytes()).hexdigest()
    for file, row in here.items():
        for key in ("kind", "source_id", "observation_id", "status", "size"):
            assert manifest[file][key] == row.get(key, ""), (file, key)
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
    assert path.with_name("part").stat().st_size == 2 * BLOCK
    pages.asked.clear()
    assert survey.server().fetch(item) == path
    assert path.read_bytes() == content
    assert pages.bodies()[0] == ("plain.evt", f"bytes={2 * BLOCK}-{3 * BLOCK - 1}")
    assert not path.with_name("part").exists()
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
    assert not list(survey.copies.rglob("plain.evt"))
    right = replace(item, checksum=f"sha-256:{hashlib.sha256(content).hexdigest()}")
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
    manifest = survey.plan()
    assert manifest["plain.evt"]["status"] == Status.NOT_DOWNLOADED
    assert f"{survey.url}/plain.evt" in manifest["plain.evt"]["reason"]
    assert manifest["xmm/1.evt"]["status"] == Status.NOT_DOWNLOADED
    assert "the connection fails" in manifest["xmm/1.evt"]["reason"]
    assert survey.outputs_to_remake() == ["observations.parquet"]
    assert survey.plan()["xmm/1.evt"]["status"] == Status.OK
    assert survey.outputs_to_remake() == []  # of plain.evt the listing will say when there is hope
    assert survey.listed()["plain.evt"].problem == ""
    assert survey.plan()["plain.evt"]["status"] == Status.OK


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


def test_copies_that_are_gone_are_downloaded_by_the_next_run(filled, pages, survey):
    survey.listed()
    survey.plan()
    survey.download()
    next(survey.copies.rglob("plain.evt")).unlink()
    with pytest.raises(ConnectionError, match="1 copies are gone"):
        survey.ingest()
    assert not survey.receipts.exists()
    with pytest.raises(ConnectionError, match="is not there"):
        survey.ingest()
    assert survey.download() == {}
    assert next(survey.copies.rglob("plain.evt"))


def test_a_shard_without_sources_needs_no_file(pages, survey):
    pages.folder.joinpath("page.html").write_text("<html></html>")
    survey.listed()
    survey.plan()
    assert survey.download() == survey.ingest() == {}


def test_a_disk_that_is_full_is_said(filled, pages, survey):
    item = survey.listed()["plain.evt"]
    survey.copies.write_text("not a folder")
    with pytest.raises(Rejected, match="its copy cannot be written"):
        survey.server().fetch(item)


def test_limits_hold_for_all_threads_together(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(remote.time, "monotonic", lambda: now[0])
    limiter = remote.Limiter(10.0)
    assert [limiter.wait(5) for _ in range(3)] == pytest.approx([0.5, 1.0, 1.5])
    now[0] += 60
    assert limiter.wait(5) == pytest.approx(0.5)
    assert remote.Limiter(None).wait(1e9) == 0.0


def test_downloads_wait_as_the_limit_says(filled, pages, survey, monkeypatch):
    item = survey.listed()["plain.evt"]
    waited = []
    monkeypatch.setattr(remote.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(remote.time, "sleep", waited.append)
    survey.options = RemoteOptions(**QUICK | {"bytes_per_second": 1e5, "requests_per_second": 1e3})
    survey.server().fetch(item)
    assert [s for s in waited if s] == pytest.approx([1e-3, item.size / 1e5, 2e-3])


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


def test_no_more_requests_at_a_time_than_allowed(filled, pages, survey, monkeypatch):
    for number in range(12):
        filled.events(f"{number}.evt", header={"OBS_ID": f"5{number:02}"})
    at_work, most, lock = [0], [0], threading.Lock()
    answer = _Handler._answer

    def counting(self, body):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.005)
        try:
            answer(self, body)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(_Handler, "_answer", counting)
    survey.options = RemoteOptions(**QUICK | {"connections": 3})
    survey.listed()
    survey.plan()
    survey.download()
    assert 1 < most[0] <= 3


def test_what_waits_for_the_server_is_told(filled, pages, survey, monkeypatch):
    waited = []
    monkeypatch.setattr(remote.time, "sleep", waited.append)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 50.0)
    item = survey.listed()["plain.evt"]
    survey.options = RemoteOptions(**QUICK | {"pause": 20.0, "tries": 4})
    pages.faults["plain.evt"] = [503, 503, 429]
    survey.server().read(item, 0, 10)
    assert [s for s in waited if s] == [20.0, 40.0, 50.0]


# --- S3


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto, filled, monkeypatch):
    """A public bucket with the archive below a prefix, and its client."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(remote, "_BLOCK", BLOCK)
    client = boto3.client(
        "s3",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id="an-access-key",
        aws_secret_access_key="a-secret-key",
        config=Config(retries={"max_attempts": 1}),
    )
    client.create_bucket(Bucket="archive", ACL="public-read")
    for path in filled.root.rglob("*"):
        if path.is_file():
            key = f"data/{path.relative_to(filled.root).as_posix()}"
            client.put_object(Bucket="archive", Key=key, Body=path.read_bytes())
    yield client
    for key in client.list_objects_v2(Bucket="archive").get("Contents", []):
        client.delete_object(Bucket="archive", Key=key["Key"])
    client.delete_bucket(Bucket="archive")
    client.close()


@pytest.fixture
def s3(bucket, moto, tmp_path):
    return Survey("s3://archive/data", tmp_path / "s3", endpoint=moto)


def test_a_bucket_gives_the_rows_that_the_folder_gives(filled, s3):
    listed = s3.listed()
    here = filled.observations()
    assert set(listed) == set(here)
    md5 = hashlib.md5((filled.root / "plain.evt").read_bytes()).hexdigest()
    assert listed["plain.evt"].version == md5
    assert listed["plain.evt"].checksum == f"md5:{md5}"
    manifest = s3.plan()
    assert {f: r["status"] for f, r in manifest.items()} == {
        f: r["status"] for f, r in here.items()
    }
    assert s3.download() == {}
    for entry in shard.read(s3.list):
        path = copies.locate(s3.server().copies, entry.file, entry.version)
        assert path.read_bytes() == (filled.root / entry.file).read_bytes()


def test_a_bucket_is_asked_without_and_with_credentials(filled, s3, moto, monkeypatch):
    assert s3.server()._server._fs.anon
    s3.options = RemoteOptions(**QUICK, endpoint=moto, credentials="environment")
    with pytest.raises(ConfigError, match="no credentials in the environment"):
        s3.listed()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVERYSECRETNAME")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-very-secret-key")
    assert "plain.evt" in s3.listed()
    s3.plan()
    s3.download()
    for file in s3.folder.rglob("*"):
        if file.is_file():
            assert b"SECRET" not in file.read_bytes().upper(), file


def test_an_object_that_changed_or_is_damaged_is_not_taken(filled, s3, bucket):
    item = s3.listed()["plain.evt"]
    other = bytearray((filled.root / "plain.evt").read_bytes())
    other[-1] ^= 1
    bucket.put_object(Bucket="archive", Key="data/plain.evt", Body=bytes(other))
    with pytest.raises(Rejected, match="does not match its checksum"):
        s3.server().fetch(item)
    parts = replace(item, version="0123456789abcdef0123456789abcdef-2", checksum="")
    with pytest.raises(Rejected, match="has changed since"):
        s3.server().fetch(parts)
    bucket.delete_object(Bucket="archive", Key="data/plain.evt")
    with pytest.raises(Rejected, match=r"s3://archive/data/plain\.evt: "):
        s3.server().fetch(item)


def test_names_that_are_no_files_and_objects_in_cold_storage_are_rows(filled, s3, bucket):
    bucket.put_object(Bucket="archive", Key="data/a/../b.evt", Body=b"x")
    bucket.put_object(Bucket="archive", Key="data/ice.evt", Body=b"x", StorageClass="GLACIER")
    bucket.put_object(Bucket="archive", Key="data/folder/", Body=b"")
    listed = s3.listed()
    assert "cannot be that of a file" in listed["a/../b.evt"].problem
    assert "cold storage" in listed["ice.evt"].problem
    assert not any(name.startswith("folder") for name in listed)
    manifest = s3.plan()
    assert manifest["ice.evt"]["status"] == Status.NOT_DOWNLOADED


@pytest.mark.parametrize("url", ["s3://nobody", "s3://archive/nothing"])
def test_a_bucket_that_is_not_there_or_empty_is_a_mistake_of_the_configuration(s3, url):
    s3.url = url
    with pytest.raises(ConfigError, match=f"archive: {url}/: "):
        s3.listed()
