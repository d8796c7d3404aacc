"""Archives in an S3 bucket, or below a prefix in it."""

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, BinaryIO

import aiohttp
import fsspec
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import HTTPClientError
from fsspec.asyn import sync

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.file import ArchiveFile, version_of
from pipeline.ingest.archive.guard import Guard, Resolver, TooLarge, in_time, whole
from pipeline.ingest.archive.headers import etag
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import Changed, Persist, Refused, Unreachable, too_many
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_MD5 = re.compile(r"[0-9a-f]{32}")
_FROZEN = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Bucket:
    """An S3 bucket of an archive.

    Parameters
    ----------
    url : str
        s3://bucket/prefix.
    options : RemoteOptions
        Timeout, endpoint and credentials.
    """

    def __init__(self, url: str, options: RemoteOptions):
        self._root, self._options = url, options
        guard = Guard([], options)
        self._fs = fsspec.filesystem(
            "s3",
            anon=options.credentials == "none",
            endpoint_url=options.endpoint,
            config_kwargs={
                "connect_timeout": options.timeout,
                "read_timeout": options.timeout,
                "max_pool_connections": options.connections,
                "connector_args": {"resolver": Resolver(guard)},
                "http_session_cls": _guarded_session(guard, options),
            },
            skip_instance_cache=True,
        )

    def url(self, file: str) -> str:
        """Return the URL of a file, or of the archive for an empty path."""
        return f"{self._root}/{file}"

    def list_files(self, persist: Persist, pool: Executor) -> Iterator[ArchiveFile]:
        """Yield the objects below the prefix.

        Raises
        ------
        Rejected
            When there is none, or the bucket is refused.
        ConnectionError
            When it cannot be listed for now.
        """
        bucket, _, prefix = self._root.removeprefix("s3://").partition("/")
        prefix = f"{prefix}/" if prefix else ""
        asked = {"Bucket": bucket, "Prefix": prefix}
        number, found = 0, False
        while True:
            page = self._list(persist, asked)
            entries = page.get("Contents", [])
            number += max(1, len(entries))
            if number > self._options.max_entries:
                raise too_many(f"{self._root}/", self._options)
            for info in entries:
                if not info["Key"].endswith("/"):
                    found = True
                    yield self._listed(info["Key"].removeprefix(prefix), info)
            if not page.get("IsTruncated"):
                break
            asked["ContinuationToken"] = page.get("NextContinuationToken", "")
        if not found:
            raise Rejected(Status.NOT_DOWNLOADED, f"{self._root}/: holds no file")

    def _list(self, persist: Persist, asked: dict[str, str]) -> dict[str, Any]:
        """Return a page of the list of objects."""
        try:
            return persist("", lambda: self._fs.call_s3("list_objects_v2", **asked))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error

    def _listed(self, file: str, info: dict) -> ArchiveFile:
        size, mtime_ns = info["Size"], round(info["LastModified"].timestamp()) * 10**9
        version = etag(info)
        checksum = f"md5:{version}" if _MD5.fullmatch(version) else ""
        version = version or version_of(size, mtime_ns)
        listed = ArchiveFile(file, size, mtime_ns, version, checksum)
        if info.get("StorageClass") in _FROZEN:
            problem = f"{self._root}/{file}: is in cold storage: restore it there"
            return listed._replace(problem=problem)
        return listed

    def read(self, file: str, version: str, start: int, stop: int) -> bytes:
        """Return the bytes of a file from `start` to `stop`."""
        block = sync(self._fs.loop, self._read, self.url(file), start, stop)
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    async def _read(self, url: str, start: int, stop: int) -> bytes:
        bucket, key, _ = self._fs.split_path(url)
        given = await self._fs._call_s3(
            "get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}"
        )
        try:
            return await whole(given["Body"].raw_stream.content, stop - start, self._options)
        except TooLarge:
            return b""
        finally:
            given["Body"].close()

    def stream(self, file: str, version: str, out: BinaryIO, limiter: Limiter, limit: int) -> None:
        """Raise: S3 always gives parts."""
        raise NotImplementedError("S3 lists sizes and gives parts")

    def is_encrypted(self, file: str) -> bool:
        """Return whether the ETag of a file is no checksum of it, because it is stored encrypted."""
        bucket, key, _ = self._fs.split_path(self.url(file))
        head = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        kms = head.get("ServerSideEncryption", "").startswith("aws:kms")
        return kms or "SSECustomerAlgorithm" in head

    def confirm(self, file: str, version: str) -> None:
        """Raise `Changed` if a file without a checksum is no longer the version that was read."""
        if _MD5.fullmatch(version):
            return
        if etag(self._fs.info(self.url(file), refresh=True)) != version:
            raise Changed


def _guarded_session(guard: Guard, options: RemoteOptions) -> type[AIOHTTPSession]:
    """Return the kind of session in which requests go through a guard, and answers have a bound."""

    class Session(AIOHTTPSession):
        """Requests of botocore."""

        async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
            session = await super()._get_session(proxy_url)
            session._middlewares = (guard,)
            return session

        async def send(self, request: Any) -> Any:
            streamed, request.stream_output = request.stream_output, True
            try:
                async with in_time(options):
                    response = await super().send(request)
            except HTTPClientError as error:
                if isinstance(error.__context__, Refused):
                    raise error.__context__ from error
                raise
            finally:
                request.stream_output = streamed
            if not streamed:
                response._content = await self._whole(response.raw)
            return response

        async def _whole(self, raw: aiohttp.ClientResponse) -> bytes:
            """Return an answer that is a list or a description."""
            try:
                return await whole(raw.content, options.max_page, options)
            except TooLarge as error:
                raw.close()
                raise Refused(
                    f"the list has more than {options.max_page} bytes: raise remote.max_page"
                ) from error

    return Session
