"""Uploads that do not fit a buffer: each needs a thread to read it, so not all begin at once."""

from collections import deque
from typing import Any

from service.runtime.admission import Verdict


class Uploads:
    """At most `limit` are on their way; up to `queue_length` wait, for `queue_timeout` seconds.

    Those on their way wait for a slot like any other request. All times are of time.monotonic().
    """

    def __init__(self, limit: int, queue_length: int, queue_timeout: float) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.queue_timeout = queue_timeout
        self.begun: set[Any] = set()
        self.waiting: deque[tuple[float, Any]] = deque()  # (deadline, connection), oldest first

    def offer(self, connection: Any, now: float) -> Verdict:
        """Decide about a new one."""
        if len(self.begun) < self.limit:
            self.begun.add(connection)
            return Verdict.RUN
        if len(self.waiting) < self.queue_length:
            self.waiting.append((now + self.queue_timeout, connection))
            return Verdict.WAIT
        return Verdict.REFUSE

    def leave(self, connection: Any) -> Any | None:
        """Note the end of a request; if it was an upload, return the next one that begins."""
        if connection not in self.begun:
            return None
        self.begun.remove(connection)
        if not self.waiting:
            return None
        _, following = self.waiting.popleft()
        self.begun.add(following)
        return following

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        expired = []
        while self.waiting and self.waiting[0][0] <= now:
            expired.append(self.waiting.popleft()[1])
        return expired
