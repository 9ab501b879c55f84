"""What requests cost in CPU time, by kind: one that is known to be short need not wait for others.

The kind of a request is known before any app sees it: its method and path. Numbers and ids in the
path are left out of it, as /orders/1 and /orders/2 do the same.
"""

import re
from functools import lru_cache

from service.computing.meter import SMALL

GUESS = 0.01  # CPU seconds of a typical request, while nothing is known, and after a silence
# CPU seconds: eight turns of the interpreter (SWITCH_INTERVAL in the worker). As only one such
# computes at a time, others hardly notice.
LIGHT = 0.004
LIGHTER = 0.5  # of the average; where all are alike, none is light
STEP = 1.1  # factor by which the typical CPU time moves with each request
# Bounds of the typical CPU time. So a long request delays the next for at most a tenth of a second.
LEAST, MOST = 0.25 * SMALL, 0.1
# Where the median is above the mean, few are short, and may not come for a while. So that the CPU
# does not idle meanwhile, requests follow sooner than the mean, by this share of the difference.
SLACK = 0.5
WEIGHT = 0.1  # of one request in an average
MOST_KINDS = 256  # clients can invent more; the one that was not seen for longest is forgotten
MOST_PATH = 200  # characters of a path that tell kinds apart
# A number, or eight or more hexadecimal digits and hyphens, as a UUID or a hash has.
ID = re.compile(r"(?<=/)(?:[0-9]+|[0-9a-fA-F-]{8,})(?=/|$)")


@lru_cache(maxsize=MOST_KINDS)
def kind_of(method: str, path: str) -> str:
    """Return what requests have in common that do the same: GET /orders/*."""
    return f"{method} {ID.sub('*', path[:MOST_PATH])}"


class Cost:
    """CPU seconds of requests: their mean, and their median, which a few long ones do not move.

    The median of a stream: Frugal Streaming (Ma, Muthukrishnan and Sandler, 2013).
    """

    def __init__(self, seconds: float) -> None:
        self.mean = seconds
        self.typical = min(max(seconds, LEAST), MOST)

    def note(self, seconds: float) -> None:
        """Learn from a request that is done."""
        self.mean += WEIGHT * (seconds - self.mean)
        typical = self.typical * STEP if seconds > self.typical else self.typical / STEP
        self.typical = LEAST if typical < LEAST else MOST if typical > MOST else typical

    @property
    def between(self) -> float:
        """Seconds in which one CPU is done with one of these."""
        longer = self.typical - self.mean
        return max(0.0, self.mean - SLACK * longer) if longer > 0 else self.typical


class Costs:
    """What requests of each kind have cost of late, and what all have."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing of the requests to come."""
        self.all = Cost(GUESS)
        self._mean = 0.0  # of all, with no first guess above them: by that all would be light
        self._light = 0.0  # CPU seconds; below that a kind's mean is light
        self._kinds: dict[str, Cost] = {}  # the one that was seen last is last

    def of(self, kind: str) -> Cost:
        """Return the cost of a kind; of a new one, that of all."""
        return self._kinds.get(kind, self.all)

    def note(self, kind: str, seconds: float) -> None:
        """Learn from a request that is done."""
        self.all.note(seconds)
        self._mean += WEIGHT * (seconds - self._mean)
        self._light = min(LIGHT, LIGHTER * self._mean)
        if cost := self._kinds.pop(kind, None):
            cost.note(seconds)
        self._kinds[kind] = cost or Cost(seconds)
        if len(self._kinds) > MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]

    def is_light(self, kind: str) -> bool:
        """Whether a request of this kind is soon done, and others take longer."""
        cost = self._kinds.get(kind)
        return cost is not None and cost.mean < self._light
