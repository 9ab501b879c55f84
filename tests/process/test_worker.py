"""Slow clients, gunicorn's own errors, and the same answers as stock gunicorn."""

import contextlib
import re
import socket
import struct
import threading
import time

import pytest

from tests.process.slow_clients import (
    half_a_chunked_body,
    half_a_large_body,
    half_a_request_line,
    half_a_small_body,
    half_the_headers,
)
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_all, read_response

CONCURRENCY, QUEUE = 4, 8
THREADS = 2 * CONCURRENCY + QUEUE  # as gunicorn_conf


@pytest.fixture(scope="module")
def server():
    settings = {"CONCURRENCY": str(CONCURRENCY), "QUEUE_LENGTH": str(QUEUE)}
    with Gunicorn(*OURS, TEST_APP, READ_TIMEOUT="3", SEND_TIMEOUT="3", **settings) as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def stock():
    limits = ("--threads", "8", "--keep-alive", "3", "--no-control-socket")
    command = (
        "-m",
        "gunicorn",
        "--worker-class",
        "gthread",
        "--bind",
        "127.0.0.1:0",
        *limits,
        TEST_APP,
    )
    with Gunicorn(*command) as gunicorn:
        yield gunicorn


@pytest.mark.parametrize(
    "offence",
    [
        half_a_request_line,
        half_the_headers,
        half_a_small_body,
        half_a_large_body,
        half_a_chunked_body,
    ],
)
def test_a_request_that_does_not_arrive_gets_408(server, offence):
    with connect(server.port) as sock:
        offence(sock)
        started = time.monotonic()
        status, headers, body = read_response(sock)
        assert 2.5 < time.monotonic() - started < 6
        assert status == 408
        assert is_problem(status, headers, body)
        assert headers["connection"] == "close"
        assert read_all(sock) == b""


def test_the_deadline_is_for_the_whole_request(server):
    with connect(server.port) as sock:
        started = time.monotonic()
        for byte in b"GET /do HTTP/1.1\r\nX-Long: header":
            sock.send(bytes([byte]))
            sock.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                assert sock.recv(100).startswith(b"HTTP/1.1 408 ")
                break
        else:
            pytest.fail("no 408")
        assert time.monotonic() - started < 6


def test_a_client_that_does_not_read_is_cut(server):
    before = metric(server.management, 'hellopod_clients_cut_total{at="response"}')
    with connect(server.port) as sock:
        sock.sendall(b"GET /large/400 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(
            lambda: metric(server.management, 'hellopod_clients_cut_total{at="response"}') > before
        )
        assert len(read_all(sock)) < 400 * 65536


def test_a_stream_may_take_longer_than_the_send_timeout(server):
    with connect(server.port) as sock:
        sock.sendall(b"GET /stream/10/0.4 HTTP/1.0\r\n\r\n")
        assert read_all(sock).endswith(b"x" * 10)


def test_idle_connections_make_way_for_new_ones():
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="2", QUEUE_LENGTH="4") as server:
        limit = 1008  # as gunicorn_conf
        with contextlib.ExitStack() as idle:
            for _ in range(limit + 50):
                sock = idle.enter_context(connect(server.port))
                sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_response(sock)[0] == 200
            started = time.monotonic()
            assert get(server.port, "/do")[0] == 200
            assert time.monotonic() - started < 1
            assert metric(server.management, "hellopod_connections") <= limit


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"bad\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: magic\r\n\r\n", 501),
        (b"GET /raise HTTP/1.1\r\nHost: a\r\n\r\n", 500),
        (b"GET /exit HTTP/1.1\r\nHost: a\r\n\r\n", 500),
    ],
)
def test_own_errors_are_problem_details(server, request_bytes, status):
    with connect(server.port) as sock:
        sock.sendall(request_bytes)
        answer = read_response(sock)
        assert answer[0] == status
        assert is_problem(*answer)
        assert answer[1]["connection"] == "close"
        assert read_all(sock) == b""
    assert get(server.port, "/do")[0] == 200


def test_request_id_of_the_client_is_returned(server):
    with connect(server.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX-Request-ID: abc-1\r\nBad Header: x\r\n\r\n")
        assert read_response(sock)[1]["x-request-id"] == "abc-1"


# Everything on one connection: pieces are sent 0.1 s apart, then the client waits for the end.
SAME = {
    "simple": [b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "in pieces": [b"GET /d", b"o HTTP/1.1\r\nHo", b"st: a\r\nConnection: close\r\n\r", b"\n"],
    "empty line first": [b"\r\nGET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "http/1.0": [b"GET /do HTTP/1.0\r\n\r\n"],
    "http/1.0 keep-alive": [
        b"GET /do HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET /do HTTP/1.0\r\n\r\n",
    ],
    "keep-alive": [
        b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /wait/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ],
    "pipelined": [
        b"GET /do HTTP/1.1\r\nHost: a\r\n\r\nPOST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3"
        b"\r\n\r\nabcGET /wait/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    ],
    "pipelined, cut": [b"GET /do HTTP/1.1\r\nHost: a\r\n\r\nGET /d", b"o HTTP/1.0\r\n\r\n"],
    "body": [b"POST /body HTTP/1.0\r\nContent-Length: 5\r\n\r\nhe", b"llo"],
    "body not read": [
        b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /do HTTP/1.0\r\n\r\n"
    ],
    "large body": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n",
        b"x" * 150000,
        b"y" * 150000,
    ],
    "large body not read": [
        b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000
    ],
    "chunked": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n",
        b"5\r\nhel",
        b"lo\r\n6;x=y\r\n world\r\n0\r\nT: x\r\n",
        b"\r\n",
    ],
    "chunked, pipelined": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        b"GET /do HTTP/1.0\r\n\r\n"
    ],
    "chunked, large": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + b"8000\r\n"
        + b"x" * 0x8000
        + b"\r\n",
        b"18000\r\n" + b"x" * 0x18000 + b"\r\n0\r\n\r\n",
    ],  # fmt: skip
    "chunked, broken": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    ],
    "chunked and length": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
    ],
    "two lengths": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
    ],
    "bad length": [b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"],
    "expect": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
        b"Connection: close\r\n\r\n",
        b"hello",
    ],
    "expect, large": [
        b"POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n"
        b"Connection: close\r\n\r\n",
        b"x" * 100000,
    ],
    "expect, http/1.0": [
        b"POST /body HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"hello",
    ],  # fmt: skip
    "head": [b"HEAD /do HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD /do HTTP/1.0\r\n\r\n"],
    "head of a stream": [b"HEAD /stream/3/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "stream": [b"GET /stream/5/0.02 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "stream, http/1.0": [b"GET /stream/5/0.02 HTTP/1.0\r\n\r\n"],
    "no content": [b"GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "large response": [b"GET /large/50 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "error, then nothing": [b"GET / HTTP/9.9\r\n\r\nGET /do HTTP/1.0\r\n\r\n"],
}


def exchange(port, pieces, end):
    """Send the pieces and return what came back; `end` closes our side behind them."""
    with connect(port) as sock:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.1)
            if end:
                with contextlib.suppress(OSError):  # reset already
                    sock.shutdown(1)
        return read_all(sock, quiet=1.5)


def comparable(answer):
    """Without what differs by design: the date, and the form of an error."""
    answer = re.sub(rb"\r\nDate: [^\r]*", b"", answer)
    return re.sub(rb"(HTTP/1.1 [45].. [^\r]*)\r\n.*", rb"\1", answer, flags=re.S)


@pytest.mark.parametrize("end", [False, True], ids=["open", "half-closed"])
@pytest.mark.parametrize("name", SAME)
def test_answers_as_stock_gunicorn(server, stock, name, end):
    ours, theirs = (comparable(exchange(s.port, SAME[name], end)) for s in (server, stock))
    assert ours == theirs
    assert ours


def upload_all(server, count, pause):
    """Begin so many large uploads at once, end them after a pause; return the statuses."""
    half = b"x" * 100000
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server.port)) for _ in range(count)]
        for sock in socks:
            sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + half)
        time.sleep(pause)
        for sock in socks:
            with contextlib.suppress(OSError):  # refused
                sock.sendall(half)
        return [read_response(sock)[0] for sock in socks]


def test_large_uploads_wait_for_each_other(server):
    assert upload_all(server, CONCURRENCY + QUEUE, 0.1) == [200] * (CONCURRENCY + QUEUE)


def test_large_uploads_do_not_wait_longer_than_others(server):
    """QUEUE_TIMEOUT is 0.3 s: those that wait by then, and those beyond QUEUE_LENGTH, get 503."""
    before = metric(server.management, 'hellopod_requests_shed_total{reason="full"}')
    statuses = upload_all(server, CONCURRENCY + QUEUE + 4, 0.8)
    assert statuses.count(200) == CONCURRENCY
    assert statuses.count(503) == QUEUE + 4
    assert metric(server.management, 'hellopod_requests_shed_total{reason="full"}') == before + 4
    eventually(lambda: metric(server.management, "hellopod_requests_waiting") == 0)
    assert upload_all(server, 1, 0) == [200]


def test_who_reads_little_by_little_gives_way(server):
    """Each client moves something all the time; together they have all threads."""
    with contextlib.ExitStack() as stack:
        socks = []
        stop = threading.Event()

        def sip():
            while not stop.wait(0.02):
                for sock in list(socks):
                    with contextlib.suppress(OSError):
                        sock.recv(200_000)

        sipping = threading.Thread(target=sip)
        sipping.start()
        try:
            for _ in range(THREADS):
                sock = stack.enter_context(connect(server.port))
                sock.sendall(b"GET /large/4000 HTTP/1.1\r\nHost: a\r\n\r\n")
                socks.append(sock)
                time.sleep(0.03)
            assert [get(server.port, "/do")[0] for _ in range(5)] == [200] * 5
        finally:
            stop.set()
            sipping.join()


def test_a_client_is_counted_once_whatever_the_app_does(server):
    def cut():
        return sum(
            metric(server.management, f'hellopod_clients_cut_total{{at="{at}"}}')
            for at in ("request", "response")
        )

    before = cut()
    with connect(server.port) as sock:
        sock.sendall(b"POST /stubborn HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        sock.sendall(b"x" * 100_000)
        assert read_response(sock)[0] == 408
        assert read_all(sock) == b""
    assert cut() == before + 1


def test_an_empty_line_behind_a_request_is_not_the_next_one(server):
    """RFC 9112 section 2.2. It would be answered with 408 when READ_TIMEOUT, 3 s here, is over."""
    with connect(server.port) as sock:
        sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n")
        assert read_response(sock)[0] == 200
        sock.sendall(b"\r\n")
        sock.settimeout(4)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_response(sock)[0] == 200


def test_new_connections_are_not_closed_for_newer_ones():
    """A flood closes nobody who has not had the time to say what he wants."""
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="2", QUEUE_LENGTH="4", files=200) as server:
        limit = 200 - 164  # as PodWorker.init_process
        for _ in range(10):
            with contextlib.ExitStack() as flood:
                started = time.monotonic()
                socks = [flood.enter_context(connect(server.port)) for _ in range(limit + 20)]
                socks[0].sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")
                if time.monotonic() - started < 0.08:  # else it has had its 0.1 s
                    assert read_response(socks[0])[0] == 200
                    return
        pytest.fail("the machine is too slow for this test")


def test_a_client_that_has_sent_everything_keeps_its_thread(server):
    """However long it took: its request is nearly done, and cutting it would free no thread now."""
    with contextlib.ExitStack() as stack, connect(server.port) as slow:
        slow.sendall(b"POST /digest/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        slow.sendall(b"x" * 50_000)
        time.sleep(1)
        slow.sendall(b"x" * 50_000)
        for _ in range(THREADS - 1):
            stack.enter_context(connect(server.port)).sendall(
                b"GET /large/400 HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            time.sleep(0.03)
        time.sleep(0.3)
        assert [get(server.port, "/do")[0] for _ in range(3)] == [200] * 3
        assert read_response(slow)[0] == 200


def test_uploads_that_are_given_up_leave_no_trace():
    with Gunicorn(*OURS, TEST_APP, CONCURRENCY="2", QUEUE_LENGTH="0") as server:
        with connect(server.port) as one, connect(server.port) as other:
            for sock in (one, other):
                sock.sendall(b"GET /wait/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
            for _ in range(40):
                with connect(server.port) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.sendall(
                        b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
                    )
            assert [read_response(sock)[0] for sock in (one, other)] == [200, 200]
        assert upload_all(server, 1, 0) == [200]


def test_carriage_returns_are_no_way_to_fill_the_memory(server):
    with connect(server.port) as sock, pytest.raises(OSError):
        for _ in range(100):
            sock.sendall(b"\r" * 100_000)
            time.sleep(0.01)


def test_pipelined_requests_are_read_as_they_are_served(server):
    """And not as fast as somebody sends them."""
    before = metric(server.management, "process_resident_memory_bytes")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server.port)) for _ in range(20)]
        for sock in socks:
            sock.setblocking(False)
        requests = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for sock in socks:
                with contextlib.suppress(BlockingIOError):
                    sock.send(requests)
                with contextlib.suppress(BlockingIOError):
                    sock.recv(1_000_000)
        assert metric(server.management, "process_resident_memory_bytes") < before + 10e6
        assert get(server.port, "/do")[0] == 200


@pytest.fixture(params=["new", "idle before"])
def sock(server, request):
    """A connection, in whose present request the event loop watches it if it was idle before."""
    with connect(server.port) as sock:
        if request.param == "idle before":
            sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_response(sock)[0] == 200
            time.sleep(0.1)
        yield sock


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_request_that_comes_early_is_answered_at_once(sock, when):
    """A thread that is done does not always wake the event loop. That may sleep for 1 s."""
    slow = b"GET /wait/0.3 HTTP/1.1\r\nHost: a\r\n\r\n"
    fast = b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n"
    sock.sendall(slow + fast if when == "before" else slow)
    if when == "while":
        time.sleep(0.1)
        sock.sendall(fast)
    assert read_response(sock)[0] == 200
    started = time.monotonic()
    if when == "after":
        sock.sendall(fast)
    assert read_response(sock)[0] == 200
    assert time.monotonic() - started < 0.5


def test_a_client_that_asked_for_it_sees_its_connection_closed_at_once(sock):
    sock.sendall(b"GET /wait/0.1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert read_response(sock)[0] == 200
    started = time.monotonic()
    assert sock.recv(1) == b""
    assert time.monotonic() - started < 0.5


def test_fewer_connections_where_few_files_may_be_open():
    with Gunicorn(*OURS, TEST_APP, files=300) as server, contextlib.ExitStack() as idle:
        for _ in range(400):
            idle.enter_context(connect(server.port)).sendall(b"GET /do HTTP/1.1\r\n")
        for _ in range(3):
            assert get(server.port, "/do")[0] == 200
            assert get(server.management, "/healthz")[0] == 200
        assert metric(server.management, "hellopod_connections") <= 300 - 164


def test_an_answer_is_not_followed_by_a_reset(server):
    """Which is what closing makes of bytes that were not read, and may overtake the answer."""
    with connect(server.port) as sock:
        sock.sendall(
            b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + b"x" * 300000
        )
        time.sleep(0.5)
        assert read_response(sock)[0] == 200
        assert sock.recv(1) == b""


def test_half_a_body_and_the_end_gets_400(server):
    with connect(server.port) as sock:
        half_a_small_body(sock)
        sock.shutdown(1)
        answer = read_response(sock)
        assert answer[0] == 400
        assert is_problem(*answer)
