"""Nobody else can put anything where keys, sockets and programs are, nor take the place before."""

import os
import tempfile
from pathlib import Path

import pytest

from pipeline import private
from pipeline.faults import MachineFault

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def test_a_folder_is_made_for_the_user_alone_whatever_the_mask(tmp_path):
    before = os.umask(0)
    try:
        made = private.made(tmp_path / "a/b/c")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (made, made.parent, made.parents[1])]
    assert modes == [0o700, 0o755, 0o755]
    assert private.made(made) == made


def open_to_others(place):
    (place / "mine").mkdir(mode=0o700)
    (place / "mine").chmod(0o770)


def a_file(place):
    (place / "mine").touch()


def a_link(place):
    (place / "other").mkdir(mode=0o700)
    (place / "mine").symlink_to("other")


def above_open(place):
    place.chmod(0o777)


def above_open_to_a_group(place):
    place.chmod(0o770)
    if os.geteuid() == 0:
        os.chown(place, -1, NOBODY)


def above_a_link(place):
    place.rename(place.with_name("moved"))
    place.symlink_to("moved")
    place.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (open_to_others, "open to other users: chmod 700"),
        (a_file, "not a folder of this user"),
        (a_link, "not a folder of this user"),
        (above_open, "other users can write to"),
        pytest.param(above_open_to_a_group, "other users can write to", marks=root),
        (above_a_link, "other users can write to"),
    ],
)
def test_a_folder_that_others_can_change_is_not_taken(spoil, message, tmp_path):
    place = tmp_path / "outer" / "place"
    place.mkdir(parents=True, mode=0o700)
    spoil(place)
    with pytest.raises(PermissionError, match=message):
        private.made(place / "mine")


def of_nobody(path):
    path.mkdir(mode=0o777, exist_ok=True)
    path.chmod(0o777)
    os.chown(path, NOBODY, NOBODY)


def link_of_nobody(path):
    target = path.with_name("target")
    target.mkdir(mode=0o700)
    path.symlink_to(target)
    os.lchown(path, NOBODY, NOBODY)


@root
@pytest.mark.parametrize("take", [of_nobody, link_of_nobody])
@pytest.mark.parametrize("place", ["taken", "taken/inside", "taken/inside/deeper"])
def test_a_name_that_somebody_else_took_before_is_not_used(take, place, tmp_path):
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    private.made(sticky / "free")
    take(sticky / "taken")
    with pytest.raises(PermissionError, match=r"belongs to another user|not a folder of this user"):
        private.made(sticky / place)


def test_links_of_the_user_are_followed_and_loops_are_not(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert private.made(tmp_path / "link/mine") == tmp_path.resolve() / "real/mine"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"links|symbolic"):
        private.made(tmp_path / "loop/mine")


@pytest.mark.parametrize("name", ["user alone", "with a member", "of another name"])
def test_the_group_of_a_user_alone_may_write(name, tmp_path, monkeypatch):
    user = private.pwd.getpwuid(os.geteuid())

    def group(gid):
        members = ["somebody"] if name == "with a member" else []
        return private.grp.struct_group(
            ("staff" if name == "of another name" else user.pw_name, "x", gid, members)
        )

    private._is_own_group.cache_clear()
    monkeypatch.setattr(private.grp, "getgrgid", group)
    os.chown(tmp_path, -1, user.pw_gid)
    tmp_path.chmod(0o775)
    try:
        if name == "user alone":
            private.made(tmp_path / "mine")
        else:
            with pytest.raises(PermissionError, match="other users can write"):
                private.made(tmp_path / "mine")
    finally:
        private._is_own_group.cache_clear()


@pytest.fixture
def unsafe(tmp_path, monkeypatch):
    """A TMPDIR in which everybody may move folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_temporary_folder_is_elsewhere_where_tmpdir_is_not_safe(unsafe, capsys):
    folder = private.new_folder("pipeline-test-")
    folder.rmdir()
    assert not folder.is_relative_to(unsafe)
    assert f"other users can write to {unsafe}" in capsys.readouterr().err
    unsafe.chmod(0o1777)
    folder = private.new_folder("pipeline-test-")
    assert folder.parent == unsafe
    assert folder.stat().st_mode & 0o777 == 0o700
    assert capsys.readouterr().err == ""


def test_a_path_that_is_too_long_for_a_socket_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = private.new_folder("pipeline-test-", longest=len(str(tmp_path)))
    folder.rmdir()
    assert folder.parent != tmp_path
    assert list(tmp_path.iterdir()) == []


def test_where_no_place_is_safe_it_is_said(monkeypatch):
    def refused(path):
        raise PermissionError("other users can write there")

    monkeypatch.setattr(private, "check_above", refused)
    with pytest.raises(MachineFault, match="set TMPDIR to one of yours"):
        private.new_folder("pipeline-test-")


def test_who_is_hidden_in_a_container_is_not_somebody_else(monkeypatch):
    assert private._is_trusted(os.geteuid())
    assert private._is_trusted(0)
    monkeypatch.setattr(private, "_hidden_users", lambda: None)
    assert not private._is_trusted(NOBODY)
    monkeypatch.setattr(private, "_hidden_users", lambda: NOBODY)
    assert private._is_trusted(NOBODY)


def test_the_cache_of_a_user_is_in_his_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert private.user_cache() == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert private.user_cache() == Path(tmp_path) / ".cache"
