"""Requests and answers on connections, as far as the event loop reads and writes them itself.

It never blocks: what cannot be done now goes on when the poller says so.
"""

import contextlib
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from service.http1.answers import Answered, Answers, request_id
from service.http1.body import Body, TooLarge
from service.http1.head import NO_REQUEST, IncompleteBody, ProtocolError, unreadable
from service.runtime.client import CONTINUE
from service.runtime.connection import (
    ACTIVE,
    BUFFERED,
    CLOSED,
    FLUSHING,
    HANDSHAKE,
    IDLE,
    LINGERING,
    READ_SIZE,
    READING,
    SERVED,
    SKIPPING,
    WAITING,
    Connection,
    Phase,
)
from service.runtime.metrics import RuntimeMetrics
from service.tls.socket import PlainRequest, TlsSocket

log = logging.getLogger(__name__)

# What is discarded behind an answer that did not wait for the whole request. Many clients do not
# read before they have written: closed earlier, they would see a broken pipe and no answer.
MOST_DISCARDED = 8 << 20  # bytes
BUFFERED_WAITING = 262144  # bytes of an upload that are read while it waits for a place
LONGEST_LINGER = 10.0  # seconds from the answer, however much is still coming
# Seconds of a turn, and one handshake more. Each costs 0.3 ms with an EC key (P-256), and 1 ms with
# one of RSA (2048): a client that only wants many of them must not keep others waiting.
HANDSHAKES = 0.005


class Exchange:
    """Reads requests, and sends the answers that no app makes.

    `on_request` is told of each request that is there: whole, or as much of a large one as is
    buffered. `error` says what is wrong with it, if something is. `access` writes the access log.
    """

    def __init__(
        self, answers: Answers, metrics: RuntimeMetrics, access: Callable[..., None]
    ) -> None:
        self.answers = answers
        self.metrics = metrics
        self.access = access
        self.on_request: Callable[[Connection], None] = self.reject
        self.pipelined: deque[Connection] = deque()  # with a next request in the buffer already
        self.shaking = 0.0  # seconds that handshakes took in this turn
        self.has_forked = False  # a child process of the app may have our sockets, too
        # What an event means in each phase.
        self._steps: dict[Phase, Callable[[Connection], None]] = {
            HANDSHAKE: self._shake_hands,
            IDLE: self._read,
            READING: self._read,
            WAITING: self._read_waiting,
            ACTIVE: self._leave_for_later,
            SERVED: self._leave_for_later,
            SKIPPING: self._skip,
            FLUSHING: self._flush,
            LINGERING: self._discard,
            CLOSED: self._leave_for_later,
        }

    def note_fork(self) -> None:
        """Shut connections down from now on: to close them is not the end of them any more."""
        self.has_forked = True

    def guard(self, action: Callable[..., None], connection: Connection, *args: Any) -> None:
        """Run an action; whatever goes wrong costs this connection and not the worker."""
        try:
            action(connection, *args)
        except Exception as error:
            self._drop(connection, error)

    def _drop(self, connection: Connection, error: Exception) -> None:
        if not isinstance(error, OSError):
            log.error("closing a connection", exc_info=error)
        self.close(connection)

    def on_event(self, connection: Connection) -> None:
        """Go on with a connection that can be read or written, guarded."""
        if not connection.watched:
            # Reported before the next request was found in the buffer: to read on now could find
            # the end of the stream, and close with that request unanswered.
            return
        try:
            self._steps[connection.phase](connection)
        except Exception as error:
            self._drop(connection, error)

    def _leave_for_later(self, connection: Connection) -> None:
        connection.port.watch(connection, 0)

    def greet(self, connection: Connection) -> None:
        """Begin with a new connection."""
        connection.port.hold(connection)
        if connection.phase is HANDSHAKE:
            connection.port.watch(connection, selectors.EVENT_READ)
        else:
            self._read(connection)  # the request is often there already

    def _shake_hands(self, connection: Connection) -> None:
        """Go on with a handshake; the first request may be there with its end."""
        if self.shaking > HANDSHAKES:
            return  # the poller will say again that something is there
        started = time.monotonic()
        raw = connection.raw
        if not isinstance(raw, TlsSocket):
            raw = connection.raw = connection.port.wrap(raw)
        try:
            events = raw.handshake()
        except PlainRequest:
            connection.raw = raw.as_plain()
            self.fail(connection, ProtocolError(400, "This port speaks HTTPS."))
            return
        except OSError as error:
            log.debug("no TLS with %s: %s", connection.address, error)
            raise
        finally:
            self.shaking += time.monotonic() - started
        if events:
            connection.port.watch(connection, events)
        else:
            connection.port.move(connection, IDLE)
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Take what is there of a request."""
        try:
            data = connection.raw.recv(READ_SIZE)
        except BlockingIOError:
            connection.port.watch(connection, selectors.EVENT_READ)
            return
        if data:
            connection.buffer += data
            self.advance(connection)
        elif connection.request is not NO_REQUEST:  # half a body; half a head is nothing
            self.fail(connection, IncompleteBody())
        else:
            self.close(connection)

    def _read_waiting(self, connection: Connection) -> None:
        """Take what is there of an upload; of a next request, nothing yet."""
        if connection.is_whole:
            self._leave_for_later(connection)
        else:
            self._read(connection)

    def advance(self, connection: Connection) -> None:
        """Look how much of a request is in the buffer."""
        if connection.phase is CLOSED:
            return
        if connection.phase is IDLE:
            if connection.drop_blank():
                connection.port.watch(connection, selectors.EVENT_READ)
                return
            connection.began = time.monotonic()
        try:
            ready = self._parse(connection)
        except ProtocolError as error:
            self.fail(connection, error)
            return
        if ready:
            connection.arrived = time.monotonic()
            self.on_request(connection)
            return
        if connection.phase is IDLE:
            connection.port.move(connection, READING)
        connection.port.watch(connection, selectors.EVENT_READ)

    def _parse(self, connection: Connection) -> bool:
        """Read on in the buffer; returns whether the request can be dealt with."""
        request = connection.request
        if request is NO_REQUEST:
            found = connection.heads.read(connection.buffer)
            if found is None:
                return False
            request = connection.request = found
            if request.length != 0:
                connection.body = Body(request, connection.port.limits)
        body = connection.body
        if body.complete:
            return True
        large = request.length is not None and request.length > BUFFERED
        if connection.port.unread_bodies and (large or request.length is None):
            return True
        body.feed(connection.buffer)
        if body.too_large:
            raise TooLarge(connection.port.limits)
        if body.expects_continue and not (large or body.complete):
            body.expects_continue = False
            connection.raw.send(CONTINUE)
        # A large one needs a thread to read it. The thread sends 100 Continue, too. While the
        # request waits for a place among the uploads, so much of it is read here.
        most = BUFFERED_WAITING if connection.phase is WAITING else 0 if large else BUFFERED
        return body.complete or len(body.data) >= most

    def fail(self, connection: Connection, error: ProtocolError) -> None:
        """Deal with a request that gets an error."""
        connection.error = error
        connection.arrived = time.monotonic()
        self.on_request(connection)

    def reject(self, connection: Connection) -> None:
        """Answer a request that has an error, and log it as any other."""
        error = connection.error or ProtocolError(500, "")
        request = connection.request
        if request is NO_REQUEST:
            request = unreadable(connection.heads.head)
        identity = request_id(request.fields, self.answers.conceal)
        answer = self.answers.error(request, error, identity)
        self.metrics.count_answer(error.status)
        environ = connection.environ(request) | {"hellopod.request_id": identity}
        took = timedelta(seconds=connection.arrived - (connection.began or connection.arrived))
        self.access(Answered(answer), request, environ, took)
        self.answer(connection, answer, keep=False)

    def answer(self, connection: Connection, answer: bytes, keep: bool) -> None:
        """Send a response to the present request."""
        connection.keep = keep
        connection.out = answer
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        """Send what is left; then wait for the next request or for the end."""
        try:
            sent = connection.raw.send(connection.out)
        except BlockingIOError:
            sent = 0
        if sent < len(connection.out):
            connection.out = memoryview(connection.out)[sent:]
            if connection.phase is not FLUSHING:
                connection.port.move(connection, FLUSHING)
            connection.port.watch(connection, selectors.EVENT_WRITE)
        elif connection.keep:
            self._reuse(connection)
        else:
            self.linger(connection)

    def _reuse(self, connection: Connection) -> None:
        """Wait for the next request. The buffer may hold its beginning."""
        connection.next_request()
        connection.port.move(connection, IDLE)
        blank = connection.drop_blank()
        if not blank:
            self.pipelined.append(connection)
        # What comes behind the next request can wait, or somebody fills the memory with it.
        connection.port.watch(connection, selectors.EVENT_READ if blank else 0)

    def follow(self, connection: Connection) -> None:
        """Go on behind a thread.

        A client that is not watched has sent its next request meanwhile, as a busy one does: it is
        read at once. Two system calls and a turn of the loop less.
        """
        if not connection.is_whole:
            connection.port.move(connection, SKIPPING)
            connection.port.watch(connection, selectors.EVENT_READ)
        elif connection.buffer or connection.watched:
            self._reuse(connection)
        else:
            connection.next_request()
            connection.port.move(connection, IDLE)
            connection.port.watch(connection, selectors.EVENT_READ)
            self._read(connection)

    def _skip(self, connection: Connection) -> None:
        """Read on to the end of a body that the app did not want; the next request follows it."""
        body, data = connection.body, connection.raw.recv(READ_SIZE)
        connection.buffer += data
        body.feed(connection.buffer)
        body.data.clear()
        if body.complete:
            self._reuse(connection)
        elif not data or body.too_large:
            self.close(connection)

    def linger(self, connection: Connection) -> None:
        """Close our side, and theirs when they have (RFC 9112 section 9.6).

        Nothing can get lost with a client that has said that it sends no more: close at once. Under
        TLS it always sends one thing more: that it closes.
        """
        last = connection.is_whole and not connection.request.keep_alive
        if last and not (connection.error or connection.port.certificate):
            self.close(connection)
            return
        connection.raw.shutdown(socket.SHUT_WR)
        connection.port.move(connection, LINGERING)
        connection.port.watch(connection, selectors.EVENT_READ)

    def _discard(self, connection: Connection) -> None:
        """Read what nobody wants any more, up to the client's end or a bound."""
        try:
            data = connection.raw.recv(READ_SIZE)
        except BlockingIOError:  # a thread has read it since the event
            return
        connection.discarded += len(data)
        late = time.monotonic() - connection.arrived > LONGEST_LINGER
        if not data or late or connection.discarded > MOST_DISCARDED:
            self.close(connection)
        else:
            connection.port.move(connection, LINGERING)

    def part(self, connection: Connection) -> None:
        """Close an idle connection, but serve a request that came after the poller's last look.

        A proxy sends those at any moment, and must not send them again if they change something.
        """
        with contextlib.suppress(BlockingIOError):
            connection.buffer += connection.raw.recv(READ_SIZE)
        if connection.drop_blank():
            self.close(connection)
        else:
            self.advance(connection)

    def close(self, connection: Connection) -> None:
        """Close at once; where a child process may have the socket, too, say so to the client."""
        if connection.phase is CLOSED:
            return
        connection.port.watch(connection, 0)
        if self.has_forked and connection.phase is not LINGERING:
            with contextlib.suppress(OSError):
                connection.raw.shutdown(socket.SHUT_WR)
        connection.port.move(connection, CLOSED)
        connection.raw.close()
