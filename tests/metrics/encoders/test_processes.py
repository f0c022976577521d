"""A function in processes of its own: what it returns and raises, what becomes of one that dies, and when they end."""

import os
import signal
import threading
import time

import pytest

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.processes import Processes, core_seconds

BARRIER_S = 30.0
"""After which a test fails that waits for another thread."""


def make_function(offset):
    if offset is None:
        raise EncoderUnavailable("nothing to add")

    def function(question):
        print("what a library chats is no answer")
        match question:
            case "raise":
                raise ValueError("no number")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "who":
                return os.getpid()
            case "work":
                begin = time.process_time()
                while time.process_time() < begin + 0.1:
                    pass
        return question + offset if isinstance(question, int) else None

    return function


@pytest.fixture
def adding():
    return Processes(make_function, 3)


def test_it_returns_what_the_function_returns_and_raises_what_it_raises(adding):
    assert [adding(1), adding(2)] == [4, 5]
    with pytest.raises(ValueError, match="no number"):
        adding("raise")
    assert adding(1) == 4


def test_a_process_serves_one_call_after_another_and_those_at_once_have_one_each(adding):
    assert adding("who") == adding("who") != os.getpid()
    both, answers = threading.Barrier(2), []

    def ask():
        child = adding._take()
        both.wait(BARRIER_S)
        answers.append(adding._ask(child, "who"))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*answers, os.getpid()}) == 3


def test_one_that_dies_fails_its_own_call_alone(adding):
    adding.load()
    with pytest.raises(RuntimeError, match="the process that computed it died"):
        adding("die")
    assert adding(1) == 4


def test_what_cannot_be_sent_fails_its_own_call_alone(adding):
    with pytest.raises((TypeError, AttributeError), match="pickle"):
        adding(threading.Lock())
    assert adding(1) == 4


def test_what_the_function_cannot_be_made_of_is_told():
    with pytest.raises(EncoderUnavailable, match="nothing to add"):
        Processes(make_function, None).load()


def test_its_core_seconds_are_those_of_the_thread_that_called(adding):
    before = core_seconds()
    adding("work")
    assert core_seconds() - before > 0.05
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(core_seconds()))
    thread.start()
    thread.join()
    assert elsewhere[0] < 0.05


def test_its_processes_end_with_it():
    adding = Processes(make_function, 3)
    child = adding._take()
    assert child.poll() is None
    del adding
    assert child.poll() == -signal.SIGKILL
