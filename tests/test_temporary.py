"""Unfinished files of processes that are gone are removed, and no others."""

import os

import pytest

from pipeline import temporary
from pipeline.temporary import machine, sweep, sweep_beside, unfinished

DEAD = 2**22 + 1  # above the largest number of a process


def test_a_name_says_whose_it_is_and_lies_beside(tmp_path):
    path = unfinished(tmp_path / "a.parquet")
    assert path == tmp_path / f".a.parquet.{machine()}-{os.getpid()}.tmp"
    assert unfinished(tmp_path / "a", "parts").suffix == ".parts"


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (f".a.{machine()}-{DEAD}.tmp", True),
        (f".a.b.{machine()}-{DEAD}.parts", True),
        (f".a.{DEAD}.tmp", True),
        (f".a.{machine()}-{os.getpid()}.tmp", False),
        (f".a.{os.getppid()}.tmp", False),
        (f".a.00000000-{DEAD}.tmp", False),  # of another machine
        (f"a.{DEAD}.tmp", False),
        (f".a.{DEAD}.txt", False),
        (".lock", False),
        ("tmp", False),
    ],
    ids=["dead", "parts", "old", "own", "old own", "elsewhere", "seen", "text", "lock", "no name"],
)
@pytest.mark.parametrize("folder", [False, True])
def test_only_what_is_unfinished_and_nobodys_goes(tmp_path, name, goes, folder):
    path = tmp_path / "sub" / name
    path.parent.mkdir()
    if folder:
        (path / "deep").mkdir(parents=True)
    else:
        path.touch()
    sweep(tmp_path)
    assert path.exists() is not goes


def test_what_another_machine_left_goes_after_a_day(tmp_path, monkeypatch):
    path = tmp_path / f".a.00000000-{DEAD}.tmp"
    path.touch()
    monkeypatch.setattr(temporary, "ABANDONED", -1.0)
    sweep(tmp_path)
    assert not path.exists()


def test_beside_a_file_only_its_own_goes(tmp_path):
    path = tmp_path / "a[1].x"
    own, other, longer = (
        tmp_path / f".{name}.{machine()}-{DEAD}.tmp" for name in ("a[1].x", "a1.x", "a[1].x.y")
    )
    for one in (own, other, longer):
        one.mkdir()
    sweep_beside(path)
    assert sorted(tmp_path.iterdir()) == sorted([other, longer])


def test_links_are_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / f".a.{DEAD}.tmp").touch()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / f".l.{DEAD}.tmp").symlink_to(kept)
    (tmp_path / "results" / "link").symlink_to(kept)
    sweep(tmp_path / "results")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["link"]
    assert list(kept.iterdir())
