"""Archives on a server: listing them, looking into their files, and downloading these.

Requests go through fsspec's filesystems. What a server refuses for now (5xx, 429, a broken or silent
connection) is asked for again; what it refuses for good, or does not give after all tries, is a
`Rejected` that names the URL. Texts of libraries' errors are not passed on: they may hold credentials.
"""

import asyncio
import base64
import fcntl
import hashlib
import html
import io
import itertools
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, unquote

import aiohttp
import fsspec
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from fsspec.asyn import sync

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.archive.walk import version_of
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_LOOK = 1 << 16  # bytes of a file that are fetched at a time to look at its headers
_BLOCK = 8 << 20  # bytes that are downloaded by a request, and lost when it breaks
_LONGEST_PAUSE = 120.0
_DEEPEST = 64  # folders in one another
_TOO_DEEP = (
    f"more than {_DEEPEST} folders in one another (a loop of links?), which are not followed"
)
_AGAIN = frozenset({408, 425, 429})
_MD5 = re.compile(r"[0-9a-f]{32}")
_ERRORS = (OSError, aiohttp.ClientError, BotoCoreError, ClientError)
_FROZEN = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class NoRanges(Exception):
    """A server gives only whole files."""


class Limiter:
    """Spreads an amount over time, for all threads together.

    Parameters
    ----------
    per_second : float or None
        Most of it a second; None: no limit.
    """

    def __init__(self, per_second: float | None):
        self._per_second, self._free, self._lock = per_second, 0.0, threading.Lock()

    def wait(self, amount: float) -> float:
        """Take an amount, and return the seconds to wait before taking another."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now) + amount / self._per_second
            return self._free - now


class RemoteArchive:
    """The files of an archive on a server.

    Parameters
    ----------
    url : str
        http(s):// page with links, or s3://bucket/prefix.
    options : RemoteOptions
        Limits, tries and credentials.
    copies : Path
        Folder of what is downloaded.
    """

    def __init__(self, url: str, options: RemoteOptions, copies: Path):
        self.url, self.options, self.copies = url, options, Copies(copies, url)
        self._server = (_Bucket if url.startswith("s3://") else _Pages)(url, options)
        self._requests = Limiter(options.requests_per_second)
        self._bytes = Limiter(options.bytes_per_second)

    def find(self) -> list[dict]:
        """List the archive: rows of LISTING, in the order of their files.

        Raises
        ------
        Rejected
            When the archive itself is not there or must not be listed.
        ConnectionError
            When a part of it cannot be listed for now.
        """
        with self.threads() as pool:
            found = self._server.find(self._persist, pool)
        files = {row["file"]: row for row in found}
        return [_checked(files[file]) for file in sorted(files)]

    @contextmanager
    def open(self, item: Mapping) -> Iterator[Path | io.BufferedReader]:
        """Open a file of a listing to look at its headers, or yield the path of its copy.

        A file that is compressed, or that is given only whole, is downloaded.
        """
        copy = self.copies.path(item["file"], item["version"])
        if copy.is_file():
            yield copy
        elif item["size"] < 0:
            yield self.fetch(item)
        else:
            with io.BufferedReader(_Remote(self, item), _LOOK) as handle:
                try:
                    whole = handle.peek(2)[:2] == b"\x1f\x8b"
                except NoRanges:
                    whole = True
                if not whole:
                    yield handle
            if whole:
                yield self.fetch(item)

    def read(self, item: Mapping, start: int, stop: int) -> bytes:
        """Return a part of a file of a listing."""
        block = self._persist(
            item["file"], lambda: self._server.read(item["file"], item["version"], start, stop)
        )
        time.sleep(self._bytes.wait(len(block)))
        return block

    def fetch(self, item: Mapping) -> Path:
        """Download a file of a listing, unless it is here, and return the path of its copy.

        What an interrupted download left is gone on with. Size and checksum are compared where
        the listing knows them.

        Raises
        ------
        Rejected
            NOT_DOWNLOADED, with the URL and the reason.
        """
        path = self.copies.path(item["file"], item["version"])
        part = path.with_name("part")
        if path.is_file():
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "a+b") as out:
                fcntl.flock(out, fcntl.LOCK_EX)  # another survey may be downloading it
                if not path.is_file():
                    self._fill(out, item)
                    out.flush()
                    os.fsync(out.fileno())
                    os.replace(part, path)
        except OSError as error:
            reason = f"its copy cannot be written ({error.strerror or error}): see to {path.parent}"
            raise self._rejected(item["file"], reason) from error
        return path

    def threads(self) -> ThreadPoolExecutor:
        """Return as many threads as there may be requests at a time."""
        return ThreadPoolExecutor(self.options.connections)

    def _fill(self, out, item) -> None:
        """Write what is missing of a file, and compare it with its checksum; twice if it differs."""
        for tried in (False, True):
            self._append(out, item)
            if _matches(out, item["checksum"]) or self._server.is_encrypted(item["file"]):
                self._persist(
                    item["file"], lambda: self._server.confirm(item["file"], item["version"])
                )
                return
            out.truncate(0)
            if tried:
                reason = f"what it gives does not match its checksum ({item['checksum']})"
                raise self._rejected(item["file"], f"{reason}: tell those who keep the archive")

    def _append(self, out, item) -> None:
        size = item["size"]
        if size < 0 or out.seek(0, os.SEEK_END) > size:
            out.truncate(0)
        try:
            while size >= 0 and (start := out.seek(0, os.SEEK_END)) < size:
                out.write(self.read(item, start, min(start + self._block(), size)))
        except NoRanges:
            size = -1
        if size < 0:
            self._persist(
                item["file"],
                lambda: self._server.stream(item["file"], item["version"], out, self._bytes),
            )
        if item["size"] >= 0 and out.seek(0, os.SEEK_END) != item["size"]:
            out.truncate(0)
            reason = f"it gives another number of bytes than the {item['size']} that it says"
            raise self._rejected(item["file"], f"{reason}: run again")

    def _block(self) -> int:
        """Return the bytes to ask for at a time: few where few a second are allowed."""
        limit = self.options.bytes_per_second
        return _BLOCK if limit is None else max(_LOOK, min(_BLOCK, int(limit)))

    def _persist(self, file: str, request: Callable):
        """Return what a request returns, tried again as long as there is hope."""
        for tried in itertools.count(1):
            time.sleep(self._requests.wait(1))
            try:
                return request()
            except Changed as error:
                reason = "it has changed since the archive was listed: run again"
                raise self._rejected(file, reason) from error
            except _ERRORS as error:
                reason, hope, pause = _judge(error)
                if not hope:
                    raise self._rejected(file, reason) from error
                if tried >= self.options.tries:
                    reason = f"{reason}, {tried} times: run again later"
                    raise self._rejected(file, reason, temporary=True) from error
                pause = max(pause, self.options.pause * 2 ** (tried - 1))
                time.sleep(min(pause, _LONGEST_PAUSE))

    def _rejected(self, file: str, reason: str, temporary: bool = False) -> Rejected:
        kind = Unreachable if temporary else Rejected
        return kind(Status.NOT_DOWNLOADED, f"{self._server.url(file)}: {reason}")


class Changed(Exception):
    """A file on a server is not the version that was listed."""


class Unreachable(Rejected):
    """What a server did not give after all tries, and may give later."""


class _Remote(io.RawIOBase):
    """A file on a server, to read and seek in."""

    mode = "rb"

    def __init__(self, archive: RemoteArchive, item: Mapping):
        self._archive, self._item, self._place = archive, item, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._item["size"]}
        self._place = start[whence] + offset
        return self._place

    def readinto(self, buffer) -> int:
        stop = min(self._place + len(buffer), self._item["size"])
        if stop <= self._place:
            return 0
        block = self._archive.read(self._item, self._place, stop)
        buffer[: len(block)] = block
        self._place += len(block)
        return len(block)


class _Pages:
    """An HTTP server whose pages link to folders and files below them."""

    def __init__(self, url: str, options: RemoteOptions):
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=options.timeout, sock_read=options.timeout
        )
        settings = {"timeout": timeout, "trust_env": True}  # .netrc, and proxies
        self._root = url
        self._fs = fsspec.filesystem(
            "http",
            simple_links=False,
            client_kwargs=settings,
            encoded=True,
            skip_instance_cache=True,
        )

    def url(self, file: str) -> str:
        return f"{self._root}/{quote(file)}" if file else f"{self._root}/"

    def find(self, persist, pool) -> list[dict]:
        folders, seen, files, problems = [""], {""}, set(), []
        while folders:
            pages = pool.map(lambda folder: self._page(folder, persist), folders)
            folders = []
            for inside, problem in pages:
                problems += problem
                for name in inside:
                    if not name.endswith("/"):
                        files.add(name)
                    elif name not in seen:
                        seen.add(name)
                        if name.count("/") > _DEEPEST:
                            problems.append(
                                _row(name[:-1], problem=f"{self.url(name)}: {_TOO_DEEP}")
                            )
                        else:
                            folders.append(name)
        files -= {name.rstrip("/") for name in seen}
        return [*problems, *pool.map(lambda file: self._about(file, persist), sorted(files))]

    def _page(self, folder, persist) -> tuple[set[str], list[dict]]:
        """Return what a page links to below itself, and the page as a problem if it cannot be had."""
        try:
            links = persist(folder, lambda: self._fs.ls(self.url(folder), detail=False))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error
        except Rejected as error:
            if not folder:
                raise
            return set(), [_row(folder.rstrip("/"), problem=error.reason)]
        base = self.url(folder)
        links = {re.split(r"[?#]", html.unescape(link), maxsplit=1)[0] for link in links}
        inside = {link.removeprefix(base) for link in links}
        names = (unquote(name) for name in inside if name and "://" not in name)
        names = (name.removeprefix("./") for name in names)
        return {folder + name for name in names if name and ".." not in name.split("/")}, []

    def _about(self, file, persist) -> dict:
        try:
            info = persist(file, lambda: self._fs.info(self.url(file)))
        except Rejected as error:
            return _row(file, problem=error.reason)
        size = -1 if info.get("size") is None else info["size"]
        try:
            changed = parsedate_to_datetime(info.get("Last-Modified", "")).timestamp()
        except ValueError:
            changed = 0
        return _row(file, size, round(changed) * 10**9, _etag(info), _digest(info))

    def read(self, file: str, version: str, start: int, stop: int) -> bytes:
        return sync(self._fs.loop, self._read, self.url(file), version, start, stop)

    async def _read(self, url, version, start, stop):
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        session = await self._fs.set_session()
        async with session.get(self._fs.encode_url(url), headers=headers) as response:
            _of_version(response, version)
            if response.status != 206:
                raise NoRanges
            block = await response.read()
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    def stream(self, file: str, version: str, out, limiter: Limiter) -> None:
        sync(self._fs.loop, self._stream, self.url(file), version, out, limiter)

    async def _stream(self, url, version, out, limiter):
        out.truncate(0)
        session = await self._fs.set_session()
        headers = {"Accept-Encoding": "identity"}
        async with session.get(self._fs.encode_url(url), headers=headers) as response:
            _of_version(response, version)
            async for block in response.content.iter_chunked(_LOOK):
                out.write(block)
                await asyncio.sleep(limiter.wait(len(block)))

    def is_encrypted(self, file: str) -> bool:
        return False

    def confirm(self, file: str, version: str) -> None:
        """Do nothing: each answer was of the version, or did not say of which."""


def _of_version(response, version) -> None:
    """Raise unless an answer is the file that was listed."""
    response.raise_for_status()
    etag = _etag(response.headers)
    if etag and etag != version:
        raise Changed


class _Bucket:
    """An S3 bucket, or what is below a prefix in it."""

    def __init__(self, url: str, options: RemoteOptions):
        self._root = url
        self._fs = fsspec.filesystem(
            "s3",
            anon=options.credentials == "none",
            endpoint_url=options.endpoint,
            config_kwargs={"connect_timeout": options.timeout, "read_timeout": options.timeout},
            skip_instance_cache=True,
        )

    def url(self, file: str) -> str:
        return f"{self._root}/{file}"

    def find(self, persist, pool) -> list[dict]:
        try:
            found = persist("", lambda: self._fs.find(self._root, detail=True, refresh=True))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error
        root = self._root.removeprefix("s3://") + "/"
        rows = []
        for key, info in found.items():
            if info["type"] != "file" or key.endswith("/"):
                continue
            etag = _etag(info)
            row = _row(
                key.removeprefix(root),
                info["size"],
                round(info["LastModified"].timestamp()) * 10**9,
                etag,
                f"md5:{etag}" if _MD5.fullmatch(etag) else "",
            )
            if info.get("StorageClass") in _FROZEN:
                row["problem"] = f"{self._root}/{row['file']}: is in cold storage: restore it there"
            rows.append(row)
        if not rows:
            raise Rejected(Status.NOT_DOWNLOADED, f"{self._root}/: holds no file")
        return rows

    def read(self, file: str, version: str, start: int, stop: int) -> bytes:
        block = self._fs.cat_file(self.url(file), start=start, end=stop)
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    def stream(self, file: str, version: str, out, limiter: Limiter) -> None:
        raise NotImplementedError("S3 lists sizes and gives parts")

    def is_encrypted(self, file: str) -> bool:
        """Return whether the ETag of a file is no checksum of it, for it is stored encrypted."""
        bucket, key, _ = self._fs.split_path(self.url(file))
        head = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        kms = head.get("ServerSideEncryption", "").startswith("aws:kms")
        return kms or "SSECustomerAlgorithm" in head

    def confirm(self, file: str, version: str) -> None:
        """Raise Changed where a file without a checksum is no longer the version that was read."""
        if _MD5.fullmatch(version):
            return
        if _etag(self._fs.info(self.url(file), refresh=True)) != version:
            raise Changed


def _row(file, size=-1, mtime_ns=0, etag="", checksum="", problem="") -> dict:
    return {
        "file": file,
        "size": size,
        "mtime_ns": mtime_ns,
        "version": "" if problem else etag or version_of(size, mtime_ns),
        "checksum": checksum,
        "problem": problem,
    }


def _checked(row) -> dict:
    """Return a row of a listing whose name may be that of a file; another is a problem."""
    name = row["file"]
    if "\0" in name or {"", ".", ".."} & set(name.split("/")):
        return row | {
            "version": "",
            "problem": "its name cannot be that of a file: rename it there",
        }
    return row


def _etag(headers: Mapping) -> str:
    return headers.get("ETag", "").removeprefix("W/").strip('"')


def _digest(headers: Mapping) -> str:
    """Return the checksum that headers of HTTP give, as md5:… or sha-256:…, or nothing."""
    digests = [("md5", headers.get("Content-MD5", ""))]
    for part in headers.get("Digest", "").split(","):
        name, _, value = part.strip().partition("=")
        digests.append((name.lower(), value))
    for name, value in digests:
        if name in ("md5", "sha-256") and value:
            try:
                return f"{name}:{base64.b64decode(value, validate=True).hex()}"
            except ValueError:
                continue
    return ""


def _matches(file, checksum: str) -> bool:
    """Return whether a file has a checksum; every file has an empty one."""
    name, _, expected = checksum.partition(":")
    if not name:
        return True
    file.seek(0)
    return hashlib.file_digest(file, name.replace("-", "")).hexdigest() == expected


def _judge(error: Exception) -> tuple[str, bool, float]:
    """Say why a request failed, whether another may succeed, and how many seconds to wait for it."""
    status, headers = _answer(error)
    if status is not None:
        hope = status >= 500 or status in _AGAIN
        what = "" if hope else ": see to its address, and to credentials if it needs any"
        after = str(headers.get("Retry-After") or "")
        return f"the server answers {status}{what}", hope, float(after) if after.isdigit() else 0.0
    if isinstance(error, NoCredentialsError):
        return "no credentials in the environment: set them, or remote.credentials", False, 0.0
    if isinstance(error, (FileNotFoundError, PermissionError)):
        what = "is not there" if isinstance(error, FileNotFoundError) else "must not be read"
        return f"{what}: see to its address, and to credentials if it needs any", False, 0.0
    return f"the connection fails ({type(error).__name__})", True, 0.0


def _answer(error) -> tuple[int | None, Mapping]:
    """Return status and headers of the answer that an error, or what it hides, was made from."""
    for cause in (error.__cause__, error):
        if isinstance(cause, aiohttp.ClientResponseError):
            return cause.status, cause.headers or {}
        if isinstance(cause, ClientError):
            about = cause.response.get("ResponseMetadata", {})
            return about.get("HTTPStatusCode"), about.get("HTTPHeaders", {})
    return None, {}


def each(archive: RemoteArchive, work: Callable, items: Iterable) -> Iterator:
    """Yield what `work` returns for each item, in order, with as many requests at a time as allowed."""
    with warnings.catch_warnings():  # threads that each catch warnings would undo one another
        warnings.simplefilter("ignore")
        with archive.threads() as pool:
            yield from pool.map(work, items)
