"""CoDel with adaptive LIFO, in place of Admission: a queue that limits how long requests wait."""

import math
from collections import Counter, deque
from typing import Any

from service.runtime.admission import QUEUE_BEAT, Verdict


class CodelQueue:
    """Lets as many requests run as there are slots. The others wait for INTERVAL at most.

    If the queue has not been empty for INTERVAL, they wait for TARGET at most, and the latest runs
    first: "Fail at Scale", B. Maurer, ACM Queue 13/8 (2015), after CoDel by Nichols and Jacobson
    (2012).
    """

    INTERVAL, TARGET = 0.1, 0.005  # seconds
    beat = QUEUE_BEAT

    def __init__(self, limit: int, queue_length: int) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.running = 0
        self.waiting: deque[tuple[float, Any]] = deque()  # (since, request), oldest first
        self.paused = False
        self.refused: Counter[str] = Counter()
        self._empty_at = -math.inf

    def _is_standing(self, now: float) -> bool:
        return now - self._empty_at > self.INTERVAL

    def offer(self, request: Any, now: float) -> Verdict:
        """Decide about a new request."""
        if not self.waiting:
            self._empty_at = now
            if self.running < self.limit:
                self.running += 1
                return Verdict.RUN
        if len(self.waiting) >= self.queue_length:
            return Verdict.REFUSE
        self.waiting.append((now, request))
        return Verdict.WAIT

    def leave(self, request: Any, now: float) -> Any | None:
        """Give a slot back; returns the request that gets it, if one waits."""
        self.running -= 1
        return self.next(now)

    def next(self, now: float) -> Any | None:
        """Return the waiting request whose turn it is."""
        if self.paused or not self.waiting or self.running >= self.limit:
            return None
        self.running += 1
        _, request = self.waiting.pop() if self._is_standing(now) else self.waiting.popleft()
        if not self.waiting:
            self._empty_at = now
        return request

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        if not self.waiting:
            self._empty_at = now
        longest = self.TARGET if self._is_standing(now) else self.INTERVAL
        expired = [request for since, request in self.waiting if now - since > longest]
        self.waiting = deque(each for each in self.waiting if now - each[0] <= longest)
        return expired
