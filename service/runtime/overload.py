"""Whether a pod has more to do than it can: by how long the first in the queue has waited.

A burst is no overload: its queue goes away. One that stands is an overload, as in CoDel (RFC 8289,
section 3): the first in it has waited for longer than a target, for longer than an interval.
"""

import math

MEMORY = 1.5  # seconds for which an overload is remembered
# Seconds after which an overload is forgotten, to see whether there still is one. As many clients
# as slots, of which some are refused and ask again at once, would keep it up for ever.
LONGEST = 20.0
# CoDel's interval, in seconds. A pod that its node gave no CPU for a moment then has time for what
# came meanwhile. The target is queue_timeout.
INTERVAL = 0.5
MOST_INTERVAL = 2  # times queue_timeout: with a short one, clients want their answers soon


class Overload:
    """Learns from each request that arrives; times are seconds of time.monotonic()."""

    def __init__(self, queue_timeout: float) -> None:
        self._target = queue_timeout
        self._interval = min(INTERVAL, MOST_INTERVAL * queue_timeout)
        self._full_since = math.inf  # since when each that came has found no room
        self._standing_since = math.inf  # since when the first in the queue waits for too long
        self._began = self._until = 0.0

    def is_on(self, now: float) -> bool:
        """Whether there is one, or it is remembered."""
        return now < self._until

    def begin(self, now: float) -> None:
        """Begin one, or go on with it."""
        if now >= self._until:
            self._began = now
        self._until = min(now + MEMORY, self._began + LONGEST)

    def note_room(self) -> None:
        """Note that one has come, and the pod has room for it: it only waits for its turn."""
        self._full_since = self._standing_since = math.inf

    def note_full(self, first: float, now: float) -> None:
        """Note that one has come to a full pod, where the first in the queue waits since then."""
        self._full_since = min(self._full_since, now)
        if now - first < self._target:
            self._standing_since = math.inf
        elif now < self._standing_since:
            self._standing_since = now
        if now - self._standing_since >= self._interval:
            self.begin(now)

    def is_first(self, now: float) -> bool:
        """Whether the one that has just come is the first of those that found no room."""
        return now == self._full_since

    def patience(self, first: float, now: float) -> float:
        """Return for how long one that has just come may wait: for ever where there is room.

        In a full pod until an overload can begin, and for queue_timeout more.
        """
        if self.is_on(now):
            return self._target
        if self._full_since == math.inf:
            return math.inf
        stands = min(self._standing_since, first + self._target)
        return max(0.0, stands + self._interval - now) + self._target
