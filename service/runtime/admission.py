"""Who may run: a limit of running requests, a bounded queue before it, and an early no."""

import threading
from collections import Counter, deque
from enum import Enum
from typing import Any

from service.runtime.computing import ComputeGate

# A queue this much of QUEUE_TIMEOUT long is full: the forecast is an average, and a client that is
# refused at the door learns it in milliseconds, one that waits in vain only after QUEUE_TIMEOUT.
FORECAST_SHARE = 0.6
WEIGHT = 0.2  # of one request in the average


class Verdict(Enum):
    """What becomes of a request that has arrived."""

    RUN = "a slot is free"
    WAIT = "queued"
    REFUSE = "shed"


class Admission:
    """Counts requests in three states: running, waiting for a slot, parked.

    A parked request waits for its own client (to send the rest of an upload, to read a response),
    needs a thread but no slot. All times are seconds of time.monotonic().
    """

    def __init__(self, limit: int, queue_length: int, queue_timeout: float, threads: int) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.queue_timeout = queue_timeout
        self.threads = threads
        self.gate = ComputeGate()
        self.paused = False  # nobody leaves the queue
        self.parked = 0
        self.waiting: deque[tuple[float, Any]] = deque()  # (deadline, connection), oldest first
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._emptied = threading.Event()  # the queue has been, since the latest wait for that
        self._gap = 0.0  # seconds between the latest two that left the queue, on average
        self._left_at = 0.0  # when the latest one did

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self.gate.running)

    def offer(self, connection: Any, now: float) -> Verdict:
        """Decide about a new request; RUN has taken a slot for it."""
        with self._lock:
            if not self.waiting and self._free(now):
                self.gate.enter(connection, now)
                return Verdict.RUN
            if len(self.waiting) < self.queue_length and self._forecast() < self.queue_timeout:
                self.waiting.append((now + self.queue_timeout, connection))
                return Verdict.WAIT
            self.refused["full"] += 1
            return Verdict.REFUSE

    def count_refused(self, reason: str) -> None:
        """Count one that was refused before it could be offered."""
        with self._lock:
            self.refused[reason] += 1

    def leave(self, connection: Any, now: float) -> Any | None:
        """Give a slot back; returns the connection that gets it, if one waits."""
        with self._lock:
            self.gate.leave(connection, now)
            return self._next(now)

    def park(self, connection: Any, now: float) -> Any | None:
        """Give the slot back for as long as the client keeps its thread waiting."""
        with self._lock:
            if connection in self.gate.running:  # else it has given it back already
                self.gate.leave(connection, now)
            self.parked += 1
            return self._next(now)

    def unpark(self, connection: Any, now: float, has_slot: bool = True) -> None:
        """Go on at once: the app is in the middle of something. The limit is exceeded meanwhile."""
        with self._lock:
            self.parked -= 1
            if has_slot:
                self.gate.enter(connection, now)

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        expired = []
        with self._lock:
            while self.waiting and self.waiting[0][0] <= now:
                expired.append(self.waiting.popleft()[1])
            self.refused["timeout"] += len(expired)
        return expired

    def next(self, now: float) -> Any | None:
        """Return a waiting connection that can run now, for when a slot appeared otherwise."""
        with self._lock:
            return self._next(now)

    def wait_until_empty(self, seconds: float) -> None:
        """Let the threads have the queue for so long, or until they have taken the last."""
        self._emptied.clear()
        if self.waiting:
            self._emptied.wait(seconds)

    def out_of_threads(self) -> bool:
        """Whether only clients that keep threads waiting stand between the queue and its slots."""
        return bool(self.waiting) and self.running < self.limit and not self._has_thread()

    def _has_thread(self) -> bool:
        return self.running + self.parked < self.threads

    def _free(self, now: float) -> bool:
        if self.running >= self.limit or not self._has_thread():
            return False
        self.gate.look(now)
        return self.gate.is_open()

    def _next(self, now: float) -> Any | None:
        if self.paused or not self.waiting or not self._free(now):
            return None
        deadline, connection = self.waiting.popleft()
        if not self.waiting:
            self._emptied.set()
        first_since = max(self._left_at, deadline - self.queue_timeout)
        self._gap += WEIGHT * (now - first_since - self._gap)
        self._left_at = now
        self.gate.enter(connection, now)
        return connection

    def _forecast(self) -> float:
        """Guess how many seconds one more would wait behind those that wait already.

        From how fast the queue moved, not from how long requests run: one that waits 10 s among
        many fast ones keeps nobody from the other slots.
        """
        return len(self.waiting) * self._gap / FORECAST_SHARE
