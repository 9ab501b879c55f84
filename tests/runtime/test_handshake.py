"""Handshakes take their turn: each costs as much as many requests."""

import selectors
import time

from service.runtime.connection import Phase
from service.runtime.handshake import SHARE, Handshake


class Slow:
    """A socket whose handshake needs two steps, and as much time as a turn has for them."""

    steps = 0

    def handshake(self):
        self.steps += 1
        time.sleep(SHARE)
        return selectors.EVENT_WRITE if self.steps == 1 else 0


class Port:
    certificate = None

    def __init__(self):
        self.certificate = self
        self.watched = {}

    def wrap(self, raw):
        return raw

    def watch(self, connection, events):
        self.watched[connection] = events

    def move(self, connection, phase):
        connection.phase = phase


class Connection:
    watched = selectors.EVENT_READ

    def __init__(self, port):
        self.port = port
        self.raw = Slow()


class Loop(Handshake):
    def __init__(self):
        super().__init__()
        self.begun = []

    def read(self, connection):
        self.begun.append(connection)


def test_a_turn_has_time_for_a_few():
    loop, port = Loop(), Port()
    connections = [Connection(port) for _ in range(3)]
    for connection in connections:
        loop.greet(connection)
        loop.on_event(connection, selectors.EVENT_READ)

    assert [connection.raw.steps for connection in connections] == [1, 0, 0]
    first, second, _ = port.watched.values()
    assert (first, second) == (selectors.EVENT_WRITE, selectors.EVENT_READ)

    loop.shaking = 0.0  # the next turn
    loop.on_event(connections[0], selectors.EVENT_WRITE)
    assert connections[0].phase is Phase.IDLE
    assert loop.begun == connections[:1]
    assert {connection.phase for connection in connections[1:]} == {Phase.HANDSHAKE}
