"""Options of `source` and `remote`: what one source is, and how an archive on a server is asked."""

import os
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.config.base import Count, Options, Positive


def is_remote(archive: str | os.PathLike[str]) -> bool:
    """Return whether an archive is on a server, and not a folder."""
    return "://" in str(archive)


def without_secret(url: str, schemes: tuple[str, ...]) -> str:
    """Return a URL without a slash at its end; raise ValueError where it may hold a secret."""
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{parts.scheme}:// is not supported; allowed: {allowed}")
    if not parts.netloc:
        raise ValueError(f"{url!r} names no server")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "a URL is written to logs and catalogues, and must hold no user, password, query or "
            "fragment; credentials come from the environment"
        )
    return url.rstrip("/")


class SourceOptions(Options):
    """What one source is."""

    group_by: Literal["observation", "object", "position"] = Field(
        "observation",
        description="`observation`: a source an observation. `object`: observations of the same "
        "OBJECT, spelling normalised, are one source and are averaged. `position`: those within "
        "`radius` of one another are, whatever their OBJECT; without a position, by OBJECT.",
    )
    radius: Positive = Field(
        10.0,
        description="Arcseconds within which positions are the same.",
    )
    same_position: Literal["flag", "error"] = Field(
        "flag",
        description="Under `object`, what two names within `radius` are: sources with the flag "
        "SAME_POSITION, or a mistake, for which the plan stops and names them.",
    )


class RemoteOptions(Options):
    """How an archive on a server is asked; credentials come from the environment only."""

    connections: Count = Field(8, description="Requests at a time.")
    requests_per_second: Positive | None = Field(
        None, description="Most requests a second; null: no limit."
    )
    bytes_per_second: Positive | None = Field(
        None, description="Most bytes a second that are downloaded; null: no limit."
    )
    tries: Count = Field(
        6, description="Tries of a request, each after twice the pause, before a file is given up."
    )
    pause: Positive = Field(1.0, description="Seconds before the second try.")
    timeout: Positive = Field(
        60.0, description="Seconds without an answer after which a request is tried again."
    )
    credentials: Literal["none", "environment"] = Field(
        "none",
        description="Of an s3:// archive. `none`: anonymous. `environment`: AWS_ACCESS_KEY_ID and the "
        "like, AWS_PROFILE, or the role of the machine. http(s):// takes those in `.netrc`.",
    )
    endpoint: str | None = Field(
        None, description="Address of an S3 server that is not Amazon's; null: AWS_ENDPOINT_URL."
    )
    copies: str | None = Field(
        None,
        description="Folder of downloaded files, which surveys may share and every node must see; "
        "null: results/copies.",
    )

    @field_validator("endpoint")
    @classmethod
    def _no_secret(cls, endpoint: str | None) -> str | None:
        return endpoint if endpoint is None else without_secret(endpoint, ("http", "https"))
