"""Versions and checksums in the headers of HTTP."""

import pytest

from pipeline.ingest.archive.headers import digest, etag


@pytest.mark.parametrize(("said", "tag"), [('"abc"', "abc"), ('W/"abc"', "abc"), ("", "")])
def test_a_version_is_without_its_quotes(said, tag):
    assert etag({"ETag": said}) == tag
    assert etag({}) == ""


@pytest.mark.parametrize(
    ("headers", "checksum"),
    [
        ({"Content-MD5": "AAECAw=="}, "md5:00010203"),
        ({"Digest": "SHA-256=AAECAw=="}, "sha-256:00010203"),
        ({"Digest": "crc32=AAA=, md5=AAECAw=="}, "md5:00010203"),
        ({"Digest": "md5=not base64, sha-256=AAECAw=="}, "sha-256:00010203"),
        ({"Digest": "md5"}, ""),
        ({}, ""),
    ],
)
def test_the_first_checksum_that_can_be_used(headers, checksum):
    assert digest(headers) == checksum
