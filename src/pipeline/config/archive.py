"""Options of `source` and `remote`: what one source is, and how an archive on a server is asked."""

import os
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.config.base import Count, NotNegative, Options, Positive


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
        description="`observation`: each observation is a source. `object`: observations of the same OBJECT, "
        "with spelling normalised, are one source and are averaged. `position`: observations "
        "within `radius` of one another are one source, whatever their OBJECT; those without a "
        "position are grouped by OBJECT.",
    )
    radius: Positive = Field(
        10.0,
        description="Distance within which positions are the same, arcseconds.",
    )
    same_position: Literal["flag", "error"] = Field(
        "flag",
        description="What the plan does under `object` where two names lie within `radius`. `flag`: it keeps "
        "two sources, with the flag SAME_POSITION. `error`: it stops and names them.",
    )


class RemoteOptions(Options):
    """How files are requested from a server. Credentials come from the environment only."""

    connections: Count = Field(8, description="Number of requests at the same time.")
    requests_per_second: Positive | None = Field(
        None, description="Largest number of requests a second; null: no limit."
    )
    bytes_per_second: Positive | None = Field(
        None, description="Largest number of bytes that are downloaded a second; null: no limit."
    )
    tries: Count = Field(
        6,
        description="Number of tries of a request before a file is given up; the pause doubles from one try "
        "to the next.",
    )
    pause: Positive = Field(1.0, description="Seconds before the second try.")
    timeout: Positive = Field(
        60.0, description="Seconds without an answer after which a request is tried again."
    )
    max_file: Count = Field(
        20_000_000_000, description="Size, in bytes, beyond which a file is not downloaded."
    )
    max_page: Count = Field(
        100_000_000,
        description="Size, in bytes, beyond which a page that lists files is not read.",
    )
    max_entries: Count = Field(
        5_000_000,
        description="Number of files and folders beyond which the listing of an archive is given up.",
    )
    min_rate: NotNegative = Field(
        1000.0,
        description="Bytes a second below which, after `timeout`, an answer is given up and asked for again.",
    )
    max_redirects: int = Field(
        5, ge=0, description="Number of redirects of a request that are followed."
    )
    allow_redirects_to: list[str] = Field(
        default_factory=list,
        description="Servers (`host`, or `host:port`) that a server of the archive may redirect to. Without them "
        "redirects stay on the server; from http to https they may. Only the archive itself and these servers may "
        "have an address inside a network.",
    )
    credentials: Literal["none", "environment"] = Field(
        "none",
        description="Credentials for an s3:// archive. `none`: anonymous access. `environment`: "
        "AWS_ACCESS_KEY_ID and related variables, AWS_PROFILE, or the role of the machine. An "
        "http(s):// archive uses those in `.netrc`.",
    )
    endpoint: str | None = Field(
        None, description="Address of an S3 server that is not Amazon's; null: AWS_ENDPOINT_URL."
    )
    copies: str | None = Field(
        None,
        description="Folder of downloaded files; surveys may share it, and every node must see it. null: "
        "results/copies.",
    )

    @field_validator("allow_redirects_to")
    @classmethod
    def _hosts(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            parts = urlsplit(f"//{host}")
            if not parts.hostname or parts.netloc != host or "@" in host:
                raise ValueError(f"{host!r} must be host or host:port")
        return hosts

    @field_validator("endpoint")
    @classmethod
    def _no_secret(cls, endpoint: str | None) -> str | None:
        return endpoint if endpoint is None else without_secret(endpoint, ("http", "https"))
