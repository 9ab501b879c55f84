"""Whether a pod has more to do than it can: by how long the oldest in the queue has waited.

A burst is no overload: its queue goes away. One that stands is an overload, as in CoDel (RFC 8289,
section 3): the oldest in it has waited for longer than a target, for longer than an interval.
Admission begins one, too, where the queue has no place left, where one gives up waiting, or where
already the first that finds the pod full would wait in vain.
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
    """Learns from each request that comes; times are seconds of time.monotonic()."""

    def __init__(self, queue_timeout: float) -> None:
        self._target = queue_timeout
        self._interval = min(INTERVAL, MOST_INTERVAL * queue_timeout)
        self._room = True  # the latest that came has found room
        self.is_first = False  # the latest that came has found none, and the one before it some
        self._standing_since = math.inf  # since when the oldest in the queue waits for too long
        self._refused_at = -math.inf
        self._began = self._until = 0.0

    def is_on(self, now: float) -> bool:
        """Whether there is one, or it is remembered."""
        return now < self._until

    def begin(self, now: float) -> None:
        """Begin one, or go on with it, for MEMORY; but not beyond LONGEST."""
        if now >= self._until:
            self._began = now
        until, longest = now + MEMORY, self._began + LONGEST
        self._until = until if until < longest else longest  # min() takes ten times as long

    def note_arrival(self, room: bool, oldest: float, now: float) -> None:
        """Note that a request has come, and whether the pod has room: it only waits for its turn.

        The oldest in the queue came at `oldest`; that is now if there is none.
        """
        self.is_first, self._room = self._room and not room, room
        # Room that is there because others were refused is no sign that the queue goes away.
        made = room and now - self._refused_at < self._interval
        if now - oldest < self._target or (room and not made):
            self._standing_since = math.inf
        elif not room:
            self._standing_since = min(self._standing_since, now)
            if now - self._standing_since >= self._interval:
                self.begin(now)

    def note_refusal(self, now: float, begins: bool) -> None:
        """Note that it was refused; if that begins no overload, it may go on with one."""
        self._refused_at = now
        if begins or self.is_on(now):
            self.begin(now)

    def patience(self, oldest: float, now: float) -> float:
        """Return for how long the one that has come may wait: for ever if it has found room.

        In a full pod it may wait until an overload can begin, and for queue_timeout more.
        """
        if self.is_on(now):
            return self._target
        if self._room:
            return math.inf
        stands = min(self._standing_since, max(now, oldest + self._target))
        return stands + self._interval - now + self._target
