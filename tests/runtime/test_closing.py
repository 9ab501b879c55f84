import selectors
import socket
from types import SimpleNamespace

import pytest

from service.runtime.closing import LONGEST_LINGER, Closing
from service.runtime.connection import Connection, Phase
from service.runtime.port import Port

WORKER = SimpleNamespace(
    cfg=SimpleNamespace(limit_request_line=4094), buffer_limit=65536, closing=lambda: False
)


@pytest.fixture
def ends():
    """A connection that lingers, and its client."""
    ours, theirs = socket.socketpair()
    connection = Connection(WORKER, Port([], 1, unheard=1), ours, None, None)
    theirs.settimeout(5)
    with ours, theirs:
        Closing().linger(connection)
        yield connection, theirs


def test_the_client_sees_the_end_and_may_go_on_sending(ends):
    connection, theirs = ends
    assert theirs.recv(1) == b""
    theirs.sendall(b"x" * 100)
    Closing().discard(connection)
    assert connection.discarded == 100
    assert connection.phase is Phase.LINGERING
    assert connection.watched == selectors.EVENT_READ


def test_an_event_with_nothing_to_read_is_no_end(ends):
    """A thread may have read it since: to close now would cost the client its answer."""
    connection, _ = ends
    Closing().discard(connection)
    assert connection.phase is Phase.LINGERING


def test_it_is_over_when_the_client_closes(ends):
    connection, theirs = ends
    theirs.close()
    Closing().discard(connection)
    assert connection.phase is Phase.CLOSED


def test_not_all_of_a_long_upload_is_read(ends):
    connection, theirs = ends
    connection.discarded = LONGEST_LINGER
    theirs.sendall(b"x")
    Closing().discard(connection)
    assert connection.phase is Phase.CLOSED
