"""Requests and answers, as far as the event loop reads and writes them itself."""

import selectors
import socket
import time

import pytest

from service.http1.head import ProtocolError
from service.runtime.connection import FOLLOWING, Phase
from service.runtime.exchange import HANDSHAKES, MOST_DISCARDED
from tests.runtime.parts import connected, exchange, port

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def loop():
    return exchange()


def test_every_phase_has_what_may_follow_it():
    assert FOLLOWING.keys() == set(Phase)
    assert {phase for phase, after in FOLLOWING.items() if not after} == {Phase.CLOSED}


def test_what_may_not_follow_is_an_error():
    place = port()
    with connected(place) as (connection, _), pytest.raises(ValueError, match="is not followed by"):
        place.move(connection, Phase.SERVED)


def test_the_end_of_the_stream_does_not_hide_the_request_before_it(loop):
    place = port()
    with connected(place, Phase.SERVED, watched=True) as (connection, theirs):
        theirs.shutdown(socket.SHUT_WR)
        reported = place.poller.select(0)
        assert reported
        connection.buffer += REQUEST  # its first request is done, the second was sent with it

        loop.follow(connection)
        for key, _ in reported:  # in the same turn
            loop.on_event(key.data)
        loop.advance(loop.pipelined.popleft())

        assert loop.requests == [connection]
        assert connection.request.path == "/"


@pytest.mark.parametrize("sent", [REQUEST, b""])
def test_what_came_behind_a_request_is_read_when_that_is_done(loop, sent):
    place = port()
    with connected(place, Phase.ACTIVE, watched=True) as (connection, theirs):
        theirs.sendall(REQUEST)
        loop.on_event(connection)
        assert not connection.watched  # or the poller would report it again and again
        connection.raw.recv(len(REQUEST) - len(sent))
        place.move(connection, Phase.SERVED)

        connection.request = connection.heads.read(bytearray(REQUEST))
        loop.follow(connection)

        assert loop.requests == [connection] * bool(sent)
        assert connection.watched


@pytest.fixture
def ends(loop):
    """A connection that lingers, and its client."""
    with connected(port()) as (connection, theirs):
        connection.arrived = time.monotonic()
        loop.linger(connection)
        yield connection, theirs


def test_the_client_sees_the_end_and_may_go_on_sending(loop, ends):
    connection, theirs = ends
    assert theirs.recv(1) == b""
    theirs.sendall(b"x" * 100)
    loop.on_event(connection)
    assert connection.discarded == 100
    assert connection.phase is Phase.LINGERING
    assert connection.watched == selectors.EVENT_READ


def test_an_event_with_nothing_to_read_is_no_end(loop, ends):
    """A thread may have read it since: to close now would cost the client its answer."""
    connection, _ = ends
    loop.on_event(connection)
    assert connection.phase is Phase.LINGERING


def test_it_is_over_when_the_client_closes(loop, ends):
    connection, theirs = ends
    theirs.close()
    loop.on_event(connection)
    assert connection.phase is Phase.CLOSED


def test_not_all_of_a_long_upload_is_read(loop, ends):
    connection, theirs = ends
    connection.discarded = MOST_DISCARDED
    theirs.sendall(b"x")
    loop.on_event(connection)
    assert connection.phase is Phase.CLOSED


def test_nor_for_all_time(loop, ends):
    connection, theirs = ends
    connection.arrived -= 100
    theirs.sendall(b"x")
    loop.on_event(connection)
    assert connection.phase is Phase.CLOSED


def test_an_error_has_one_record_and_one_id(loop):
    with connected(port()) as (connection, theirs):
        theirs.sendall(b"GET / HTTP/1.1\r\nX-Request-ID: id-1\r\nBad Header: x\r\n\r\n")
        loop.on_event(connection)  # not watched: for another turn
        assert loop.requests == []
        connection.port.watch(connection, selectors.EVENT_READ)
        loop.on_event(connection)
        assert loop.requests == [connection]
        loop.reject(connection)

        [(answered, request, environ, _)] = loop.logged
        assert answered.status == "400 Bad Request"
        assert (request.method, environ["hellopod.request_id"]) == ("GET", "id-1")
        assert b"\r\nX-Request-ID: id-1\r\n" in theirs.recv(1000)


class Slow:
    """A socket whose handshake needs two steps, and as much time as a turn has for them."""

    steps = 0

    def __init__(self, raw):
        self.raw = raw

    def handshake(self):
        self.steps += 1
        time.sleep(HANDSHAKES)
        return selectors.EVENT_WRITE if self.steps == 1 else 0

    def recv(self, size):
        return self.raw.recv(size)

    def fileno(self):
        return self.raw.fileno()


class Certificate:
    expires = 0.0

    def wrap(self, raw):
        return Slow(raw)


def test_handshakes_take_their_turn(loop):
    """Each costs as much as many requests."""
    place = port(certificate=Certificate())
    with (
        connected(place, Phase.HANDSHAKE, True) as (first, _),
        connected(place, Phase.HANDSHAKE, True) as (second, _),
    ):
        for connection in (first, second):
            loop.on_event(connection)
        assert isinstance(first.raw, Slow) and not isinstance(second.raw, Slow)
        assert (first.watched, second.watched) == (selectors.EVENT_WRITE, selectors.EVENT_READ)
        loop.shaking = 0.0  # the next turn
        loop.on_event(second)
        assert isinstance(second.raw, Slow)
        assert first.phase is second.phase is Phase.HANDSHAKE


def test_an_error_while_nothing_is_known_says_so(loop):
    with connected(port()) as (connection, theirs):
        loop.fail(connection, ProtocolError(400, "This port speaks HTTPS."))
        loop.reject(connection)
        assert b"This port speaks HTTPS." in theirs.recv(1000)


@pytest.mark.parametrize("sizes", [(1000,), (2, 2, 2, 2, 2, 2, 2, 2, 2), (17, 1)])
def test_blank_lines_before_a_request_have_an_end(loop, sizes):
    place = port()
    lines = b"\r\n" * 1000
    with connected(place) as (connection, theirs):
        for size in sizes:
            assert not loop.requests
            theirs.sendall(lines[:size])
            loop.greet(connection) if not connection.watched else loop.on_event(connection)
            lines = lines[size:]
        if not loop.requests:  # what may be a blank line's half is no request yet
            theirs.sendall(lines[:4])
            loop.on_event(connection)
        assert isinstance(connection.error, ProtocolError)


def test_a_few_blank_lines_are_none_of_the_next_request(loop):
    place = port()
    with connected(place) as (connection, theirs):
        for number in range(20):
            theirs.sendall(b"\r\n\r\n" + REQUEST)
            loop._read(connection)
            assert len(loop.requests) == number + 1 and not connection.error
            connection.next_request()
