import selectors
import socket
from types import SimpleNamespace

import pytest

from service.runtime.connection import Connection, Phase
from service.runtime.exchange import Exchange
from service.runtime.port import Port

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Loop(Exchange):
    """Keeps the requests that it is given."""

    cfg = SimpleNamespace(limit_request_line=4094)
    buffer_limit = 65536

    def __init__(self):
        super().__init__()
        self.requests = []

    def on_request(self, connection):
        self.requests.append(bytes(connection.buffer))


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_end_of_the_stream_does_not_hide_the_request_before_it(loop, ends):
    ours, theirs = ends
    connection = Connection(loop, Port([], 1, unheard=1), ours, None, None)
    connection.port.watch(connection, selectors.EVENT_READ)
    connection.port.move(connection, Phase.ACTIVE)
    theirs.shutdown(socket.SHUT_WR)
    reported = connection.port.poller.select(0)
    assert reported

    loop.reuse(connection, REQUEST)  # its first request is done, the second was sent with it
    for key, mask in reported:  # in the same turn
        loop.on_event(key.data, mask)
    loop.advance(loop.leftover.popleft())

    assert loop.requests == [REQUEST]


@pytest.mark.parametrize("sent", [REQUEST, b""])
def test_what_came_behind_a_request_is_read_when_that_is_done(loop, ends, sent):
    ours, theirs = ends
    connection = Connection(loop, Port([], 1, unheard=1), ours, None, None)
    connection.port.watch(connection, selectors.EVENT_READ)
    connection.port.move(connection, Phase.ACTIVE)
    theirs.sendall(REQUEST)
    loop.on_event(connection, selectors.EVENT_READ)
    assert not connection.watched  # or the poller would report it again and again
    ours.recv(len(REQUEST) - len(sent))

    loop.follow(connection, b"")

    assert loop.requests == [sent] * bool(sent)
    assert bool(connection.watched) == (not sent)
