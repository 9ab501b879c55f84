"""What the event loop may still do with a request that waits for a slot."""

from types import SimpleNamespace

import pytest

from service.runtime.admission import Verdict
from service.runtime.connection import Phase
from service.runtime.management import Management
from service.runtime.scheduler import Scheduler
from tests.runtime.parts import connected, exchange, port

LARGE = b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "stays"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\nhalf", False),
    ],
    ids=["whole", "half a body"],
)
def test_what_waits_is_not_read_by_the_event_loop(request_, stays):
    """A thread may take it at any moment. Not to be watched costs two system calls."""
    part = exchange()
    admission = SimpleNamespace(offer=lambda connection, now: Verdict.WAIT)
    scheduler = Scheduler(admission, SimpleNamespace(), part, SimpleNamespace())
    with connected(port(), watched=True) as (connection, client):
        client.sendall(request_)
        part.on_event(connection)
        scheduler.admit(connection)
        assert connection.phase is Phase.WAITING
        assert bool(connection.watched) is stays
        client.sendall(NEXT)
        part.on_event(connection)

        assert NEXT not in bytes(connection.buffer)
        assert not connection.watched
        assert len(part.requests) == 1


@pytest.mark.parametrize("status", [200, 503])
def test_what_is_behind_half_a_body_is_no_request(status):
    """Its answer did not wait for the rest."""
    part, place = exchange(), port()
    place.unread_bodies = True
    health = SimpleNamespace(probes={"/healthz": lambda: (200, b"")})
    management = Management(place, health, part, None, None)
    scheduler = Scheduler(None, SimpleNamespace(begun=()), part, management)
    part.on_request = management.serve if status == 200 else scheduler.refuse
    with connected(place, watched=True) as (connection, client):
        client.sendall(LARGE)
        part.on_event(connection)

        assert client.recv(4096).startswith(b"HTTP/1.1 %d " % status)
        assert connection.phase is Phase.LINGERING
