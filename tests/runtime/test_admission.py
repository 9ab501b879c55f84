"""Admission in simulation: which requests run, wait, and are refused."""

import time
from threading import Thread

import pytest

from service.computing.meter import CpuMeter
from service.runtime.admission import Admission, Verdict
from service.runtime.overload import MEMORY


class Request(CpuMeter):
    """What Admission needs of a connection; its thread has used as much CPU as is said here."""

    def __init__(self, kind="GET /"):
        super().__init__()
        self.meter = self
        self.kind = kind
        self.cpu = 0.0

    def used(self):
        return self.cpu


class Process:
    """An Admission of a process on one core. Its requests do what compute() and wait() say."""

    def __init__(self, limit=16, queue_length=32, queue_timeout=0.3):
        self.now, self.cpu = 10.0, 0.0
        self.preempted = 0
        self.admission = Admission(
            limit, queue_length, queue_timeout, limit + 48, lambda: (self.cpu, self.preempted)
        )
        self.running = []

    def offer(self, count=1, kind="GET /"):
        """Offer so many; returns what became of the last."""
        for _ in range(count):
            request = Request(kind)
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

    def run_two(self):
        """Have two run that compute."""
        self.offer()
        self.wait(0.02)
        self.offer()
        assert len(self.running) == 2
        self.compute(0.02, *self.running)

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
            oldest, end = self.running[0], self.now + seconds
            while self.now < end - 1e-9:
                self.compute(0.002, *self.running)
            self.leave(oldest)


def test_few_compute_at_once():
    process = Process()
    process.run_two()

    assert process.offer(4) is Verdict.WAIT
    process.compute(0.02, *process.running)
    assert len(process.running) == 2


def test_few_compute_at_once_beside_busy_neighbours():
    """The process has a third of a CPU, and the kernel takes it away again and again. That one of
    the two got nothing of it does not mean that it waits.
    """
    process = Process()
    process.run_two()
    process.offer(4)
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
        process.now += 0.01
        process.leave(process.running[0])
    for _ in range(8):
        process.offer()
        process.compute(0.05, *process.running)

    assert len(process.running) <= 3


def test_who_waits_after_computing_makes_room():
    """The gate closes for what computes now, not for what has since it began."""
    process = Process()
    process.run_two()
    process.offer(5)
    assert len(process.running) == 2

    process.compute(0.05, process.running[0])

    assert len(process.running) == 7


def learned(*seconds, limit=16):
    """Return an idle process whose latest requests needed so much CPU, again and again."""
    process = Process(limit)
    for each in 40 * seconds:
        process.wait(0.1)
        process.offer()
        (request,) = process.running
        process.compute(each, request)
        process.leave(request)
    process.wait(0.1)
    return process


def test_who_waits_first_enters_at_the_pace_of_the_cpu():
    """Sixteen that wait for a database at once would compute at once later."""
    process = learned(0.024)
    process.offer(16)
    at_once = len(process.running)
    process.wait(0.22)

    assert at_once <= 3
    assert at_once + 9 <= len(process.running) <= at_once + 11


def test_clients_that_left_take_no_turn_at_the_cpu():
    process = learned(0.024)
    process.offer(2)
    assert len(process.running) == 1
    process.offer(14)
    process.wait(0.024)
    for _ in range(10):
        left = process.running.pop()
        process.running.append(process.admission.abandon(left, process.now))

    assert None not in process.running
    process.wait(0.01)
    assert len(process.running) == 2


def test_one_after_the_other_waits_for_no_pace():
    process = learned(0.024)
    for _ in range(20):
        assert process.offer() is Verdict.RUN
        process.leave(process.running[0])


def test_a_few_long_ones_do_not_slow_the_pace_of_short_ones():
    process = learned(0.002, 0.1, 0.002)
    process.offer(16)
    process.wait(0.03)

    assert len(process.running) == 16


def test_many_long_ones_do_not_slow_the_pace_of_a_few_short_ones():
    """Three that take 20 ms for two that take 2 are 13 ms of CPU time for each, and not 20."""
    process = learned(0.02, 0.002, 0.02, 0.002, 0.02)
    process.offer(16)
    at_once = len(process.running)
    process.wait(0.13)

    assert len(process.running) >= at_once + 9


def test_few_short_ones_begin_at_the_same_moment():
    """A probe that comes then waits for each of them."""
    process = Process()
    for _ in range(400):
        process.offer()
        process.wait(0.01)
        process.leave(process.running[0])
    process.wait(0.1)
    process.offer(16)
    assert len(process.running) == 8
    process.wait(0.02)

    assert len(process.running) == 16


def test_after_a_silence_nothing_is_known():
    process = learned(0.1)
    process.wait(2)
    process.offer(45)
    process.wait(0.1)
    assert len(process.running) > 10


def test_very_long_ones_hold_up_the_next_for_a_tenth_of_a_second():
    process = learned(2.0)
    process.offer(2)
    assert len(process.running) == 1
    process.wait(0.1)

    assert len(process.running) == 2


def test_c_code_on_two_cores_enters_at_the_pace_of_both():
    process = learned(0.05)
    process.offer(16)
    process.wait(0.05)
    first = list(process.running)
    assert len(first) == 2
    for _ in range(50):
        process.now += 0.002
        process.cpu += 0.004
        for request in first:
            request.cpu += 0.002
        process.look()
    began = len(process.running)
    process.wait(0.1)

    assert len(process.running) >= began + 4


def know(process, costs, rounds=30):
    """Have requests of each kind take so many seconds of CPU, one after the other."""
    for _ in range(rounds):
        for kind, seconds in costs.items():
            process.offer(kind=kind)
            request = process.running[0]
            request.cpu += seconds
            process.wait(0.01)
            process.leave(request)


LIGHT, HEAVY = "GET /cheap", "POST /report"


def test_light_ones_go_by_those_that_wait_for_the_cpu():
    """Two compute and more wait. A request that takes a millisecond has no reason to."""
    process = Process()
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    process.offer(6, HEAVY)
    process.compute(0.2, *process.running)
    heavy = list(process.running)

    assert process.offer(kind=LIGHT) is Verdict.RUN
    assert process.offer(kind="GET /never-seen") is Verdict.WAIT
    assert process.offer(kind=HEAVY) is Verdict.WAIT
    assert len(process.running) == len(heavy) + 1


def test_light_ones_leave_the_queue_first():
    """All slots were taken, so they wait with the others."""
    process = Process(limit=3)
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    process.offer(5, HEAVY)
    process.compute(0.1, *process.running)
    heavy = len(process.running)
    process.offer(4 - heavy, LIGHT)
    process.leave(process.running[-1])

    assert process.running[-1].kind == LIGHT
    assert [each.kind for each in waiting(process)] == [HEAVY] * (5 - heavy)


def full():
    """Return a process whose three slots are taken; a heavy one waits, and two light ones."""
    process = Process(limit=3)
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    for _ in range(3):
        process.offer(kind=LIGHT)
        process.wait(0.01)
    process.offer(kind=HEAVY)
    process.wait(0.01)
    process.offer(2, LIGHT)
    return process


def waiting(process):
    return [each.connection for each in process.admission.waiting]


def test_light_ones_leave_in_the_order_in_which_they_came():
    process = full()
    before = waiting(process)
    process.offer(kind=LIGHT)
    *light, heavy = waiting(process)
    assert light[:-1] == before[:-1]
    left = []
    for _ in range(4):
        process.leave(process.running[0])
        process.wait(0.06)
        left.append(process.running[-1])

    assert heavy in left
    assert [request for request in left if request is not heavy] == light


def test_one_that_is_light_no_longer_is_not_starved():
    """Its kind has become long while it waited; ordinary ones come again and again."""
    process = full()
    first = waiting(process)[0]
    for _ in range(60):
        process.admission.gate._costs.note(LIGHT, 0.05)
    for _ in range(2):
        process.offer(kind=HEAVY)
        process.now += 0.1
        process.leave(process.running[0])

    assert first not in waiting(process)


def test_a_burst_of_light_ones_does_not_begin_at_the_same_moment():
    """Into a pod that was idle: a probe that comes then waits for each of them."""
    process = Process()
    know(process, {HEAVY: 0.05, LIGHT: 0.003})
    process.offer(16, LIGHT)

    assert len(process.running) <= 4


def test_light_ones_go_to_the_front_after_others_have_left():
    process = full()
    process.leave(process.running[0])
    process.leave(process.running[0])
    process.offer(kind=HEAVY)
    process.offer(kind=LIGHT)
    kinds = [request.kind for request in waiting(process)]

    assert kinds[0] == LIGHT
    assert kinds[-1] == HEAVY
    assert kinds == sorted(kinds)  # by name the light ones come first


def test_light_ones_go_to_the_front_after_others_have_given_up():
    process = full()
    process.now += 1.2
    process.admission.take_expired(process.now)
    assert waiting(process) == []
    process.leave(process.running[0])
    assert process.offer(kind=LIGHT) is Verdict.RUN
    process.offer(kind=HEAVY)
    process.offer(kind=LIGHT)

    assert [request.kind for request in waiting(process)] == [LIGHT, HEAVY]


def test_light_ones_compute_one_by_one():
    """A probe waits for each, and for two others."""
    process = Process()
    know(process, {HEAVY: 0.05, LIGHT: 0.003})
    process.offer(4, HEAVY)
    process.compute(0.1, *process.running)
    process.offer(8, LIGHT)

    assert [request.kind for request in process.running].count(LIGHT) == 1


def test_light_ones_are_not_refused_for_the_queue_of_others():
    """That queue is slow, and theirs is not: a few turns of the interpreter."""
    process = Process()
    know(process, {HEAVY: 0.2, LIGHT: 0.003})
    for _ in range(12):
        process.offer(3, HEAVY)
        process.compute(0.1, *process.running)
    assert process.offer(kind=HEAVY) is Verdict.REFUSE
    assert process.offer(kind=LIGHT) is Verdict.RUN

    assert process.offer(kind=LIGHT) is Verdict.WAIT


def test_light_ones_keep_no_other_out():
    """They compute in between. But their CPU time counts: the next one enters later by that."""
    process = Process()
    know(process, {HEAVY: 0.02, LIGHT: 0.0039})
    process.offer(kind=HEAVY)
    process.offer(kind=LIGHT)
    process.offer(kind=HEAVY)
    light = [request for request in process.running if request.kind == LIGHT]
    process.compute(0.018, *light)
    before = [request.kind for request in process.running]
    process.compute(0.01, *light)

    assert before == [HEAVY, LIGHT]
    assert [request.kind for request in process.running] == [HEAVY, LIGHT, HEAVY]


def crowded(seconds):
    """Return a process whose slots are all taken by requests that have waited and now compute, so
    many CPU seconds of late each; 20 more wait."""
    process = Process(queue_timeout=10)
    know(process, {"GET /": seconds})
    process.offer(36)
    process.wait(1)
    assert (len(process.running), len(process.admission.waiting)) == (16, 20)
    return process


def test_a_crowd_of_long_ones_gets_smaller():
    process = crowded(0.05)
    for _ in range(10):
        process.compute(0.06, *process.running)
        process.leave(process.running[0])

    assert len(process.running) <= 16 - 4


def test_a_few_short_ones_that_compute_by_chance_are_no_crowd():
    process = crowded(0.002)
    for _ in range(10):
        process.compute(0.006, *process.running[-3:])
        process.leave(process.running[0])

    assert len(process.running) == 16


def test_a_queue_that_is_full_is_for_those_that_cannot_run():
    """A slot is free, and the others wait for the CPU."""
    process = Process(limit=3, queue_length=1)
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    process.offer(4, HEAVY)
    assert len(process.running) == 1

    assert process.offer(kind=HEAVY) is Verdict.REFUSE
    assert process.offer(kind=LIGHT) is Verdict.RUN


def test_a_light_one_does_not_overtake_another():
    process = Process()
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    process.offer(3, HEAVY)
    process.compute(0.1, *process.running)
    process.admission.paused = True  # it is the event loop's turn
    process.offer(2, LIGHT)
    light = process.running[-1]
    assert [request.kind for request in waiting(process)][0] == LIGHT
    process.leave(light)

    assert process.offer(kind=LIGHT) is Verdict.WAIT


def test_a_flood_of_light_ones_does_not_starve_others():
    """Where nearly all are light, light is the average, and they wait for their turns."""
    process = Process(queue_length=200)
    know(process, {HEAVY: 0.04, LIGHT: 0.003})
    process.offer(2, HEAVY)
    heavy = process.running[0]
    until = process.now + 0.5
    while process.running.count(heavy) == len([r for r in process.running if r.kind == HEAVY]):
        assert process.now < until
        light = [request for request in process.running if request.kind == LIGHT]
        process.compute(0.004, *light)
        for request in light:
            process.leave(request)
        process.offer(3, LIGHT)


def test_where_all_are_short_none_is_light():
    """Then they enter at their pace, as if they were of one kind."""
    process = Process()
    know(process, {"GET /one": 0.003, "GET /two": 0.003}, rounds=60)
    process.offer(8, "GET /one")

    assert len(process.running) < 4


def test_a_kind_that_gets_long_is_no_longer_light():
    """As with a request that finds nothing at first, and a thousand rows later."""
    process = Process()
    know(process, {HEAVY: 0.05, LIGHT: 0.0008})
    know(process, {LIGHT: 0.03}, rounds=5)
    process.offer(6, HEAVY)
    process.compute(0.2, *process.running)

    assert process.offer(kind=LIGHT) is Verdict.WAIT


@pytest.mark.parametrize(("seconds", "beat"), [(0.002, 0.002), (0.03, 0.003), (0.2, 0.005)])
def test_looks_are_less_often_where_requests_compute_for_long(seconds, beat):
    """Each costs CPU time that half a core has not, and what computes does not block soon."""
    process = Process()
    know(process, {"GET /": seconds}, rounds=100)

    assert process.admission.beat == pytest.approx(beat, rel=0.02)


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


def test_one_that_finds_a_full_pod_waits_until_an_overload_can_begin_and_queue_timeout():
    """The first in the queue: for 0.3, 0.5 and 0.3 s."""
    process = Process()
    process.offer(16)
    process.compute(0.2, *process.running)
    assert process.offer() is Verdict.WAIT
    process.compute(1.08, *process.running)
    assert not process.admission.take_expired(process.now)
    process.compute(0.04, *process.running)

    expired = process.admission.take_expired(process.now)

    assert len(expired) == 1  # the others came before
    assert process.admission.refused == {"timeout": 1}


def overloaded(seconds):
    """Return a process in an overload, whose requests each need so much CPU."""
    process = Process()
    know(process, {"GET /": seconds})
    assert process.offer(49) is Verdict.REFUSE
    assert process.admission.is_overloaded(process.now)
    return process


def test_one_that_comes_in_an_overload_waits_for_queue_timeout():
    process = overloaded(0.02)
    process.serve(0.02, 36)

    assert process.offer() is Verdict.WAIT

    last = process.admission.waiting[-1]
    assert last.deadline == pytest.approx(process.now + 0.3)


def test_in_an_overload_the_queue_is_three_quarters_of_queue_timeout_long():
    process = overloaded(0.02)
    while len(process.admission.waiting) > 11:
        process.serve(0.02, 1)

    assert process.offer() is Verdict.WAIT  # behind 0.22 s
    assert process.offer() is Verdict.REFUSE  # behind 0.24 s


def test_who_would_wait_in_vain_hears_so_at_once_before_it_is_an_overload():
    process = Process()
    know(process, {"GET /": 0.07})

    verdicts = [process.offer() for _ in range(20)]

    assert Verdict.REFUSE not in verdicts[:16]
    assert verdicts[-1] is Verdict.REFUSE


@pytest.mark.parametrize(("seconds", "begins"), [(0.03, False), (0.08, True)])
def test_it_is_an_overload_if_the_first_in_a_full_pod_would_wait_in_vain(seconds, begins):
    """And not if a burst is only a few too many: the next one would be refused for it."""
    process = Process()
    know(process, {"GET /": seconds})
    while process.offer() is not Verdict.REFUSE:
        process.now += 0.0001

    assert process.admission.running + len(process.admission.waiting) < 48
    assert process.admission.is_overloaded(process.now) is begins


def test_an_overload_is_tried_again_after_20_s():
    """As many clients as slots, and once one more: those that are refused ask again at once."""
    process = Process()
    know(process, {"GET /": 0.1})
    assert process.offer(17) is Verdict.REFUSE
    begun, refused = process.now, 0
    while process.now < begun + 25:
        process.serve(0.1, 1)
        process.admission.take_expired(process.now)
        before = process.admission.refused.total()
        while process.admission.running + len(process.admission.waiting) < 16:
            if process.offer() is Verdict.REFUSE:
                break
        if process.admission.refused.total() > before:
            refused = process.now

    assert begun + 18 < refused < begun + 22


def test_a_burst_is_no_overload():
    """A process that had no CPU for a while finds a second's requests all at once."""
    process = Process()
    know(process, {"GET /": 0.014})
    process.offer(40)
    expired = []
    for _ in range(40):
        process.serve(0.014, 1)
        expired += process.admission.take_expired(process.now)

    assert not process.admission.refused
    assert not expired


def test_a_burst_among_others_is_no_overload():
    process = Process()
    process.offer(28)
    expired = []
    for _ in range(20):
        process.serve(0.01, 2)
        expired += process.admission.take_expired(process.now)
        process.offer()

    assert not process.admission.refused
    assert not expired


def test_a_queue_without_a_prospect_refuses_at_the_door():
    process = Process()
    process.offer(30)
    process.serve(0.1, 6)  # and so the queue takes some seconds

    assert process.offer() is Verdict.REFUSE
    assert process.admission.refused["full"] == 1


def test_the_first_of_a_burst_do_not_decide_over_the_others():
    """They take 20 ms, as the process has no CPU yet, and the others a millisecond each."""
    process = Process()
    know(process, {"GET /": 0.001})
    process.offer(20)
    process.now += 0.02
    process.leave(process.running[0])
    process.offer(25)

    assert not process.admission.refused


def test_the_forecast_is_right_where_few_leave_a_large_pod():
    """64 slots of 5 s each: one gets free in 78 ms. Three that wait do so for 0.23 s."""
    process = Process(limit=64, queue_length=8)
    process.offer(64)
    process.wait(1)
    assert len(process.running) == 64
    process.offer(9)
    assert process.admission.is_overloaded(process.now)
    for _ in range(40):
        process.wait(0.078)
        process.leave(process.running[0])
        process.admission.take_expired(process.now)
        process.offer(2)

    assert len(process.admission.waiting) == 3


def test_a_burst_after_an_overload_is_served():
    process = overloaded(0.28)
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
    process = Process(limit=2)
    process.offer()
    process.wait(10)
    process.leave(process.running[0])
    process.offer(2)
    process.compute(0.02, *process.running)

    assert process.offer(5) is Verdict.WAIT
    assert not process.admission.refused


def test_one_that_gave_up_long_ago_is_no_reason_to_refuse_others():
    process = Process(limit=1)
    process.offer(2)
    process.wait(1.2)
    assert process.admission.take_expired(process.now)
    process.leave(process.running[0])
    process.wait(5)

    assert [process.offer() for _ in range(3)] == [Verdict.RUN, Verdict.WAIT, Verdict.WAIT]


def test_nor_is_one_that_left_while_short_ones_waited():
    process = Process()
    know(process, {HEAVY: 0.02, LIGHT: 0.001})
    process.offer(16, HEAVY)
    process.wait(1)
    process.offer(kind=HEAVY)
    process.offer(2, LIGHT)
    process.leave(process.running[0])
    assert all(each.kind == LIGHT for each in waiting(process))
    for _ in range(9):
        process.now += 0.1
        process.offer(kind=LIGHT)
        process.leave(process.running[0])

    assert [process.offer(kind=HEAVY) for _ in range(2)] == [Verdict.WAIT, Verdict.WAIT]


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
    # One at a time, and the queue of the beginning, when nobody could know.
    assert refused["timeout"] <= 10 / process.admission.queue_timeout + 32


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
        while not process.running:
            process.wait(0.002)
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


def test_an_overload_is_remembered():
    process = Process(limit=1, queue_length=1)
    assert process.offer(3) is Verdict.REFUSE
    assert process.admission.is_overloaded(process.now)
    assert process.admission.is_overloaded(process.now + MEMORY - 0.01)
    assert not process.admission.is_overloaded(process.now + MEMORY)


@pytest.mark.parametrize(("queue_timeout", "seconds"), [(0.1, 0.2), (0.3, 0.5), (5, 0.5)])
def test_an_overload_begins_when_the_oldest_waits_too_long_for_a_while(queue_timeout, seconds):
    process = Process(limit=4, queue_timeout=queue_timeout)
    process.offer(30)
    begun = process.now
    while not process.admission.is_overloaded(process.now) and process.now < begun + 10:
        process.serve(queue_timeout / 20, 1)
        process.offer()

    assert process.now - begun == pytest.approx(
        queue_timeout + seconds, abs=0.05 + queue_timeout / 20
    )


@pytest.mark.parametrize("times", [1.5, 3])
def test_an_overload_stays_while_more_come_than_can_be_served(times):
    """Though there is room now and then, as others are refused."""
    process = Process()
    know(process, {"GET /": 0.02})
    overloaded, due = [], 0.0
    for _ in range(1000):
        due += times * 0.01 / 0.02
        while due >= 1:
            process.offer()
            due -= 1
        process.compute(0.01, *process.running)
        process.admission.take_expired(process.now)
        for request in [each for each in process.running if each.cpu >= 0.02]:
            process.leave(request)
        overloaded.append(process.admission.is_overloaded(process.now))

    assert overloaded.index(True) < 300
    assert sum(overloaded) > 600


@pytest.mark.parametrize("seconds", [0.4, 0.7, 1.5])
def test_an_overload_where_all_give_up(seconds):
    """A dependency hangs: all slots are taken, and none comes free."""
    process = Process()
    process.offer(16)
    process.wait(1)
    for _ in range(10):
        process.offer()
        process.wait(seconds)
        process.admission.take_expired(process.now)

    assert process.admission.is_overloaded(process.now)
    process.offer()
    process.wait(0.31)
    assert process.admission.take_expired(process.now)


def test_a_pod_that_stood_still_serves_what_came_meanwhile():
    """A node gave it no CPU for 0.7 s, and 6 waited: 34 more do not begin an overload."""
    process = Process()
    know(process, {"GET /": 0.014})
    process.offer(6)
    process.now += 0.7
    process.offer(34)
    for _ in range(40):
        process.serve(0.014, 1)

    assert not process.admission.refused
    assert not process.admission.is_overloaded(process.now)


def test_no_overload_where_a_full_pod_has_a_short_queue():
    process = Process(limit=4)
    process.offer(8)
    for _ in range(200):
        process.serve(0.02, 1)
        process.offer()

    assert not process.admission.is_overloaded(process.now)


def test_the_one_that_has_waited_longest_counts_though_light_ones_are_before_it():
    process = full()
    *_, heavy = process.admission.waiting
    process.now += 0.2
    process.offer(kind=HEAVY)

    last = process.admission.waiting[-1]
    assert last.deadline == pytest.approx(heavy.since + 0.3 + 0.5 + 0.3)


def test_no_thread_is_an_overload_too():
    process = Process(limit=3)
    for _ in range(51):
        assert process.offer() is Verdict.RUN
        process.admission.park(process.running.pop(), process.now)
    process.offer()
    process.wait(0.3)
    process.offer()
    assert not process.admission.is_overloaded(process.now)
    process.wait(0.5)
    process.offer()

    assert process.admission.is_overloaded(process.now)


def test_no_overload_where_the_pod_is_full_now_and_then():
    process = Process(limit=4)
    for _ in range(10):
        process.offer(5)
        process.now += 0.3
        process.admission.take_expired(process.now)
        while process.running:
            process.leave(process.running[0])
        process.offer()
        assert not process.admission.is_overloaded(process.now)
        process.leave(process.running[0])
