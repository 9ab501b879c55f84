"""How long one more would wait: from how many wait and how fast they leave (Little's law).

How long requests run does not tell: one of 10 s among fast ones keeps nobody from other slots.
"""

import math
from collections import deque

MEMORY = 1.5  # seconds for which it is known that one left
ENOUGH = 16  # that left; of fewer, chance decides


class Forecast:
    """Watches a queue for `limit` slots; times are seconds of time.monotonic()."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # When each of the latest left, and for how long nobody had.
        self._left: deque[tuple[float, float]] = deque()
        self._seconds = 0.0  # the sum of the latter
        # Since when nobody has left. Giving up is not leaving: the slots are still taken.
        self._still_since = math.inf

    def enter(self, now: float) -> None:
        """Note one that waits."""
        self._still_since = min(self._still_since, now)

    def leave(self, now: float, waiting: int) -> None:
        """Note one that waits no longer, as it runs, and how many still do."""
        gap = now - self._still_since
        self._left.append((now, gap))
        self._seconds += gap
        if len(self._left) > self._limit:
            self._forget_first()
        self._still_since = now if waiting else math.inf

    def rest(self) -> None:
        """Note that nobody waits, and a slot is free. What was learned stays."""
        self._still_since = math.inf

    def gap(self, now: float) -> float:
        """Return seconds between two that left of late, while others waited; 0 without any."""
        self._forget(now)
        return self._seconds / max(1, len(self._left))

    def is_longer(self, waiting: int, now: float, seconds: float, pace: float) -> bool:
        """Guess whether one more behind so many would wait for longer.

        They leave no faster than at the pace, in seconds for each.
        """
        self._forget(now)
        # The first few of a burst say little of those to come. The pace counts in their place.
        unseen = max(0, min(self._limit, ENOUGH) - len(self._left))
        gap = (self._seconds + unseen * pace) / (len(self._left) + unseen)
        return waiting * max(gap, pace) >= seconds

    def stands(self, waiting: int, now: float, seconds: float) -> bool:
        """Whether somebody waits, and nobody has left for so long."""
        return waiting > 0 and now - self._still_since >= seconds

    def _forget(self, now: float) -> None:
        while self._left and self._left[0][0] <= now - MEMORY:
            self._forget_first()

    def _forget_first(self) -> None:
        self._seconds -= self._left.popleft()[1]
