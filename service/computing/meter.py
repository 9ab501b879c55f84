"""Whether a request computes or waits: its thread's CPU clock tells.

That of a thread that waits for a database stands still; that of one that computes moves, and moves
while it waits for the interpreter too, as it wakes every switch interval to ask for it.
"""

import threading
import time

SMALL = 0.001  # CPU seconds that every request may take
LONG = 0.5  # CPU seconds after which a request no longer counts: it must not keep all others out


class CpuMeter:
    """CPU time of the request that a thread is serving, readable from other threads."""

    available = hasattr(time, "pthread_getcpuclockid")  # not on macOS
    # What requests of its kind were when this one entered (see costs.py).
    small = light = False

    def __init__(self) -> None:
        self._clock: int | None = None
        self._start = 0.0
        self.enter(0.0)

    def begin(self) -> None:
        """Start, in the thread that serves the request."""
        if self.available:
            self._start = time.thread_time()
            self._clock = time.pthread_getcpuclockid(threading.get_ident())

    def end(self) -> None:
        """Stop, in the same thread."""
        self._clock = None

    def used(self) -> float:
        """Return seconds so far; 0 before begin()."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock) - self._start

    def enter(self, now: float) -> None:
        """Know nothing yet of a request that may run from now on."""
        self.seen = 0.0  # CPU seconds at the previous look
        self.resume(now)

    def resume(self, now: float) -> None:
        """Know no longer what a request does that runs again from now on."""
        self.since = now
        self.computes: bool | None = None

    def look(self, previous: float, fair: bool) -> None:
        """Decide whether it computes, from the CPU time it used since the previous look.

        `previous` is the moment of that look. `fair` says that the process had all the CPU it asked
        for since then. If not, a request that used none may still want to compute.
        """
        used = self.used()
        moved, self.seen = used > self.seen, used
        if moved or (fair and self.since <= previous):
            self.computes = moved and SMALL <= used < LONG
