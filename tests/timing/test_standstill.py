"""The whole process group stands still for a while, as on a machine that sleeps."""

import os
import signal
import time

import pytest

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, metric, read_response

TIMEOUT = 30  # seconds that the master gives a worker, as gunicorn_conf has it


def stand_still(server, seconds):
    """Stop master and worker, and have both go on."""
    pids = (server.process.pid, server.worker)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def server():
    settings = {"HANDLER_TIMEOUT": "4", "GRACEFUL_TIMEOUT": "2", "READ_TIMEOUT": "60"}
    with Gunicorn(*OURS, TEST_APP, **settings) as gunicorn:
        eventually(lambda: get(gunicorn.management, "/readyz")[0] == 200)
        yield gunicorn


def test_it_costs_no_worker_and_makes_no_handler_stuck(server):
    with connect(server.port, timeout=60) as sock, connect(server.port, timeout=60) as busy:
        sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n")
        busy.sendall(b"GET /burn/1.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        stand_still(server, TIMEOUT + 3)
        assert get(server.management, "/healthz")[0] == 200
        sock.sendall(b"\r\n")
        assert read_response(sock)[0] == 200
        assert read_response(busy)[0] == 200
    time.sleep(3)  # a few looks of the master
    assert metric(server.management, "hellopod_worker_restarts_total") == 0
