"""One process: threads that take turns at the interpreter, on CPUs that may have a quota.

Each thread is a generator of steps. Calibrated on CPython 3.11 to 3.13 with a switch interval of
0.5 ms, on Linux: a thread that computes keeps the interpreter for about a millisecond while others
wait. Any of them may be next. Each of them wakes every switch interval to ask for it, and its CPU
clock shows that.
"""

import heapq
import math
import random
from collections.abc import Callable, Generator
from enum import Enum, auto
from itertools import count

SLICE = (0.0005, 0.0012)  # seconds that a thread keeps the interpreter while others wait for it
ASKS_EVERY, ASKING = 0.0005, 0.000008  # seconds; CPU seconds each time
PERIOD = 0.1  # seconds in which a quota may be used: the kernel's default


class Step(Enum):
    """What a thread does next, for some seconds."""

    RUN = auto()  # in Python: with the interpreter; others may take that from it
    HOLD = auto()  # in C, without giving the interpreter to anybody
    FREE = auto()  # in C, without the interpreter
    SLEEP = auto()  # without the CPU
    WAIT = auto()  # as SLEEP, or until somebody wakes it
    CALL = auto()  # as RUN, behind a system call: for that it has given the interpreter up


Steps = Generator[tuple[Step, float], None, None]


class Thread:
    """A thread and what it is doing."""

    steps: Steps

    def __init__(self) -> None:
        self.step = Step.WAIT
        self.left = 0.0  # CPU seconds until the step is done
        self.cpu = 0.0  # CPU seconds used
        self.asking_since: float | None = None  # for the interpreter, by Processor.ran
        self.number = 0  # of the present sleep


class Processor:
    """Runs the threads; time is simulated."""

    def __init__(self, seed: int, cores: float = 1, quota: float = math.inf) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.cores = cores
        self.quota = quota * PERIOD
        self.loses = 0.1 if cores <= 1 else 0.4  # share of system calls that lose the interpreter
        self.now = 0.0
        self.ran = 0.0  # seconds in which the quota let threads run
        self.used = 0.0  # CPU seconds, of all
        self.budget = self.quota
        self.holder: Thread | None = None
        self.asking: list[Thread] = []
        self.free: list[Thread] = []
        self.slice_end = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        if quota < math.inf:
            self.at(PERIOD, self._refill)

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at some time."""
        heapq.heappush(self._events, (time, next(self._numbers), action))

    def spawn(self, steps: Callable[[Thread], Steps]) -> Thread:
        """Start a thread. Its steps are told which thread it is."""
        thread = Thread()
        thread.steps = steps(thread)
        self._go_on(thread)
        return thread

    def wake(self, thread: Thread) -> None:
        """End a WAIT."""
        if thread.step is Step.WAIT:
            thread.step = Step.SLEEP
            self._wake_at(thread, self.now)

    def clock(self, thread: Thread) -> float:
        """Return the CPU seconds that a thread has used."""
        since = thread.asking_since
        asked = 0 if since is None else (self.ran - since) // ASKS_EVERY
        return thread.cpu + asked * ASKING

    def run(self, until: float) -> None:
        """Go on to some time."""
        while True:
            on_cpu = [*self.free, self.holder] if self.holder else self.free
            rate = min(1.0, self.cores / len(on_cpu)) if on_cpu and self.budget > 1e-12 else 0.0
            end = min(until, self._events[0][0] if self._events else until)
            if rate:
                end = min(end, self.now + min(thread.left for thread in on_cpu) / rate)
                end = min(end, self.now + self.budget / rate / len(on_cpu))
                if self.asking and self.holder and self.holder.step is not Step.HOLD:
                    end = min(end, max(self.now, self.slice_end))
            self._progress(end - self.now, rate, on_cpu)
            self.now = end
            if end >= until:
                return
            self._happen()

    def _progress(self, seconds: float, rate: float, on_cpu: list[Thread]) -> None:
        if not rate:
            self.ran += seconds if self.budget > 1e-12 else 0
            return
        self.ran += seconds
        done = seconds * rate
        for thread in on_cpu:
            thread.left -= done
            thread.cpu += done
        self.used += done * len(on_cpu)
        if self.budget < math.inf:
            self.budget -= done * len(on_cpu)

    def _happen(self) -> None:
        if self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
            return
        for thread in [thread for thread in self.free if thread.left <= 1e-12]:
            self.free.remove(thread)
            self._go_on(thread)
        holder = self.holder
        if holder and holder.left <= 1e-12:
            self._go_on(holder)
        elif holder and self.asking and holder.step is not Step.HOLD and self.slice_end <= self.now:
            self._switch(holder)

    def _go_on(self, thread: Thread) -> None:
        """Begin the next step."""
        try:
            thread.step, amount = next(thread.steps)
        except StopIteration:
            self._release(thread)
            return
        step = thread.step
        if step in (Step.RUN, Step.HOLD, Step.CALL):
            thread.left = amount
            if step is Step.CALL and self.asking and self.random.random() < self.loses:
                self._release(thread)
            if self.holder is not thread:
                self._ask(thread)
            return
        self._release(thread)
        if step is Step.FREE:
            thread.left = amount
            self.free.append(thread)
        elif amount < math.inf:
            self._wake_at(thread, self.now + amount)
        else:
            thread.number += 1

    def _wake_at(self, thread: Thread, time: float) -> None:
        thread.number = number = thread.number + 1

        def wake() -> None:
            if thread.number == number:
                thread.number += 1
                self._go_on(thread)

        self.at(time, wake)

    def _ask(self, thread: Thread) -> None:
        if self.holder is None:
            self.holder = thread
            return
        if not self.asking:
            self.slice_end = self.now + self.random.uniform(*SLICE)
        thread.asking_since = self.ran
        self.asking.append(thread)

    def _release(self, thread: Thread) -> None:
        if self.holder is thread:
            self.holder = None
            if self.asking:
                self._give()

    def _switch(self, holder: Thread) -> None:
        self.holder = None
        self._give()
        holder.asking_since = self.ran
        self.asking.append(holder)
        self.slice_end = self.now + self.random.uniform(*SLICE)

    def _give(self) -> None:
        index = self.random.randrange(len(self.asking))
        thread = self.asking.pop(index)
        thread.cpu = self.clock(thread)
        thread.asking_since = None
        self.holder = thread
        self.slice_end = self.now + self.random.uniform(*SLICE)

    def _refill(self) -> None:
        self.budget = self.quota
        self.at(self.now + PERIOD, self._refill)
