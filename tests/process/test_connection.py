"""How long a connection is kept, by its age: what the client is told, and what happens."""

import time

import pytest

from service.runtime.connection import Connection
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.parts import connected, port
from tests.runtime.raw import connect, eventually, get, read_all, read_response, responses

AGE = 1
OLD = 2  # seconds: more than any connection is to be


def serving(**settings):
    """Start a server and wait until its worker accepts, as connections are as old as that."""
    server = Gunicorn(*OURS, TEST_APP, MAX_CONNECTION_AGE=str(AGE), **settings)
    with server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        yield server


@pytest.fixture(scope="module")
def server():
    yield from serving()


@pytest.fixture
def small():
    yield from serving(CONCURRENCY="1", QUEUE_LENGTH="0", GRACEFUL_TIMEOUT="1")


def send(sock, path="/do"):
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def ask(sock, path="/do"):
    """Return the status and what the answer says about the connection."""
    send(sock, path)
    status, headers, _ = read_response(sock)
    return status, headers["connection"]


def assert_closed(sock):
    assert sock.recv(1) == b""  # which would raise, were it only quiet


def test_an_old_connection_is_closed_behind_an_answer(server):
    started = time.monotonic()
    with connect(server.port) as sock:
        while (answer := ask(sock)) == (200, "keep-alive"):
            assert time.monotonic() - started < OLD
            time.sleep(0.02)
        assert answer == (200, "close")
        assert time.monotonic() - started > 0.9 * AGE
        assert_closed(sock)


@pytest.mark.parametrize("path", ["/do", "/readyz"])
def test_age_closes_no_idle_connection(server, path):
    """Its client may be sending a request."""
    with connect(server.port) as sock:
        time.sleep(OLD)
        assert ask(sock, path) == (200, "close")
        assert_closed(sock)


@pytest.mark.parametrize("path", ["/do", "/readyz"])
def test_age_closes_none_with_the_next_request_in_it(server, path):
    with connect(server.port) as sock:
        time.sleep(OLD)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 3)
        answers = responses(read_all(sock))

    told = [(status, headers["connection"]) for status, headers, _ in answers]
    assert told == [(200, "keep-alive"), (200, "keep-alive"), (200, "close")]


def test_an_answer_that_began_in_time_keeps_its_connection(server):
    with connect(server.port) as sock:
        send(sock, f"/stream/4/{OLD / 4}")
        answer = b""
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            answer += sock.recv(65536)
        assert b"\r\nConnection: keep-alive\r\n" in answer
        assert ask(sock) == (200, "close")


def test_scrapes_stay_on_theirs(server):
    with connect(server.management) as sock:
        time.sleep(OLD)
        for _ in range(2):
            assert ask(sock, "/metrics") == (200, "keep-alive")


def test_a_refused_client_connects_again_once_its_connection_is_old(small):
    with connect(small.port) as busy, connect(small.port) as old:
        time.sleep(OLD)
        send(busy, "/wait/5")

        def refused():
            with connect(small.port) as new:
                return ask(new) == (503, "keep-alive")

        eventually(refused)
        assert ask(old) == (503, "close")
        assert_closed(old)


def test_those_that_came_at_once_do_not_go_at_once():
    with connected(port(max_age=100)) as (connection, _):
        began = time.monotonic()
        ages = [
            Connection(connection.port, connection.raw, None).expires - began for _ in range(100)
        ]
    assert 90 <= min(ages) < 95 and 105 < max(ages) < 111
