"""The event loop: waits, accepts, hands out events, and watches deadlines."""

import os
import random
import selectors
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from service.http1.head import ProtocolError
from service.runtime.connection import (
    FLUSHING,
    HANDSHAKE,
    IDLE,
    LINGERING,
    READING,
    SKIPPING,
    Connection,
    Phase,
    plain,
)
from service.runtime.exchange import Exchange
from service.runtime.port import Port

ACCEPT_AT_ONCE = 128  # connections before the loop looks at anything else
EVENTS_AT_ONCE = 256  # events before it makes way for the threads, about 10 ms of refusals
# Events before it looks at the management port. While threads compute, each system call of an event
# costs the loop the interpreter for a while.
EVENTS_BETWEEN = 4
LINGER = 2.0  # seconds to wait for the client to close, as gunicorn
FLUSH_TIMEOUT = 5.0  # seconds for an answer of the loop's own; that fits any socket buffer
EXPIRE_BEAT = 0.01  # seconds at least between two looks at the deadlines
RETRY = 1.0  # seconds until it accepts again after the kernel had nothing left to give


class EventLoop:
    """Never blocks but to wait for the next event. `pipe` is what wakes it: its two descriptors."""

    def __init__(
        self,
        main: Port,
        management: Port,
        exchange: Exchange,
        pipe: tuple[int, int],
        idle_timeout: float,
        read_timeout: float,
    ) -> None:
        self.main = main
        self.management = management
        self.exchange = exchange
        self.idle_timeout = idle_timeout  # seconds
        self.read_timeout = read_timeout  # seconds
        self.longest_sleep = 1.0  # seconds, so that the worker can send its heartbeat
        self.taking = True  # new connections
        self.expire_at = 0.0  # when to look at the deadlines; 0: in this turn
        self.is_cut_short = False  # the present turn ends after the current event
        self._calls: deque[Callable[[], Any]] = deque()  # for the next turn
        self._served: deque[Connection] = deque()  # connections that threads have given back
        self._pipe = pipe
        main.poller.register(pipe[0], selectors.EVENT_READ, self._drain_pipe)
        main.poller.register(management.poller, selectors.EVENT_READ, self.serve_management)

    def call_soon(self, call: Callable[[], Any]) -> None:
        """Have a call made in the event loop, and end its sleep. Any thread may call this."""
        self._calls.append(call)
        self.wake()

    def wake(self) -> None:
        """End the event loop's sleep; its turn does the rest. Any thread may call this."""
        try:
            os.write(self._pipe[1], b".")
        except BlockingIOError:
            pass  # so full that it will wake up

    def cut_short(self) -> None:
        """End the present turn after its current event, so that a waiting request can start.

        Any thread may call this.
        """
        self.is_cut_short = True
        self.wake()

    def _drain_pipe(self) -> None:
        os.read(self._pipe[0], 4096)

    def turn(self, most: float) -> None:
        """Wait for something to happen, for so many seconds at most, and deal with it."""
        exchange = self.exchange
        exchange.shaking = 0.0
        if self._served or self._calls:
            self.take_back()  # for what clients sent meanwhile there will be no event: see on_event
        sleep = self.expire_at - time.monotonic()
        if sleep > most:  # see Overload.begin()
            sleep = most
        events = self.main.poller.select(0 if exchange.pipelined or self._calls else sleep)
        if self._served or self._calls:
            self.take_back()  # the event may be about one of these
        if exchange.pipelined:
            self._advance_pipelined()
        if len(events) > EVENTS_AT_ONCE:
            # From anywhere in the row, because epoll's is the same each time.
            start = random.randrange(len(events))  # noqa: S311
            events = (events[start:] + events[:start])[:EVENTS_AT_ONCE]
        for number, (key, _) in enumerate(events, 1):
            self._dispatch(self.main, key.data)
            if self.is_cut_short or number % EVENTS_BETWEEN == 0:
                self.serve_management()
            if self.is_cut_short:
                break
        # At each turn, two or three a request, it took 6 % of a small request's instructions.
        if time.monotonic() >= self.expire_at:
            self.expire()

    def give_back(self, connection: Connection) -> None:
        """Leave a connection to take_back(), and wake the event loop if anybody waits for that.

        Mostly nobody does, and the next request wakes it as well, or it wakes by itself within
        longest_sleep. Half the switches between threads. Any thread may call this.
        """
        quiet = connection.keep and not connection.buffer
        self._served.append(connection)
        # Looked at last: on_event() may end the watch, but only before a take_back().
        if not (quiet and connection.watched):
            self.wake()

    def take_back(self) -> None:
        """Go on with the connections that threads are done with, and make the calls.

        Only with those that are there now: while it reads from one, others are done again.
        """
        for _ in range(len(self._calls)):
            self._calls.popleft()()
        for _ in range(len(self._served)):
            connection = self._served.popleft()
            after = self.exchange.follow if connection.keep else self.exchange.linger
            self.exchange.guard(after, connection)

    def _advance_pipelined(self) -> None:
        """Go on with those whose next request is there already, as many as wait now."""
        pipelined = self.exchange.pipelined
        for number in range(1, 1 + min(len(pipelined), EVENTS_AT_ONCE)):
            self.exchange.guard(self.exchange.advance, pipelined.popleft())
            if self.is_cut_short:
                break
            if number % EVENTS_BETWEEN == 0:
                self.serve_management()

    def serve_management(self) -> None:
        """Serve whatever waits on the management port: no probe waits for a long row of events."""
        for key, _ in self.management.poller.select(0):
            self._dispatch(self.management, key.data)

    def _dispatch(self, port: Port, data: Any) -> None:
        if isinstance(data, Connection):
            self.exchange.on_event(data)
        elif callable(data):
            data()
        else:
            self.accept(port, data)

    def accept(self, port: Port, listener: Any) -> bool:
        """Take new connections, at the expense of idle ones if need be; False if more may wait."""
        accept = port.accepts[listener]
        for number in range(1, 1 + ACCEPT_AT_ONCE):
            if not port.has_room():
                self._pause(port)
                return True
            try:
                raw, address = accept()
            except (BlockingIOError, ConnectionAbortedError):
                return True
            except OSError:  # out of file descriptors or memory: later, when some have closed
                port.resume_at = time.monotonic() + RETRY
                self._pause(port)
                return True
            if port.count() >= port.limit and (expendable := port.expendable()):
                if expendable.phase is READING:
                    self.give_up(expendable)
                self.exchange.close(expendable)  # no lingering: its place is taken
            self.exchange.guard(self.exchange.greet, Connection(port, raw, plain(address)))
            if self.is_cut_short and self.taking:
                return False
            if port is self.main and number % EVENTS_BETWEEN == 0:
                self.serve_management()
        return False

    def _pause(self, port: Port) -> None:
        """Leave new connections to the kernel until expire() finds room."""
        port.accept(False)
        self.expire_at = 0.0

    def give_up(self, connection: Connection) -> None:
        """Close a connection that has had its time; half a request gets an answer."""
        if connection.phase is READING:
            late = ProtocolError(408, "The request did not arrive in time.")
            self.exchange.guard(self.exchange.fail, connection, late)
        elif connection.phase is IDLE:
            self.exchange.guard(self.exchange.part, connection)
        else:
            self.exchange.close(connection)

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
            for phase, seconds in self._timeouts():
                while connection := port.oldest(phase, now - seconds):
                    self.give_up(connection)
                first = next(iter(port.held[phase]), None)
                following = min(following, (first.since if first else now) + seconds)
        self.expire_at = max(following, now + EXPIRE_BEAT)

    def _timeouts(self) -> tuple[tuple[Phase, float], ...]:
        """How many seconds a connection may be in a phase."""
        return (
            (HANDSHAKE, self.read_timeout if self.taking else self.idle_timeout),
            (IDLE, self.idle_timeout),
            (READING, self.read_timeout),
            (SKIPPING, self.read_timeout),
            (FLUSHING, FLUSH_TIMEOUT),
            (LINGERING, LINGER),
        )
