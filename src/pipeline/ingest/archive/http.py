"""Archives on an HTTP server whose pages link to folders and files below them."""

import asyncio
import html
import re
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

import aiohttp
import fsspec
from fsspec.asyn import sync

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.file import ArchiveFile, version_of
from pipeline.ingest.archive.guard import Guard, Resolver, TooLarge, answer, blocks, whole
from pipeline.ingest.archive.headers import digest, etag
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import (
    Changed,
    NoRanges,
    Persist,
    Refused,
    Unreachable,
    too_many,
)
from pipeline.ingest.reject import Rejected

_LINK = re.compile(r"""\s(?:href|HREF)=["']([^"']+)""")
_LONGEST_TAG = 1 << 14  # characters that are looked at
_DEEPEST = 64  # folders in one another
_TOO_DEEP = (
    f"more than {_DEEPEST} folders in one another (a loop of links?), which are not followed"
)


@dataclass
class _Page:
    """A page of the archive: the paths of files and folders that it links to, or a problem."""

    links: set[str] = field(default_factory=set)
    problems: list[ArchiveFile] = field(default_factory=list)


class HttpServer:
    """An HTTP server of an archive.

    Parameters
    ----------
    url : str
        Page with links.
    options : RemoteOptions
        Bounds.
    """

    def __init__(self, url: str, options: RemoteOptions):
        self._root, self._options = url, options
        guard = Guard([urlsplit(url).hostname or ""], options)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=options.timeout, sock_read=options.timeout
        )

        async def client(**settings: Any) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Resolver(guard), limit=0),
                middlewares=(guard,),
                timeout=timeout,
                trust_env=True,  # .netrc, and proxies
                auto_decompress=False,
                **settings,
            )

        self._fs = fsspec.filesystem(
            "http", get_client=client, encoded=True, skip_instance_cache=True
        )

    def url(self, file: str) -> str:
        """Return the URL of a file, or of the archive for an empty path."""
        return f"{self._root}/{quote(file)}" if file else f"{self._root}/"

    def list_files(self, persist: Persist, pool: Executor) -> Iterator[ArchiveFile]:
        """Yield the files that pages link to, below the archive's own page.

        Raises
        ------
        Rejected
            When the archive's own page is refused.
        ConnectionError
            When a page cannot be read for now.
        """
        folders, seen, files = [""], {""}, set[str]()
        while folders:
            pages = list(pool.map(lambda folder: self._page(folder, persist), folders))
            folders = []
            for page in pages:
                yield from page.problems
                files |= {link for link in page.links if not link.endswith("/")}
                new = {link for link in page.links if link.endswith("/")} - seen
                seen |= new
                if len(files) + len(seen) > self._options.max_entries:
                    raise too_many(self.url(""), self._options)
                for folder in sorted(new):
                    if folder.count("/") > _DEEPEST:
                        problem = f"{self.url(folder)}: {_TOO_DEEP}"
                        yield ArchiveFile(folder[:-1], problem=problem)
                    else:
                        folders.append(folder)
        files -= {folder.rstrip("/") for folder in seen}
        yield from pool.map(lambda file: self._about(file, persist), sorted(files))

    def _page(self, folder: str, persist: Persist) -> _Page:
        """Read the page of a folder: the paths below itself that it links to."""
        try:
            names = persist(folder, lambda: sync(self._fs.loop, self._names, self.url(folder)))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error
        except Rejected as error:
            if not folder:
                raise
            return _Page(problems=[ArchiveFile(folder.rstrip("/"), problem=error.reason)])
        return _Page({folder + name for name in names})

    async def _names(self, url: str) -> set[str]:
        """Return the names below itself that a page links to; if there are none, of the page without a slash."""
        for place in (url, url.rstrip("/")):
            base = f"{place.rstrip('/')}/"
            names = {_inside(link, base) for link in links(await self._text(place))}
            names = {name for name in names if name and ".." not in name.split("/")}
            if names:
                return names
        return set()

    async def _text(self, url: str) -> str:
        """Return the text of a page; an empty one if it is something else."""
        async with await self._answer("GET", url) as response:
            if response.status == 404:
                raise FileNotFoundError(url)
            response.raise_for_status()
            if response.headers.get("Content-Type", "text/html").partition(";")[0] != "text/html":
                return ""
            try:
                content = await whole(response.content, self._options.max_page, self._options)
                content = unpacked(
                    content, response.headers.get("Content-Encoding", ""), self._options.max_page
                )
            except TooLarge as error:
                raise Refused(
                    f"the page has more than {self._options.max_page} bytes: raise remote.max_page"
                ) from error
            with suppress(LookupError):
                return content.decode(response.charset or "utf-8", errors="ignore")
            return content.decode(errors="ignore")

    async def _answer(self, method: str, url: str, **headers: str) -> aiohttp.ClientResponse:
        """Make a request. See `answer`."""
        session = await self._fs.set_session()
        return await answer(session, method, self._fs.encode_url(url), self._options, **headers)

    def _about(self, file: str, persist: Persist) -> ArchiveFile:
        """Ask the server for the size and the version of a file."""
        try:
            headers = persist(file, lambda: sync(self._fs.loop, self._head, self.url(file)))
        except Rejected as error:
            return ArchiveFile(file, problem=error.reason)
        size = _size(headers)
        changed = 0.0
        with suppress(ValueError, OverflowError, OSError):
            changed = parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()
        mtime_ns = round(changed) * 10**9
        version = etag(headers) or version_of(size, mtime_ns)
        return ArchiveFile(file, size, mtime_ns, version, digest(headers))

    async def _head(self, url: str) -> Mapping[str, str]:
        """Return the headers of a file: by HEAD, or where that is refused or says no size, by GET."""
        with suppress(OSError, aiohttp.ClientError):
            async with await self._answer("HEAD", url) as response:
                response.raise_for_status()
                if _size(response.headers) >= 0:
                    return response.headers
        response = await self._answer("GET", url)
        response.close()  # its content is not read
        response.raise_for_status()
        return response.headers

    def read(self, file: str, version: str, start: int, stop: int) -> bytes:
        """Return the bytes of a file from `start` to `stop`.

        Raises
        ------
        NoRanges
            When the server gives only whole files.
        Changed
            When the file is of another version.
        """
        return sync(self._fs.loop, self._read, self.url(file), version, start, stop)

    async def _read(self, url: str, version: str, start: int, stop: int) -> bytes:
        async with await self._answer("GET", url, Range=f"bytes={start}-{stop - 1}") as response:
            _refuse_other(response, version)
            if response.status != 206:
                raise NoRanges
            try:
                block = await whole(response.content, stop - start, self._options)
            except TooLarge:
                block = b""
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    def stream(self, file: str, version: str, out: BinaryIO, limiter: Limiter, limit: int) -> None:
        """Write a whole file into another, from its beginning; one byte more than `limit` is too many."""
        sync(self._fs.loop, self._stream, self.url(file), version, out, limiter, limit)

    async def _stream(
        self, url: str, version: str, out: BinaryIO, limiter: Limiter, limit: int
    ) -> None:
        out.truncate(0)
        async with await self._answer("GET", url) as response:
            _refuse_other(response, version)
            try:
                async for block in blocks(response.content, limit, self._options):
                    out.write(block)
                    await asyncio.sleep(limiter.wait(len(block)))
            except TooLarge as error:
                out.truncate(0)
                raise Refused(
                    f"it gives more than {limit} bytes, which it said it has, or remote.max_file: see to the server"
                ) from error

    def is_encrypted(self, file: str) -> bool:
        """Return False: a checksum that HTTP gives is that of the content."""
        return False

    def confirm(self, file: str, version: str) -> None:
        """Do nothing: each answer was of the version, or did not say of which."""


def _refuse_other(response: Any, version: str) -> None:
    """Raise `Changed` if an answer is of another version of a file, and what its status is otherwise."""
    response.raise_for_status()
    found = etag(response.headers)
    if found and found != version:
        raise Changed


def links(text: str) -> Iterator[str]:
    """Yield the links of a page of HTML, in a time that its length bounds."""
    for tag in text.split("<")[1:]:
        found = _LINK.search(tag, 0, _LONGEST_TAG) if tag[:1] in "aA" else None
        if found and ">" not in tag[: found.start()]:
            yield found[1]


def unpacked(content: bytes, encoding: str, limit: int) -> bytes:
    """Return a page as it is without the compression that its headers name.

    Raises
    ------
    TooLarge
        When it is larger than `limit` bytes.
    Refused
        When it is damaged, or compressed in another way.
    """
    if encoding.lower() in ("", "identity"):
        return content
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise Refused(f"the page is compressed ({encoding[:20]!r}), which was not asked for")
    try:
        page = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, limit + 1)
    except zlib.error as error:
        raise Refused("the page is compressed, and damaged") from error
    if len(page) > limit:
        raise TooLarge
    return page


def _inside(link: str, base: str) -> str:
    """Return the path below a page that a link leads to; empty if it leads elsewhere."""
    link = re.split(r"[?#]", html.unescape(link), maxsplit=1)[0]
    if link.startswith("/") and len(link) > 1:
        parts = urlsplit(base)
        link = f"{parts.scheme}://{parts.netloc}{link}"
    if link.startswith(base):
        link = link.removeprefix(base)
    name = unquote(link.lstrip("/")) if "://" not in link else ""
    return name.removeprefix("./")


def _size(headers: Mapping[str, str]) -> int:
    """Return the size of a file by the headers of an answer; -1 if they do not say it."""
    length = headers.get("Content-Length")
    if length is None:
        length = headers.get("Content-Range", "").rpartition("/")[2]
    elif headers.get("Content-Encoding", "identity") not in ("", "identity"):
        return -1
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1
