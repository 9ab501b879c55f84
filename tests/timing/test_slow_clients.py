"""Clients that are slow delay no others: the promises in time."""

import contextlib
import threading
import time

import pytest

from tests.process.slow_clients import (
    a_body_that_was_announced,
    half_a_chunked_body,
    half_a_large_body,
    half_a_request_line,
    half_a_small_body,
    half_the_headers,
    no_closing,
    no_reading,
    nothing,
)
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.load import percentile
from tests.runtime.raw import connect, get

CONCURRENCY, QUEUE = 4, 8
OFFENDERS = 3 * (2 * CONCURRENCY + QUEUE)  # three times the threads, as gunicorn_conf


@pytest.fixture(scope="module")
def server():
    settings = {"CONCURRENCY": str(CONCURRENCY), "QUEUE_LENGTH": str(QUEUE)}
    with Gunicorn(*OURS, TEST_APP, READ_TIMEOUT="3", SEND_TIMEOUT="3", **settings) as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def control():
    """An idle server beside it: what that takes to answer is the machine's doing."""
    with Gunicorn(*OURS, TEST_APP) as gunicorn:
        yield gunicorn


def latencies(server, control, seconds):
    """99th percentiles in seconds: of the service, of /healthz, and of the same in an idle server.
    The machine delays that one as much."""
    ports = (
        (server.port, "/do"),
        (server.management, "/healthz"),
        (control.port, "/do"),
        (control.management, "/healthz"),
    )
    times = [[] for _ in ports]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for (port, path), found in zip(ports, times, strict=True):
            started = time.monotonic()
            assert get(port, path)[0] == 200
            found.append(time.monotonic() - started)
        time.sleep(0.01)
    return [percentile(found, 0.99) for found in times]


def assert_not_delayed(server, control, seconds=3):
    """The bounds are promises: of 5 times the quiet case and 50 ms more, and of 50 ms."""
    served, probed, quiet, quiet_probe = latencies(server, control, seconds)
    print(f"p99 quiet {quiet:.4f} s, beside slow clients {served:.4f} s, probe {probed:.4f} s")
    assert served <= 5 * quiet + 0.05
    assert probed <= 0.05 + quiet_probe


@pytest.mark.parametrize(
    "offence",
    [
        half_a_request_line,
        half_the_headers,
        half_a_small_body,
        half_a_large_body,
        half_a_chunked_body,
        a_body_that_was_announced,
        no_reading,
        no_closing,
        nothing,
    ],
)
def test_slow_clients_do_not_delay_others(server, control, offence):
    with contextlib.ExitStack() as offenders:
        for _ in range(OFFENDERS):
            offence(offenders.enter_context(connect(server.port)))
        time.sleep(0.5)  # they are many, and take or are refused their slots first
        assert_not_delayed(server, control)


def test_one_byte_a_second_does_not_delay_others(server, control):
    request = b"GET /do HTTP/1.1\r\nHost: a\r\n"
    with contextlib.ExitStack() as offenders:
        socks = [offenders.enter_context(connect(server.port)) for _ in range(OFFENDERS)]
        stop = threading.Event()

        def drip():
            for byte in request:
                with contextlib.suppress(OSError):
                    for sock in socks:
                        sock.send(bytes([byte]))
                if stop.wait(1):
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert_not_delayed(server, control)
        finally:
            stop.set()
            dripping.join()
