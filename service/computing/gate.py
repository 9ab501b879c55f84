"""How many requests may compute at once: more than a few serve nobody.

Threads of one interpreter take turns. 16 requests that need 50 ms of CPU each are all done after
800 ms; one by one, the first would be done after 50 ms. The event loop refuses the others and
answers probes, and gets its turn among these threads. So few may be *runnable*, and one that
blocks makes room for another: the "concurrency value" of an I/O completion port,
https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports

A look at the runnable ones comes too late for requests that wait first, as for a database whose
rows they will render. If 16 of these enter at once, 16 compute at once later. So they are paced.

A request that is known to be short goes by these, and takes a turn of the interpreter in between.

CPU clocks tell which requests are runnable (see meter.py). A request whose clock has moved may have
blocked since. But if many clocks moved, and the process used less of a CPU than there was for it,
these requests do not wait for the CPU.
"""

import resource
import time
from collections.abc import Callable
from typing import Any

from service.computing.costs import WEIGHT, Cost, Costs
from service.computing.meter import SMALL, CpuMeter

LOOK = 0.002  # seconds between two looks: each clock is a system call
LATE = 0.006  # seconds; in a longer time between two looks the CPU may have been withheld from us
BUSY = 0.9  # of the time between two looks, for a CPU that did not wait for work
AT_ONCE = 2  # one that computes, and one that has the next turn at once
# A small one that has just entered counts as this share of one that computes, until the first look
# at it. So eight may enter at once, and a probe that comes then waits for less than 8 ms.
SMALL_ONE = 0.25
CROWD = 0.1  # CPU seconds: the level falls while all that compute need more, together
SILENCE = 1.5  # seconds in which nobody runs; what comes then may be of another kind
TOLERANCE = 0.005  # seconds; so far ahead of its pace one may enter, as looks make others late


def process_usage() -> tuple[float, int]:
    """Return CPU seconds of this process, and how often the kernel has taken a CPU from it."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class ComputeGate:
    """Admits requests at the CPU's pace, while few others are runnable. The caller has a lock.

    The pace is that of a CPU that serves one typical request after the other, kept by the generic
    cell rate algorithm (ITU-T I.371, annex A). The *level* says how many may run, however many are
    runnable. It rises while few are and falls, with every second that leaves, while many are, as
    the window of TCP Vegas (Brakmo and Peterson, 1995) between its thresholds alpha and beta.

    A request has a CpuMeter called `meter`, and a `kind` (see costs.py).
    """

    def __init__(self, usage: Callable[[], tuple[float, int]]) -> None:
        self.running: dict[Any, CpuMeter] = {}
        self._usage = usage
        self._seen = usage()
        self._looked_at = 0.0
        self._busy = False
        self._cores = 1  # that work for us at the same time, as C code lets them
        self._parallel = 1.0  # of these, on average, while there is work for two
        self.work = 0.05  # average, in which small ones count little; at first a careful guess
        self._costs = Costs()
        self._next_at = 0.0  # when one more may enter
        self._level = 0  # requests that may run, however many are runnable
        self._fell = False  # with the last request that left a crowd

    def enter(self, request: Any, now: float) -> None:
        """Note a request that runs from now on."""
        request.meter.enter(now)
        if not self.running and now - self._next_at > SILENCE:
            self._costs.forget()
        cost = self._costs.of(request.kind)
        request.meter.small, request.meter.light = cost.typical < SMALL, self.is_light(request)
        self._next_at = max(self._next_at, now - TOLERANCE) + self._between(cost)
        self.running[request] = request.meter

    def leave(self, request: Any, now: float, wanted: bool) -> None:
        """Note a request that is done, and whether others want its place."""
        used = self.running[request].used()
        # Small ones are many, and would hide the others.
        self.work += (WEIGHT if used >= SMALL else WEIGHT / 10) * (used - self.work)
        self._costs.note(request.kind, used)
        self.pause(request, now, wanted)

    def abandon(self, request: Any, now: float, wanted: bool) -> None:
        """Note a request whose client has left before it began, so that it needs no CPU."""
        self._next_at = now
        self.pause(request, now, wanted)

    def resume(self, request: Any, now: float) -> None:
        """Note a request that runs again."""
        request.meter.resume(now)
        self.running[request] = request.meter

    def pause(self, request: Any, now: float, wanted: bool) -> None:
        """Note a request that does not run for a while, and whether others want its place."""
        del self.running[request]
        if not self.running:
            self._next_at = now  # the CPU is free
        if not wanted:
            self._level = len(self.running)
            return
        self._look(now)
        if self._runnable() >= self._crowd():
            self._fell = not self._fell
            self._level = max(len(self.running), self._level - self._fell)

    def is_light(self, request: Any) -> bool:
        """Whether the request is short beside others, and need not wait for these."""
        return self._costs.is_light(request.kind)

    def admits(self, request: Any, now: float) -> bool:
        """Whether it may run."""
        self._look(now)
        light = self.is_light(request)
        if light and not self._has_light():
            return True
        if now < self._next_at:
            return False
        if len(self.running) >= self._level:
            if self._runnable(light) >= self._cores - 1 + AT_ONCE:
                return False
            self._level = len(self.running) + 1
        return True

    @property
    def pace(self) -> float:
        """Seconds between two requests that enter, of whatever kind."""
        return self._between(self._costs.all)

    def _between(self, cost: Cost) -> float:
        return cost.between / max(1, self._parallel)

    def _crowd(self) -> float:
        """Return how many that compute are too many."""
        # The average may be of another kind of requests than those that compute now.
        seen = (meter.seen for meter in self.running.values() if meter.computes)
        few = CROWD / max(self.work, *seen, 1e-6)
        return self._cores - 1 + max(AT_ONCE, few)

    def _runnable(self, with_light: bool = False) -> float:
        """Count those that compute, or may."""
        count = 0.0
        for meter in self.running.values():
            if with_light or not meter.light:
                # Their pace bounds how many have just entered, where the typical one computes.
                unknown = meter.computes is None
                count += SMALL_ONE * meter.small if unknown else bool(meter.computes and self._busy)
        return count

    def _has_light(self) -> bool:
        """Whether a light one computes, or may."""
        light = (meter.computes for meter in self.running.values() if meter.light)
        return any(computes is None or (computes and self._busy) for computes in light)

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
        if self._runnable(with_light=True) > 1:
            self._parallel += WEIGHT * (cores - self._parallel)
