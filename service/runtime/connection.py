"""One client connection, as the event loop knows it and as gunicorn reads requests from it."""

import random
import socket
import time
from enum import Enum
from functools import cached_property
from typing import Any

from service.runtime.client_socket import ClientSocket
from service.runtime.computing import CpuMeter
from service.runtime.framing import Frame
from service.runtime.request import PodParser, PodRequest

# Bytes; most requests in one call, and whole records of TLS (see TlsSocket).
READ_SIZE = 16384


class Phase(Enum):
    """What a connection is doing; the event loop holds it accordingly."""

    HANDSHAKE = "client and server agree on TLS"
    IDLE = "between requests, or before the first"
    READING = "part of a request is there"
    WAITING = "a whole request waits for a slot"
    ACTIVE = "a thread has it"
    FLUSHING = "the event loop sends the rest of an answer of its own"
    LINGERING = "our side is closed; waiting for theirs, so that they get the last answer whole"
    CLOSED = "closed"


class Connection:
    """The attributes that ThreadWorker.handle() expects of its TConn, and ours."""

    initialized = True  # nothing left to do in a thread before the parser runs
    data_ready = True
    is_http2 = False

    def __init__(
        self, worker: Any, port: Any, raw: socket.socket, client: Any, server: Any
    ) -> None:
        raw.setblocking(False)  # and so it stays: ClientSocket waits by itself
        self.port = port
        self.raw = raw
        self.client = client
        self.server = server
        self.cfg = worker.cfg
        self.phase = Phase.IDLE
        self.watched = 0  # selector events it is registered for
        self.buffer = bytearray()
        self.request = b""  # the beginning of the present request, for answers to it
        self.out: bytes | memoryview = b""  # what the event loop has yet to send
        self.frame = Frame(worker.cfg.limit_request_line, worker.buffer_limit)
        self.since = 0.0  # when the present phase began
        self.began = 0.0  # when the first byte of the present request came
        self.arrived = 0.0  # when the present request was there, as far as it is buffered
        self.continued = False  # 100 Continue has been sent
        self.discarded = 0  # bytes read while lingering
        self.keep = False  # whether the connection outlives the present answer
        # When its client is to connect again: not all that came at once, so with gRPC's jitter.
        self.expires = time.monotonic() + port.max_age * random.uniform(0.9, 1.1)  # noqa: S311
        self._worker = worker

    # Most of the refused never need these.

    @cached_property
    def meter(self) -> CpuMeter:
        """CPU time of the present request."""
        return CpuMeter()

    @cached_property
    def sock(self) -> ClientSocket:
        """The socket for gunicorn and the app."""
        return ClientSocket(self, self._worker)

    @cached_property
    def parser(self) -> PodParser:
        """gunicorn's parser, which follows the connection from request to request."""
        parser = PodParser(self.cfg, self.sock, self.client)
        parser.unreader.mxchunk = READ_SIZE
        return parser

    def init(self) -> None:
        """Nothing: see initialized."""

    def parse_head(self) -> PodRequest:
        """Return the request for an answer of the event loop's own; raises ParseException."""
        request: PodRequest = next(PodParser(self.cfg, [bytes(self.buffer)], self.client))
        return request

    def hand_to_parser(self) -> None:
        """Let gunicorn's parser begin with what the event loop has read."""
        self.request = bytes(self.buffer)
        self.buffer.clear()
        self.parser.unreader.unread(self.request)

    def next_request(self, rest: bytes | bytearray) -> None:
        """Forget the last request; `rest` is what came behind it."""
        self.buffer = bytearray(rest)
        self.frame = Frame(self.frame.line_limit, self.frame.limit)
        self.continued = False
        self.request = b""

    def closing(self) -> bool:
        """Whether the client is to connect again for its next request."""
        old = time.monotonic() > self.expires and not self.pipelined()
        return old or bool(self._worker.closing())

    def pipelined(self) -> bool:
        """Whether the next request is there already, and would go unanswered."""
        return 0 <= self.frame.end < len(self.request or self.buffer)

    def is_reusable(self) -> bool:
        """Whether another request may follow an answer of the event loop's own.

        All of this one must be in the buffer, and no doubt where the next one starts.
        """
        whole = self.frame.reusable and 0 <= self.frame.end <= len(self.buffer)
        return whole and not self.closing()
