"""Archives in an S3 bucket, or below a prefix in it."""

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import BinaryIO

import fsspec

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.file import ArchiveFile, version_of
from pipeline.ingest.archive.headers import etag
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import Changed, Persist, Unreachable
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
        self._root = url
        self._fs = fsspec.filesystem(
            "s3",
            anon=options.credentials == "none",
            endpoint_url=options.endpoint,
            config_kwargs={"connect_timeout": options.timeout, "read_timeout": options.timeout},
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
        try:
            found = persist("", lambda: self._fs.find(self._root, detail=True, refresh=True))
        except Unreachable as error:
            raise ConnectionError(error.reason) from error
        root = self._root.removeprefix("s3://") + "/"
        objects = {
            key: info
            for key, info in found.items()
            if info["type"] == "file" and not key.endswith("/")
        }
        if not objects:
            raise Rejected(Status.NOT_DOWNLOADED, f"{self._root}/: holds no file")
        for key, info in objects.items():
            yield self._listed(key.removeprefix(root), info)

    def _listed(self, file: str, info: dict) -> ArchiveFile:
        size, mtime_ns = info["size"], round(info["LastModified"].timestamp()) * 10**9
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
        block = self._fs.cat_file(self.url(file), start=start, end=stop)
        if len(block) != stop - start:
            raise ConnectionError("a part of another length")
        return block

    def stream(self, file: str, version: str, out: BinaryIO, limiter: Limiter) -> None:
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
