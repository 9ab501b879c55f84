"""Parts of the runtime for tests: a port, and connections with both their ends."""

import contextlib
import selectors
import socket

from service.http1.answers import Answers
from service.http1.head import Limits
from service.runtime.connection import Connection, Phase
from service.runtime.exchange import Exchange
from service.runtime.metrics import RuntimeMetrics
from service.runtime.port import Port

LIMITS = Limits(line=4094, fields=100, field=8190, body=1 << 20)
ADDRESS = ("127.0.0.1", 1)


def port(listeners=(), limit=1, **options) -> Port:
    return Port(list(listeners), limit, unheard=1, limits=LIMITS, **options)


def exchange() -> Exchange:
    """Return one that keeps the requests that it is told of, and the access records."""
    part = Exchange(
        Answers("pod-1"), RuntimeMetrics(str), lambda *record: part.logged.append(record)
    )
    part.logged, part.requests = [], []
    part.on_request = part.requests.append
    return part


@contextlib.contextmanager
def connected(place: Port, phase: Phase = Phase.IDLE, watched: bool = False):
    """Give a connection in a phase, and its client's end."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        connection = Connection(place, ours, ADDRESS)
        place.hold(connection)
        for step in {Phase.SERVED: (Phase.ACTIVE, Phase.SERVED)}.get(phase, (phase,)):
            if connection.phase is not step:
                place.move(connection, step)
        if watched:
            place.watch(connection, selectors.EVENT_READ)
        yield connection, theirs
