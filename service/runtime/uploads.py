"""Uploads that do not fit a buffer: each needs a thread to read it, so not all begin at once."""

import threading
from typing import Any

from service.runtime.admission import REFUSE, RUN, WAIT, Verdict


class Uploads:
    """At most `limit` are on their way; up to `queue_length` wait, for `queue_timeout` seconds.

    Those on their way wait for a slot like any other request. All times are of time.monotonic().
    Any thread may call the methods.
    """

    def __init__(self, limit: int, queue_length: int, queue_timeout: float) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.queue_timeout = queue_timeout
        self.begun: set[Any] = set()
        self.waiting: dict[Any, float] = {}  # deadlines, the oldest first
        self.pressing: set[Any] = set()  # of these, those that have sent more than is read
        self._lock = threading.RLock()

    def offer(self, connection: Any, now: float) -> Verdict:
        """Decide about a new one."""
        with self._lock:
            if len(self.begun) < self.limit:
                self.begun.add(connection)
                return RUN
            if len(self.waiting) < self.queue_length:
                self.waiting[connection] = now + self.queue_timeout
                return WAIT
            return REFUSE

    def leave(self, connection: Any) -> Any | None:
        """Note the end of a request; if it was an upload, return the next one that begins."""
        if connection not in self.begun:
            return None
        with self._lock:
            self.begun.remove(connection)
            following = next(iter(self.waiting), None)
            if following is not None:
                self.forget(following)
                self.begun.add(following)
            return following

    def press(self, connection: Any) -> None:
        """Note that one has sent more than is read while it waits."""
        with self._lock:
            if connection in self.waiting:
                self.pressing.add(connection)

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        with self._lock:
            expired = [each for each, deadline in self.waiting.items() if deadline <= now]
            for connection in expired:
                self.forget(connection)
            return expired

    def forget(self, connection: Any) -> bool:
        """Have one wait no longer; returns whether it did."""
        with self._lock:
            self.pressing.discard(connection)
            return self.waiting.pop(connection, None) is not None
