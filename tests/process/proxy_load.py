"""Clients of a proxy that keep their connections, and what became of their requests."""

import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

BODIES = [b"", b"x" * 1_000, b"", b"y" * 200_000]  # a GET for none
DIGESTS = [hashlib.sha256(body).hexdigest() for body in BODIES]


def pausing(least: float, most: float) -> Callable[[], float]:
    """Return pauses of so many seconds."""
    return lambda: random.uniform(least, most)  # noqa: S311


@dataclass
class Load:
    """Closed-loop clients of one address, each with a connection of its own."""

    port: int
    clients: int
    pause: Callable[[], float]  # seconds between an answer and the next request
    kinds: Sequence[int]  # of request, in turn: indices of BODIES
    answered: int = 0
    failures: list[tuple[float, float, str]] = field(default_factory=list)  # began, ended, what
    pods: set[str | None] = field(default_factory=set)  # that have answered

    def __post_init__(self):
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(n,)) for n in range(self.clients)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self._over.wait(self.pause()):
            number += 1
            began = time.monotonic()
            failure = self._ask(connection, self.kinds[number % len(self.kinds)])
            with self._lock:
                if failure:
                    self.failures.append((began, time.monotonic(), failure))
                else:
                    self.answered += 1
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, kind: int) -> str:
        """Make a request; return what went wrong. No request is sent a second time."""
        method = "POST" if BODIES[kind] else "GET"
        what = f"{method} of {len(BODIES[kind])} bytes"
        try:
            connection.request(method, "/work", BODIES[kind] or None)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"{what}: {error!r}"
        if response.status != 200:
            return f"{what}: {response.status} {data[:100]!r}"
        if json.loads(data)["digest"] != DIGESTS[kind]:
            return f"{what}: another body arrived"
        self.pods.add(response.headers["X-Pod-Name"])
        return ""
