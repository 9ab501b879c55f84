"""Connections of urllib3 in which every wait ends by a deadline.

urllib3 bounds each read, and a name is looked up for as long as it takes, so that an upstream which
sends a byte now and then would never be given up. So the sockets ask the deadline before each step.
"""

import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError, ProtocolError

from service.upstream.names import Names
from service.upstream.racing import race

# Seconds. The fourth attempt begins after 0.75, and the kernel sends its packet again after 1.75.
CONNECT = 2.5
NAMES = Names()


@dataclass
class Attempt:
    """What is known of a request that is on its way."""

    deadline: float  # of time.monotonic()
    reused: bool = False  # its connection has had an answer before
    received: bool = False  # a byte of the answer, at least
    ended: bool = False  # nothing more comes over its connection

    def left(self) -> float:
        """Return the seconds to the deadline; raises TimeoutError if there are none."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds


ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")  # of this thread


class Limited:
    """What a socket does, by the deadline of the attempt."""

    def recv_into(self: Any, *args: Any, **options: Any) -> int:
        """Receive."""
        attempt = ATTEMPT.get()
        self.settimeout(attempt.left())
        count: int = super().recv_into(*args, **options)  # type: ignore[misc]
        attempt.received = attempt.received or count > 0
        attempt.ended = count == 0
        return count

    def send(self: Any, *args: Any, **options: Any) -> int:
        """Send a part."""
        self.settimeout(ATTEMPT.get().left())
        return super().send(*args, **options)  # type: ignore[misc, no-any-return]

    def sendall(self: Any, *args: Any, **options: Any) -> None:
        """Send all of it."""
        self.settimeout(ATTEMPT.get().left())
        super().sendall(*args, **options)  # type: ignore[misc]


class LimitedSocket(Limited, socket.socket):
    """A plain one."""


class LimitedTlsSocket(Limited, ssl.SSLSocket):
    """One that speaks TLS."""


class Dialling:
    """Connects by the deadline, and notes whether the connection is a new one."""

    has_answered = False

    def _new_conn(self: Any) -> socket.socket:
        self.has_answered = False
        try:
            return connect(NAMES, self.host, self.port)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def getresponse(self: Any) -> Any:
        """Return the head of the answer.

        Where the connection ends in the middle of it, http.client takes what it has for the whole.
        """
        response = super().getresponse()  # type: ignore[misc]
        if ATTEMPT.get().ended:
            response.close()
            raise ProtocolError("the head is not whole")
        self.has_answered = True
        return response

    def request(self: Any, *args: Any, **options: Any) -> None:
        """Send the request."""
        if not self.is_closed:
            ATTEMPT.get().reused = self.has_answered
        super().request(*args, **options)  # type: ignore[misc]


class PlainConnection(Dialling, HTTPConnection):
    """To an http:// URL."""


class TlsConnection(Dialling, HTTPSConnection):
    """To an https:// URL."""


def connect(names: Names, host: str, port: int, seconds: float = CONNECT) -> socket.socket:
    """Connect to a host within so many seconds from when its name is looked up.

    Raises OSError (TimeoutError is one).
    """
    attempt = ATTEMPT.get()
    addresses = names.addresses(host, port, attempt.left())
    until = min(attempt.deadline, time.monotonic() + seconds)
    sock = race(addresses, until, LimitedSocket)
    try:
        sock.settimeout(attempt.left())  # for TLS: it sets none itself
    except TimeoutError:
        sock.close()
        raise
    return sock
