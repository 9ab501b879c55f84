"""Where lines go: to a thread that writes them, so that no other thread waits for a reader.

A reader that is slow, stuck or gone costs lines and nothing else. These lines are counted.
"""

import logging
import math
import mmap
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue

from service.sink import PATIENCE, Sink

# The most that waits for a reader: ten seconds at 800 requests a second. It takes 5 MB of memory.
MOST_BYTES, MOST_LINES = 4 << 20, 8192
COMPANY = 0.05  # seconds that a line waits for others; the thread may begin as much later again
LOOK = 0.1  # seconds between two looks at a reader that is stuck
LONGEST_FLUSH = 1.0  # seconds


class Output:
    """Lines on their way to a file descriptor. Without one (None) all are dropped."""

    def __init__(self, fd: int | None, encoding: str = "utf-8") -> None:
        self.fd = fd
        self.encoding = encoding
        # Two counters in memory that all processes share: lines dropped by the process that creates
        # this, and by the processes that it forks.
        self._dropped = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.begin(forked=False)

    def begin(self, forked: bool = True) -> None:
        """Begin without lines: those from before a fork are the parent's to write."""
        self._place = int(forked)
        self._lock = threading.RLock()  # a signal handler that logs may interrupt its holder
        self._lines: deque[bytes] = deque()
        self._sink = Sink(-1 if self.fd is None else self.fd)
        self._size = 0  # bytes in _lines and in the sink
        self._untold = 0  # lines dropped that no log line has told of yet
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._idle = True  # the thread waits for the bell, or there is no thread
        self._forking = False
        self._end = math.inf  # when the last flush ends, once the process is about to end
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """How many lines were dropped, by all processes."""
        return self._dropped[0] + self._dropped[1]

    def put(self, lines: bytes) -> None:
        """Leave lines to the thread, or drop them if too many wait already."""
        length = len(lines)
        with self._lock:
            full = self._size + length > MOST_BYTES or len(self._lines) >= MOST_LINES
            if full or self.fd is None:
                self._drop(lines)
                return
            self._lines.append(lines)
            self._size += length  # no call since the line above: no signal handler runs between
            if self._idle:
                self._ring()

    def flush(self, end: float = math.inf) -> None:
        """Wait for 1 s at most until all is written, and not for a reader that is stuck.

        A process that ends says so by `end`, in time.monotonic(): no later flush goes beyond it.
        """
        self._end = min(self._end, end)
        end = min(self._end, time.monotonic() + LONGEST_FLUSH)
        with self._lock:
            if self._size:
                self._ring()
                self._bell.put(None)  # so that the thread does not wait for more lines
        while self._size and not self._sink.is_stuck and time.monotonic() < end:
            time.sleep(0.005)

    def before_fork(self) -> None:
        """End the thread, if it is not stuck: see gunicorn_conf."""
        if thread := self._thread:
            self._forking = True
            self._bell.put(None)
            self._bell.put(None)
            thread.join(PATIENCE)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        with self._lock:
            self._forking = False
            if self._size:
                self._ring()

    def _ring(self) -> None:
        self._idle = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="output", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no more threads: write what can be written at once
                self._thread = None
                self._write(wait=0)
                self._idle = True
                return
        self._bell.put(None)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # for the main thread
        try:
            while not self._forking:
                self._bell.get()
                with suppress(Empty):
                    self._bell.get(timeout=COMPANY)
                self._write(LOOK)
        finally:
            with self._lock:
                self._thread, self._idle = None, True

    def _write(self, wait: float) -> None:
        """Write all there is, but not for longer than a reader that is stuck and a fork allow."""
        lost: bytes | None = None
        while self._take(failed=lost is not None):
            if self._sink.is_ready(wait):
                before = len(self._sink.chunk)
                lost = self._sink.write()
                self._count(before - len(self._sink.chunk), lost or b"")
            elif self._forking or not wait:
                return

    def _take(self, failed: bool) -> bool:
        """Go on with the next lines; returns whether there is anything to do."""
        with self._lock:
            self._idle = not self._sink.take(self._lines) and (failed or not self._sink.chunk)
            return not self._idle

    def _count(self, gone: int, lost: bytes) -> None:
        """Note that bytes were written or lost; log how many lines were, once there is room."""
        with self._lock:
            self._size -= gone
            self._drop(lost)
            told = self._untold if gone > len(lost) and self._size < MOST_BYTES // 2 else 0
            self._untold -= told
        if told:
            logging.getLogger(__name__).warning("%d log lines were dropped", told)

    def _drop(self, lines: bytes) -> None:
        count = lines.count(b"\n")
        self._dropped[self._place] += count
        self._untold += count
