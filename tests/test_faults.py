"""Errors are the machine's by number and kind, whatever raised them."""

import errno
import pickle

import pyarrow as pa
import pytest

from pipeline import faults
from pipeline.faults import MachineFault, lacks_memory, of_machine, own, persist, sentence
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


class CommClosedError(OSError):
    """As Dask's, of which the module is looked at."""


CommClosedError.__module__ = "distributed.comm.core"


@pytest.mark.parametrize(
    "name",
    [
        "ENOSPC",
        "EDQUOT",
        "EMFILE",
        "ENFILE",
        "ENOMEM",
        "EIO",
        "ESTALE",
        "ENOTCONN",
        "ETIMEDOUT",
        "EROFS",
        "EHOSTDOWN",
        "ENODEV",
        "EFBIG",
        "EAGAIN",
        "EHOSTUNREACH",
        "ENETDOWN",
        "EREMOTEIO",
        "EKEYEXPIRED",
        "EUCLEAN",
    ],
)
def test_a_full_disk_or_a_mount_that_is_away_is_the_machines(name):
    error = OSError(getattr(errno, name), "whatever", "/data/a.fits")
    assert of_machine(error)
    said = sentence(error)
    assert said.startswith("/data/a.fits: ")
    assert said.endswith("run again")
    assert "\n" not in said
    assert "whatever" not in said


@pytest.mark.parametrize(
    "name",
    [
        "ENOENT",
        "EACCES",
        "EPERM",
        "EISDIR",
        "ENOTDIR",
        "ELOOP",
        "EINVAL",
        "ENAMETOOLONG",
        "EEXIST",
        "EPIPE",
        "EBADF",
    ],
)
def test_what_is_wrong_with_a_file_is_not_the_machines(name):
    error = OSError(getattr(errno, name), "whatever")
    assert of_machine(error) is isinstance(error, BrokenPipeError)


@pytest.mark.parametrize(
    "error",
    [
        OSError("Header missing END card."),
        ValueError("No space left on device"),
        EOFError(),
        pa.ArrowInvalid("not Parquet"),
        RuntimeError("x"),
        KeyError("ENOSPC"),
    ],
)
def test_an_error_without_a_number_is_the_files_whatever_it_says(error):
    assert not of_machine(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        ConnectionError("the Dask scheduler was lost"),
        TimeoutError("late"),
        CommClosedError("closed"),
        RuntimeError("can't start new thread"),
        MachineFault("x: full: make space"),
    ],
)
def test_kinds_of_errors_that_have_no_number(error):
    assert of_machine(error)
    assert sentence(error)


def test_the_cause_of_an_error_counts_unless_it_was_put_away():
    def raised(full: OSError, how: str) -> Exception:
        try:
            try:
                raise full
            except OSError as cause:
                refusal = Rejected(Status.UNREADABLE, "cannot be read")
                if how == "while":
                    int("x")
                raise refusal from (cause if how == "from" else None)
        except (Rejected, ValueError) as error:
            return error

    full = OSError(errno.ENOSPC, "No space left on device", "/tmp/x")
    for how, expected in (("from", True), ("while", True), ("none", False)):
        error = raised(full, how)
        assert of_machine(error) is expected
        if expected:
            assert sentence(error) == "/tmp/x: no space left on device: " + faults._SPACE
    assert not of_machine(raised(OSError(errno.ENOENT, "x"), "from"))


def test_the_path_of_the_caller_is_used_where_the_error_has_none():
    error = OSError(errno.ENOSPC, "Error writing bytes")
    assert sentence(error, "/out/t.parquet").startswith("/out/t.parquet: no space left")
    assert sentence(error).startswith("no space left")
    assert "cluster.workers" in sentence(MemoryError())


def test_every_error_with_our_own_files_is_the_machines():
    said = "/scratch/tmp: no such file or directory: run again"
    with pytest.raises(MachineFault, match=said), own("/scratch/tmp"):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory")
    with pytest.raises(OSError, match="Header"), own("/scratch"):
        raise OSError("Header missing END card.")


def test_a_fault_travels_between_processes():
    fault = pickle.loads(pickle.dumps(MachineFault("a: full: make space")))
    assert of_machine(fault)
    assert sentence(fault) == "a: full: make space"


def test_what_the_machine_made_fail_is_tried_again_for_a_while():
    pauses, left = [], [3]

    def action():
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, "x")
        return "done"

    assert persist(action, 30, pauses.append) == "done"
    assert pauses == [0.5, 1.0, 2.0]
    left[0], pauses = 100, []
    with pytest.raises(OSError, match="x"):
        persist(action, 5, pauses.append)
    assert sum(pauses) == 5
    left[0] = 1
    with pytest.raises(OSError, match="x"):
        persist(action, 0, pytest.fail)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOENT, "x"), ValueError()])
def test_what_would_fail_again_is_not_tried_again(error):
    def action():
        raise error

    with pytest.raises(type(error)):
        persist(action, 30, pytest.fail)
    assert lacks_memory(error) is isinstance(error, MemoryError)
