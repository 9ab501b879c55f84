"""The event loop: waits, accepts, hands out events, and watches deadlines."""

import time
from typing import Any

from service.runtime.connection import Connection, Phase
from service.runtime.exchange import Exchange
from service.runtime.port import Port

ACCEPT_AT_ONCE = 64  # connections before the loop looks at anything else
EVENTS_AT_ONCE = 32  # events before it looks at the management port
LINGER = 2.0  # seconds to wait for the client to close, as gunicorn
FLUSH_TIMEOUT = 5.0  # seconds for an answer of the loop's own, which fits any socket buffer
QUEUE_BEAT = 0.01  # seconds between two looks at a queue: a tenth of a delay that anybody notices
LONGEST_SLEEP = 1.0  # seconds: gunicorn's heartbeat


class EventLoop(Exchange):
    """Never blocks but to wait for the next event."""

    config: Any
    main: Port
    management: Port
    idle_timeout: float  # seconds
    taking: bool  # new connections

    def turn(self) -> None:
        """Wait for something to happen and deal with all of it."""
        for _ in range(len(self.leftover)):
            self.guard(self.advance, self.leftover.popleft())
        events = self.main.poller.select(0 if self.leftover else self.sleep_time())
        for number, (key, mask) in enumerate(events):
            if number % EVENTS_AT_ONCE == EVENTS_AT_ONCE - 1:
                self.serve_management()
            self.dispatch(self.main, key.data, mask)
        self.expire()

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
                port.accept(False)
                return True
            try:
                raw, client = accept()
            except (BlockingIOError, ConnectionAbortedError):
                return True
            except OSError:  # out of file descriptors or memory: later, when some have closed
                port.resume_at = time.monotonic() + LONGEST_SLEEP
                port.accept(False)
                return True
            if port.count() >= port.limit and (expendable := port.expendable()):
                self.give_up(expendable)
                self.close(expendable)  # no lingering: its place is taken
            connection = Connection(self, port, raw, client, address)
            port.move(connection, Phase.IDLE)
            self.guard(self.read, connection)  # the request is often there already
        return False

    def give_up(self, connection: Connection) -> None:
        """Close a connection that has had its time; half a request gets an answer."""
        if connection.phase is Phase.READING:
            self.guard(self.on_slow_request, connection)
        else:
            self.close(connection)

    def expire(self) -> None:
        """Close what has reached its deadline."""
        now = time.monotonic()
        for port in (self.main, self.management):
            if self.taking and not port.accepting and now >= port.resume_at and port.has_room():
                port.accept(True)
            for phase, seconds in self.timeouts():
                while connection := port.oldest(phase, now - seconds):
                    self.give_up(connection)

    def timeouts(self) -> tuple[tuple[Phase, float], ...]:
        """How many seconds a connection may be in a phase."""
        return (
            (Phase.IDLE, self.idle_timeout),
            (Phase.READING, self.config.read_timeout),
            (Phase.FLUSHING, FLUSH_TIMEOUT),
            (Phase.LINGERING, LINGER),
        )

    def sleep_time(self) -> float:
        """Seconds until the next deadline of the main port, at most LONGEST_SLEEP."""
        now = time.monotonic()
        wake = now + (QUEUE_BEAT if self.main.held[Phase.WAITING] else LONGEST_SLEEP)
        for phase, seconds in self.timeouts():
            if first := next(iter(self.main.held[phase]), None):
                wake = min(wake, first.since + seconds)
        return max(0.0, wake - now)
