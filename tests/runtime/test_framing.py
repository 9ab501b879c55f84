"""Requests in a buffer, byte by byte."""

import time

import pytest

from service.runtime.framing import Frame, State

LIMIT = 1000


def look(data: bytes, limit=LIMIT):
    """Feed it byte by byte; return the state at the end, and where it came to that."""
    frame, buffer = Frame(100, limit), bytearray()
    for byte in data:
        buffer.append(byte)
        state = frame.look(buffer)
        if state in (State.COMPLETE, State.LARGE):
            break
    assert Frame(100, limit).look(bytearray(buffer)) is state, "depends on the pieces"
    return state, len(buffer), frame


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nA: b\r\nContent-Length:0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        b"3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
    ],
)
def test_complete_exactly_at_the_end(request_bytes):
    state, length, frame = look(request_bytes + b"GET / HTTP/1.1\r\n\r\n")
    assert (state, length, frame.end) == (State.COMPLETE, len(request_bytes), len(request_bytes))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"G",
        b"\r",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n",
    ],
)
def test_partial(request_bytes):
    assert look(request_bytes)[0] is State.PARTIAL


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\n",
        b"G" * 103,
        b"GET / HTTP/1.1\r\nA: b\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: nine\r\n\r\n",
    ],
)
def test_malformed_is_for_the_parser_at_once(request_bytes):
    state, length, frame = look(request_bytes)
    assert (state, length) == (State.COMPLETE, len(request_bytes))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200,
        b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 200,
    ],
)
def test_large(request_bytes):
    assert look(request_bytes)[0] is State.LARGE


@pytest.mark.parametrize(("version", "state"), [(b"1.1", State.CONTINUE), (b"1.0", State.PARTIAL)])
def test_expect(version, state):
    head = (
        b"POST / HTTP/" + version + b"\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n"
    )
    assert look(head)[0] is State.PARTIAL
    assert look(head + b"\r\n")[0] is state
    assert look(head + b"\r\nabc")[0] is State.COMPLETE


@pytest.mark.parametrize(
    ("request_bytes", "reusable"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nX-Connection: close\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length : 0\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 0, 1\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nA: b\rTransfer-Encoding: chunked\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nA: content-length\r\n\r\n", True),
        (b"GET / x HTTP/1.1\r\n\r\n", False),
    ],
)
def test_reusable_only_if_there_is_no_doubt(request_bytes, reusable):
    state, _, frame = look(request_bytes)
    assert state is State.COMPLETE
    assert frame.reusable is reusable


@pytest.mark.parametrize(
    "line", [b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Expect:\r\n", b"Connection:\r\n", b"A:\t\r\n"]
)
def test_no_head_takes_long(line):
    """All threads wait meanwhile. What is measured takes a millisecond."""
    head = bytearray(b"GET / HTTP/1.1\r\n" + line * (60_000 // len(line)) + b"\r\n")
    started = time.monotonic()
    Frame(4094, 65536).look(head)

    assert time.monotonic() - started < 0.05


@pytest.mark.parametrize(
    ("request_bytes", "state"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 30 + b"5\r\n\r\nabc", State.PARTIAL),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc", State.LARGE),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 30 + b"5\r\nabc",
            State.PARTIAL,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 2000,
            State.PARTIAL,
        ),
    ],
)
def test_long_numbers_and_lines_are_not_taken_for_whole_requests(request_bytes, state):
    assert Frame(4094, 65536).look(bytearray(request_bytes)) is state
