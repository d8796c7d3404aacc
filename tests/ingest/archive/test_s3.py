"""Archives in a bucket."""

import hashlib

import pytest

from pipeline.config.base import ConfigError
from pipeline.ingest.archive import copies
from pipeline.ingest.plan import shard
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def test_a_bucket_gives_the_rows_that_the_folder_gives(filled, s3):
    listed = s3.listed()
    here = filled.observations()
    assert set(listed) == set(here)
    md5 = hashlib.md5((filled.root / "plain.evt").read_bytes()).hexdigest()
    assert listed["plain.evt"].version == md5
    assert listed["plain.evt"].checksum == f"md5:{md5}"
    in_archive = s3.plan()
    assert {f: r["status"] for f, r in in_archive.items()} == {
        f: r["status"] for f, r in here.items()
    }
    assert s3.download() == {}
    for entry in shard.read(s3.list):
        path = copies.locate(s3.server().copies, entry.file, entry.version)
        assert path.read_bytes() == (filled.root / entry.file).read_bytes()


def test_a_bucket_is_asked_without_and_with_credentials(filled, s3, moto, monkeypatch):
    assert s3.server()._server._fs.anon
    s3.with_options(endpoint=moto, credentials="environment")
    with pytest.raises(ConfigError, match="no credentials in the environment"):
        s3.listed()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVERYSECRETNAME")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-very-secret-key")
    assert "plain.evt" in s3.listed()
    s3.plan()
    s3.download()
    for file in s3.folder.rglob("*"):
        if file.is_file():
            assert b"SECRET" not in file.read_bytes().upper(), file


def test_an_object_that_changed_or_is_damaged_is_not_taken(filled, s3, bucket):
    item = s3.listed()["plain.evt"]
    other = bytearray((filled.root / "plain.evt").read_bytes())
    other[-1] ^= 1
    bucket.put_object(Bucket="archive", Key="data/plain.evt", Body=bytes(other))
    with pytest.raises(Rejected, match="does not match its checksum"):
        s3.server().fetch(item)
    parts = item._replace(version="0123456789abcdef0123456789abcdef-2", checksum="")
    with pytest.raises(Rejected, match="has changed since"):
        s3.server().fetch(parts)
    bucket.delete_object(Bucket="archive", Key="data/plain.evt")
    with pytest.raises(Rejected, match=r"s3://archive/data/plain\.evt: "):
        s3.server().fetch(item)


def test_names_that_are_no_files_and_objects_in_cold_storage_are_rows(filled, s3, bucket):
    bucket.put_object(Bucket="archive", Key="data/a/../b.evt", Body=b"x")
    bucket.put_object(Bucket="archive", Key="data/ice.evt", Body=b"x", StorageClass="GLACIER")
    bucket.put_object(Bucket="archive", Key="data/folder/", Body=b"")
    listed = s3.listed()
    assert "cannot be that of a file" in listed["a/../b.evt"].problem
    assert "cold storage" in listed["ice.evt"].problem
    assert not any(name.startswith("folder") for name in listed)
    in_archive = s3.plan()
    assert in_archive["ice.evt"]["status"] == Status.NOT_DOWNLOADED


@pytest.mark.parametrize("url", ["s3://nobody", "s3://archive/nothing"])
def test_a_bucket_that_is_not_there_or_empty_is_a_mistake_of_the_configuration(s3, url):
    s3.url = url
    with pytest.raises(ConfigError, match=f"archive: {url}/: "):
        s3.listed()


@pytest.mark.parametrize("name", ["x" * 300 + ".evt", "é" * 400, "part", "a\tb"])
def test_a_key_may_be_longer_than_the_name_of_a_file(filled, s3, bucket, name):
    content = (filled.root / "plain.evt").read_bytes()
    bucket.put_object(Bucket="archive", Key=f"data/{name}", Body=content)
    for _ in range(2):
        item = s3.listed()[name]
        assert s3.server().fetch(item).read_bytes() == content
