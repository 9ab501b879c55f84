"""A worker that stands still alone is replaced. For half a minute these tests do nothing."""

import os
import signal
import time

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, read_all

TIMEOUT = 30  # seconds that the master gives a worker, as gunicorn_conf has it


def test_a_stopped_worker_is_replaced_within_a_minute():
    with Gunicorn(*OURS, TEST_APP) as server:
        eventually(lambda: get(server.management, "/healthz")[0] == 200)
        os.kill(server.worker, signal.SIGSTOP)
        started = time.monotonic()
        with connect(server.port, timeout=60) as sock:
            sock.sendall(b"GET /do HTTP/1.0\r\n\r\n")
            assert read_all(sock, quiet=60).startswith(b"HTTP/1.")
        assert time.monotonic() - started < 60


def test_a_worker_that_stands_still_alone_is_replaced():
    settings = {"HANDLER_TIMEOUT": "4", "GRACEFUL_TIMEOUT": "2", "READ_TIMEOUT": "60"}
    with Gunicorn(*OURS, TEST_APP, **settings) as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        os.kill(server.worker, signal.SIGSTOP)
        started = time.monotonic()
        with connect(server.port, timeout=60) as sock:
            sock.sendall(b"GET /do HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.")
        assert TIMEOUT / 2 < time.monotonic() - started < 60
