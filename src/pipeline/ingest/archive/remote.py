"""Archives on a server: listing them, looking into their files, and downloading these.

Requests go through fsspec's filesystems; `http` and `s3` know the two kinds of server, and `retries` says
which requests are made again.
"""

import errno
import fcntl
import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast

from pipeline.config.archive import RemoteOptions
from pipeline.faults import MachineFault, sentence
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.archive.file import ArchiveFile
from pipeline.ingest.archive.http import HttpServer
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import NoRanges, Persist, Retries
from pipeline.ingest.archive.s3 import Bucket

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_LOOK = 1 << 16  # bytes of a file that are fetched at a time to look at its headers
_BLOCK = 8 << 20  # bytes that are downloaded by a request, and lost when it breaks


class Server(Protocol):
    """A kind of server. Its methods make a single request and raise the exceptions of `retries`."""

    def url(self, file: str) -> str:
        """Return the URL of a file."""

    def list_files(self, persist: Persist, pool: Executor) -> Iterable[ArchiveFile]:
        """List the archive; each request goes through `persist`."""

    def read(self, file: str, version: str, start: int, stop: int) -> bytes:
        """Return a part of a file."""

    def stream(self, file: str, version: str, out: BinaryIO, limiter: Limiter, limit: int) -> None:
        """Write a whole file of no more bytes than a limit into another."""

    def is_encrypted(self, file: str) -> bool:
        """Return whether the checksum that is listed is not that of the content."""

    def confirm(self, file: str, version: str) -> None:
        """Raise `Changed` if a file that was read is no longer of its version."""


class RemoteArchive:
    """The files of an archive on a server.

    Parameters
    ----------
    url : str
        http(s):// page with links, or s3://bucket/prefix.
    options : RemoteOptions
        Limits, tries and credentials.
    copies : Path
        Folder of the downloaded files.
    """

    def __init__(self, url: str, options: RemoteOptions, copies: Path):
        self.url, self.options, self.copies = url, options, Copies(copies, url)
        kind = Bucket if url.startswith("s3://") else HttpServer
        self._server: Server = kind(url, options)
        requests = Limiter(options.requests_per_second)
        self._persist = Retries(self._server.url, options.tries, options.pause, requests)
        self._bytes = Limiter(options.bytes_per_second)

    def list_files(self) -> list[ArchiveFile]:
        """List the archive, in the order of the paths.

        Raises
        ------
        Rejected
            When the archive itself is not there or must not be listed.
        ConnectionError
            When a part of it cannot be listed for now.
        """
        with self.threads() as pool:
            found = {one.file: one for one in self._server.list_files(self._persist, pool)}
        return [_with_sound_name(found[file]) for file in sorted(found)]

    @contextmanager
    def open(self, listed: ArchiveFile) -> Iterator[Path | io.BufferedReader]:
        """Open a file to look at its headers, or yield the path of its copy.

        A file that is compressed, or that the server gives only whole, is downloaded.
        """
        copy = self.copies.path(listed.file, listed.version)
        if copy.is_file():
            yield copy
        elif listed.size < 0:
            yield self.fetch(listed)
        else:
            with io.BufferedReader(_RemoteFile(self, listed), _LOOK) as handle:
                try:
                    whole = handle.peek(2)[:2] == b"\x1f\x8b"
                except NoRanges:
                    whole = True
                if not whole:
                    yield cast(io.BufferedReader, handle)
            if whole:
                yield self.fetch(listed)

    def read(self, listed: ArchiveFile, start: int, stop: int) -> bytes:
        """Return the bytes of a file from `start` to `stop`."""
        block = self._persist(
            listed.file, lambda: self._server.read(listed.file, listed.version, start, stop)
        )
        time.sleep(self._bytes.wait(len(block)))
        return block

    def fetch(self, listed: ArchiveFile) -> Path:
        """Download a file, unless it is here, and return the path of its copy.

        An interrupted download goes on where it broke. Size and checksum are compared where the
        listing knows them.

        Raises
        ------
        Rejected
            NOT_DOWNLOADED, with the URL and the reason.
        MachineFault
            When the copy cannot be written.
        """
        path = self.copies.path(listed.file, listed.version)
        part = path.with_name(f"{path.name}.part")
        if path.is_file():
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "a+b") as out:
                fcntl.flock(out, fcntl.LOCK_EX)  # another survey may be downloading it
                if not path.is_file():
                    self._complete(out, listed)
                    out.flush()
                    os.fsync(out.fileno())
                    os.replace(part, path)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise MachineFault(sentence(error, path.parent)) from error
            reason = f"its copy cannot be written ({error.strerror}): see to {path.parent}"
            raise self._persist.rejected(listed.file, reason) from None
        return path

    def threads(self) -> ThreadPoolExecutor:
        """Return as many threads as there may be requests at a time."""
        return ThreadPoolExecutor(self.options.connections)

    def _complete(self, out: BinaryIO, listed: ArchiveFile) -> None:
        """Download the missing bytes of a file. Where its checksum differs, download it once more."""
        for last_try in (False, True):
            self._append(out, listed)
            if _matches(out, listed.checksum) or self._server.is_encrypted(listed.file):
                self._persist(
                    listed.file, lambda: self._server.confirm(listed.file, listed.version)
                )
                return
            out.truncate(0)
            if last_try:
                reason = f"what it gives does not match its checksum ({listed.checksum})"
                reason = f"{reason}: tell those who keep the archive"
                raise self._persist.rejected(listed.file, reason)

    def _append(self, out: BinaryIO, listed: ArchiveFile) -> None:
        """Download the missing bytes of a file: in blocks, or whole where the server gives no parts."""
        size, largest = listed.size, self.options.max_file
        if size > largest:
            reason = f"it has {size} bytes, more than {largest}: raise remote.max_file"
            raise self._persist.rejected(listed.file, reason)
        limit = largest if size < 0 else size
        if size < 0 or out.seek(0, os.SEEK_END) > size:
            out.truncate(0)
        try:
            while size >= 0 and (start := out.seek(0, os.SEEK_END)) < size:
                out.write(self.read(listed, start, min(start + self._block(), size)))
        except NoRanges:
            size = -1
        if size < 0:
            self._persist(
                listed.file,
                lambda: self._server.stream(listed.file, listed.version, out, self._bytes, limit),
            )
        if listed.size >= 0 and out.seek(0, os.SEEK_END) != listed.size:
            out.truncate(0)
            reason = f"it gives another number of bytes than the {listed.size} that it says"
            raise self._persist.rejected(listed.file, f"{reason}: run again")

    def _block(self) -> int:
        """Return the bytes to ask for at a time: few where few a second are allowed."""
        limit = self.options.bytes_per_second
        return _BLOCK if limit is None else max(_LOOK, min(_BLOCK, int(limit)))


class _RemoteFile(io.RawIOBase):
    """A file on a server, to read and seek in."""

    mode = "rb"

    def __init__(self, archive: RemoteArchive, listed: ArchiveFile):
        self._archive, self._listed, self._place = archive, listed, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._listed.size}
        self._place = start[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        stop = min(self._place + len(buffer), self._listed.size)
        if stop <= self._place:
            return 0
        block = self._archive.read(self._listed, self._place, stop)
        buffer[: len(block)] = block
        self._place += len(block)
        return len(block)


def _with_sound_name(listed: ArchiveFile) -> ArchiveFile:
    """Return a listed file; one whose path cannot be that of a file has a problem."""
    if "\0" in listed.file or {"", ".", ".."} & set(listed.file.split("/")):
        problem = "its name cannot be that of a file: rename it there"
        return listed._replace(version="", problem=problem)
    return listed


def _matches(file: BinaryIO, checksum: str) -> bool:
    """Return whether a file has a checksum; an empty checksum matches every file."""
    name, _, expected = checksum.partition(":")
    if not name:
        return True
    file.seek(0)
    return hashlib.file_digest(file, name.replace("-", "")).hexdigest() == expected  # type: ignore[arg-type]


def each(
    archive: RemoteArchive, work: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """Yield what `work` returns for each item, in order, with as many requests at a time as allowed."""
    with warnings.catch_warnings():  # threads that each catch warnings would undo one another
        warnings.simplefilter("ignore")
        with archive.threads() as pool:
            yield from pool.map(work, items)
