"""How the pod goes: nothing is lost, and it does not take longer than the settings say."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, metric, read_all, read_response

DRAIN = 2


@pytest.fixture
def server():
    with Gunicorn(*OURS, TEST_APP, DRAIN_SECONDS=str(DRAIN), GRACEFUL_TIMEOUT="5") as gunicorn:
        eventually(lambda: get(gunicorn.management, "/readyz")[0] == 200)
        yield gunicorn


def ask(sock, path):
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_drain_serves_everybody_and_sends_them_away(server):
    with connect(server.port) as slow, connect(server.port) as idle, connect(server.port) as unused:
        ask(idle, "/do")
        assert read_response(idle)[1]["connection"] == "keep-alive"
        ask(slow, "/wait/1")
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        eventually(lambda: get(server.management, "/readyz")[0] == 503, 1)
        assert get(server.management, "/healthz")[0] == 200
        assert get(server.port, "/readyz")[0] == 503

        new = get(server.port, "/do")
        assert (new[0], new[1]["connection"]) == (200, "close")
        for sock in (idle, unused):
            ask(sock, "/do")
            status, headers, _ = read_response(sock)
            assert (status, headers["connection"]) == (200, "close")
            assert read_all(sock) == b""
        status, headers, _ = read_response(slow)  # in flight since before the signal
        assert (status, headers["connection"]) == (200, "close")

        assert server.wait() == 0
        assert DRAIN - 0.1 < time.monotonic() - started < DRAIN + 3
    eventually(lambda: is_gone(server.worker), 2)


def test_requests_in_flight_finish_after_the_drain(server):
    with connect(server.port) as sock:
        ask(sock, f"/wait/{DRAIN + 2}")
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        assert read_response(sock)[0] == 200
        assert server.wait() == 0


def test_the_time_is_bounded(server):
    with connect(server.port) as sock:
        ask(sock, "/wait/30")
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - started < DRAIN + 5 + 3  # GRACEFUL_TIMEOUT, and to exit
        assert server.wait_for("1 requests were cut by graceful_timeout")
        assert read_all(sock) == b""
    eventually(lambda: is_gone(server.worker), 2)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_skips_the_drain_but_nothing_in_flight(second):
    with Gunicorn(*OURS, TEST_APP, DRAIN_SECONDS="30") as server, connect(server.port) as sock:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        ask(sock, "/wait/2")
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        server.signal(second)
        assert read_response(sock)[0] == 200
        assert server.wait() == 0
        assert time.monotonic() - started < 6


def test_a_second_signal_does_not_wait_for_half_a_request(server):
    with connect(server.port) as sock:
        sock.sendall(b"GET /do HTT")
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)
        assert read_response(sock)[0] == 408
        assert server.wait() == 0
        assert time.monotonic() - started < 4  # READ_TIMEOUT is 10


def test_probes_are_answered_to_the_end(server):
    """Also after the management port was full."""
    with connect(server.port) as sock, contextlib.ExitStack() as flood:
        ask(sock, f"/wait/{DRAIN + 3}")
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        time.sleep(DRAIN + 0.5)
        for _ in range(100):
            flood.enter_context(connect(server.management))
        assert get(server.management, "/healthz", timeout=2)[0] == 200
        assert get(server.management, "/readyz", timeout=2)[0] == 503
        assert read_response(sock)[0] == 200


def test_signals_for_a_reload_change_nothing(server):
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        server.signal(number)
    time.sleep(0.5)
    assert get(server.port, "/do")[0] == 200
    assert metric(server.management, "hellopod_worker_restarts_total") == 0
    assert not is_gone(server.worker)


def test_ctrl_c_does_not_drain_and_finishes_what_is_in_flight():
    with Gunicorn(*OURS, TEST_APP, DRAIN_SECONDS="30") as server, connect(server.port) as sock:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        ask(sock, "/wait/1")
        time.sleep(0.3)
        os.kill(server.worker, signal.SIGINT)  # a terminal sends it to both
        server.signal(signal.SIGINT)
        assert read_response(sock)[0] == 200
        assert server.wait() == 0


def test_ctrl_c_is_the_masters_business(server):
    os.kill(server.worker, signal.SIGINT)
    time.sleep(0.3)
    assert get(server.port, "/do")[0] == 200
    assert metric(server.management, "hellopod_worker_restarts_total") == 0


def test_connections_that_only_the_kernel_has_accepted_are_served():
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="2") as server, contextlib.ExitStack() as stack:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        os.kill(server.worker, signal.SIGSTOP)
        socks = [stack.enter_context(connect(server.port)) for _ in range(30)]
        for sock in socks:
            ask(sock, "/do")
        server.signal(signal.SIGTERM)
        time.sleep(0.5)  # the worker's copy of the signal waits for it too
        os.kill(server.worker, signal.SIGCONT)
        for sock in socks:
            status, headers, _ = read_response(sock)
            assert (status, headers["connection"]) == (200, "close")
        assert server.wait() == 0


def test_the_drain_goes_on_when_the_worker_dies(server):
    server.signal(signal.SIGTERM)
    eventually(lambda: get(server.management, "/readyz")[0] == 503, 1)
    os.kill(server.worker, signal.SIGKILL)
    assert get(server.management, "/readyz")[0] == 503
    assert server.wait() == 0


def test_pid_1_hears_signals_from_the_first_moment():
    """As PID 1 the default action of SIGTERM is not taken; only a handler ends the process."""
    script = (
        "import os, signal; from service import gunicorn_conf;"
        "assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL; os.kill(os.getpid(), 15);"
        "os._exit(9)"
    )
    environ = {"PATH": os.environ["PATH"], "POD_NAME": "pod-1"}
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=REPOSITORY, env=environ, timeout=20).returncode == 0


def test_refused_when_gone(server):
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
