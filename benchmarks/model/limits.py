"""What others limit concurrency by, as gates of Admission: the queue before them is ours.

Each learns from how long the requests ran. That contains their waits for the interpreter. Their
constants are their authors' defaults, but for the largest limit: that is the number of slots.
"""

import math
import random
from statistics import median
from typing import Any, Protocol

SLOTS = 16


class Algorithm(Protocol):
    """Learns how many may run at once."""

    limit: float

    def sample(self, now: float, took: float, running: int) -> None:
        """Learn from a request that is done, and from how many ran with it."""


class Gate:
    """Admits as many as an algorithm says; has the methods of ComputeGate that the model needs."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.running: dict[Any, float] = {}
        self.work = self.pace = 0.0

    def enter(self, request: Any, now: float) -> None:
        """Note when it began."""
        self.running[request] = now

    def leave(self, request: Any, now: float, wanted: bool) -> None:
        """Learn from it."""
        running = len(self.running)
        self.algorithm.sample(now, now - self.running.pop(request), running)

    def is_light(self, request: Any) -> bool:
        """Whether it need not wait for others."""
        return False

    def admits(self, request: Any, now: float) -> bool:
        """Whether one more may run."""
        return len(self.running) < int(self.algorithm.limit)


class Fixed:
    """Lets so many run, whatever happens."""

    def __init__(self, limit: int) -> None:
        self.limit: float = limit

    def sample(self, now: float, took: float, running: int) -> None:
        """Learn nothing."""


class Aimd:
    """Adds one for each success, and takes a tenth for each timeout: AIMDLimit of
    https://github.com/Netflix/concurrency-limits, after Chiu and Jain (1989). Its timeout is to be
    set: five seconds by default, here the second after which clients give up.
    """

    def __init__(self, timeout: float = 1.0) -> None:
        self.limit: float = SLOTS
        self.timeout = timeout

    def sample(self, now: float, took: float, running: int) -> None:
        """Judge each request alone."""
        if took > self.timeout:
            self.limit = max(1, self.limit * 0.9)
        elif running * 2 >= self.limit:
            self.limit = min(SLOTS, self.limit + 1)


class Vegas:
    """Estimates the queue behind the limit from the shortest time ever seen: VegasLimit of
    https://github.com/Netflix/concurrency-limits, after Brakmo and Peterson (1995).
    """

    PROBE = 30  # limits' worth of samples after which the shortest time is forgotten

    def __init__(self, chance: random.Random) -> None:
        self.limit: float = SLOTS
        self.chance = chance
        self.shortest = math.inf
        self._forget()

    def _forget(self) -> None:
        self.samples, self.jitter = 0, self.chance.uniform(0.5, 1)

    def sample(self, now: float, took: float, running: int) -> None:
        """Keep between alpha and beta requests in that queue."""
        self.samples += 1
        if self.samples >= self.jitter * self.PROBE * self.limit:
            self._forget()
            self.shortest = took
            return
        if took <= self.shortest:
            self.shortest = took
            return
        if running * 2 < self.limit:
            return
        limit, step = self.limit, max(1, int(math.log10(self.limit)))
        queued = math.ceil(limit * (1 - self.shortest / took))
        if queued <= step:
            limit += 6 * step
        elif queued < 3 * step:
            limit += step
        elif queued > 6 * step:
            limit -= step
        self.limit = min(SLOTS, max(1, limit))


class Gradient2:
    """Compares the latest window's mean time with a long average: Gradient2Limit in a
    WindowedLimit of https://github.com/Netflix/concurrency-limits.
    """

    def __init__(self) -> None:
        self.limit: float = SLOTS
        self.long = 0.0
        self.windows = 0
        self.ends = 0.0
        self.took: list[float] = []
        self.most = 0

    def sample(self, now: float, took: float, running: int) -> None:
        """Close a window of a second, if it has ten samples."""
        self.took.append(took)
        self.most = max(self.most, running)
        if now >= self.ends and len(self.took) > 10:
            self._update(sum(self.took) / len(self.took), self.most)
            self.ends, self.took, self.most = now + 1.0, [], 0

    def _update(self, short: float, running: int) -> None:
        self.windows += 1
        if self.windows <= 10:
            self.long += (short - self.long) / self.windows
        else:
            self.long += (short - self.long) * 2 / 601
        if self.long / short > 2:
            self.long *= 0.95
        if running < self.limit / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self.long / short))
        limit = self.limit * 0.8 + (self.limit * gradient + 4) * 0.2
        self.limit = min(SLOTS, max(1, limit))


class Envoy:
    """Measures the least time with three at once every minute, and compares: the gradient
    controller of Envoy's adaptive concurrency filter,
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
    """

    INTERVAL, EVERY, COUNT, LEAST, BUFFER = 0.1, 60.0, 50, 3, 0.25

    def __init__(self) -> None:
        self.limit: float = self.LEAST
        self.before: float = SLOTS  # the limit that the measurement interrupts
        self.least: float | None = None
        self.again = self.ends = 0.0
        self.took: list[float] = []

    def sample(self, now: float, took: float, running: int) -> None:
        """Close a window, or go on with the measurement."""
        self.took.append(took)
        if self.least is None:
            if len(self.took) >= self.COUNT:
                self.least, self.limit = median(self.took), self.before
                self.again, self.ends, self.took = now + self.EVERY, now + self.INTERVAL, []
        elif now >= self.again:
            self.before, self.limit, self.least, self.took = self.limit, self.LEAST, None, []
        elif now >= self.ends:
            gradient = self.least * (1 + self.BUFFER) / max(1e-6, median(self.took))
            limit = self.limit * max(0.5, min(2.0, gradient))
            self.limit = min(SLOTS, max(self.LEAST, limit + math.sqrt(limit)))
            self.ends, self.took = now + self.INTERVAL, []


class LoopLag:
    """Closes while the event loop is late, as https://github.com/STRML/node-toobusy does. That
    refuses above 70 ms; probes are to take 50, so 20 here.
    """

    EVERY, HIGH, SMOOTHING = 0.02, 0.02, 1 / 3  # seconds, seconds, weight of the latest

    def __init__(self) -> None:
        self.lag = 0.0

    @property
    def limit(self) -> float:
        """All slots or none."""
        return SLOTS if self.lag < self.HIGH else 0

    def sample(self, now: float, took: float, running: int) -> None:
        """Learn nothing from requests."""

    def observe(self, lag: float) -> None:
        """Learn how late the event loop was."""
        self.lag += self.SMOOTHING * (lag - self.lag)
