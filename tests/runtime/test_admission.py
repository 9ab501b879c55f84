"""Overload: those admitted are served in time, the others hear no at once, nothing collapses."""

import json
import subprocess
import sys
import time
from threading import Thread

import pytest

from service.computing.meter import CpuMeter
from service.runtime.admission import Admission, Verdict
from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.raw import connect, get, is_problem, metric, read_response

WAIT, BURN = "/wait/0.1", "/burn/0.05"
CLIENTS = {WAIT: 16, BURN: 3}  # as many as keep every slot busy, without a queue
QUEUE_TIMEOUT = 0.3


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, TEST_APP, QUEUE_TIMEOUT=str(QUEUE_TIMEOUT)) as gunicorn:
        yield gunicorn


@pytest.fixture
def seconds(request):
    return 20 if request.config.getoption("--slow") else 5


def load(server, *arguments):
    command = [sys.executable, "-m", "tests.runtime.load", str(server.port), *map(str, arguments)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=90, check=True)
    return json.loads(result.stdout)


def outcome(found, name, key):
    return found["outcomes"].get(name, {}).get(key, 0)


@pytest.mark.parametrize("connections", ["keep", "new"])
@pytest.mark.parametrize(
    ("path", "factor", "share"),
    [(WAIT, 3, 0.95), (WAIT, 10, 0.95), (BURN, 3, 0.9), (BURN, 10, 0.85)],
)
def test_goodput_stays_near_capacity(server, seconds, path, factor, share, connections):
    """The shares and the 100 ms are promises. The median of five rounds counts, and each has the
    capacity before and after it for a reference: neighbours change that of the machine. So do they
    stop it for a while, which the load client feels as well: that time is no refusal's."""

    def measure():
        closed = load(server, path, "closed", CLIENTS[path], seconds / 2, connections)
        return outcome(closed, "200", "rate")

    held = []
    before = measure()
    while max(held.count(True), held.count(False)) < 3:
        found = load(server, path, "open", before * factor, seconds, connections)
        started = time.monotonic()
        assert get(server.port, "/do")[0] == 200
        recovery = time.monotonic() - started
        before, capacity = (after := measure()), (before + after) / 2
        goodput = outcome(found, "200", "rate") / capacity
        refusal = outcome(found, "503", "p99")
        slowest = outcome(found, "200", "max")
        print(
            f"{path} x{factor} {connections}: capacity {capacity:.1f}/s, goodput {goodput:.0%}, "
            f"503 p99 {refusal * 1000:.0f} ms, lateness {found['lateness'] * 1000:.0f} ms, "
            f"slowest 200 {slowest * 1000:.0f} ms, then {recovery * 1000:.0f} ms",
            {name: each["count"] for name, each in found["outcomes"].items()},
        )
        assert outcome(found, "503", "count") > outcome(found, "200", "count")
        in_time = refusal <= 0.1 + found["lateness"]
        held.append(goodput >= share and in_time and recovery <= 0.5)
    assert held.count(True) == 3


def test_metrics_agree_with_the_client(server):
    names = (
        'hellopod_requests_shed_total{reason="full"}',
        'hellopod_requests_shed_total{reason="timeout"}',
        "hellopod_request_duration_seconds_count",
        "hellopod_queue_seconds_count",
    )
    before = [metric(server.management, name) for name in names]
    outcomes = load(server, WAIT, "open", 480, 2)["outcomes"]
    assert set(outcomes) == {"200", "503"}
    full, timeout, served, queued = (
        metric(server.management, name) - value for name, value in zip(names, before, strict=True)
    )
    assert full + timeout == outcomes["503"]["count"]
    assert served == queued == outcomes["200"]["count"]
    assert metric(server.management, "hellopod_requests_in_flight") == 0
    assert metric(server.management, "hellopod_requests_waiting") == 0


def test_refusal_keeps_the_connection_and_says_when_to_come_back():
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_LENGTH="0") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        body = (
            b"POST /body HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-1\r\nContent-Length: 3\r\n\r\nabc"
        )
        head = b"HEAD /do HTTP/1.1\r\nHost: a\r\n\r\n"
        sock.sendall(body + head + body)
        status, headers, answer = read_response(sock)
        # All three answers may come at once; the second, to HEAD, has no body.
        rest = answer[int(headers["content-length"]) :]
        while rest.count(b"\r\n\r\n") < 2 or not rest.endswith(b"}\n"):
            rest += sock.recv(65536)
        assert status == 503
        assert is_problem(status, headers, answer[: int(headers["content-length"])])
        assert headers["connection"] == "keep-alive"
        assert headers["x-request-id"] == "id-1"
        assert 1 <= int(headers["retry-after"]) <= 3
        assert rest.count(b"HTTP/1.1 503 ") == 2
        assert rest.count(b'"status": 503') == 1

        for path in ("/healthz", "/readyz"):  # never refused
            assert get(server.port, path)[0] == 200
        assert metric(server.management, "hellopod_concurrency_limit") == 1


@pytest.mark.parametrize(
    ("request_bytes", "refusal"),
    [
        (b"GET /do HTTP/1.0\r\n\r\n", 503),
        (b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 503),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc", 503),
        # What is malformed is so whatever the load.
        (
            b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            400,
        ),
        (
            b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n 0\r\n\r\nabc", 400),
    ],
)
def test_refusal_closes_where_the_next_request_may_not_be_what_it_seems(request_bytes, refusal):
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_LENGTH="0") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        sock.sendall(request_bytes)
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (refusal, "close")
        assert sock.recv(1) == b""


def test_waiting_is_bounded_and_first_come_first_served():
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="0.5") as server:
        socks = [connect(server.port) for _ in range(3)]
        for sock, path in zip(socks, ("/wait/0.3", "/wait/0.4", "/do"), strict=True):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.05)
        started = time.monotonic()
        assert [read_response(sock)[0] for sock in socks] == [200, 200, 503]
        assert time.monotonic() - started < 1.2
        for sock in socks:
            sock.close()


def test_an_upload_that_waited_in_vain_takes_its_body_with_it():
    """What is left of the body must not be taken for the next request."""
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="0.2") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (503, "close")
        assert sock.recv(1) == b""


class Request(CpuMeter):
    """What Admission needs of a connection; its thread has used as much CPU as is said here."""

    def __init__(self):
        super().__init__()
        self.meter = self
        self.cpu = 0.0

    def used(self):
        return self.cpu


class Process:
    """An Admission of a process on one core, whose requests do what compute() and wait() say."""

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
    """The process has a third of a CPU, and the kernel takes it away again and again."""
    process = Process()
    process.offer(2)
    for _ in range(10):
        process.cpu += 0.003
        process.now += 0.009
        process.preempted += 1
        for request in process.running:
            request.cpu += 0.0015
        process.look()

    assert process.offer(4) is Verdict.WAIT
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


def test_a_short_queue_costs_no_throughput():
    """The event loop sleeps while requests wait; when none does, it has to bring the next ones."""
    limits = {"CONCURRENCY": "1", "QUEUE_LENGTH": "1", "QUEUE_TIMEOUT": "5"}
    with Gunicorn(*OURS, TEST_APP, **limits) as server:
        alone, queueing = (
            outcome(load(server, "/do", "closed", clients, 2, "keep"), "200", "rate")
            for clients in (1, 2)
        )

    assert queueing > alone / 3  # a thirteenth when it slept for all of its 10 ms
