"""A listening socket and its connections, held by what they are doing."""

import math
import resource
import selectors
import time
from collections.abc import Callable
from typing import Any

from gunicorn.sock import BaseSocket

from service.http1.head import Limits
from service.runtime.connection import (
    CLOSED,
    FLUSHING,
    FOLLOWING,
    HANDSHAKE,
    IDLE,
    LINGERING,
    READING,
    SKIPPING,
    Connection,
    Phase,
)
from service.tls.certificate import Certificate
from service.tls.socket import TlsSocket

# Those that may be closed when no more connections fit: all that are not being served.
EXPENDABLE = (HANDSHAKE, IDLE, READING, SKIPPING, FLUSHING)


def fitting(connections: int, others: int, limits: Any = resource) -> int:
    """Return so many connections, or less where they and the other files may not all be open.

    Raises the soft limit of open files as far as it may. Where there is no hard limit it is raised
    to what is needed: macOS has a limit all the same, and refuses infinity.
    """
    kind = limits.RLIMIT_NOFILE
    soft: int
    hard: int
    soft, hard = limits.getrlimit(kind)
    endless = hard == limits.RLIM_INFINITY
    wanted = connections + others if endless else hard
    if soft != limits.RLIM_INFINITY and soft < wanted:
        try:
            limits.setrlimit(kind, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # it may not be raised, after all
            pass
    if soft == limits.RLIM_INFINITY:
        return connections
    return max(1, min(connections, soft - others))


class Port:
    """Has a selector of its own, so that one port can be served before another.

    Takes `limit` connections. A new one may take the place of another after `unheard` seconds: in a
    flood each would be closed before it can say what it wants. After about `max_age` seconds its
    client is sent to connect again, and after each answer once `leaving` says so.
    """

    def __init__(
        self,
        listeners: list[BaseSocket],
        limit: int,
        unheard: float,
        limits: Limits,
        leaving: Callable[[], bool] = bool,
        certificate: Certificate | None = None,
        max_age: float = math.inf,
    ) -> None:
        self.listeners = listeners
        self.limit = limit
        self.unheard = unheard
        self.limits = limits
        self.leaving = leaving
        self.certificate = certificate
        self.max_age = max_age
        self.poller = selectors.DefaultSelector()
        # A system call less, and no detour through gunicorn's wrapper, for each connection.
        self.accepts = {each: getattr(each, "sock", each).accept for each in listeners}
        self.address = listeners[0].getsockname() if listeners else ("", 0)
        self.unread_bodies = False  # whether a body may be left in the socket
        self.accepting = False
        self.resume_at = 0.0  # no new connections before this moment
        # dicts keep the order of insertion. It is that of deadlines: a phase has one length.
        self.held: dict[Phase, dict[Connection, None]] = {phase: {} for phase in Phase}

    def accept(self, enabled: bool) -> None:
        """Watch the listeners or leave new connections to the kernel."""
        if enabled == self.accepting:
            return
        self.accepting = enabled
        for listener in self.listeners:
            if enabled:
                listener.setblocking(False)
                self.poller.register(listener, selectors.EVENT_READ, listener)
            else:
                self.poller.unregister(listener)

    def watch(self, connection: Connection, events: int) -> None:
        """Be told of these events; 0 for none."""
        if events == connection.watched:
            return
        if not events:
            self.poller.unregister(connection.raw)
        elif connection.watched:
            self.poller.modify(connection.raw, events, connection)
        else:
            self.poller.register(connection.raw, events, connection)
        connection.watched = events

    def wrap(self, raw: Any) -> TlsSocket:
        """Return a connection that has yet to shake hands, as the certificate is now."""
        assert self.certificate  # noqa: S101
        return self.certificate.wrap(raw)

    def move(self, connection: Connection, phase: Phase) -> None:
        """Note what it is doing now; raises ValueError for what may not follow."""
        if phase not in FOLLOWING[connection.phase]:
            raise ValueError(f"{connection.phase} is not followed by {phase}")
        self.held[connection.phase].pop(connection, None)
        connection.phase = phase
        if phase is not CLOSED:
            self.hold(connection)

    def hold(self, connection: Connection) -> None:
        """Have it among those in its phase, as the latest of them."""
        connection.since = time.monotonic()
        self.held[connection.phase][connection] = None

    def count(self) -> int:
        """How many connections are open."""
        return sum(map(len, self.held.values()))

    def oldest(self, phase: Phase, before: float) -> Connection | None:
        """Return the longest in a phase if it has been so since before a moment."""
        connection = next(iter(self.held[phase]), None)
        return connection if connection and connection.since <= before else None

    def has_room(self) -> bool:
        """Whether a new connection fits, if need be in the place of another."""
        return self.count() < self.limit or self.expendable() is not None

    def expendable(self) -> Connection | None:
        """Return the connection to close for a new one, if there is one."""
        if self.held[LINGERING]:  # they have had their answer
            return next(iter(self.held[LINGERING]))
        heard = time.monotonic() - self.unheard
        oldest = [one for phase in EXPENDABLE if (one := self.oldest(phase, heard))]
        return min(oldest, key=lambda connection: connection.since, default=None)
