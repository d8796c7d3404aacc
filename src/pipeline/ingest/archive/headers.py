"""What headers of HTTP say of a file: its version and its checksum."""

import base64
from collections.abc import Mapping


def etag(headers: Mapping) -> str:
    """Return the ETag without quotes and without the mark of a weak one; empty if there is none."""
    return headers.get("ETag", "").removeprefix("W/").strip('"')


def digest(headers: Mapping) -> str:
    """Return the checksum in Content-MD5 or Digest, as md5:… or sha-256:…; empty if there is none."""
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
