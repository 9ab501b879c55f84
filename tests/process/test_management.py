"""Probes and metrics: truthful, and answered whatever the service is busy with."""

import contextlib
import os
import select
import signal
import time

import pytest

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.load import percentile
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_all, read_response

BOUND = 2  # HANDLER_TIMEOUT of these tests, in seconds


@pytest.fixture(scope="module")
def server():
    settings = {"HANDLER_TIMEOUT": str(BOUND), "GRACEFUL_TIMEOUT": "1", "CONCURRENCY": "4"}
    with Gunicorn(*OURS, TEST_APP, **settings) as gunicorn:
        yield gunicorn


def live(server):
    return get(server.management, "/healthz")[0] == 200


@contextlib.contextmanager
def requests(server, path, count=1):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server.port)) for _ in range(count)]
        for sock in socks:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        yield socks


def test_endpoints(server):
    assert eventually(lambda: get(server.management, "/readyz")[2] == b'{"status": "ready"}\n')
    assert get(server.management, "/healthz")[2] == b'{"status": "ok"}\n'
    status, headers, body = get(server.management, "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert b"hellopod_concurrency_limit 4.0" in body
    assert get(server.management, "/healthz?verbose")[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"\xff\xff\r\n\r\n", 400),
    ],
)
def test_nothing_else_is_served_there(server, request_bytes, status):
    with connect(server.management) as sock:
        sock.sendall(request_bytes)
        answer = read_response(sock)
        assert answer[0] == status
        assert is_problem(*answer)


def test_keep_alive_and_head(server):
    with connect(server.management) as sock:
        sock.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b'{"status": "ok"}') == 1


def test_clients_that_hang_do_not_keep_others_out(server):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connect(server.management)).sendall(b"GET /metrics HTTP")
        times = []
        for _ in range(50):
            started = time.monotonic()
            assert live(server)
            times.append(time.monotonic() - started)
    assert percentile(times, 0.5) < 0.05


def test_a_flood_of_connections_does_not_keep_probes_out(server):
    """As many in a second as fit twice; they say nothing, and each has its moment to do so."""
    with contextlib.ExitStack() as flood:
        times = []
        for number in range(450):
            flood.enter_context(connect(server.management))
            if number % 15 == 14:
                started = time.monotonic()
                assert live(server)
                times.append(time.monotonic() - started)
            time.sleep(1 / 150)
    assert percentile(times, 0.9) < 0.3


def test_scrapes_that_hang_do_not_keep_probes_out():
    with Gunicorn(*OURS, TEST_APP) as server, contextlib.ExitStack() as stack:
        assert get(server.port, "/slow-metrics/2")[0] == 200
        socks = []
        for _ in range(100):  # each asks at once: a full port closes a client that has not asked
            socks.append(stack.enter_context(connect(server.management)))
            socks[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert live(server)
        refused = eventually(lambda: len(found := readable(socks)) == 100 - 8 and found, 2)
        assert {read_response(sock)[0] for sock in refused} == {503}


def test_a_scrape_that_hangs_does_not_keep_the_process_from_ending():
    with Gunicorn(*OURS, TEST_APP) as server:
        assert get(server.port, "/slow-metrics/60")[0] == 200
        with connect(server.management) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.5)
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 10


def readable(socks):
    return select.select(socks, [], [], 0)[0]


def test_stuck_is_not_alive_until_it_goes_on(server):
    eventually(lambda: metric(server.management, "hellopod_requests_in_flight") == 0)
    with requests(server, f"/wait/{BOUND + 2}"):
        time.sleep(BOUND - 0.5)
        assert live(server)
        eventually(lambda: get(server.management, "/healthz")[0] == 503, 2)
        assert get(server.port, "/healthz")[0] == 503
        assert get(server.management, "/readyz")[0] == 200
        eventually(lambda: live(server), 4)


def test_a_slow_stream_is_alive(server):
    with requests(server, f"/stream/{BOUND * 3}/1") as (sock,):
        end = time.monotonic() + BOUND * 3
        while time.monotonic() < end:
            assert live(server)
            time.sleep(0.1)
        body = read_all(sock, quiet=1).partition(b"\r\n\r\n")[2]
        assert body.count(b"x") == BOUND * 3


def test_a_slow_reader_and_a_slow_sender_are_no_reason_to_restart(server):
    with requests(server, "/large/400") as (_,), connect(server.port) as upload:
        upload.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        upload.sendall(b"x" * 300000)
        eventually(lambda: metric(server.management, "hellopod_requests_parked") == 2)
        end = time.monotonic() + BOUND * 2
        while time.monotonic() < end:
            assert live(server)
            time.sleep(0.1)


def test_a_killed_worker_is_replaced_and_nothing_that_waits_is_lost():
    with Gunicorn(*OURS, TEST_APP) as server:
        eventually(lambda: live(server))
        os.kill(server.worker, signal.SIGKILL)
        started = time.monotonic()
        assert live(server)
        assert get(server.port, "/do")[0] == 200
        assert time.monotonic() - started < 2
        assert metric(server.management, "hellopod_worker_restarts_total") == 1
        assert server.wait_for("worker restart 1 in this pod")
        assert server.stop() == 0


def test_readiness_switch_holds_for_the_pod_and_survives_the_worker():
    with Gunicorn(*OURS, "tests.runtime.switch_app:application") as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        assert get(server.port, "/off")[0] == 200
        assert get(server.management, "/readyz")[0] == 503
        os.kill(server.worker, signal.SIGKILL)
        eventually(lambda: live(server))
        assert get(server.management, "/readyz")[0] == 503
        assert get(server.port, "/on")[0] == 200
        assert get(server.management, "/readyz")[0] == 200


def test_not_ready_before_the_app_is_loaded():
    with Gunicorn(*OURS, "tests.runtime.slow_app:application") as server:
        with connect(server.management, timeout=1) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_all(sock, quiet=1) == b""  # a probe that times out has failed
        eventually(lambda: get(server.management, "/readyz")[0] == 200)


@pytest.mark.parametrize("name", ["PORT", "MANAGEMENT_PORT"])
def test_a_taken_port_is_one_sentence(server, name):
    """It is right for a container, too: there nobody types `make run`."""
    port = server.port if name == "PORT" else server.management
    taken = Gunicorn(*OURS, TEST_APP, **{name: str(port)})
    taken.start()
    assert taken.wait() == 1
    assert taken.stop() == 1
    assert taken.lines[-1] == (
        f"hellopod: {name}={port} is not allowed: Address already in use; "
        f"set {name} to another port\n"
    )
