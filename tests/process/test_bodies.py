"""Bodies that end early, come in pieces, or are refused: half of one is never taken for all."""

import contextlib
import http.client
import json
import socket
import struct
import time

import pytest

from tests.runtime.certificates import ByHand, Files, issue
from tests.runtime.gunicorn_process import OURS, SAMPLE, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_all, read_response

SIZES = (100, 65_535, 65_536, 65_537, 70_000, 300_000)  # around what the event loop reads itself
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n"
READERS = ("all", "some", "lines", "pieces", "twice", "deaf", "nothing")


def by_length(size):
    return b"Content-Length: %d\r\n\r\n" % (size + 1) + b"x" * size


def in_chunk(size):
    return CHUNK + b"%x\r\n" % (size + 1) + b"x" * size


def behind_chunk(size):
    return CHUNK + b"%x\r\n" % size + b"x" * size


def at_chunk_line(size):
    return CHUNK + b"%x\r\n" % size + b"x" * size + b"\r\n5"


def at_last_chunk(size):
    return CHUNK + b"%x\r\n" % size + b"x" * size + b"\r\n0"


def in_trailer(size):
    return CHUNK + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\nX: y\r\n"


ENDS = (by_length, in_chunk, behind_chunk, at_chunk_line, at_last_chunk, in_trailer)


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, TEST_APP, READ_TIMEOUT="3") as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def flask_server():
    with Gunicorn(*OURS, SAMPLE, READ_TIMEOUT="3", MAX_CONTENT_LENGTH="400000") as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("tls"), issue())
    with Gunicorn(*OURS, TEST_APP, READ_TIMEOUT="3", **files.settings) as gunicorn:
        yield gunicorn


def head(path, identity):
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nX-Request-ID: {identity}\r\n".encode()


def records(server, identity):
    """Return the access records of a request, once there is one."""
    return eventually(
        lambda: [
            record
            for record in server.records()
            if record.get("request_id") == identity and "status" in record
        ]
    )


def assert_refused(server, sock, identity, status=400):
    answer = read_response(sock)
    assert (answer[0], answer[1]["x-request-id"]) == (status, identity)
    assert is_problem(*answer)
    assert read_all(sock) == b""
    assert [record["status"] for record in records(server, identity)] == [status]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", ENDS)
def test_half_a_body_is_an_error(server, end, size, reader):
    identity = f"{end.__name__}-{size}-{reader}"
    before = metric(server.management, 'hellopod_runtime_responses_total{status="400"}')
    with connect(server.port) as sock:
        sock.sendall(head(f"/read/{reader}/0.1", identity) + end(size))
        sock.shutdown(socket.SHUT_WR)
        assert_refused(server, sock, identity)
    assert metric(server.management, 'hellopod_runtime_responses_total{status="400"}') == before + 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", [by_length, in_chunk, in_trailer])
def test_half_a_body_and_a_reset_is_no_success(server, end, size):
    identity = f"reset-{end.__name__}-{size}"
    with connect(server.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(head("/read/all/0", identity) + end(size))
        time.sleep(0.05)
    found = [
        record["status"] for record in server.records() if record.get("request_id") == identity
    ]
    assert not [status for status in found if status < 400]
    assert get(server.port, "/do")[0] == 200


@pytest.mark.parametrize("notified", [True, False])
@pytest.mark.parametrize("size", [100, 70_000])
def test_the_end_of_tls_is_no_end_of_a_body(tls_server, size, notified):
    """Without close_notify OpenSSL lets nobody answer."""
    identity = f"tls-{size}-{notified}"
    client = ByHand()
    with connect(tls_server.port) as sock:
        sock.sendall(client.hello())
        sock.sendall(client.request(sock, head("/read/all/0", identity) + by_length(size)))
        if notified:
            sock.sendall(client.goodbye())
        sock.shutdown(socket.SHUT_WR)
        if notified:
            assert client.response(sock).startswith(b"HTTP/1.1 400 ")
    assert [record["status"] for record in records(tls_server, identity)] == [400]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", ENDS)
def test_flask_says_so_too(flask_server, end, size):
    identity = f"flask-{end.__name__}-{size}"
    with connect(flask_server.port) as sock:
        sock.sendall(head("/api/echo", identity) + end(size))
        sock.shutdown(socket.SHUT_WR)
        assert_refused(flask_server, sock, identity)


def test_flask_says_that_it_came_too_late(flask_server):
    with connect(flask_server.port) as sock:
        sock.sendall(head("/api/echo", "late") + by_length(70_000))
        assert_refused(flask_server, sock, "late", 408)


@pytest.mark.parametrize("size", [0, 1, *SIZES])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize("form", ["length", "chunks"])
def test_whole_bodies_arrive_whole(server, size, pieces, form):
    body = bytes(number % 251 for number in range(size))
    step = max(1, size // pieces)
    parts = [body[at : at + step] for at in range(0, size, step)]
    if form == "length":
        start, sent = b"Content-Length: %d\r\n\r\n" % size, parts
    else:
        start = CHUNK
        sent = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    with connect(server.port) as sock:
        sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\n" + start)
        for part in sent:
            sock.sendall(part)
        status, _, answer = read_response(sock)
        assert (status, int(answer.split()[0])) == (200, size)
        sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")  # and no byte more was taken
        assert read_response(sock)[0] == 200


REFUSED = {
    "bad header": (b"X[]: 1\r\nContent-Length: 5\r\n", 400),
    "no host": (b"Content-Length: 5\r\n", 400),
    "too large": (b"Host: a\r\nContent-Length: 5000000\r\n", 413),
    "unknown coding": (b"Host: a\r\nTransfer-Encoding: cow, chunked\r\n", 501),
    "two lengths": (b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n", 400),
}


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"], ids=["at once", "expect"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_not_waited_for(server, name, expect):
    lines, wanted = REFUSED[name]
    with connect(server.port) as sock:
        started = time.monotonic()
        sock.sendall(b"POST /body HTTP/1.1\r\n" + lines + expect + b"\r\n")
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (wanted, "close")
        assert time.monotonic() - started < 1.5  # READ_TIMEOUT is 3


@pytest.mark.parametrize("size", [1000, 100_000])
def test_continue_is_said_once_and_only_if_the_body_is_wanted(server, size):
    with connect(server.port) as sock:
        lines = b"Host: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % size
        sock.sendall(b"POST /body HTTP/1.1\r\n" + lines)
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"x" * size)
        assert read_response(sock)[0] == 200


def test_an_app_that_does_not_read_says_no_continue(server):
    """Whether the client then sends the body or its next request nobody can know."""
    with connect(server.port) as sock:
        sock.sendall(
            b"POST /do HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Content-Length: 100000\r\n\r\n"
        )
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (200, "close")


@pytest.mark.parametrize("megabytes", [2, 5])
def test_a_client_that_writes_before_it_reads_gets_413(flask_server, megabytes):
    client = http.client.HTTPConnection("127.0.0.1", flask_server.port, timeout=10)
    with contextlib.closing(client):
        client.request("POST", "/api/echo", b"x" * (megabytes << 20))
        response = client.getresponse()
        assert (response.status, json.load(response)["status"]) == (413, 413)


def test_a_client_that_writes_before_it_reads_gets_503():
    settings = {"CONCURRENCY": "1", "QUEUE_LENGTH": "0", "MAX_CONTENT_LENGTH": "9000000"}
    with Gunicorn(*OURS, TEST_APP, **settings) as server, connect(server.port) as busy:
        busy.sendall(b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        with contextlib.closing(client):
            client.request("POST", "/body", b"x" * (5 << 20))
            assert client.getresponse().status == 503


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/", 405), ("POST", "/no", 404)])
def test_a_body_that_nobody_wants_leaves_the_connection(flask_server, method, path, status):
    """What the answer says of it is true. Of its 300 kB some come after the answer."""
    with connect(flask_server.port) as sock:
        start = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n".encode()
        sock.sendall(start + b"x" * 150_000)
        answer = read_response(sock)
        assert (answer[0], answer[1]["connection"]) == (status, "keep-alive")
        sock.sendall(b"x" * 150_000 + b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_response(sock)[0] == 200


def test_a_body_that_is_too_large_for_that_does_not(flask_server):
    with connect(flask_server.port) as sock:
        sock.sendall(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 400001\r\n\r\n")
        sock.sendall(b"x" * 100_000)
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (413, "close")
        assert read_all(sock, quiet=3) == b""
