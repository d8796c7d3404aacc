"""Archives on an HTTP server whose pages link to folders and files below them."""

import asyncio
import html
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import aiohttp
import fsspec
from fsspec.asyn import sync

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.file import ArchiveFile, version_of
from pipeline.ingest.archive.headers import digest, etag
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import Changed, NoRanges, Persist, Unreachable
from pipeline.ingest.reject import Rejected

_STREAMED = 1 << 16  # bytes that are written at a time of a file that comes whole
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
        Timeout.
    """

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
        folders, seen, files = [""], {""}, set()
        while folders:
            pages = list(pool.map(lambda folder: self._page(folder, persist), folders))
            folders = []
            for page in pages:
                yield from page.problems
                files |= {link for link in page.links if not link.endswith("/")}
                for folder in {link for link in page.links if link.endswith("/")} - seen:
                    seen.add(folder)
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
            links = persist(folder, lambda: self._fs.ls(self.url(folder), detail=False))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error
        except Rejected as error:
            if not folder:
                raise
            return _Page(problems=[ArchiveFile(folder.rstrip("/"), problem=error.reason)])
        base = self.url(folder)
        links = {re.split(r"[?#]", html.unescape(link), maxsplit=1)[0] for link in links}
        inside = {link.removeprefix(base) for link in links}
        names = (unquote(name) for name in inside if name and "://" not in name)
        names = (name.removeprefix("./") for name in names)
        return _Page({folder + name for name in names if name and ".." not in name.split("/")})

    def _about(self, file: str, persist: Persist) -> ArchiveFile:
        """Ask the server for the size and the version of a file."""
        try:
            info = persist(file, lambda: self._fs.info(self.url(file)))
        except Rejected as error:
            return ArchiveFile(file, problem=error.reason)
        size = -1 if info.get("size") is None else info["size"]
        changed = 0.0
        with suppress(ValueError):
            changed = parsedate_to_datetime(info.get("Last-Modified", "")).timestamp()
        mtime_ns = round(changed) * 10**9
        version = etag(info) or version_of(size, mtime_ns)
        return ArchiveFile(file, size, mtime_ns, version, digest(info))

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
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        session = await self._fs.set_session()
        async with session.get(self._fs.encode_url(url), headers=headers) as response:
            _refuse_other(response, version)
            if response.status != 206:
                raise NoRanges
            block = await response.read()
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    def stream(self, file: str, version: str, out: BinaryIO, limiter: Limiter) -> None:
        """Write a whole file into another, from its beginning."""
        sync(self._fs.loop, self._stream, self.url(file), version, out, limiter)

    async def _stream(self, url: str, version: str, out: BinaryIO, limiter: Limiter) -> None:
        out.truncate(0)
        session = await self._fs.set_session()
        headers = {"Accept-Encoding": "identity"}
        async with session.get(self._fs.encode_url(url), headers=headers) as response:
            _refuse_other(response, version)
            async for block in response.content.iter_chunked(_STREAMED):
                out.write(block)
                await asyncio.sleep(limiter.wait(len(block)))

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
