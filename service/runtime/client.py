"""The client of a request, as the thread that serves it meets it: waiting with two bounds."""

import contextlib
import io
import select
import socket
import time
from typing import TYPE_CHECKING

from service.http1.body import TooLarge, Unread
from service.http1.head import IncompleteBody, ProtocolError
from service.runtime.connection import READ_SIZE, Connection

if TYPE_CHECKING:
    from service.runtime.pool import Pool

BUFFER = 65536  # bytes that the app's reader of an upload holds
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGone(ConnectionError):
    """The client has gone, reads too slowly, or has lost its thread to others."""


class Client:
    """Reads and writes for one request, with a moment for all of it and a budget for the response.

    While it waits, the request is parked: it holds a thread but no slot, and the time does not
    count against the app's liveness.
    """

    def __init__(self, connection: Connection, pool: "Pool") -> None:
        self.connection = connection
        self.pool = pool
        self.progress = time.monotonic()  # when the app last returned, read or sent something
        self.patience = pool.send_timeout  # seconds left to wait for the client to read
        self.waited = 0.0  # seconds that the client took in this request
        self.parked_at: float | None = None  # waiting for the client since
        self.received = 0  # bytes of the request that the thread read
        self.sending = False  # part of the response is out
        self.late = False  # no more of its request
        self.cut = False  # no more of its response either
        self.has_slot = True
        self.is_done = False  # the connection is the event loop's again
        self.following: Client | None = None  # what the thread serves next

    def input(self) -> io.BufferedIOBase:
        """Return the body as a file; reading it raises ProtocolError, an OSError."""
        body, buffer = self.connection.body, self.connection.buffer
        if buffer and not body.complete:  # it came while the request waited for its slot
            with contextlib.suppress(ProtocolError):  # reading raises it again
                body.feed(buffer)
        if body.complete and not body.too_large:
            return io.BytesIO(body.data)
        return io.BufferedReader(Unread(body, self.more), BUFFER)

    def more(self) -> None:
        """Wait for more of the body; raises ProtocolError if it does not come."""
        connection, body = self.connection, self.connection.body
        if body.error:
            raise body.error
        try:
            if body.expects_continue:
                body.expects_continue = False
                connection.raw.send(CONTINUE)
            data = self._recv()
        except ProtocolError as error:
            body.error = error
            raise
        except OSError:
            data = b""
        if not data:
            body.end()
        self.received += len(data)
        connection.buffer += data
        body.feed(connection.buffer)
        if body.complete:
            self.pool.on_body(connection)

    def _recv(self) -> bytes:
        deadline = self.connection.began + self.pool.read_timeout
        while not self.late:
            try:
                data = self.connection.raw.recv(READ_SIZE)
            except BlockingIOError:
                self.late = not self._wait(select.POLLIN, deadline - time.monotonic())
            else:
                self.progress = time.monotonic()
                return data
        self.pool.count_cut("request")
        raise ProtocolError(408, "The request did not arrive in time.")

    def before_answer(self, code: int) -> bool:
        """Look what has come of the body, as the head of the answer is about to go out.

        Returns whether another request may follow it. Raises ProtocolError for an answer that says
        that all is well when the body is not, and for one that blames the app for what it met while
        it read: few apps know these errors. Werkzeug makes 400 of a body that is too large.
        """
        body = self.connection.body
        met = body.error
        if met and code != met.status and (code >= 500 or isinstance(met, TooLarge)):
            raise met
        try:
            if not (body.complete or body.error):
                self.connection.read_ahead()
        except OSError as error:
            body.error = error if isinstance(error, ProtocolError) else IncompleteBody()
        if body.error and code < 400 and not body.complete:
            raise body.error
        return self.connection.is_reusable()

    def send(self, data: bytes) -> None:
        """Send everything; raises ClientGone for a client that does not read, or has gone."""
        self.sending = True
        rest: bytes | memoryview = data
        while not self.cut:
            try:
                sent = self.connection.raw.send(rest)
            except BlockingIOError:
                before = self.waited
                self.cut = not self._wait(select.POLLOUT, self.patience)
                self.patience -= self.waited - before
            except OSError:
                raise ClientGone("the client has gone") from None
            else:
                self.progress = time.monotonic()
                if sent == len(rest):
                    return
                rest = memoryview(rest)[sent:]
        self.pool.count_cut("response")
        raise ClientGone("the client does not read the response")

    def _wait(self, event: int, seconds: float) -> bool:
        """Wait for the client; returns False if it is late, or if interrupt() was called."""
        poll = select.poll()
        poll.register(self.connection.raw, event)
        self.parked_at = started = time.monotonic()
        self.pool.park(self)
        try:
            ready = bool(seconds > 0 and poll.poll(seconds * 1000))
        finally:
            self.pool.unpark(self)
            self.progress = time.monotonic()
            self.waited += self.progress - started
            with self.pool.lock:  # from here on it is too late to interrupt
                self.parked_at = None
        return ready and not (self.late or self.cut)

    def kept_waiting(self, now: float) -> float:
        """Return for how many seconds of this request the thread has waited for its client.

        0 if it does not wait at this moment.
        """
        parked_at = self.parked_at
        return 0.0 if parked_at is None else self.waited + now - parked_at

    def is_stalled(self, now: float, seconds: float) -> bool:
        """Whether an upload has been silent for so long, or cannot be done in time at its pace."""
        waited = self.kept_waiting(now)
        if self.sending or self.connection.body.complete or waited <= seconds:
            return False
        time_left = self.connection.began + self.pool.read_timeout - now
        silent = waited - self.waited > seconds
        return silent or self.received / waited * time_left < self.connection.body.left

    def interrupt(self) -> None:
        """Give up on the client, from another thread, if its thread still waits for it."""
        with self.pool.lock:
            if self.parked_at is None:
                return
            self.late, self.cut = True, self.sending
            with contextlib.suppress(OSError):  # it has gone by itself
                self.connection.raw.shutdown(socket.SHUT_RDWR if self.sending else socket.SHUT_RD)
