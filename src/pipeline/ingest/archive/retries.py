"""Requests that fail: which are tried again, after which pause, and what is said of the others.

A server may refuse for now (5xx, 429, a broken or silent connection): the request is tried again. What a
server refuses for good, or does not give after all tries, is a `Rejected` that names the URL. The texts of
libraries' errors are not passed on, because they may hold credentials.
"""

import errno
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_Answer = TypeVar("_Answer")

_LONGEST_PAUSE = 120.0
_TRY_AGAIN = frozenset({408, 425, 429})
_HERE = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    )
)
_ERRORS = (OSError, aiohttp.ClientError, BotoCoreError, ClientError)


class Changed(Exception):
    """A file on a server is not the version that was listed."""


class NoRanges(Exception):
    """A server gives only whole files, and no part of one."""


class Refused(Exception):
    """What a server gives, or where it leads, is not taken; the message says why."""


class TooSlow(ConnectionError):
    """A server takes too long to give what was asked; the message says so."""


class Unreachable(Rejected):
    """A server did not give a file after all tries, and may give it later."""


def too_many(url: str, options: RemoteOptions) -> Rejected:
    """Return the exception that says that an archive has too many files to be listed."""
    reason = f"more than {options.max_entries} files and folders: raise remote.max_entries, or name a part of it"
    return Rejected(Status.NOT_DOWNLOADED, f"{url}: {reason}")


class Persist(Protocol):
    """What makes a request, again and again as long as there is hope; see `Retries`."""

    def __call__(self, file: str, request: Callable[[], _Answer]) -> _Answer:
        """Return what a request for a file returns."""


@dataclass(frozen=True)
class Retries:
    """Makes requests, and makes them again where the server may answer later.

    Attributes
    ----------
    url_of : callable
        Returns the URL of a file by its path.
    tries : int
        Most tries of a request.
    pause : float
        Seconds to wait after the first failure; doubled after each.
    limiter : Limiter
        Limit on requests a second.
    """

    url_of: Callable[[str], str]
    tries: int
    pause: float
    limiter: Limiter

    def __call__(self, file: str, request: Callable[[], _Answer]) -> _Answer:
        """Return what a request for a file returns.

        Raises
        ------
        Rejected
            NOT_DOWNLOADED if the server refuses for good, or the file has changed.
        Unreachable
            NOT_DOWNLOADED if the server refuses for now, after all tries.
        OSError
            For a fault of this machine.
        """
        for tried in itertools.count(1):
            time.sleep(self.limiter.wait(1))
            try:
                return request()
            except Changed:
                reason = "it has changed since the archive was listed: run again"
                raise self.rejected(file, reason) from None
            except Refused as error:
                raise self.rejected(file, str(error)) from error
            except _ERRORS as error:
                if _is_here(error):
                    raise
                failure = _judge(error)
                if not failure.temporary:
                    raise self.rejected(file, failure.reason) from None
                if tried >= self.tries:
                    reason = f"{failure.reason}, {tried} times: run again later"
                    raise self.rejected(file, reason, Unreachable) from None
                pause = max(failure.pause, self.pause * 2 ** (tried - 1))
                time.sleep(min(pause, _LONGEST_PAUSE))
        raise AssertionError("itertools.count ends")

    def rejected(self, file: str, reason: str, kind: type[Rejected] = Rejected) -> Rejected:
        """Return the exception that says why a file was not downloaded, with its URL."""
        return kind(Status.NOT_DOWNLOADED, f"{self.url_of(file)}: {reason}")


@dataclass(frozen=True)
class _Failure:
    """Why a request failed.

    Attributes
    ----------
    reason : str
        In words.
    temporary : bool
        Whether another request may succeed.
    pause : float
        Seconds that the server asks to wait for it.
    """

    reason: str
    temporary: bool = False
    pause: float = 0.0


def _is_here(error: Exception) -> bool:
    """Return whether it is this machine that fails, as where its disk is full, and not the server or the network."""
    return isinstance(error, OSError) and error.errno in _HERE


def _judge(error: Exception) -> _Failure:
    """Return why a request failed, by the exception of a library."""
    advice = "see to its address, and to credentials if it needs any"
    status, headers = _answer(error)
    if status is not None:
        temporary = status >= 500 or status in _TRY_AGAIN
        after = str(headers.get("Retry-After") or "")
        return _Failure(
            f"the server answers {status}" + ("" if temporary else f": {advice}"),
            temporary,
            float(after) if after.isdigit() else 0.0,
        )
    if isinstance(error, TooSlow):
        return _Failure(str(error), temporary=True)
    if isinstance(error, NoCredentialsError):
        return _Failure("no credentials in the environment: set them, or remote.credentials")
    if isinstance(error, FileNotFoundError):
        return _Failure(f"is not there: {advice}")
    if isinstance(error, PermissionError):
        return _Failure(f"must not be read: {advice}")
    return _Failure(f"the connection fails ({type(error).__name__})", temporary=True)


def _answer(error: Exception) -> tuple[int | None, Mapping[str, Any]]:
    """Return status and headers of the answer of a server that an exception, or its cause, reports."""
    for cause in (error.__cause__, error):
        if isinstance(cause, aiohttp.ClientResponseError):
            return cause.status, cause.headers or {}
        if isinstance(cause, ClientError):
            about = cause.response.get("ResponseMetadata", {})
            return about.get("HTTPStatusCode"), about.get("HTTPHeaders", {})
    return None, {}
