"""Statuses and flags say what happened, and who has to act."""

import pytest

from pipeline.status import HAS_RESULT, Fault, Flag, Status, without


@pytest.mark.parametrize("status", Status)
def test_a_status_says_what_happened_and_who_has_to_act(status):
    assert status.sentence.endswith(".")
    assert status.fault in Fault
    assert Status(str(status)) is status


def test_sources_with_values_are_told_from_those_without():
    assert Status.OK in HAS_RESULT
    assert not HAS_RESULT & {Status.UNREADABLE, Status.NO_DATA, Status.ERROR, Status.DUPLICATE}


def test_flags_are_single_bits_that_leave_room_for_users():
    bits = [flag.value for flag in Flag]
    assert all(bit.bit_count() == 1 for bit in bits)
    assert sum(bits) < 1 << 53


def test_flags_are_taken_away_and_all_others_stay():
    everything = Flag(sum(flag.value for flag in Flag))
    for flag in Flag:
        left = without(int(everything), flag)
        assert set(Flag) - {other for other in Flag if other & left} == {flag}
