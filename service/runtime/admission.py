"""Which requests may run: a limit of running requests, a bounded queue before it, and an early no.

Without an overload a request that finds fewer than `limit` others, and a thread, is not refused: if
too many compute it waits for as long as that takes (service/computing). So clients that wait for
their answers, as many as slots, are all served. In a full pod, and in an overload (overload.py),
waits are bounded, or they would grow until clients give up. There a request that would wait for too
long is refused at once.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from service.computing.gate import ComputeGate, process_usage
from service.runtime.forecast import Forecast
from service.runtime.overload import Overload

# A request may wait only if its turn is forecast for so much of queue_timeout before it gives up.
# The forecast is an average. A refusal at the door takes milliseconds; a request that waits in vain
# learns it only at the end. In simulation half of it, and nothing, served less.
MARGIN = 0.25
# Seconds between two looks at a queue that has slots, but may not use them: a tenth of the average
# CPU time, within these. Each look takes some 50 us of CPU, and long computations seldom block.
LOOK_BEAT, LONGEST_BEAT = 0.002, 0.005
OFTEN = 0.1
MOSTLY = 0.5  # share of the time; below it handlers mostly wait, and do not hold the interpreter
QUEUE_BEAT = 0.01  # seconds between two looks with no slot free: a tenth of a noticeable delay


class Verdict(Enum):
    """What becomes of a request that has arrived."""

    RUN = "a slot is free"
    WAIT = "queued"
    REFUSE = "shed"


RUN, WAIT, REFUSE = Verdict  # see Phase


class Waiting(NamedTuple):
    """A connection in the queue: since when, and when it gives up."""

    connection: Any
    since: float
    deadline: float


class Admission:
    """Counts requests in three states: running, waiting for a slot, parked.

    A parked request waits for its own client (to send the rest of an upload, to read a response),
    needs a thread but no slot. All times are seconds of time.monotonic(); `usage` returns what
    process_usage() does.
    """

    def __init__(
        self,
        limit: int,
        queue_length: int,
        queue_timeout: float,
        threads: int,
        usage: Callable[[], tuple[float, int]] = process_usage,
    ) -> None:
        self.limit = limit
        self.queue_length = queue_length
        self.queue_timeout = queue_timeout
        self.threads = threads
        self.gate = ComputeGate(usage)
        self.paused = False  # nobody leaves the queue
        self.parked = 0
        # Two queues in one: so many light ones, then the others.
        self.waiting: deque[Waiting] = deque()
        self._light_waiting = 0
        self.refused: Counter[str] = Counter()
        self._overload = Overload(queue_timeout)
        # Light ones move the queue for themselves alone. So there is a forecast without them, too.
        self._forecast, self._ordinary = Forecast(limit), Forecast(limit)
        self._lock = threading.Lock()
        self._emptied = threading.Event()  # the queue has been, since the latest wait for that

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self.gate.running)

    @property
    def beat(self) -> float:
        """Seconds after which to ask for the next() again, though nobody has left."""
        if self.running >= self.limit:
            return QUEUE_BEAT
        return min(max(LOOK_BEAT, OFTEN * self.gate.work), LONGEST_BEAT)

    def offer(self, connection: Any, now: float) -> Verdict:
        """Decide about a new request; RUN has taken a slot for it."""
        with self._lock:
            inside = len(self.gate.running) + len(self.waiting)
            room = inside < self.limit and self._has_thread()
            oldest = self._oldest() if self.waiting else now
            self._overload.note_arrival(room, oldest, now)
            full = inside >= self.limit + self.queue_length
            if full and not self._has_slot():
                return self._refuse(now, overload=True)
            light = self.gate.is_light(connection)
            first = not self._light_waiting if light else not self.waiting
            if first and self._free(connection, now):
                if not self.waiting:
                    self._forecast.rest()
                    self._ordinary.rest()
                self.gate.enter(connection, now)
                return RUN
            patience = self._overload.patience(oldest, now)
            # A light one with a slot leaves the queue before those that the forecast is of.
            is_next = light and self._has_slot()
            if full or (not is_next and self._is_slow(now, patience, light)):
                # A burst may be a few too many. It is an overload if already the first of those
                # that find the pod full would wait in vain.
                return self._refuse(now, overload=full or self._overload.is_first)
            self._wait(connection, now, patience, light)
            return WAIT

    def _wait(self, connection: Any, now: float, patience: float, light: bool) -> None:
        for each in (self._forecast,) if light else (self._forecast, self._ordinary):
            each.enter(now)
        place = self._light_waiting if light else len(self.waiting)
        self.waiting.insert(place, Waiting(connection, now, now + patience))
        self._light_waiting += light

    def _oldest(self) -> float:
        """Return when the oldest in the queue came."""
        since = self.waiting[0].since
        if 0 < self._light_waiting < len(self.waiting):
            since = min(since, self.waiting[self._light_waiting].since)
        return since

    def _refuse(self, now: float, overload: bool) -> Verdict:
        self._overload.note_refusal(now, overload)
        self.refused["full"] += 1
        return REFUSE

    def is_overloaded(self, now: float) -> bool:
        """Whether there is an overload, or it is remembered."""
        return self._overload.is_on(now)

    def mostly_computes(self, now: float) -> bool:
        """Whether those that recently left the queue keep the interpreter busy; so if none has."""
        with self._lock:
            return self.gate.work > MOSTLY * self._forecast.gap(now)

    def count_refused(self, reason: str) -> None:
        """Count one that was refused before it could be offered."""
        with self._lock:
            self.refused[reason] += 1

    def leave(self, connection: Any, now: float) -> Any | None:
        """Give a slot back; returns the connection that gets it, if one waits."""
        with self._lock:
            self.gate.leave(connection, now, bool(self.waiting))
            return self._next(now)

    def abandon(self, connection: Any, now: float) -> Any | None:
        """The same for one that does not begin, as its client has left."""
        with self._lock:
            self.gate.abandon(connection, now, bool(self.waiting))
            return self._next(now)

    def park(self, connection: Any, now: float) -> Any | None:
        """Give the slot back for as long as the client keeps its thread waiting."""
        with self._lock:
            if connection in self.gate.running:  # else it has given it back already
                self.gate.pause(connection, now, bool(self.waiting))
            self.parked += 1
            return self._next(now)

    def unpark(self, connection: Any, now: float, has_slot: bool = True) -> None:
        """Go on at once: the app is in the middle of something. The limit is exceeded meanwhile."""
        with self._lock:
            self.parked -= 1
            if has_slot:
                self.gate.resume(connection, now)

    def take_expired(self, now: float) -> list[Any]:
        """Remove those that have waited for too long."""
        with self._lock:
            expired = [each.connection for each in self.waiting if each.deadline <= now]
            if expired:
                light = list(self.waiting)[: self._light_waiting]
                self._light_waiting = sum(each.deadline > now for each in light)
                self.waiting = deque(each for each in self.waiting if each.deadline > now)
                self.refused["timeout"] += len(expired)
                self._overload.begin(now)  # else all might give up, and no queue ever stand
            return expired

    def next(self, now: float) -> Any | None:
        """Return a waiting connection that can run now, for when a slot appeared otherwise."""
        with self._lock:
            return self._next(now)

    def wait_until_empty(self, seconds: float) -> None:
        """Let the threads have the queue until they have taken the last, or so many seconds."""
        self._emptied.clear()
        if self.waiting:
            self._emptied.wait(seconds)

    def out_of_threads(self) -> bool:
        """Whether only clients that keep threads waiting stand between the queue and its slots."""
        return bool(self.waiting) and self.running < self.limit and not self._has_thread()

    def _has_thread(self) -> bool:
        return len(self.gate.running) + self.parked < self.threads

    def _has_slot(self) -> bool:
        return len(self.gate.running) < self.limit and self._has_thread()

    def _free(self, connection: Any, now: float) -> bool:
        return self._has_slot() and self.gate.admits(connection, now)

    def _leaves(self, now: float) -> int | None:
        """Return the place of the one that may leave the queue: the first of either part.

        An ordinary one goes first when its pace lets it, so that light ones do not starve it. Nor
        do ordinary ones starve those that were light when they came.
        """
        light = self._light_waiting and self.gate.is_light(self.waiting[0].connection)
        for place in (self._light_waiting, 0) if light else (0,):
            if place < len(self.waiting) and self._free(self.waiting[place].connection, now):
                return place
        return None

    def _next(self, now: float) -> Any | None:
        if self.paused or not self.waiting or (place := self._leaves(now)) is None:
            return None
        connection = self.waiting[place].connection
        del self.waiting[place]
        if place < self._light_waiting:
            self._light_waiting -= 1
        else:
            self._ordinary.leave(now, len(self.waiting) - self._light_waiting)
        self._forecast.leave(now, len(self.waiting))
        if not self.waiting:
            self._emptied.set()
        self.gate.enter(connection, now)
        return connection

    def _is_slow(self, now: float, patience: float, light: bool) -> bool:
        """Guess whether one more would wait for longer than its patience. If nobody has left for so
        long, only one at a time waits and tries.
        """
        longest = patience - MARGIN * self.queue_timeout
        waiting, pace = len(self.waiting), self.gate.pace
        queues = [(self._forecast, waiting)]
        if not light:
            queues.append((self._ordinary, waiting - self._light_waiting))
        return any(
            each.stands(number, now, patience) or each.is_longer(number, now, longest, pace)
            for each, number in queues
        )
