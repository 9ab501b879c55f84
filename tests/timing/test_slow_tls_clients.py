"""Clients that are slow over TLS delay no others: the promises in time."""

import contextlib
import time

import pytest

from tests.process.slow_tls_clients import half_a_hello, half_a_record, one_byte, silence
from tests.runtime.certificates import Files, issue, secure
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.load import percentile
from tests.runtime.raw import connect, get

CONCURRENCY, QUEUE = 4, 8
OFFENDERS = 3 * (2 * CONCURRENCY + QUEUE)  # three times the threads, as gunicorn_conf
READ_TIMEOUT = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("tls"), issue())
    limits = {"CONCURRENCY": str(CONCURRENCY), "QUEUE_LENGTH": str(QUEUE)}
    timeouts = {"READ_TIMEOUT": str(READ_TIMEOUT), "SEND_TIMEOUT": "2"}
    with Gunicorn(*OURS, TEST_APP, **limits, **timeouts, **files.settings) as gunicorn:
        yield gunicorn


def latencies(server, seconds):
    """Return seconds, 90th percentile and most: of new connections with a request, of probes."""
    found = {"tls": [], "probe": []}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        assert get(server.port, "/do", using=secure)[0] == 200
        between = time.monotonic()
        assert get(server.management, "/healthz")[0] == 200
        found["tls"].append(between - started)
        found["probe"].append(time.monotonic() - between)
        time.sleep(0.01)
    return {name: (percentile(seconds, 0.9), max(seconds)) for name, seconds in found.items()}


@pytest.fixture(scope="module")
def quiet(server):
    return latencies(server, 1.5)


@pytest.mark.parametrize("offence", [silence, one_byte, half_a_hello, half_a_record])
def test_slow_clients_do_not_delay_others(server, quiet, offence):
    with contextlib.ExitStack() as offenders:
        for _ in range(OFFENDERS):
            offence(offenders.enter_context(connect(server.port)))
        beside = latencies(server, 1.5)  # less than READ_TIMEOUT, after which they are closed
    print(f"quiet {quiet}, beside slow clients {beside}")
    assert beside["tls"][0] <= 5 * quiet["tls"][0] + 0.05
    assert beside["probe"][0] <= quiet["probe"][0] + 0.05
    assert max(beside["tls"][1], beside["probe"][1]) < READ_TIMEOUT / 2
