"""Who may run: a limit of running requests, a bounded queue before it, and an early no.

Without an overload a request that finds fewer than `limit` others is not refused: if too many
compute it waits for as long as that takes (service/computing). So clients that wait for their
answers, as many as slots, are all served. In an overload, and for PRESSURE seconds after it, waits
are bounded, or they would grow until clients give up.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from service.computing.gate import ComputeGate, process_usage

# A queue this much of QUEUE_TIMEOUT long is full: the forecast is an average, and a client that is
# refused at the door learns it in milliseconds, one that waits in vain only after QUEUE_TIMEOUT.
FORECAST_SHARE = 0.5
PRESSURE = 1.5  # seconds for which an overload is remembered
LOOK_BEAT = 0.002  # seconds between two looks at a queue that has slots, but may not use them
MOSTLY = 0.5  # share of the time; below it handlers mostly wait, and do not hold the interpreter
QUEUE_BEAT = 0.01  # seconds between two looks with no slot free: a tenth of a noticeable delay


class Verdict(Enum):
    """What becomes of a request that has arrived."""

    RUN = "a slot is free"
    WAIT = "queued"
    REFUSE = "shed"


RUN, WAIT, REFUSE = Verdict  # see Phase


class Admission:
    """Counts requests in three states: running, waiting for a slot, parked.

    A parked request waits for its own client (to send the rest of an upload, to read a response),
    needs a thread but no slot. All times are seconds of time.monotonic(); `usage` returns what
    process_usage() does.
    """

    def __init__(
        self,
        limit: int,
        queue_length: int,
        queue_timeout: float,
        threads: int,
        usage: Callable[[], tuple[float, int]] = process_usage,
    ) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.queue_timeout = queue_timeout
        self.threads = threads
        self.gate = ComputeGate(usage)
        self.paused = False  # nobody leaves the queue
        self.parked = 0
        self.waiting: deque[tuple[float, Any]] = deque()  # (deadline, connection), oldest first
        self.refused: Counter[str] = Counter()
        self._pressed_until = 0.0
        # When the latest left the queue, and for how long nobody had.
        self._gaps: deque[tuple[float, float]] = deque(maxlen=limit)
        # Since when nobody has left the queue. Giving up is not leaving: the slots are still taken.
        self._still_since = math.inf
        self._lock = threading.Lock()
        self._emptied = threading.Event()  # the queue has been, since the latest wait for that

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self.gate.running)

    @property
    def beat(self) -> float:
        """Seconds after which to ask for the next() again, though nobody has left."""
        return LOOK_BEAT if self.running < self.limit else QUEUE_BEAT

    def offer(self, connection: Any, now: float) -> Verdict:
        """Decide about a new request; RUN has taken a slot for it."""
        with self._lock:
            inside = len(self.gate.running) + len(self.waiting)
            if inside >= self.limit or not self._has_thread():
                self._pressed_until = now + PRESSURE
            elif not self.waiting and self._free(now):
                self._still_since = math.inf
                self.gate.enter(connection, now)
                return RUN
            pressed = now < self._pressed_until
            if inside >= self.limit + self.queue_length or (pressed and self._is_slow(now)):
                self._pressed_until = now + PRESSURE
                self.refused["full"] += 1
                return REFUSE
            self._still_since = min(self._still_since, now)
            patience = self.queue_timeout if pressed else math.inf
            self.waiting.append((now + patience, connection))
            return WAIT

    def is_pressed(self, now: float) -> bool:
        """Whether an overload is remembered."""
        return now < self._pressed_until

    def mostly_computes(self, now: float) -> bool:
        """Whether requests that recently left the queue keep the interpreter busy."""
        with self._lock:
            return self.gate.work > MOSTLY * self._pace(now)

    def count_refused(self, reason: str) -> None:
        """Count one that was refused before it could be offered."""
        with self._lock:
            self.refused[reason] += 1

    def leave(self, connection: Any, now: float) -> Any | None:
        """Give a slot back; returns the connection that gets it, if one waits."""
        with self._lock:
            self._leave(connection, now)
            return self._next(now)

    def park(self, connection: Any, now: float) -> Any | None:
        """Give the slot back for as long as the client keeps its thread waiting."""
        with self._lock:
            if connection in self.gate.running:  # else it has given it back already
                self.gate.pause(connection, now, bool(self.waiting), now < self._pressed_until)
            self.parked += 1
            return self._next(now)

    def unpark(self, connection: Any, now: float, has_slot: bool = True) -> None:
        """Go on at once: the app is in the middle of something. The limit is exceeded meanwhile."""
        with self._lock:
            self.parked -= 1
            if has_slot:
                self.gate.resume(connection, now)

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        with self._lock:
            expired = [connection for deadline, connection in self.waiting if deadline <= now]
            if expired:
                self.waiting = deque(each for each in self.waiting if each[0] > now)
                self.refused["timeout"] += len(expired)
            return expired

    def next(self, now: float) -> Any | None:
        """Return a waiting connection that can run now, for when a slot appeared otherwise."""
        with self._lock:
            return self._next(now)

    def wait_until_empty(self, seconds: float) -> None:
        """Let the threads have the queue until they have taken the last, or so many seconds."""
        self._emptied.clear()
        if self.waiting:
            self._emptied.wait(seconds)

    def out_of_threads(self) -> bool:
        """Whether only clients that keep threads waiting stand between the queue and its slots."""
        return bool(self.waiting) and self.running < self.limit and not self._has_thread()

    def _leave(self, connection: Any, now: float) -> None:
        self.gate.leave(connection, now, bool(self.waiting), now < self._pressed_until)

    def _has_thread(self) -> bool:
        return self.running + self.parked < self.threads

    def _free(self, now: float) -> bool:
        if self.running >= self.limit or not self._has_thread():
            return False
        return self.gate.admits(now, now < self._pressed_until)

    def _next(self, now: float) -> Any | None:
        if self.paused or not self.waiting or not self._free(now):
            return None
        _, connection = self.waiting.popleft()
        if not self.waiting:
            self._emptied.set()
        self._gaps.append((now, now - self._still_since))
        self._still_since = now if self.waiting else math.inf
        self.gate.enter(connection, now)
        return connection

    def _is_slow(self, now: float) -> bool:
        """Guess whether one more would wait for too long, by Little's law: from how many wait and
        how fast they leave. One that runs for 10 s among fast ones keeps nobody from other slots.
        If nobody has left for as long as one may wait, only one at a time waits and tries.
        """
        if self.waiting and now - self._still_since >= self.queue_timeout:
            return True
        wait = len(self.waiting) * self._pace(now)
        return wait >= FORECAST_SHARE * self.queue_timeout

    def _pace(self, now: float) -> float:
        """Return seconds between two that leave the queue, on average; 0 if nobody has of late."""
        gaps = [gap for left, gap in self._gaps if left > now - PRESSURE]
        return sum(gaps) / max(1, len(gaps))
