"""One request and its answer, over urllib3. Every wait in it ends by a deadline.

urllib3 bounds each read, and a name is looked up for as long as it takes, so that an upstream which
sends a byte now and then would never be given up. So the sockets ask the deadline before each step.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError, SSLError

from service.upstream.answer import Answer
from service.upstream.names import Address, Names

CONNECT = 1.5  # seconds: a packet may be lost once, and is sent again after 1 s
NAMES = Names()

Pool: TypeAlias = urllib3.HTTPConnectionPool


@dataclass
class Attempt:
    """What is known of a request that is on its way."""

    deadline: float  # of time.monotonic()
    reused: bool = False  # its connection has had an answer before
    received: bool = False  # a byte of the answer, at least

    def left(self) -> float:
        """Return the seconds to the deadline; raises TimeoutError if there are none."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds


ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")  # of this thread


class Broke(Exception):
    """There is no answer; says what outcome that is, how, and what is known of the attempt."""

    def __init__(self, outcome: str, how: str, attempt: Attempt, retryable: bool = True) -> None:
        super().__init__(how)
        self.outcome = outcome
        self.how = how
        self.attempt = attempt
        self.retryable = retryable and not attempt.received


class Limited:
    """What a socket does, by the deadline of the attempt."""

    def recv_into(self: Any, *args: Any, **options: Any) -> int:
        """Receive."""
        attempt = ATTEMPT.get()
        self.settimeout(attempt.left())
        count: int = super().recv_into(*args, **options)  # type: ignore[misc]
        attempt.received = attempt.received or count > 0
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
        attempt = ATTEMPT.get()
        until = min(attempt.deadline, time.monotonic() + CONNECT)
        try:
            addresses = NAMES.addresses(self.host, self.port, attempt.left())
            return dial(addresses, until)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def getresponse(self: Any) -> Any:
        """Return the head of the answer."""
        response = super().getresponse()  # type: ignore[misc]
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


def dial(addresses: list[Address], until: float) -> socket.socket:
    """Connect to the first address that takes it; each has its share of the time."""
    error: OSError = OSError("there is no address")
    for index, (family, kind, protocol, address) in enumerate(addresses):
        left = until - time.monotonic()
        sock = LimitedSocket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(max(left, 0.001) / (len(addresses) - index))
            sock.connect(address)
            sock.settimeout(ATTEMPT.get().left())  # for TLS, which sets none itself
            return sock
        except OSError as problem:
            sock.close()
            error = problem
    raise error


class Exchange:
    """Asks one upstream; keeps up to `connections` open between requests."""

    def __init__(self, name: str, url: str, connections: int) -> None:
        self.name = name
        self.url = urlsplit(url)
        self.connections = connections
        self._tls = ssl.create_default_context() if self.url.scheme == "https" else None
        if self._tls:
            self._tls.sslsocket_class = LimitedTlsSocket
        self._kept = self._new_pool()

    def _new_pool(self) -> Pool:
        host, port = self.url.hostname or "", self.url.port
        options: dict[str, Any] = {"maxsize": self.connections, "retries": False}
        if self._tls:
            pool: Pool = urllib3.HTTPSConnectionPool(host, port, ssl_context=self._tls, **options)
            pool.ConnectionCls = TlsConnection
        else:
            pool = urllib3.HTTPConnectionPool(host, port, **options)
            pool.ConnectionCls = PlainConnection
        return pool

    def forget(self) -> None:
        """Keep none of the connections: the upstream has closed one without a word.

        They close when nobody uses the old pool any more; to close it would fail who is about to.
        """
        self._kept = self._new_pool()

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        deadline: float,
        largest: int,
        fresh: bool,
    ) -> Answer:
        """Return the answer, whatever its status; raises Broke. `fresh` is a new connection."""
        attempt = Attempt(deadline)
        before = ATTEMPT.set(attempt)
        pool = self._new_pool() if fresh else self._kept
        try:
            response = pool.urlopen(
                method,
                self.url.path.rstrip("/") + target,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=attempt.left(),
            )
            return self._read(response, largest, attempt)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broke(error, attempt) from error
        finally:
            ATTEMPT.reset(before)
            if fresh:
                pool.close()

    def _read(self, response: urllib3.BaseHTTPResponse, largest: int, attempt: Attempt) -> Answer:
        """Read to the end, so that the connection can be kept, or close it."""
        too_large = Broke("too_large", f"answered with more than {largest} bytes", attempt)
        pieces, left = [], largest
        try:
            if response.status < 200:
                raise Broke("broken", "did not send a whole HTTP answer", attempt)
            if (response.length_remaining or 0) > largest:
                raise too_large
            while piece := response.read(left + 1):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise too_large
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(self.name, response.status, headers, b"".join(pieces))

    def _broke(self, error: Exception, attempt: Attempt) -> Broke:
        if time.monotonic() >= attempt.deadline:
            return Broke("timeout", "gave no whole answer in time", attempt)
        if isinstance(error, NewConnectionError):
            return Broke("connect", "cannot be connected to", attempt)
        if isinstance(error, SSLError):
            return Broke("connect", "does not speak TLS as it should", attempt, retryable=False)
        return Broke("broken", "did not send a whole HTTP answer", attempt)
