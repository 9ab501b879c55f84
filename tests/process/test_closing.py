"""Who closes a connection, and what its client sees of that."""

import contextlib
import socket
import struct
import time

import pytest

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, metric, read_all, read_response


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, TEST_APP, READ_TIMEOUT="3") as gunicorn:
        yield gunicorn


def ask(sock, path, *lines, version="1.1"):
    text = "\r\n".join([f"GET {path} HTTP/{version}", "Host: a", *lines])
    sock.sendall(f"{text}\r\n\r\n".encode())
    return read_response(sock)


CLOSING = [
    ("1.1", ["Connection: close"]),
    ("1.1", ["Connection: TE, close"]),
    ("1.1", ["Connection: close, TE"]),
    ("1.1", ["Connection: keep-alive, close"]),
    ("1.1", ["Connection: keep-alive", "Connection: close"]),
    ("1.1", ["Connection: close", "Connection: keep-alive"]),
    ("1.1", ["Connection:\tCLOSE\t"]),
    ("1.1", ["Connection: ,close,"]),
    ("1.0", []),
    ("1.0", ["Connection: TE"]),
    ("1.0", ["Connection: keep-alive, close"]),
]
STAYING = [
    ("1.1", []),
    ("1.1", ["Connection: closed"]),
    ("1.1", ["Connection: x-close"]),
    ("1.1", ["Connection: TE"]),
    ("1.1", ["Connection:"]),
    ("1.1", ["X-Connection: close"]),
    ("1.0", ["Connection: Keep-Alive"]),
    ("1.0", ["Connection: TE, keep-alive"]),
]


@pytest.mark.parametrize("port", ["port", "management"])
@pytest.mark.parametrize(("version", "lines"), CLOSING)
def test_connection_is_a_list_with_close(server, port, version, lines):
    with connect(getattr(server, port)) as sock:
        path = "/do" if port == "port" else "/healthz"
        status, headers, _ = ask(sock, path, *lines, version=version)
        assert (status, headers["connection"]) == (200, "close")
        sock.settimeout(3)
        assert sock.recv(1) == b""


@pytest.mark.parametrize("port", ["port", "management"])
@pytest.mark.parametrize(("version", "lines"), STAYING)
def test_connection_is_a_list_without(server, port, version, lines):
    with connect(getattr(server, port)) as sock:
        path = "/do" if port == "port" else "/healthz"
        for _ in range(2):
            status, headers, _ = ask(sock, path, *lines, version=version)
            assert (status, headers["connection"]) == (200, "keep-alive")


@pytest.mark.parametrize(("declared", "sent"), [(10, 3), (10, 0), (10, 11), (0, 1), (70000, 70001)])
def test_what_an_app_does_not_keep_ends_the_connection(server, declared, sent):
    with connect(server.port) as sock:
        sock.sendall(f"GET /declare/{declared}/{sent} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = read_all(sock, quiet=3)
        assert answer.partition(b"\r\n\r\n")[2] == b"x" * min(declared, sent)
        sock.settimeout(3)
        assert sock.recv(1) == b""
    server.wait_for(f"the app declared {declared} bytes and sent")


def test_an_app_may_end_a_connection(server):
    with connect(server.port) as sock:
        status, headers, _ = ask(sock, "/close")
        assert (status, headers["connection"]) == (200, "close")
        assert read_all(sock, quiet=3) == b""


@pytest.mark.parametrize("lines", [["Connection: close"], []], ids=["asked", "at the age"])
def test_a_child_of_the_app_keeps_no_connection_open(lines):
    """It has inherited the socket: only shutting it down tells the client."""
    with Gunicorn(*OURS, TEST_APP, MAX_CONNECTION_AGE="1") as server, connect(server.port) as sock:
        time.sleep(0 if lines else 1.5)
        started = time.monotonic()
        status, headers, _ = ask(sock, "/fork/4", *lines)
        assert (status, headers["connection"]) == (200, "close")
        assert read_all(sock, quiet=3) == b""
        assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("size", [10, 70_000, 200_000])
def test_age_lets_no_request_behind_a_body_go_unanswered(size):
    with Gunicorn(*OURS, TEST_APP, MAX_CONNECTION_AGE="1") as server, connect(server.port) as sock:
        start = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
        time.sleep(1.5)
        sock.sendall(start + b"x" * size + b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = read_all(sock, quiet=2)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.endswith(b"do GET\n")


@pytest.mark.parametrize("path", ["/raises-first", "/never-starts", "/raises-later"])
def test_a_body_is_closed_whatever_goes_wrong(server, path):
    def closed():
        return int(get(server.port, "/closed")[2])

    before = closed()
    with connect(server.port) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = read_all(sock, quiet=2)
        expected = b"HTTP/1.1 200 " if path == "/raises-later" else b"HTTP/1.1 500 "
        assert answer.startswith(expected)
    eventually(lambda: closed() == before + 1)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("path", ["/wait/0.3", "/empty", "/large/100", "/stream/3/0.1", "/do"])
def test_a_client_that_goes_is_no_error(path):
    with Gunicorn(*OURS, TEST_APP) as server:
        for _ in range(5):
            sock = connect(server.port)
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.05)
            reset(sock)
        time.sleep(0.5)
        assert get(server.port, "/do")[0] == 200
        assert {record["level"] for record in server.records()} == {"INFO"}


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "closed"])
def test_a_request_whose_client_left_the_queue_does_not_run(leave):
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="5") as server:
        with connect(server.port) as busy:
            busy.sendall(b"GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
            for _ in range(5):
                sock = connect(server.port)
                sock.sendall(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.02)
                leave(sock)
            assert read_response(busy)[0] == 200
        assert get(server.port, "/count")[2] == b"1\n"
        assert metric(server.management, "hellopod_requests_abandoned_total") == 5
        assert metric(server.management, "hellopod_requests_in_flight") == 0
        eventually(lambda: metric(server.management, "hellopod_connections") == 0)


def test_a_client_that_closed_its_side_alone_hears_that_it_does_not_run():
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="5") as server:
        with connect(server.port) as busy, connect(server.port) as half:
            busy.sendall(b"GET /wait/0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
            half.sendall(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n")
            half.shutdown(socket.SHUT_WR)
            assert read_response(half)[0] == 503
            assert read_response(busy)[0] == 200
        assert get(server.port, "/count")[2] == b"1\n"


UPLOAD = b"POST /body HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(
            (b"Transfer-Encoding: chunked\r\n\r\n11170\r\n", b"x" * 70_000 + b"?\r\n"), id="no"
        ),
        pytest.param((b"Content-Length: 100000\r\n\r\n", b""), id="closed"),
    ],
)
def test_an_upload_that_fails_in_the_queue_costs_no_place(spoiled):
    head, rest = spoiled
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="1", QUEUE_TIMEOUT="5") as server:
        for _ in range(3):
            with connect(server.port) as busy, connect(server.port) as sock:
                busy.sendall(b"GET /wait/0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.1)
                sock.sendall(UPLOAD + head + rest[:66_000])
                time.sleep(0.1)
                sock.sendall(rest[66_000:])
                time.sleep(0.1)
                sock.close()
                assert read_response(busy)[0] == 200
        with connect(server.port) as sock:
            # More than is read of one that waits for a place. With less it would need no place.
            sock.sendall(UPLOAD + b"Content-Length: 400000\r\n\r\n" + b"x" * 400_000)
            assert read_response(sock)[0] == 200
        assert metric(server.management, "hellopod_requests_in_flight") == 0
        assert metric(server.management, "hellopod_worker_restarts_total") == 0
        assert {record["level"] for record in server.records()} <= {"INFO"}


def test_the_end_of_an_upload_that_came_while_it_waited_is_not_waited_for():
    limits = {"CONCURRENCY": "1", "QUEUE_TIMEOUT": "5", "READ_TIMEOUT": "4"}
    with Gunicorn(*OURS, TEST_APP, **limits) as server:
        with connect(server.port) as busy, connect(server.port) as sock:
            busy.sendall(b"GET /wait/0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.1)
            sock.sendall(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n11170\r\n" + b"x" * 69_000)
            time.sleep(0.1)
            sock.sendall(b"x" * 1_000 + b"\r\n0\r\n\r\n")
            assert read_response(busy)[0] == 200
            assert read_response(sock)[0] == 200


def test_a_slot_is_free_when_its_client_has_the_answer():
    """One client, one slot and no queue, over a new connection for each request."""
    limits = {"CONCURRENCY": "1", "QUEUE_LENGTH": "0"}
    small = b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    large = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000
    download = b"GET /large/3 HTTP/1.1\r\nHost: a\r\n\r\n"
    with Gunicorn(*OURS, TEST_APP, **limits) as server:
        for request in (small, large, download):
            statuses = []
            for _ in range(200):
                with connect(server.port) as sock:
                    sock.sendall(request)
                    statuses.append(read_response(sock)[0])
            assert statuses == [200] * 200


def test_slots_and_no_queue_serve_as_many_clients():
    limits = {"CONCURRENCY": "16", "QUEUE_LENGTH": "0"}
    request = b"GET /wait/0.002 HTTP/1.1\r\nHost: a\r\n\r\n"
    with Gunicorn(*OURS, TEST_APP, **limits) as server, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server.port)) for _ in range(16)]
        statuses = []
        for sock in socks:
            sock.sendall(request)
        for number in range(2000):
            sock = socks[number % 16]
            statuses.append(read_response(sock)[0])
            sock.sendall(request)
        assert statuses.count(503) == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /do HTTP/1.1\r\nX-Request-ID: id-400\r\n\r\n", 400),
        (b"GET /do HTTP/1.1\r\nX-Request-ID: id-431\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /raise HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-500\r\n\r\n", 500),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-414\r\n\r\n", 414),
        (b"G@T / HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-400-method\r\n\r\n", 400),
    ],
)
def test_an_answer_of_the_runtimes_own_is_in_log_and_metrics(server, sent, status):
    """Once each, by the id that its client got."""
    name = f'hellopod_runtime_responses_total{{status="{status}"}}'
    before = metric(server.management, name)
    with connect(server.port) as sock:
        sock.sendall(sent)
        found, headers, _ = read_response(sock)
        assert found == status
    identity = headers["x-request-id"]
    access = eventually(
        lambda: [record for record in server.records() if record.get("request_id") == identity]
    )
    assert [record["status"] for record in access if "status" in record] == [status]
    assert metric(server.management, name) == before + 1
