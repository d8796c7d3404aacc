"""A process that is interrupted ends, whatever holds it up."""

import os
import signal
import subprocess
import sys

import pytest

from pipeline.interruption import Interrupted, interruptible

HELD_UP = """
import sys, threading
from pipeline import interruption
interruption.PATIENCE = 0.1
with interruption.interruptible("the line"):
    try:
        print("here", flush=True)
        threading.Event().wait()
    finally:
        threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_with_its_code_and_the_next_ones_make_haste(number):
    before, hurried = signal.getsignal(number), []

    def work():
        with interruptible() as interruption:
            interruption.hurry = lambda: hurried.append(1)
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)

    try:
        with pytest.raises(Interrupted) as raised:
            work()
        assert raised.value.code == 128 + number
        assert hurried == [1]
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(number, before)


def test_handlers_are_put_back_where_nothing_was_asked():
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_hang_up_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_is_held_up_ends_all_the_same():
    with subprocess.Popen(
        [sys.executable, "-c", HELD_UP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.terminate()
        assert process.wait() == 143
        assert process.stderr.read() == "the line\n"
