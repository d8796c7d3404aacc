"""A list reads back as it was written, whatever characters its cells have, and a damaged one is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lists import read_list, write_list
from pipeline.tables import TableError

COLUMNS = ("file", "reason")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_any_text_comes_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "list.tsv"
    write_list(path, COLUMNS, rows)
    assert read_list(path, COLUMNS) == rows
    assert read_list(path, ["reason"]) == [(reason,) for _, reason in rows]


@pytest.mark.parametrize(
    "odd", ["\r", "\r\n", "\0", "\u2028", "\x85", "\x1c", '"', '"\t"', "\\", "'"]
)
def test_no_character_ends_a_cell(tmp_path, odd):
    rows = [(f"a{odd}b", odd), (odd, f"{odd}{odd}")]
    write_list(tmp_path / "list", COLUMNS, rows)
    assert read_list(tmp_path / "list", COLUMNS) == rows


def test_a_cell_may_be_longer_than_a_header(tmp_path):
    write_list(tmp_path / "list", COLUMNS, [("x" * 300_000, "")])
    assert len(read_list(tmp_path / "list", ["file"])[0][0]) == 300_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column 'file'"),
        (b'"file"\n"a"\n', "no column 'reason'"),
        (b'"file"\t"reason"\n"a"\n', "row 1 has 1 cells instead of 2"),
        (b'"file"\t"reason"\n"a"\t"b"\t"c"\n', "row 1 has 3 cells instead of 2"),
        (b"file\treason\ncarriage\rret.fits\tnone\n", "row 1 has 1 cells instead of 2"),
        (b'"file"\t"reason"\n"a"\t"b\n', "is damaged"),
        (b'"file"\t"reason"\n"\xff"\t"b"\n', "is damaged"),
    ],
)
def test_what_is_no_such_list_is_refused(tmp_path, content, words):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(TableError, match=words):
        read_list(tmp_path / "list", COLUMNS)
