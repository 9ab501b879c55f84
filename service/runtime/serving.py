"""What the threads of the pool do: serve one request after the other."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.runtime.admission import Admission
from service.runtime.connection import Connection, Phase
from service.runtime.handover import Handover
from service.runtime.loop import EventLoop
from service.runtime.metrics import RuntimeMetrics


def start_all(pool: ThreadPoolExecutor, threads: int, work: Callable[[], None]) -> None:
    """Have a pool start its threads, each of which does some work.

    Raises RuntimeError where so many may not be started.
    """
    started = threading.Barrier(threads + 1)

    def begin() -> None:
        started.wait()
        work()

    try:
        for _ in range(threads):
            pool.submit(begin)
    except RuntimeError:
        started.abort()  # those that did start
        raise
    started.wait()


class Serving(EventLoop):
    """Hands requests to threads, which give them back to finish(). Methods say where they run."""

    admission: Admission
    metrics: RuntimeMetrics
    # Of ThreadWorker, and of the worker itself
    tpool: ThreadPoolExecutor
    method_queue: Any
    handle: Any
    handle_error: Any
    finish: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not the pool's own queue: the future that it makes of each request, and what it does to
        # start no more threads than it needs, were 4 % of a small request's instructions.
        self.started: Handover[Connection | None] = Handover()
        self.served: deque[Connection] = deque()  # to be taken back

    def start(self, connection: Connection) -> None:
        """Give a connection that has a slot a thread. Any thread may call this."""
        self.activate(connection)
        self.started.put(connection)

    def activate(self, connection: Connection) -> None:
        """Note that a connection has a slot. Any thread may call this."""
        self.main.move(connection, Phase.ACTIVE)
        connection.sock.start(connection.since)

    def work(self) -> None:
        """Serve what is started until there is a None, which ends all threads. In the pool."""
        while (connection := self.started.get()) is not None:
            try:
                self.serve(connection)
            except BaseException:  # nor may any cost a thread
                self.log.exception("a request did not end as it should")
            del connection  # or its buffers stay for as long as this waits
        self.started.put(None)  # for the next thread

    def serve(self, connection: Connection | None) -> None:
        """Serve one request, then those that wait, for as long as there is a slot. In the pool."""
        while connection is not None:
            started = time.monotonic()
            connection.keep = self.run_app(connection)
            done = time.monotonic()
            self.metrics.observe(connection, started, done)
            following = self.admission.leave(connection, done)
            connection.meter.end()
            if following is not None:
                self.activate(following)
            elif self.admission.waiting:  # nobody may leave the queue at this moment
                self.wake()
            self.give_back(connection)
            connection = following

    def give_back(self, connection: Connection) -> None:
        """Leave a connection to take_back(), and wake the event loop if anybody waits for that.

        Mostly nobody does, and the next request wakes it as well, or it wakes by itself within
        longest_sleep. With Handover, half the switches between threads, and 2 to 9 % less CPU time
        a request at half load (Python 3.11). In the pool.
        """
        done = connection.keep and not connection.sock.cut and connection.frame.is_complete
        quiet = done and not connection.pipelined()
        self.served.append(connection)
        # Looked at last: on_event() may end the watch, but only before a take_back().
        if not (quiet and connection.watched):
            self.wake()

    def wake(self) -> None:
        """End the event loop's sleep; its turn does the rest. Any thread may call this."""
        self.method_queue.defer(lambda: None)

    def take_back(self) -> None:
        """Go on with the connections that threads are done with, in the event loop.

        Only with those that are there now: while it reads from one, others are done again.
        """
        for _ in range(len(self.served)):
            self.finish(self.served.popleft())

    def run_app(self, connection: Connection) -> bool:
        """Serve one request; return whether the connection can be kept. In the pool."""
        connection.meter.begin()
        try:
            connection.hand_to_parser()
            keep = bool(self.handle(connection))
            connection.sock.flush()  # an answer without a body
            return keep
        except BaseException as error:  # SystemExit too: no request may end the worker
            try:
                self.handle_error(None, connection.sock, connection.client, error)
            except Exception:  # an answer that cannot be made costs this connection alone
                self.log.exception("closing a connection")
            return False

    def park(self, connection: Connection) -> None:
        """Let somebody else run while a client keeps this thread waiting. In the pool."""
        if following := self.admission.park(connection, time.monotonic()):
            self.start(following)
