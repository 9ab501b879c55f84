"""Admission in simulation: who runs, who waits, who is refused."""

import time
from threading import Thread

import pytest

from service.computing.meter import CpuMeter
from service.runtime.admission import PRESSURE, Admission, Verdict


class Request(CpuMeter):
    """What Admission needs of a connection; its thread has used as much CPU as is said here."""

    def __init__(self):
        super().__init__()
        self.meter = self
        self.cpu = 0.0

    def used(self):
        return self.cpu


class Process:
    """An Admission of a process on one core. Its requests do what compute() and wait() say."""

    def __init__(self, limit=16, queue_length=32, queue_timeout=0.3):
        self.now = self.cpu = 0.0
        self.preempted = 0
        self.admission = Admission(
            limit, queue_length, queue_timeout, limit + 48, lambda: (self.cpu, self.preempted)
        )
        self.running = []

    def offer(self, count=1):
        """Offer so many; returns what became of the last."""
        for _ in range(count):
            request = Request()
            verdict = self.admission.offer(request, self.now)
            if verdict is Verdict.RUN:
                self.running.append(request)
        return verdict

    def compute(self, seconds, *requests):
        """Let these take turns at the CPU for so long, with looks at the queue in between."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.002
            self.cpu += 0.002
            for request in requests:
                request.cpu += 0.002 / len(requests)
            self.look()

    def wait(self, seconds):
        """Let time pass without anybody computing."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.002
            self.look()

    def look(self):
        while request := self.admission.next(self.now):
            self.running.append(request)

    def leave(self, request):
        self.running.remove(request)
        if following := self.admission.leave(request, self.now):
            self.running.append(following)

    def serve(self, seconds, count):
        """Have all that run compute, and the oldest leave after so long, so many times."""
        for _ in range(count):
            oldest = self.running[0]
            self.compute(seconds, *self.running)
            self.leave(oldest)


def test_few_compute_at_once():
    process = Process()
    process.offer(2)
    process.compute(0.02, *process.running)

    assert process.offer(4) is Verdict.WAIT
    process.compute(0.02, *process.running)
    assert len(process.running) == 2


def test_few_compute_at_once_beside_busy_neighbours():
    """The process has a third of a CPU, and the kernel takes it away again and again. That one of
    the two got nothing of it does not mean that it waits.
    """
    process = Process()
    process.offer(6)
    for turn in range(10):
        process.cpu += 0.003
        process.now += 0.009
        process.preempted += 1
        process.running[turn % 2].cpu += 0.003
        process.look()

    assert len(process.running) == 2


def test_few_compute_at_once_after_many_small_ones():
    """What they took on average is no reason to let in ten of another kind."""
    process = Process()
    for _ in range(1000):
        process.offer()
        process.now += 0.001
        process.leave(process.running[0])
    for _ in range(8):
        process.offer()
        process.compute(0.05, *process.running)

    assert len(process.running) <= 3


def test_who_waits_after_computing_makes_room():
    """The gate closes for what computes now, not for what has since it began."""
    process = Process()
    process.offer(2)
    process.compute(0.02, *process.running)
    process.offer(5)
    assert len(process.running) == 2

    process.compute(0.05, process.running[0])

    assert len(process.running) == 7


def test_as_many_as_slots_are_never_refused():
    """However long their turn takes to come, and without a queue: sixteen of 0.1 s each."""
    process = Process(queue_length=0)
    assert process.offer(16) is Verdict.WAIT
    expired = []
    for _ in range(16):
        process.serve(0.1, 1)
        expired += process.admission.take_expired(process.now)

    assert not expired
    assert process.now > 5 * process.admission.queue_timeout
    assert not process.running
    assert not process.admission.refused


def test_waits_are_bounded_once_there_are_more():
    process = Process()
    process.offer(16)
    process.compute(0.2, *process.running)
    assert process.offer() is Verdict.WAIT
    process.compute(0.2, *process.running)
    assert not process.admission.take_expired(process.now)
    process.compute(0.2, *process.running)

    expired = process.admission.take_expired(process.now)

    assert len(expired) == 1  # the others came before
    assert process.admission.refused == {"timeout": 1}


def test_a_queue_without_a_prospect_refuses_at_the_door():
    process = Process()
    process.offer(20)
    process.serve(0.1, 3)  # and so the queue takes some seconds

    assert process.offer() is Verdict.REFUSE
    assert process.admission.refused["full"] == 1


def test_an_overload_is_forgotten_within_two_seconds():
    process = Process()
    process.offer(48)
    for _ in range(48):
        if process.running:
            process.serve(0.28, 1)
            process.admission.take_expired(process.now)
    assert not process.running
    assert process.admission.refused
    process.admission.refused.clear()
    process.now += 2.0

    process.offer(45)

    assert not process.admission.refused


def test_c_code_on_a_core_each_is_not_in_its_own_way():
    """Two that compute without the interpreter let a third go on."""
    process = Process()
    process.offer(2)
    for _ in range(10):
        process.now += 0.002
        process.cpu += 0.004
        for request in process.running:
            request.cpu += 0.002
        process.look()

    assert process.offer() is Verdict.RUN


def test_one_long_request_is_no_reason_to_refuse_others():
    """The forecast is about how fast the queue moves, not about how long requests run."""
    process = Process()
    process.offer()
    process.wait(10)
    process.leave(process.running[0])
    process.offer(2)
    process.compute(0.02, *process.running)

    assert process.offer(5) is Verdict.WAIT
    assert not process.admission.refused


def test_few_wait_in_vain_where_nothing_moves():
    """All slots are taken for long. What comes then hears so at once, but for one that tries."""
    process = Process()
    process.offer(16)
    for _ in range(500):
        process.wait(0.02)
        process.offer()
        process.admission.take_expired(process.now)

    refused = process.admission.refused
    assert refused["full"] > 400
    # One at a time, and those of the beginning, when nobody could know.
    assert refused["timeout"] <= 10 / process.admission.queue_timeout + 20


def test_waiting_for_the_client_changes_no_forecast():
    """What a request computed counts once."""

    def admitted(parks):
        process = Process()
        for _ in range(50):
            process.offer()
            (request,) = process.running
            process.compute(0.002, request)
            for _ in range(parks):
                process.admission.park(request, process.now)
                process.now += 0.05
                process.admission.unpark(request, process.now)
            process.compute(0.006, request)
            process.leave(request)
        process.offer(16)
        return len(process.running)

    assert admitted(parks=2) == admitted(parks=0)


def test_one_that_goes_on_has_not_just_begun():
    """It computed before its client was slow, and waits for something else now."""
    process = Process()
    process.offer()
    (request,) = process.running
    for previous in (0.0, 0.002):
        request.cpu += 0.002
        request.look(previous, True)
    process.admission.park(request, 0.01)
    process.admission.unpark(request, 1.0)
    for previous in (1.0, 1.002):
        request.look(previous, True)

    assert request.computes is False
    assert not request.waits_first


def test_nobody_leaves_the_queue_while_the_event_loop_has_its_turn():
    admission = Admission(limit=1, queue_length=2, queue_timeout=0.3, threads=2)
    first, second = Request(), Request()
    assert admission.offer(first, 0.0) is Verdict.RUN
    assert admission.offer(second, 0.0) is Verdict.WAIT
    admission.paused = True
    assert admission.leave(first, 0.1) is None
    assert admission.next(0.1) is None
    admission.paused = False
    assert admission.next(0.1) is second


@pytest.mark.parametrize(
    ("computes", "waits", "mostly"), [(0.006, 0.094, False), (0.05, 0.002, True), (0.002, 0, True)]
)
def test_whether_the_queue_mostly_computes(computes, waits, mostly):
    process = Process(limit=1, queue_length=32)
    process.offer(32)
    for _ in range(30):
        request = process.running[0]
        process.compute(computes, request)
        process.wait(waits)
        process.leave(request)
    assert process.admission.mostly_computes(process.now) is mostly
    assert process.admission.mostly_computes(process.now + 2)  # nobody has left for so long


def test_the_threads_turn_ends_with_the_queue():
    """Or they would have nothing to do for the rest of it, and the next requests would wait."""
    admission = Admission(limit=1, queue_length=2, queue_timeout=0.3, threads=2)
    first, *others = [Request() for _ in range(3)]
    for request in (first, *others):
        admission.offer(request, 0.0)
    event_loop = Thread(target=admission.wait_until_empty, args=[20])
    event_loop.start()

    assert admission.leave(first, 0.1) is others[0]
    event_loop.join(0.1)
    assert event_loop.is_alive()
    assert admission.leave(others[0], 0.2) is others[1]
    event_loop.join(10)
    assert not event_loop.is_alive()

    started = time.monotonic()
    admission.wait_until_empty(20)  # as it is already
    assert time.monotonic() - started < 10


def test_the_threads_turn_is_bounded():
    admission = Admission(limit=1, queue_length=1, queue_timeout=0.3, threads=2)
    first, second = Request(), Request()
    admission.offer(first, 0.0)
    admission.offer(second, 0.0)
    assert admission.leave(first, 0.1) is second  # empty, for a moment
    admission.offer(Request(), 0.1)

    started = time.monotonic()
    admission.wait_until_empty(0.05)
    assert 0.04 < time.monotonic() - started < 10


def test_pressure_begins_when_all_slots_are_taken_and_is_remembered():
    process = Process(limit=4)
    process.offer(4)
    assert not process.admission.is_pressed(process.now)
    process.offer()
    assert process.admission.is_pressed(process.now)
    assert process.admission.is_pressed(process.now + PRESSURE - 0.01)
    assert not process.admission.is_pressed(process.now + PRESSURE)


def test_refusal_is_pressure():
    process = Process(limit=1, queue_length=1)
    assert process.offer(3) is Verdict.REFUSE
    assert process.admission.is_pressed(process.now)
