"""What a client sees that is refused, or waits for its turn."""

import time

import pytest

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, get, is_problem, metric, read_response


def test_refusal_keeps_the_connection_and_says_when_to_come_back():
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_LENGTH="0") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        body = (
            b"POST /body HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-1\r\nContent-Length: 3\r\n\r\nabc"
        )
        head = b"HEAD /do HTTP/1.1\r\nHost: a\r\n\r\n"
        sock.sendall(body + head + body)
        status, headers, answer = read_response(sock)
        # All three answers may come at once; the second, to HEAD, has no body.
        rest = answer[int(headers["content-length"]) :]
        while rest.count(b"\r\n\r\n") < 2 or not rest.endswith(b"}\n"):
            rest += sock.recv(65536)
        assert status == 503
        assert is_problem(status, headers, answer[: int(headers["content-length"])])
        assert headers["connection"] == "keep-alive"
        assert headers["x-request-id"] == "id-1"
        assert 1 <= int(headers["retry-after"]) <= 3
        assert rest.count(b"HTTP/1.1 503 ") == 2
        assert rest.count(b'"status": 503') == 1

        for path in ("/healthz", "/readyz"):  # never refused
            assert get(server.port, path)[0] == 200
        assert metric(server.management, "hellopod_concurrency_limit") == 1


@pytest.mark.parametrize(
    ("request_bytes", "refusal"),
    [
        (b"GET /do HTTP/1.0\r\n\r\n", 503),
        (b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 503),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc", 503),
        # What is malformed is so whatever the load.
        (
            b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            400,
        ),
        (
            b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n 0\r\n\r\nabc", 400),
    ],
)
def test_refusal_closes_where_the_next_request_may_not_be_what_it_seems(request_bytes, refusal):
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_LENGTH="0") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        sock.sendall(request_bytes)
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (refusal, "close")
        assert sock.recv(1) == b""


def test_waiting_is_bounded_and_first_come_first_served():
    """By QUEUE_TIMEOUT, half a second, and QUEUE_TIMEOUT."""
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="0.5") as server:
        socks = [connect(server.port) for _ in range(3)]
        for sock, path in zip(socks, ("/wait/1", "/wait/2", "/do"), strict=True):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.05)
        started = time.monotonic()
        took = []
        for sock in (socks[0], socks[2], socks[1]):
            took.append((read_response(sock)[0], time.monotonic() - started))
        assert [status for status, _ in took] == [200, 503, 200]
        assert 1.2 < took[1][1] < 2.3 < took[2][1]
        for sock in socks:
            sock.close()


def test_an_upload_that_waited_in_vain_takes_its_body_with_it():
    """What is left of the body must not be taken for the next request."""
    with (
        Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="0.2") as server,
        connect(server.port) as busy,
        connect(server.port) as sock,
    ):
        busy.sendall(b"GET /wait/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (503, "close")
        assert sock.recv(1) == b""
