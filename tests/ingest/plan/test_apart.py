"""A file that ends the process that looks at it costs itself only; a fault of the machine is no fault of a file."""

import errno
import os
import signal
import time

import pytest

from pipeline.config.cluster import ClusterOptions
from pipeline.faults import MachineFault
from pipeline.ingest.plan import apart

OPTIONS = ClusterOptions(item_timeout=1.0, memory_limit="256MiB", patience=0.0)
KILLED = {
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exits": lambda: os._exit(0),
    "does not end": lambda: time.sleep(60),
    "needs memory": lambda: bytearray(1 << 30),
    "stops": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def outcomes(work, count=200, options=OPTIONS):
    found = list(apart.each(work, range(count), options))
    assert sorted(one.index for one in found) == list(range(count))
    return {one.index: one for one in found}


@pytest.mark.parametrize("action", KILLED.values(), ids=KILLED)
@pytest.mark.parametrize("guilty", [{0}, {70}])
def test_what_kills_its_process_costs_itself_only(action, guilty):
    found = outcomes(lambda item: action() if item in guilty else -item)
    assert {index for index, one in found.items() if one.died} == guilty
    assert all("(cluster.item_timeout)" in found[index].error for index in guilty)
    assert all(found[k].value == -k for k in set(found) - guilty)


def test_several_may_die():
    guilty = {70, 71, 199}
    found = outcomes(lambda item: os._exit(1) if item in guilty else item)
    assert {index for index, one in found.items() if one.died} == guilty


def test_what_is_raised_is_an_error_of_its_item():
    found = outcomes(lambda item: 1 / (item - 3))
    assert found[3].error == "ZeroDivisionError: division by zero"
    assert not any(one.died for one in found.values())


def test_a_process_that_somebody_else_ends_once_is_started_again(tmp_path):
    def work(item):
        if item == 5 and not (tmp_path / "there").exists():
            (tmp_path / "there").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    found = outcomes(work)
    assert [found[k].value for k in range(200)] == list(range(200))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_fault_of_the_machine_is_raised(number):
    def work(item):
        if item == 5:
            raise OSError(number, os.strerror(number), "/there")
        return item

    found = []
    with pytest.raises(MachineFault, match=r"^/there: "):
        found.extend(apart.each(work, range(9), OPTIONS))


def test_a_machine_that_is_at_fault_for_longer_than_an_item_may_take_is_waited_for(tmp_path):
    def work(item):
        tries = tmp_path / "tries"
        tries.write_text(f"{tries.read_text() if tries.exists() else ''}.")
        if len(tries.read_text()) < 4:
            raise OSError(errno.EIO, "away")
        return item

    patient = OPTIONS.model_copy(update={"item_timeout": 1.0, "patience": 30.0})
    (found,) = apart.each(work, [7], patient)
    assert found.value == 7


def _all(items):
    for item in items:
        if item == 7:
            os._exit(1)
        yield -item


def test_many_at_once_are_worked_on_one_by_one_after_a_death():
    found = {one.index: one for one in apart.together(_all, range(100), OPTIONS)}
    assert [index for index, one in found.items() if one.died] == [7]
    assert all(found[k].value == -k for k in set(range(100)) - {7})
    assert list(apart.together(_all, [], OPTIONS)) == []


def test_nothing_is_started_for_nothing(monkeypatch):
    monkeypatch.setattr(apart, "_Child", None)
    assert list(apart.each(abs, [], OPTIONS)) == []


def test_the_process_ends_when_nobody_wants_more():
    one = apart.each(lambda item: os.getpid(), range(10_000), OPTIONS)
    child = next(one).value
    one.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
