"""Overload: those admitted are served in time, the others hear no at once, nothing collapses."""

import json
import subprocess
import sys
import time
from threading import Thread

import pytest

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


class Request:
    """What Admission needs of a connection; its thread has used as much CPU as is said here."""

    def __init__(self):
        self.meter = self
        self.age_from = 0.0
        self.cpu = 0.0

    def used(self):
        return self.cpu


def test_one_long_request_is_no_reason_to_refuse_others():
    """The forecast is about how fast the queue moves, not about how long requests run."""
    admission = Admission(limit=16, queue_length=32, queue_timeout=0.3, threads=64)
    slow = Request()
    admission.offer(slow, 0.0)
    admission.leave(slow, 10.0)
    computing = [Request(), Request()]
    for request in computing:
        assert admission.offer(request, 10.0) is Verdict.RUN
        request.cpu = 0.007  # the gate is closed

    verdicts = {admission.offer(Request(), 10.008) for _ in range(5)}

    assert verdicts == {Verdict.WAIT}


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
