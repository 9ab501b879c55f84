"""When the event loop looks at its deadlines."""

import socket
import time
from types import SimpleNamespace

import pytest

from service.runtime.connection import Connection, Phase
from service.runtime.loop import EXPIRE_BEAT, EventLoop
from service.runtime.port import Port
from tests.runtime.raw import eventually


class Loop(EventLoop):
    """Has one listener, and room for one connection."""

    cfg = SimpleNamespace(limit_request_line=4094)
    buffer_limit = 65536
    idle_timeout = 75.0
    read_timeout = 10.0
    taking = True

    def __init__(self, listener):
        super().__init__()
        self.taken_back = []
        self.main = Port([listener], 1, unheard=1)
        self.management = Port([], 1, unheard=1)
        for port in (self.main, self.management):
            port.accept(True)

    def take_back(self):
        self.taken_back.append(time.monotonic())


@pytest.fixture
def loop():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Loop(listener)


@pytest.fixture
def connection(loop):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(loop, loop.main, ours, None, None)


def test_the_next_look_is_at_the_first_deadline(loop, connection):
    loop.main.move(connection, Phase.READING)
    connection.since -= loop.read_timeout - 0.5

    loop.expire()

    assert loop.expire_at == connection.since + loop.read_timeout
    assert 0 < loop.sleep_time() <= 0.5


@pytest.mark.parametrize("timeout", [0.1, 0.0])
def test_who_comes_before_the_next_look_is_not_late(loop, timeout):
    loop.read_timeout = timeout

    before = time.monotonic()
    loop.expire()
    after = time.monotonic()

    assert before + EXPIRE_BEAT <= loop.expire_at <= after + max(timeout, EXPIRE_BEAT)


def test_a_look_is_a_beat_away_while_a_connection_waits_for_a_place(loop, connection):
    loop.main.move(connection, Phase.ACTIVE)
    loop.expire()
    (listener,) = loop.main.listeners

    with socket.create_connection(listener.getsockname()):
        loop.turn()
        assert not loop.main.accepting
        assert loop.sleep_time() <= EXPIRE_BEAT

        loop.close(connection)
        eventually(lambda: loop.turn() or loop.main.accepting)


def test_what_threads_are_done_with_is_taken_back_before_and_after_the_sleep(loop):
    """Before: on_event() may have ended its watch, as more came. After: so that the event finds it
    between two requests, and no probe takes it for stuck."""
    began = time.monotonic()
    loop.expire_at = began + 0.3

    loop.turn()

    before, after = loop.taken_back
    assert before < began + 0.2 <= after
