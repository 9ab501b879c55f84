"""What the threads of the pool do: serve one request after the other."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.runtime.admission import Admission
from service.runtime.connection import Connection, Phase
from service.runtime.loop import EventLoop
from service.runtime.metrics import RuntimeMetrics


def start_all(pool: ThreadPoolExecutor, threads: int) -> None:
    """Have a pool start its threads; raises RuntimeError where so many may not be started."""
    started = threading.Barrier(threads + 1)
    try:
        for _ in range(threads):
            pool.submit(started.wait)
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

    def start(self, connection: Connection) -> None:
        """Give a connection that has a slot a thread. Any thread may call this."""
        self.activate(connection)
        self.tpool.submit(self.serve, connection)

    def activate(self, connection: Connection) -> None:
        """Note that a connection has a slot. Any thread may call this."""
        self.main.move(connection, Phase.ACTIVE)
        connection.sock.start(connection.since)

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
            self.method_queue.defer(self.finish, connection)
            connection = following

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
