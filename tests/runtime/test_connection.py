"""How long a connection is kept, by its age: what the client is told, and when."""

import socket
import time

import pytest

from service.runtime.connection import Connection
from service.runtime.port import Port
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, read_all, read_response

AGE = 1
OLD = 1.5  # seconds: older than any connection is to be


class Loop:
    """As much of a worker as a connection asks."""

    class cfg:  # noqa: N801
        limit_request_line = 4094

    buffer_limit = 65536


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, TEST_APP, MAX_CONNECTION_AGE=str(AGE)) as gunicorn:
        yield gunicorn


def ask(sock, path="/do"):
    """Return the status and what the answer says about the connection."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    status, headers, _ = read_response(sock)
    return status, headers["connection"]


def test_an_old_connection_is_closed_behind_an_answer(server):
    started = time.monotonic()
    with connect(server.port) as sock:
        while (answer := ask(sock)) == (200, "keep-alive"):
            assert time.monotonic() - started < OLD
            time.sleep(0.02)
        assert answer == (200, "close")
        assert time.monotonic() - started > 0.9 * AGE
        assert read_all(sock) == b""


@pytest.mark.parametrize("path", ["/do", "/readyz"])
def test_age_closes_no_idle_connection(server, path):
    """Its client may be sending a request."""
    with connect(server.port) as sock:
        time.sleep(OLD)
        assert ask(sock, path) == (200, "close")


def test_scrapes_stay_on_theirs(server):
    with connect(server.management) as sock:
        time.sleep(OLD)
        assert ask(sock, "/metrics") == (200, "keep-alive")


def test_a_refused_client_goes_elsewhere_once_its_connection_is_old():
    settings = {"CONCURRENCY": "1", "QUEUE_LENGTH": "0", "MAX_CONNECTION_AGE": str(AGE)}
    with (
        Gunicorn(*OURS, TEST_APP, **settings) as server,
        connect(server.port) as busy,
        connect(server.port) as old,
    ):
        time.sleep(OLD)
        busy.sendall(b"GET /wait/5 HTTP/1.1\r\nHost: a\r\n\r\n")

        def refused():
            with connect(server.port) as new:
                return ask(new) == (503, "keep-alive")

        eventually(refused)
        assert ask(old) == (503, "close")


def test_those_that_came_at_once_do_not_go_at_once():
    ours, theirs = socket.socketpair()
    port = Port([], 1, unheard=1, max_age=100)
    with ours, theirs:
        began = time.monotonic()
        ages = [Connection(Loop(), port, ours, None, None).expires - began for _ in range(100)]
    assert 90 <= min(ages) < 95 and 105 < max(ages) < 111
