"""Servers of test archives: pages that misbehave as told, and a bucket; and surveys of both."""

import hashlib
import re
import threading
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
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import again, download_driver, driver, list_driver, plan_driver
from pipeline.ingest.archive import receipts, remote
from pipeline.ingest.archive.file import ArchiveFile
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

    def with_options(self, **options):
        """The same survey with other options of `remote`."""
        self.options = RemoteOptions(**QUICK | options)
        return self

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
        files = again.downloads_to_remake(
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

    def run_here(work, items, *_, together, **__):
        return together([Outcome(index, work(item)) for index, item in enumerate(items)])

    monkeypatch.setattr(driver, "each_outcome", run_here)


@pytest.fixture
def survey(pages, tmp_path):
    return Survey(pages.url, tmp_path / "survey")


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
