"""Work for the threads of a pool: whoever is at work already takes it first."""

import threading
from collections import deque
from typing import Generic, TypeVar

Work = TypeVar("Work")


class Handover(Generic[Work]):
    """Like queue.SimpleQueue, but sparing with wake-ups: each costs two switches between threads.

    One thread is woken at a time, the latest idle one, which has its memory in the CPU's caches.
    Until it has the interpreter, the one that has it may take the work, and mostly does if that is
    short; if it waits for something instead, the woken one takes the work and wakes the next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: deque[Work] = deque()
        self._idle: list[threading.Lock] = []  # each held until its thread is woken
        self._waking = False  # a thread that has not looked yet

    def put(self, work: Work) -> None:
        """Add work; does not block."""
        with self._lock:
            self._left.append(work)
            self._wake()

    def get(self) -> Work:
        """Take the oldest work, or wait for some."""
        while True:
            with self._lock:
                if self._left:
                    work = self._left.popleft()
                    self._wake()
                    return work
                bell = threading.Lock()
                bell.acquire()
                self._idle.append(bell)
            bell.acquire()
            self._waking = False

    def _wake(self) -> None:
        if self._left and self._idle and not self._waking:
            self._waking = True
            self._idle.pop().release()
