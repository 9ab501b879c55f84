"""The clients of make load, and what becomes of their requests."""

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

CLIENTS = 6
RATE = 300  # requests a second: about three times what the autoscaler wants one pod to do
TIMEOUT = 5  # seconds a client waits to connect, and for its answer
SHOWN = 10  # failures in full; the others are counted


@dataclass(frozen=True)
class Request:
    """What is sent."""

    path: str = "/"
    method: str = "GET"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Seen:
    """What became of the requests. Many threads add to it."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._seconds: list[float] = []  # of answers since the last look
        self._looked = time.monotonic()
        self._failures = 0

    def answer(self, status: int, seconds: float) -> None:
        """Note an answer."""
        with self._lock:
            self.outcomes[str(status)] += 1
            self._seconds.append(seconds)

    def failure(self, error: Exception, seconds: float, identity: str) -> None:
        """Note a request without an answer; print the first ones, for a look into the logs."""
        now, name = datetime.now(UTC).isoformat(timespec="milliseconds"), type(error).__name__
        with self._lock:
            self.outcomes[name] += 1
            self._failures += 1
            number = self._failures
        if number > SHOWN:
            return
        line = f"{now}  {name} after {seconds:.3f} s, X-Request-ID {identity}"
        if isinstance(error, TimeoutError):
            line += f"; this client waits {TIMEOUT} s, and on a busy machine it may be late itself"
        if number == SHOWN:
            line += "; later ones are only counted"
        print(line, flush=True)

    def look(self) -> tuple[float, float | None]:
        """Return answers a second since the last look, and the p99 of their seconds."""
        with self._lock:
            seconds, self._seconds = sorted(self._seconds), []
            passed, self._looked = time.monotonic() - self._looked, time.monotonic()
        p99 = seconds[int(len(seconds) * 0.99)] if seconds else None
        return len(seconds) / passed, p99


def client(address: str, request: Request, seen: Seen, stop: threading.Event) -> None:
    """Ask again and again, over a new connection each time: that may reach another pod."""
    due = time.monotonic()
    while not stop.is_set():
        ask(address, request, seen)
        due = max(due + CLIENTS / RATE, time.monotonic() - 1)
        stop.wait(max(0, due - time.monotonic()))


def ask(address: str, request: Request, seen: Seen) -> None:
    """Ask once, under an id that the log of the pod has too."""
    identity = f"load-{uuid4().hex[:12]}"
    headers = {**request.headers, "X-Request-ID": identity}
    began = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        answer.read()
        seen.answer(answer.status, time.monotonic() - began)
    except (OSError, http.client.HTTPException) as error:
        seen.failure(error, time.monotonic() - began, identity)
    finally:
        connection.close()
