"""The event loop: waits, accepts, hands out events, and watches deadlines."""

import random
import time
from typing import Any

from service.runtime.connection import Connection, Phase
from service.runtime.handshake import Handshake
from service.runtime.port import Port

ACCEPT_AT_ONCE = 128  # connections before the loop looks at anything else
EVENTS_AT_ONCE = 256  # events before it makes way for the threads, about 10 ms of refusals
EVENTS_BETWEEN = 32  # events before it looks at the management port
LINGER = 2.0  # seconds to wait for the client to close, as gunicorn
FLUSH_TIMEOUT = 5.0  # seconds for an answer of the loop's own, which fits any socket buffer
EXPIRE_BEAT = 0.01  # seconds at least between two looks at the deadlines
QUEUE_BEAT = 0.01  # seconds between two looks at a queue: a tenth of a delay that anybody notices
RETRY = 1.0  # seconds until it accepts again after the kernel had nothing left to give


class EventLoop(Handshake):
    """Never blocks but to wait for the next event."""

    config: Any
    main: Port
    management: Port
    idle_timeout: float  # seconds
    read_timeout: float  # seconds
    longest_sleep = 1.0  # seconds: gunicorn's heartbeat
    expire_at = 0.0  # when to look at the deadlines; 0 if they have moved
    taking: bool  # new connections

    def take_back(self) -> None:
        """Go on with the connections that threads are done with."""
        raise NotImplementedError

    def turn(self) -> None:
        """Wait for something to happen and deal with it, or with as much of it as is its share."""
        self.shaking = 0.0
        self.take_back()  # for what they sent meanwhile there will be no event: see on_event
        events = self.main.poller.select(0 if self.leftover else self.sleep_time())
        self.take_back()  # the event may be about one of these
        for number in range(min(len(self.leftover), EVENTS_AT_ONCE)):
            self.between(number)
            self.guard(self.advance, self.leftover.popleft())
        if len(events) > EVENTS_AT_ONCE:
            # From anywhere in the row, because epoll's is the same each time.
            start = random.randrange(len(events))  # noqa: S311
            events = (events[start:] + events[:start])[:EVENTS_AT_ONCE]
        for number, (key, mask) in enumerate(events):
            self.between(number)
            self.dispatch(self.main, key.data, mask)
        # At each turn, two or three a request, it took 6 % of a small request's instructions.
        if time.monotonic() >= self.expire_at:
            self.expire()

    def between(self, number: int) -> None:
        """Keep no probe waiting for a long row of events."""
        if number % EVENTS_BETWEEN == EVENTS_BETWEEN - 1:
            self.serve_management()

    def serve_management(self, _descriptor: int = 0) -> None:
        """Serve whatever waits on the management port."""
        for key, mask in self.management.poller.select(0):
            self.dispatch(self.management, key.data, mask)

    def dispatch(self, port: Port, data: Any, mask: int) -> None:
        """Deal with one event."""
        if isinstance(data, Connection):
            self.guard(self.on_event, data, mask)
        elif callable(data):
            data()
        else:
            self.accept(port, data)

    def accept(self, port: Port, listener: Any) -> bool:
        """Take new connections, at the expense of idle ones if need be; False if more may wait."""
        accept, address = port.sources[listener]
        for _ in range(ACCEPT_AT_ONCE):
            if not port.has_room():
                self.pause(port)
                return True
            try:
                raw, client = accept()
            except (BlockingIOError, ConnectionAbortedError):
                return True
            except OSError:  # out of file descriptors or memory: later, when some have closed
                port.resume_at = time.monotonic() + RETRY
                self.pause(port)
                return True
            if port.count() >= port.limit and (expendable := port.expendable()):
                self.give_up(expendable)
                self.close(expendable)  # no lingering: its place is taken
            connection = Connection(self, port, raw, client, address)
            if port.certificate:
                self.guard(self.greet, connection)
                continue
            port.move(connection, Phase.IDLE)
            self.guard(self.read, connection)  # the request is often there already
        return False

    def pause(self, port: Port) -> None:
        """Leave new connections to the kernel until expire() finds room."""
        port.accept(False)
        self.expire_at = 0.0

    def give_up(self, connection: Connection) -> None:
        """Close a connection that has had its time; half a request gets an answer."""
        if connection.phase is Phase.READING:
            self.guard(self.on_slow_request, connection)
        else:
            self.close(connection)

    def expire(self) -> None:
        """Close what has reached its deadline, and note when the next one is, at the earliest."""
        now = time.monotonic()
        following = now + self.longest_sleep
        for port in (self.main, self.management):
            taking = self.taking or port is self.management  # which has probes to the end
            if taking and not port.accepting:  # somebody may make room for those in the backlog
                if now >= port.resume_at and port.has_room():
                    port.accept(True)
                else:
                    following = now
            for phase, seconds in self.timeouts():
                while connection := port.oldest(phase, now - seconds):
                    self.give_up(connection)
                first = next(iter(port.held[phase]), None)
                following = min(following, (first.since if first else now) + seconds)
        self.expire_at = max(following, now + EXPIRE_BEAT)

    def timeouts(self) -> tuple[tuple[Phase, float], ...]:
        """How many seconds a connection may be in a phase."""
        return (
            (Phase.HANDSHAKE, self.read_timeout if self.taking else self.idle_timeout),
            (Phase.IDLE, self.idle_timeout),
            (Phase.READING, self.read_timeout),
            (Phase.FLUSHING, FLUSH_TIMEOUT),
            (Phase.LINGERING, LINGER),
        )

    def sleep_time(self) -> float:
        """Seconds until there is something to do whatever clients do."""
        seconds = max(0.0, self.expire_at - time.monotonic())
        return min(seconds, QUEUE_BEAT) if self.main.held[Phase.WAITING] else seconds
