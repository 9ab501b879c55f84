"""A stop takes no longer than it has to, at whatever moment it comes."""

import signal
import time

import pytest

from tests.process.test_drain import is_gone
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import eventually, get


def test_without_drain_it_is_gone_at_once():
    with Gunicorn(*OURS, TEST_APP) as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - started < 1.5


# The app takes 5 s to load; each moment is one of the start: before gunicorn has signal handlers,
# before there is a worker, and while that loads the app.
@pytest.mark.parametrize("after", [0.0, 0.15, 0.3, 0.5, 0.8, 1.5])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_boot_ends_it_within_two_seconds(after, number):
    server = Gunicorn(*OURS, "tests.runtime.slow_app:application", DRAIN_SECONDS="30")
    server.start()
    try:
        time.sleep(after)
        started = time.monotonic()
        server.signal(number)
        server.wait(seconds=10)
        assert time.monotonic() - started < 2
        booted = [line for line in server.lines if "Booting worker" in line]
        for line in booted:
            pid = int(line.partition("with pid: ")[2].partition('"')[0])
            eventually(lambda pid=pid: is_gone(pid), 1)
    finally:
        server.stop()
