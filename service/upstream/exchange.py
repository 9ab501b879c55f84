"""One request to an upstream and its answer, over urllib3."""

import ssl
import time
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import NewConnectionError, SSLError

from service.upstream.answer import Answer
from service.upstream.sockets import (
    ATTEMPT,
    Attempt,
    LimitedTlsSocket,
    PlainConnection,
    TlsConnection,
)

Pool: TypeAlias = urllib3.HTTPConnectionPool


class Broke(Exception):
    """There is no answer; says what outcome that is, how, and what is known of the attempt."""

    def __init__(self, outcome: str, how: str, attempt: Attempt, retryable: bool = True) -> None:
        super().__init__(how)
        self.outcome = outcome
        self.how = how
        self.attempt = attempt
        self.retryable = retryable and not attempt.received


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

        They close when nobody uses the old pool any more. Closing it now would fail a call that is
        about to.
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
        headers = {name.lower(): value for name, value in response.headers.itermerged()}
        return Answer(self.name, response.status, headers, b"".join(pieces))

    def _broke(self, error: Exception, attempt: Attempt) -> Broke:
        if time.monotonic() >= attempt.deadline:
            return Broke("timeout", "gave no whole answer in time", attempt)
        if isinstance(error, NewConnectionError):
            return Broke("connect", "cannot be connected to", attempt)
        if isinstance(error, SSLError) and not attempt.received:
            return Broke("connect", "does not speak TLS as it should", attempt, retryable=False)
        return Broke("broken", "did not send a whole HTTP answer", attempt)
