"""The limit of open files: raised as far as it is needed, and refused in one sentence where it cannot be."""

import resource

import pytest

from pipeline import openfiles
from pipeline.faults import MachineFault

NEEDED = openfiles.LEAST + 2 * openfiles.PER_WORKER


@pytest.fixture
def limits(monkeypatch):
    """Return limits, soft and hard, in place of those of this process."""
    found = [1024, 4096]

    def change(_, new):
        found[:] = new

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(found))
    monkeypatch.setattr(resource, "setrlimit", change)
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1024, 4096], [1024, 4096]),
        ([NEEDED, NEEDED], [NEEDED, NEEDED]),
        ([20, 4096], [NEEDED, 4096]),
        ([20, resource.RLIM_INFINITY], [NEEDED, resource.RLIM_INFINITY]),
        ([resource.RLIM_INFINITY] * 2, [resource.RLIM_INFINITY] * 2),
    ],
)
def test_a_limit_is_raised_as_far_as_workers_need_it(limits, before, after):
    limits[:] = before
    openfiles.allow(2)
    assert limits == after


def test_a_limit_that_the_system_keeps_is_one_sentence(limits):
    limits[:] = [20, NEEDED - 1]
    with pytest.raises(MachineFault, match=f"may have {NEEDED - 1} files open.*ulimit -n"):
        openfiles.allow(2)
    assert limits == [20, NEEDED - 1]
