"""How many requests may compute at once: more than a few serve nobody.

Threads of one interpreter take turns. 16 requests that need 50 ms of CPU each are all done after
800 ms; one by one, the first would be done after 50 ms. The event loop refuses the others and
answers probes, and gets its turn among these threads. So few may be *runnable*, and one that
blocks makes room for another: the "concurrency value" of an I/O completion port,
https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports

CPU clocks tell which requests are runnable (see meter.py). A request whose clock has moved may have
blocked since. But if many clocks moved, and the process used less of a CPU than there was for it,
these requests do not wait for the CPU.
"""

import resource
import time
from collections.abc import Callable
from typing import Any

from service.computing.meter import SMALL, CpuMeter

LOOK = 0.002  # seconds between two looks: each clock is a system call
LATE = 0.006  # seconds; in a longer time between two looks the CPU may have been withheld from us
BUSY = 0.9  # of the time between two looks, for a CPU that did not wait for work
AT_ONCE = 2  # one that computes, and one that has the next turn at once
BURSTS = 0.02  # CPU seconds of requests that compute at once, if they are short: so many of them
LATER = 0.2  # the same of requests that wait first, and show only later that they are too many
CAUTION = 1.0  # seconds after there were too many of these; meanwhile one comes for each that left
WEIGHT = 0.1  # of one request in an average; a tenth of it for a small one, as these are many


def process_usage() -> tuple[float, int]:
    """Return CPU seconds of this process, and how often the kernel has taken a CPU from it."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class ComputeGate:
    """Admits a request while few others are runnable. The caller has a lock.

    A request that waits first, as for a database whose rows it will render, is no reason to close
    now, and one too many later. So their number counts too, the *level*: it rises while few
    are runnable and falls, with those that leave, while many are, as the window of TCP Vegas
    (Brakmo and Peterson, 1995) between its thresholds alpha and beta.
    """

    def __init__(self, usage: Callable[[], tuple[float, int]]) -> None:
        self.running: dict[Any, CpuMeter] = {}
        self._usage = usage
        self._seen = usage()
        self._looked_at = 0.0
        self._busy = False
        self._cores = 1  # that work for us at the same time, as C code lets them
        self.work = 0.05  # CPU seconds of a request, on average; a first guess to be careful
        self._later = 0.0  # share of requests that wait first
        self._level = 0  # requests that may run, however many are runnable
        self._crowded_at = -CAUTION
        self._left = False  # a request has left since the level last rose
        self._fell = False  # the level fell with the last request that left

    def enter(self, request: Any, now: float) -> None:
        """Note a request that runs from now on; it has a CpuMeter called meter."""
        request.meter.enter(now)
        self.running[request] = request.meter

    def leave(self, request: Any, now: float, wanted: bool, pressed: bool) -> None:
        """Note a request that is done, and whether others want its place."""
        meter = self.running[request]
        if (used := meter.used()) >= SMALL:
            self.work += WEIGHT * (used - self.work)
            self._later += WEIGHT * (meter.waits_first - self._later)
        else:
            self.work += WEIGHT / 10 * (used - self.work)
        self.pause(request, now, wanted, pressed)

    def resume(self, request: Any, now: float) -> None:
        """Note a request that runs again."""
        request.meter.resume(now)
        self.running[request] = request.meter

    def pause(self, request: Any, now: float, wanted: bool, pressed: bool) -> None:
        """Note a request that does not run for a while, and whether others want its place."""
        del self.running[request]
        self._left = True
        if not wanted:
            self._level = len(self.running)
            return
        self._look(now)
        if self._runnable() >= self._threshold(LATER if self._later > 0.5 else BURSTS, pressed):
            self._crowded_at = now
            self._fell = not self._fell
            self._level = max(len(self.running), self._level - self._fell)

    def admits(self, now: float, pressed: bool) -> bool:
        """Whether one more may run; pressed: others are refused meanwhile, and that takes time."""
        self._look(now)
        if len(self.running) >= self._level:
            careful = self._later > 0.5 and now < self._crowded_at + CAUTION
            if self._runnable() >= self._threshold(BURSTS, pressed) or (careful and not self._left):
                return False
            self._left = False
            self._level = len(self.running) + 1
        return True

    def _threshold(self, work: float, pressed: bool) -> float:
        # The average may be of another kind of requests than those that compute now.
        seen = (meter.seen for meter in self.running.values() if meter.computes)
        return self._cores - 1 + max(AT_ONCE, work / (1 + pressed) / max(self.work, *seen, 1e-6))

    def _runnable(self) -> int:
        computes = [meter.computes for meter in self.running.values()]
        unknown = 0 if self._later > 0.5 else computes.count(None)
        return unknown + (computes.count(True) if self._busy else 0)

    def _look(self, now: float) -> None:
        if now < self._looked_at + LOOK:
            return
        (cpu, preempted), seen = self._usage(), self._seen
        seconds, previous = now - self._looked_at, self._looked_at
        self._seen, self._looked_at = (cpu, preempted), now
        cores = (cpu - seen[0]) / seconds
        self._cores = max(1, round(cores))
        # With neighbours, or at its limit, a process has less of a CPU than it asks for.
        fair = preempted == seen[1] and seconds <= LATE
        self._busy = cores >= BUSY * self._cores or (self._busy and not fair) or preempted > seen[1]
        for meter in self.running.values():
            meter.look(previous, fair)
