"""A folder is listed in order, links inside it followed, and what must not be opened is said."""

import os

from pipeline.ingest.archive.file import version_of
from pipeline.ingest.archive.walk import list_folder


def test_files_come_in_the_order_of_their_paths_with_size_and_version(tmp_path):
    for name in ("b/z.evt", "b-a.evt", "a.evt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"123")
    found = list(list_folder(tmp_path))
    assert [one.file for one in found] == ["a.evt", "b-a.evt", "b/z.evt"]
    about = (tmp_path / "a.evt").stat()
    assert (found[0].size, found[0].mtime_ns) == (3, about.st_mtime_ns)
    assert found[0].version == version_of(3, about.st_mtime_ns)
    assert not any(one.problem for one in found)


def test_a_link_inside_is_a_file_and_one_that_leads_out_or_nowhere_has_a_problem(tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    (tmp_path / "outside").write_bytes(b"12345")
    (root / "inside").write_bytes(b"123")
    (root / "link").symlink_to("inside")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "nowhere").symlink_to("none")
    (root / "folder").symlink_to(root)
    found = {one.file: one for one in list_folder(root)}
    assert found.keys() == {"inside", "link", "out", "nowhere"}
    assert (found["link"].size, found["link"].problem) == (3, "")
    assert "out of the archive" in found["out"].problem
    assert "leads nowhere" in found["nowhere"].problem


def test_a_name_that_no_table_can_hold_is_written_as_escapes(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.evt", "wb"):
        pass
    (found,) = list_folder(tmp_path)
    assert found.file == r"\xff.evt"
    assert "not UTF-8" in found.problem


def test_a_path_that_is_too_long_is_a_problem_of_its_own_file(tmp_path):
    (tmp_path / "sound").touch()
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=folder)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deeper))
        os.close(folder)
        folder = deeper
    os.close(folder)
    found = list(list_folder(tmp_path))
    assert "sound" in {one.file for one in found if not one.problem}
    problems = [one.problem for one in found if one.problem]
    assert problems
    assert all("too long" in problem or "cannot be listed" in problem for problem in problems)


def test_names_that_are_written_alike_stay_apart(tmp_path):
    for name in (b"a\xff", b"a\\xff", b"\xff\\xff", b"\\xff\xff"):
        (tmp_path / os.fsdecode(name)).touch()
    found = {one.file: one.problem for one in list_folder(tmp_path)}
    assert len(found) == 4
    assert found.pop("a\\xff") == ""
    assert set(found) == {"a\\xff (2)", "\\xff\\xff", "\\xff\\xff (2)"}
