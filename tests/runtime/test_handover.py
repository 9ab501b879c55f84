"""Threads that wait for work, and who of them gets it."""

import threading
from queue import Queue

import pytest

from service.runtime.handover import Handover
from tests.runtime.raw import eventually


@pytest.fixture
def handover():
    return Handover()


@pytest.fixture
def start(handover):
    """Start threads that call what they get, until they get None."""
    threads = []

    def work():
        while call := handover.get():
            call()
        handover.put(None)

    def start_one():
        idle = len(handover._idle)
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        eventually(lambda: len(handover._idle) > idle)
        return threads[-1]

    yield start_one
    handover.put(None)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_the_oldest_work_comes_first(handover):
    for number in range(3):
        handover.put(number)
    assert [handover.get() for _ in range(3)] == [0, 1, 2]


def test_work_that_waits_for_something_keeps_no_other_waiting(handover, start):
    """Each that takes work wakes the next thread, as long as there is more."""
    for _ in range(5):
        start()
    together = threading.Barrier(6)
    for _ in range(5):
        handover.put(lambda: together.wait(10))
    together.wait(10)  # raises BrokenBarrierError, unless all five wait at once


def test_the_latest_idle_thread_is_woken(handover, start):
    start()
    latest = start()
    found = Queue()
    handover.put(lambda: found.put(threading.current_thread()))
    assert found.get(timeout=10) is latest


def test_one_thread_is_woken_at_a_time(handover, start):
    """The others come when it has taken something."""
    for _ in range(3):
        start()
    with handover._lock:  # nobody can look
        for _ in range(3):
            handover._left.append(lambda: None)
            handover._wake()
        assert len(handover._idle) == 2
    eventually(lambda: not handover._left)


def test_no_work_is_lost_or_done_twice(handover, start):
    for _ in range(4):
        start()
    found = Queue()

    def put(first):
        for number in range(first, first + 1000):
            handover.put(lambda number=number: found.put(number))

    putting = [threading.Thread(target=put, args=[first]) for first in (0, 1000, 2000)]
    for thread in putting:
        thread.start()
    assert sorted(found.get(timeout=10) for _ in range(3000)) == list(range(3000))
    eventually(lambda: len(handover._idle) == 4)
