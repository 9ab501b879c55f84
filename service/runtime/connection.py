"""One client connection, and everything that can happen to it."""

import contextlib
import random
import socket
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from service.computing.costs import kind_of
from service.computing.meter import CpuMeter
from service.http1.body import NO_BODY
from service.http1.head import NO_REQUEST, ProtocolError, Request
from service.http1.head_reader import HeadReader
from service.http1.wsgi import connection_environ, request_environ

if TYPE_CHECKING:
    from service.runtime.port import Port

READ_SIZE = 16384  # bytes: most requests in one call, and whole records of TLS (see TlsSocket)
BUFFERED = 65536  # bytes of a body that are read before it takes a thread to do so
READ_AHEAD = 4 << 20  # bytes: about what a socket holds
CR = ord("\r")
MOST_BLANK = 16  # bytes of empty lines: old clients send one behind a body


class Phase(StrEnum):
    """What a connection is doing; its port holds it accordingly."""

    HANDSHAKE = "client and server agree on TLS"
    IDLE = "between requests, or before the first"
    READING = "part of a request is there"
    WAITING = "a request waits for a slot, or for a place among the uploads"
    ACTIVE = "a thread has it"
    SERVED = "the thread is done with it, and the event loop has not taken it back yet"
    SKIPPING = "the answer is out; the rest of a body that the app did not want is to come"
    FLUSHING = "the event loop sends the rest of an answer of its own"
    LINGERING = "our side is closed; waiting for theirs, so that they get the last answer whole"
    CLOSED = "closed"


# By name: in Python 3.11 a look into an Enum takes fifteen times as long as one at a variable.
(HANDSHAKE, IDLE, READING, WAITING, ACTIVE, SERVED, SKIPPING, FLUSHING, LINGERING, CLOSED) = Phase

# What may follow each. ACTIVE ends with what the thread says, whatever the client does.
FOLLOWING = {
    HANDSHAKE: {IDLE, FLUSHING, LINGERING, CLOSED},
    IDLE: set(Phase) - {HANDSHAKE, SERVED, SKIPPING},
    READING: set(Phase) - {HANDSHAKE, SERVED, SKIPPING},
    WAITING: {ACTIVE, IDLE, FLUSHING, LINGERING, CLOSED},
    ACTIVE: {SERVED},
    SERVED: {IDLE, SKIPPING, FLUSHING, LINGERING, CLOSED},
    SKIPPING: {IDLE, CLOSED},
    FLUSHING: {IDLE, LINGERING, CLOSED},
    LINGERING: {LINGERING, CLOSED},  # again when something came
    CLOSED: set(),
}


def plain(address: Any) -> tuple[str, int]:
    """Return host and port of a client; IPv4 is IPv4, also over a socket that takes both.

    Such a socket shows it as ::ffff:10.0.0.1 (RFC 4291 section 2.5.5.2).
    """
    host, port = address[:2]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return host, port


class Connection:
    """A socket, what has come over it, and the request that is being dealt with.

    It belongs to the event loop, but while it is ACTIVE to the thread that has it.
    """

    def __init__(self, port: "Port", raw: socket.socket, address: Any) -> None:
        raw.setblocking(False)  # and so it stays: Client waits by itself
        self.port = port
        self.raw = raw
        self.address = address  # of the client
        self.phase = HANDSHAKE if port.certificate else IDLE
        self.since = 0.0  # when that began
        self.watched = 0  # selector events it is registered for
        self.buffer = bytearray()  # what came and belongs to no request yet
        self.heads = HeadReader(port.limits)
        self.request = NO_REQUEST  # the present one, once its head is there
        self.body = NO_BODY
        self.error: ProtocolError | None = None  # what is wrong with it
        self.out: bytes | memoryview = b""  # what the event loop has yet to send
        self.began = 0.0  # when the first byte of the present request came
        self.arrived = 0.0  # when the present request was there, as far as it is buffered
        self.discarded = 0  # bytes read while lingering
        self.blank = 0  # bytes of empty lines before the present request
        self.keep = False  # whether the connection outlives the present answer
        # When its client is to connect again: not all that came at once, so with gRPC's jitter.
        self.expires = time.monotonic() + port.max_age * random.uniform(0.9, 1.1)  # noqa: S311
        self._common: dict[str, Any] = {}  # to all its requests' environs
        self.meter = CpuMeter()

    @property
    def kind(self) -> str:
        """What the present request has in common with others that cost as much."""
        request = self.request
        if not request.kind:
            request.kind = kind_of(request.method, request.path)
        return request.kind

    def environ(self, request: Request) -> dict[str, Any]:
        """Return the environ of a request, but for the body."""
        if not self._common:
            scheme = "https" if self.port.certificate else "http"
            self._common = connection_environ(self.address, self.port.address, scheme)
        return request_environ(self._common, request)

    def read_ahead(self) -> None:
        """Take what has come of the body meanwhile, without waiting; in a thread."""
        body, most = self.body, min(self.port.limits.body, READ_AHEAD) + BUFFERED
        with contextlib.suppress(BlockingIOError):
            while not body.complete and body.size < most:
                if not (data := self.raw.recv(READ_SIZE)):
                    body.end()
                self.buffer += data
                body.feed(self.buffer)

    @property
    def is_whole(self) -> bool:
        """Whether all of the request has been read."""
        return self.body.complete and self.request is not NO_REQUEST

    def next_request(self) -> None:
        """Forget the last request; what came behind it is in the buffer."""
        self.request, self.body, self.error = NO_REQUEST, NO_BODY, None
        self.blank = 0

    def drop_blank(self) -> bool:
        """Drop empty lines before a request (RFC 9112 section 2.2); is that all there is?

        A few: what comes after them is no request.
        """
        buffer = self.buffer
        if not buffer:
            return True
        if buffer[0] != CR:  # as nearly all
            return False
        while buffer.startswith(b"\r\n") and self.blank < MOST_BLANK:
            del buffer[:2]
            self.blank += 2
        return not buffer or buffer == b"\r"

    def has_left(self) -> bool:
        """Whether the client has closed its side, and no next request is there either."""
        try:
            self.buffer += b"" if self.buffer else self.raw.recv(READ_SIZE)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        return not self.buffer

    def closes(self) -> bool:
        """Whether the client is to connect again for its next request.

        Not if that is here already: it would go unanswered.
        """
        leaving = self.port.leaving()
        if leaving or time.monotonic() < self.expires:
            return leaving
        if self.is_whole and not self.buffer:
            self.has_left()
        return not self.buffer

    def is_reusable(self) -> bool:
        """Whether another request may follow the answer to this one."""
        body = self.body
        return (
            self.request.keep_alive
            and self.error is None
            and (body.complete or body.is_skippable)  # mostly there is none
            and not self.closes()
        )
