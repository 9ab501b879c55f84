"""Probes are answered in time, whatever the service is busy with."""

import subprocess
import sys
import time

import pytest

from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.load import percentile
from tests.runtime.raw import get


def test_busy_is_alive(server):
    """All slots are taken all the time, each by a request that returns in time."""
    load = [sys.executable, "-m", "tests.runtime.load", str(server.port)]
    command = [*load, "/wait/0.8", "closed", "4", "4"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            assert live(server)
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    settings = {"HANDLER_TIMEOUT": "2", "GRACEFUL_TIMEOUT": "1", "CONCURRENCY": "4"}
    with Gunicorn(*OURS, TEST_APP, **settings) as gunicorn:
        yield gunicorn


def live(server):
    return get(server.management, "/healthz")[0] == 200


@pytest.fixture(scope="module")
def control():
    """An idle server beside the busy one: what it takes to answer is the machine's doing."""
    with Gunicorn(*OURS, TEST_APP) as gunicorn:
        yield gunicorn


@pytest.mark.parametrize("port", ["port", "management"])
def test_probes_are_answered_while_threads_compute(server, control, port):
    """The slots are full of requests that use the CPU.

    A 99th percentile is the second longest of these 130 probes. Two cores that client, load and
    server share delay that many of an idle server, too, so its bound is a quarter of the second
    that a kubelet waits.
    """
    times, noise = probe_under_load(server, getattr(server, port), control.management)
    for share, most in ((0.5, 0.05), (0.99, 0.25)):
        busy, idle = percentile(times, share), percentile(noise, share)
        print(f"{port}: p{share * 100:.0f} {busy:.4f} s; of an idle server {idle:.4f} s")
        assert busy <= most + idle


def probe_under_load(server, port, control_port):
    load = [sys.executable, "-m", "tests.runtime.load", str(server.port)]
    command = [*load, "/burn/0.05", "closed", "8", "4"]
    times, noise = [], []
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        while process.poll() is None:
            for asked, found in ((port, times), (control_port, noise)):
                started = time.monotonic()
                assert get(asked, "/healthz")[0] == 200
                found.append(time.monotonic() - started)
            time.sleep(0.01)
    return times, noise
