"""A reason is one line, whatever a library says."""

from pipeline.refusal import LONGEST_REASON, Refusal, error_line, one_line
from pipeline.status import Status


def test_blanks_line_ends_and_control_characters_become_one_blank():
    assert one_line(" a\n\tb\x00 \u2028c\r\n") == "a b c"
    assert one_line(12) == "12"


def test_an_error_is_its_kind_and_its_message():
    assert error_line(ValueError("item 3\nis bad")) == "ValueError: item 3 is bad"
    assert error_line(KeyError("x")) == "KeyError: 'x'"


def test_the_reason_of_a_refusal_is_one_line():
    refusal = Refusal(Status.NO_DATA, "x.fits:\n no events")
    assert (refusal.status, refusal.reason) == (Status.NO_DATA, "x.fits: no events")


def test_a_reason_quotes_a_part_of_what_is_long():
    reason = Refusal(Status.UNREADABLE, "keyword TFORM1 is " + "9" * 10**6).reason
    assert len(reason) == LONGEST_REASON
    assert reason.startswith("keyword TFORM1 is 999")
    assert reason.endswith("9…")
