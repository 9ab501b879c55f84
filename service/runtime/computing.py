"""How many requests compute, as opposed to wait: more than a few at once serve nobody.

Threads of one interpreter take turns, so 16 requests that need 50 ms of CPU each are all done after
800 ms, when they could have been done one by one from 50 ms on; and the event loop, which must
refuse the others and answer probes, gets its turn among them. Requests that wait cost nothing and
are not limited here. What a request does shows in the CPU clock of its thread.
"""

import threading
import time
from typing import Any

AT_ONCE = 2  # one that computes, and one that has the next turn at once
MATURE = 0.005  # seconds of CPU after which a request can count as computing
LONG = 0.5  # seconds of CPU after which it no longer counts: it must not keep all others out
SHARE = 0.05  # of its age that it must have computed; 16 at once on half a CPU have 0.03 each
UNKNOWN = 0.05  # seconds after which a request that has not computed counts as waiting
WEIGHT = 0.1  # of one request in the share of requests that compute
LOOK = 0.001  # seconds between two looks: 2 % less time for small requests, 16 at once


class CpuMeter:
    """CPU time of the request that a thread is serving, readable from other threads."""

    available = hasattr(time, "pthread_getcpuclockid")  # not on macOS

    def __init__(self) -> None:
        self.age_from = 0.0
        self._clock: int | None = None
        self._start = 0.0

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


class ComputeGate:
    """Opens for a new request while fewer than AT_ONCE compute. The caller has a lock."""

    def __init__(self) -> None:
        self.running: dict[Any, bool | None] = {}  # request: computes, waits, or not known yet
        self.share = 0.0  # of the latest requests that computed
        self._look_at = 0.0

    def enter(self, request: Any, now: float) -> None:
        """Note a request that runs from now on; it has a CpuMeter called meter."""
        request.meter.age_from = now
        self.running[request] = None

    def leave(self, request: Any, now: float) -> None:
        """Note a request that no longer runs."""
        computed = self.running.pop(request) or (
            now - request.meter.age_from >= MATURE and request.meter.used() >= MATURE
        )
        self.share += WEIGHT * (computed - self.share)

    def look(self, now: float) -> None:
        """Find out what the running requests are doing."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK
        for request in self.running:
            age = now - request.meter.age_from
            if age < MATURE:
                continue  # nor can it have used as much; each clock is a system call
            used = request.meter.used()
            if used >= MATURE:
                self.running[request] = used >= SHARE * age and used < LONG
            elif age > UNKNOWN:
                self.running[request] = False

    def is_open(self) -> bool:
        """Whether one more may run; those not known yet count as the latest ones turned out."""
        states = list(self.running.values())
        return states.count(True) + self.share * states.count(None) < AT_ONCE - self.share / 2
