"""A client's socket as the app's thread sees it."""

import errno
import select
import socket
import time
from typing import Any

# An answer follows these; 101 is one itself.
INTERIM = (b"HTTP/1.1 100 ", b"HTTP/1.1 102 ", b"HTTP/1.1 103 ")
INFORMATIONAL = b"HTTP/1.1 1"  # no body follows: RFC 9110 section 15.2


class ClientGone(ConnectionResetError):
    """Raised in the app's thread for a client that was too slow, and has been answered or cut."""


class ClientSocket:
    """Blocking calls with two bounds: a moment for the whole request, a budget for the response.

    While it waits for the client, the request is parked: it holds a thread but no slot, and the
    time does not count against the app's liveness.
    """

    def __init__(self, connection: Any, worker: Any) -> None:
        self.connection = connection
        self.worker = worker
        self.raw = connection.raw
        self.read_deadline = 0.0
        self.patience = 0.0  # seconds left to wait for the client to read
        self.progress = 0.0  # when the app last returned, read or sent something
        self.waited = 0.0  # seconds that the client took in this request
        self.parked_at: float | None = None  # waiting for the client since
        self.answered = False  # part of a final response is out
        self.head = b""  # of the response, held until its body comes
        self.cut = False  # no more of this client
        self.counted = False  # in the metric of those that were cut

    def start(self, now: float) -> None:
        """Begin a request."""
        self.read_deadline = self.connection.began + self.worker.config.read_timeout
        self.patience = self.worker.config.send_timeout
        self.waited = 0.0
        self.progress = now
        self.answered = False
        self.head = b""

    def recv(self, size: int) -> bytes:
        """Read; a client that is not done by the deadline gets 408."""
        while not self.cut:
            try:
                data: bytes = self.raw.recv(size)
            except BlockingIOError:
                self._wait(select.POLLIN, self.read_deadline - time.monotonic())
            else:
                self.progress = time.monotonic()
                return data
        if not self.answered:
            self._count("request")
            self.worker.give_up_client(self.connection)
            self.answered = True
        raise ClientGone(errno.ECONNRESET, "the request did not arrive in time")

    def sendall(self, data: bytes) -> None:
        """Send everything, or give up on a client that does not read.

        gunicorn sends a head and then at once the body, if there is one. Both in one system call,
        and so mostly in one packet: 5 % less time for a small answer. flush() follows the last.
        """
        if not (self.answered or self.head or data.startswith(INFORMATIONAL)):
            self.head = data
        else:
            self.flush(data)

    def flush(self, data: bytes = b"") -> None:
        """Send the head, if it is held back, and data."""
        data, self.head = self.head + data, b""
        if not data:
            return
        self.answered = self.answered or not data.startswith(INTERIM)
        rest = memoryview(data)
        while not self.cut:
            try:
                rest = rest[self.raw.send(rest) :]
            except BlockingIOError:
                self.patience -= self._wait(select.POLLOUT, self.patience)
            else:
                self.progress = time.monotonic()
                if not rest:
                    return
        self._count("response")
        raise ClientGone(errno.ECONNRESET, "the client does not read the response")

    send = sendall  # gunicorn sends 100 Continue with it, and ignores the result

    def kept_waiting(self, now: float) -> float:
        """Return the seconds that the client has taken in this request so far."""
        parked_at = self.parked_at
        return self.waited + (0 if parked_at is None else now - parked_at)

    def _count(self, at: str) -> None:
        if not self.counted:
            self.worker.metrics.cut.labels(at).inc()
        self.counted = True

    def _wait(self, event: int, seconds: float) -> float:
        """Wait for the client; returns the seconds it took."""
        poll = select.poll()
        poll.register(self.raw, event)
        self.parked_at = started = time.monotonic()
        self.worker.park(self.connection)
        try:
            if seconds <= 0 or not poll.poll(seconds * 1000):
                self.cut = True
        finally:
            self.worker.admission.unpark(self.connection, time.monotonic())
            self.progress = time.monotonic()
            self.waited += self.progress - started
            self.parked_at = None
        return self.progress - started

    def interrupt(self) -> None:
        """Give up on the client that the app's thread is waiting for; from another thread."""
        self.cut = True
        try:
            self.raw.shutdown(socket.SHUT_RDWR if self.answered else socket.SHUT_RD)
        except OSError:
            pass  # it has gone by itself

    def closing(self) -> bool:
        """Whether the connection is to be closed behind the present response."""
        return self.cut or self.connection.closing()

    def shutdown(self, how: int) -> None:
        """Refuse: gunicorn would linger here, which is the event loop's business."""
        raise OSError("the event loop closes this socket")

    def close(self) -> None:
        """Close nothing: see shutdown."""

    def setblocking(self, blocking: bool) -> None:
        """Change nothing: see Connection."""

    def __getattr__(self, name: str) -> Any:
        """Pass on what only asks: getpeername, fileno, ..."""
        if name in ("settimeout", "gettimeout", "sendfile"):
            raise AttributeError(name)
        return getattr(self.raw, name)
